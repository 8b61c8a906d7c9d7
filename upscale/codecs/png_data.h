// The pixels of a PNG as its standard has them: filtered rows (PNG, section 9), deflated (RFC 1950, 1951).
#pragma once

#include "runtime/base/threads.h"
#include "upscale/picture.h"

namespace tessera::upscale {

/// The consecutive parts of one zlib stream, each meant for an IDAT chunk of its own; the same for any
/// number of threads, which filter and deflate strips of rows.
std::vector<Bytes> png_data(const Picture& picture, Threads& threads);

}  // namespace tessera::upscale
