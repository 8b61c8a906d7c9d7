// Fits what lives for a while into one arena.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera {

/// Bytes that are needed from step `from` to step `to`, both included.
struct Span {
  uint32_t id = 0;  ///< the caller's
  int64_t bytes = 0;
  size_t from = 0, to = 0;
  int64_t offset = 0;  ///< the answer
};

/// Gives every span its offset, the largest first, each at the lowest where nothing that lives at the same time is;
/// with thousands of such neighbours, above them all. Takes time in proportion to the number of spans, which it
/// sorts. Returns the arena's bytes; throws Error::memory where they are beyond reason.
int64_t fit(std::vector<Span>& spans);

}  // namespace tessera
