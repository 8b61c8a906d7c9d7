// Fits what lives for a while into one arena, or into blocks of memory.
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
  size_t block = 0;    ///< the answer
  int64_t offset = 0;  ///< in its block
};

/// Gives every span its offset, the largest first, each at the lowest where nothing that lives at the same time is;
/// with thousands of such neighbours, above them all. Takes time in proportion to the number of spans, which it
/// sorts. Returns the arena's bytes; throws Error::memory where they are beyond reason.
int64_t fit(std::vector<Span>& spans);

/// The same with blocks of `block_bytes`, the first ones filled first; a larger span begins a block that is as large as
/// it. Returns the bytes that each block needs.
std::vector<int64_t> fit_into_blocks(std::vector<Span>& spans, int64_t block_bytes);

}  // namespace tessera
