// Videos: frames come from a pipe or a file and leave in order; a few are in memory at a time.
#pragma once

#include "tools/upscale/console.h"
#include "tools/upscale/frames.h"
#include "upscale/chain.h"
#include "upscale/codecs/files.h"

namespace tessera::upscale {

/// Whether a stream begins as YUV4MPEG2 does.
bool is_y4m(List<std::byte> begin);
inline constexpr size_t y4m_mark = 10;  ///< bytes that tell

struct Video {
  std::filesystem::path in, out;
  std::optional<FrameFormat> raw;  ///< frames alone, of this format; else YUV4MPEG2
  std::string matrix = {};         ///< "": as players take it, by the height
};

/// What became of it.
struct VideoReport {
  int64_t frames = 0;
  FrameFormat in_format, out_format;
  double seconds = 0;
  std::string model;  ///< that was taken because of what the first frames show, or empty
  Report report;      ///< of the last frame; all notes
};

/// All frames go through the same: `chain`, or what `chain_for` has for the first of them. Throws Error; what was
/// written until then is whole frames where the result is a stream, and nothing where it is a file.
VideoReport upscale_video(const Video& video, const Chain& chain, const ChainFor& chain_for, Console& console,
                          const std::atomic<bool>& cancel);

}  // namespace tessera::upscale
