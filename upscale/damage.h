// Damage: what noise and JPEG have left in a picture, measured on its pixels.
#pragma once

#include "upscale/picture.h"

namespace tessera::upscale {

class Damage {
 public:
  /// Rows that follow those of the last call, in colors of 8 bits; their number is a multiple of 8 but for the last.
  void add(const Picture& band);

  /// The standard deviation of luma in the calmest tenth of the picture, of 255; by J. Immerkaer, "Fast noise variance
  /// estimation" (1996). 0 where the picture is too small to tell.
  double noise() const;
  /// By how much luma changes more from block to block of JPEG than anywhere inside, of 255, across and down; 0 where
  /// one place between the blocks does not stand out.
  double blocks() const;

  /// Whether photo-x2-clean is likely to be nearer to what the picture was than photo-x2. Of 12 Kodak photos it is said
  /// of no clean one, nor under noise of 10 levels; of 11 under noise of 15 (gains of 0.05 to 2.19 dB) and of all under
  /// 20 (0.49 to 3.86). Made half and stored as JPEG: of 11 of quality 10 (gains of 0.04 to 0.49), 8 of 20 (-0.02 to
  /// 0.31), 5 of 30 (-0.09 to 0.19), 4 of 40 (-0.13 to 0.19), and of 50 and 60 of one, a fence that loses 0.2; of none
  /// above. Over all 12 the choice gains 0.21 to 0.03 dB to quality 40, and loses 0.02 dB at 50 and 60.
  bool is_strong() const { return noise() >= 7.5 || blocks() >= 1.5; }

 private:
  static constexpr int block = 8;
  struct Changes {  // of neighbours, by where the second lies in a block
    double sums[block] = {};
    int64_t counts[block] = {};
    double stands_out() const;
  };
  Changes across_, down_;
  std::vector<float> places_;  // mean responses to noise, each of a square
  int64_t rows_ = 0;
};

}  // namespace tessera::upscale
