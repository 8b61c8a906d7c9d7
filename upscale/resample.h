// Separable resampling by filters. A region computed alone has the same bits as in the whole.
#pragma once

#include "upscale/picture.h"

namespace tessera::upscale {

struct Region {
  int64_t x = 0, y = 0, width = 0, height = 0;
  friend bool operator==(const Region&, const Region&) = default;
};

enum class Filter { bicubic, lanczos3 };

/// Resizes planes from one size to another; edges are continued by their own value. Shrinking
/// widens the filter, so that nothing aliases.
class Resampler {
 public:
  Resampler(int64_t in_width, int64_t in_height, int64_t out_width, int64_t out_height, Filter filter);

  /// The part of the source that a part of the result depends on.
  Region source(const Region& out) const;
  /// `in` holds source(out) densely; `result` receives `out` densely.
  void run(const float* in, const Region& out, float* result) const;

 private:
  /// For every output index: the first source index, and `count` weights that sum to 1.
  struct Taps {
    int64_t count = 0;
    std::vector<int64_t> first;
    std::vector<float> weights;
  };
  static Taps make_taps(int64_t in, int64_t out, Filter filter);

  Taps horizontal_, vertical_;
};

/// Part of a picture's rows at another size, into rows of that size. Colors are weighted by alpha, so that hidden ones
/// do not show. `linear`: what is mixed is light, of which samples are taken to be sRGB's code.
void resize(const Resampler& resampler, const Rows& in, const Region& to, Rows& out, bool linear = false);
/// The whole picture at another size.
Picture resize(const Picture& picture, int64_t width, int64_t height, Filter filter);

}  // namespace tessera::upscale
