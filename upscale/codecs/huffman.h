// Deflate without a search (RFC 1951): bytes and runs of one byte, in blocks with Huffman codes of their own.
#pragma once

#include "upscale/picture.h"

namespace tessera::upscale {

/// A part of a stream, of which nothing refers to what was before; it ends on a byte.
Bytes deflate_runs(const uint8_t* from, size_t count, bool last);

}  // namespace tessera::upscale
