// Deflated strips of pixels (RFC 1950, 1951).
#pragma once

#include "upscale/picture.h"

namespace tessera::upscale {

/// How far back deflate refers: a strip may refer to the one before it.
inline constexpr size_t window_bytes = size_t{32} << 10;
/// What a zlib stream begins with: a window of 32 KiB, a quick level, and a remainder of 31 as a check.
inline constexpr std::byte zlib_start[] = {std::byte{0x78}, std::byte{0x5e}};

/// A part of a stream, for bytes of which `before` may be referred to; it ends on a byte.
Bytes deflate_part(const uint8_t* from, size_t before, size_t count, bool last);
/// What a zlib stream ends with.
void append_sum(Bytes& stream, unsigned long adler);
/// A whole zlib stream.
Bytes zlib_stream(const uint8_t* from, size_t count);

}  // namespace tessera::upscale
