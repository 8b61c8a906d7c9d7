// What reading and writing JPEG have in common.
#pragma once

#include <cstddef>
#include <cstdio>
// jpeglib.h needs the two above, and says which messages jerror.h numbers.
// clang-format off
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include "runtime/base/base.h"

namespace tessera::upscale {

inline constexpr Text exif_prefix{"Exif\0\0", 6}, xmp_prefix{"http://ns.adobe.com/xap/1.0/\0", 29},
    more_xmp_prefix{"http://ns.adobe.com/xmp/extension/\0", 35}, photoshop_prefix{"Photoshop 3.0\0", 14};
inline constexpr int exif_marker = JPEG_APP0 + 1, icc_marker = JPEG_APP0 + 2, photoshop_marker = JPEG_APP0 + 13;
inline constexpr size_t largest_marker = 65533;
inline constexpr double metres_per_inch = 0.0254;
}  // namespace tessera::upscale
