// AffineGrid: a grid of normalized coordinates moved by an affine map, for GridSample.
#include "ops/numbers.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_grid(Infer& n) {
  const Shape& theta = n.shape(0);
  const auto size = n.integers_of(1);
  const auto dims = static_cast<int64_t>(size.size()) - 2;
  if ((dims != 2 && dims != 3) || !(theta == Shape{size[0], dims, dims + 1}))
    fail(Error::Kind::shape, "theta ", theta, " for a picture of size ", Shape(size));
  Shape grid{size[0]};
  for (size_t i = 2; i < size.size(); ++i) grid.push_back(size[i]);
  grid.push_back(dims);
  n.set(0, grid);
}

void grid_reference(const Args& a) {
  const Shape& shape = a.out[0].shape();
  const int64_t dims = shape.back(), points = shape.elements(1, shape.size() - 1);
  const bool align = a.integer("align_corners") != 0;
  const Read<double> theta(a.in[0]);
  Write<double> y(a.out[0]);
  for (int64_t b = 0; b < shape[0]; ++b)
    for (const int64_t p : Steps(points)) {
      double at[4];  // x first, the last one is 1
      int64_t rest = p;
      for (int64_t d = 0; d < dims; ++d) {
        const int64_t extent = shape[static_cast<size_t>(dims - d)], i = rest % extent;
        rest /= extent;
        const double size = static_cast<double>(extent), index = static_cast<double>(i);
        at[d] = align ? (extent > 1 ? 2 * index / (size - 1) - 1 : -1) : (2 * index + 1) / size - 1;
      }
      at[dims] = 1;
      for (int64_t d = 0; d < dims; ++d) {
        double sum = 0;
        for (int64_t k = 0; k <= dims; ++k) sum += theta[(b * dims + d) * (dims + 1) + k] * at[k];
        y[(b * points + p) * dims + d] = sum;
      }
    }
}

constexpr AttrDef attrs[] = {{"align_corners", 0}};
const OpDef defs[] = {{.name = "AffineGrid",
                       .since = 20,
                       .in = {2, 2},
                       .types = "T=float : T, int64 -> T",
                       .attrs = attrs,
                       .infer = infer_grid,
                       .reference = grid_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile affine_grid;
const OpFile affine_grid{defs};

}  // namespace tessera::ops
