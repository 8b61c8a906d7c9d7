// Colors whose curve goes beyond white (PQ, HLG), mapped to sRGB.
#pragma once

#include "upscale/codecs/codec.h"

namespace tessera::upscale {

class ToneMapper {
 public:
  /// None where the head tells of no such colors.
  static std::optional<ToneMapper> of(const Head& head);
  /// What its colors are: "PQ", "HLG".
  Text curve() const { return hlg_ ? "HLG" : "PQ"; }
  /// The same channels with 16 bits in sRGB. Alpha stays.
  const Frame& mapped() const { return mapped_; }
  void run(const std::byte* in, int64_t rows, std::byte* out) const;

 private:
  explicit ToneMapper(const Head& head);
  void map(const float* coded, float* color) const;

  Frame from_, mapped_;
  bool hlg_ = false;
  float peak_ = 1;                  ///< the brightest light, in parts of white
  std::vector<float> light_;        ///< of each sample of 16 bits
  std::vector<float> gains_;        ///< by the root of the brightest channel, in parts of the peak
  std::vector<float> coded_;        ///< of light from 0 to 1: sRGB's samples
  const float* to_srgb_ = nullptr;  ///< a matrix
};

}  // namespace tessera::upscale
