// MaxRoiPool: the maxima of a grid of bins over each region of interest.
#include <algorithm>

#include "ops/largest.h"
#include "ops/numbers.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_roi(Infer& n) {
  const Shape &x = n.shape(0), &rois = n.shape(1);
  const auto pooled = n.integers("pooled_shape");
  if (x.rank() != 4 || rois.rank() != 2 || rois[1] != 5 || pooled.size() != 2 || pooled[0] < 1 || pooled[1] < 1)
    fail(Error::Kind::shape, "input ", x, " with regions ", rois, " pooled to ", Shape(pooled));
  n.set(0, {rois[0], x[1], pooled[0], pooled[1]});
}

struct Span {
  int64_t begin, end;
};

// Bin `i` of `bins` over an axis of `extent` for a region [first, last].
Span bin_of(int64_t i, int64_t bins, double first, double last, int64_t extent) {
  const double size = std::max(last - first + 1, 1.0) / static_cast<double>(bins);
  // Not a number counts as the first pixel.
  const auto clip = [&](double v) {
    return v > 0 ? static_cast<int64_t>(std::min(v, static_cast<double>(extent))) : 0;
  };
  return {clip(std::floor(static_cast<double>(i) * size) + first),
          clip(std::ceil(static_cast<double>(i + 1) * size) + first)};
}

void roi_reference(const Args& a) {
  const Shape &x_shape = a.in[0].shape(), &y_shape = a.out[0].shape();
  const double scale = static_cast<double>(a.real("spatial_scale"));
  const int64_t height = x_shape[2], width = x_shape[3];
  const Read<double> rois(a.in[1]);
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]);
    Write<T> y(a.out[0]);
    for (const int64_t i : Steps(a.out[0].elements())) {
      const int64_t pw = i % y_shape[3], ph = i / y_shape[3] % y_shape[2], c = i / y_shape[3] / y_shape[2] % y_shape[1];
      const int64_t roi = i / y_shape[3] / y_shape[2] / y_shape[1];
      const double picture = rois[roi * 5];
      if (!(picture >= 0 && picture < static_cast<double>(x_shape[0])))
        fail(Error::Kind::shape, "region ", roi, " is in picture ", picture);
      const auto batch = static_cast<int64_t>(picture);
      const auto edge = [&](int64_t k) { return std::round(rois[roi * 5 + k] * scale); };
      const Span w = bin_of(pw, y_shape[3], edge(1), edge(3), width),
                 h = bin_of(ph, y_shape[2], edge(2), edge(4), height);
      const T* plane = x.data() + (batch * x_shape[1] + c) * height * width;
      T best = h.begin < h.end && w.begin < w.end ? plane[h.begin * width + w.begin] : T(0);
      for (int64_t r = h.begin; r < h.end; ++r)
        for (int64_t q = w.begin; q < w.end; ++q)
          best = is_larger(plane[r * width + q], best) ? plane[r * width + q] : best;
      y[i] = best;
    }
  });
}

constexpr AttrDef attrs[] = {{"spatial_scale", 1}, {"pooled_shape", 0, {}, true}};
const OpDef defs[] = {{.name = "MaxRoiPool",
                       .since = 1,
                       .in = {2, 2},
                       .types = "T=float : T, T -> T",
                       .attrs = attrs,
                       .infer = infer_roi,
                       .reference = roi_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile max_roi_pool;
const OpFile max_roi_pool{defs};

}  // namespace tessera::ops
