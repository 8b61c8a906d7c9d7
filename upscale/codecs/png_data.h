// The pixels of a PNG as its standard has them: filtered rows (PNG, section 9), deflated (RFC 1950, 1951).
#pragma once

#include <functional>

#include "runtime/base/threads.h"
#include "upscale/picture.h"

namespace tessera::upscale {

/// Filters and deflates strips of rows, as many at once as there are threads. What comes out is the same for any
/// number of them.
class PngData {
 public:
  /// Takes the next part of one zlib stream, meant for an IDAT chunk of its own.
  using Take = std::function<void(const Bytes&)>;

  PngData(const Head& head, int threads);
  /// The next rows of the picture; those that make no full strip yet are kept.
  void add(const std::byte* from, int64_t count, const Take& take);

 private:
  void compress(const Take& take);

  Head head_;
  Threads threads_;
  int64_t strip_;                   ///< rows
  int64_t room_;                    ///< rows that are compressed at once
  int64_t done_ = 0, waiting_ = 0;  ///< rows
  std::vector<uint8_t> raw_;        ///< the last row done, and those that wait
  std::vector<uint8_t> filtered_;   ///< behind the end of what was deflated before
  size_t known_ = 0;                ///< bytes of that end
  unsigned long sum_;
};

}  // namespace tessera::upscale
