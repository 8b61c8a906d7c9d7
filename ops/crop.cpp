// Crop (experimental opset 1): borders left, top, right, bottom cut off, or a part of `scale` extents.
#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_crop(Infer& n) {
  const Shape& x = n.shape(0);
  const auto border = n.integers("border"), scale = n.integers("scale");
  if (x.rank() != 4 || border.size() != 4 || (!scale.empty() && scale.size() != 2))
    fail(Error::Kind::shape, "cannot crop ", x, " by ", border.size(), " borders and ", scale.size(), " extents");
  Shape y = x;
  for (size_t i = 0; i < 2; ++i) {
    const int64_t before = border[1 - i], after = border[3 - i];
    if (before < 0 || before > x[i + 2]) fail(Error::Kind::shape, "border ", before, " of ", x[i + 2]);
    y[i + 2] = scale.empty() ? x[i + 2] - before - after : scale[i];
    if (y[i + 2] < 0 || y[i + 2] > x[i + 2] - before)
      fail(Error::Kind::shape, "borders ", before, " and ", after, " leave ", y[i + 2], " of ", x[i + 2]);
  }
  n.set(0, y);
}

void crop_reference(const Args& a) {
  const auto border = a.integers("border");
  const Shape strides = strides_of(a.in[0].shape());
  copy_strided(a.in[0], border[1] * strides[2] + border[0] * strides[3], strides, a.out[0]);
}

bool follow_crop(reach::Step& s) {
  const auto border = s.integers("border");
  reach::Field field = s.in[0];
  if (!cut(s, field, 2, border[1], 1) || !cut(s, field, 3, border[0], 1)) return false;
  s.out = {field};
  return true;
}

constexpr AttrDef attrs[] = {{.name = "border", .required = true}, {"scale"}};
const OpDef defs[] = {{.name = "Crop",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=all : T -> T",
                       .attrs = attrs,
                       .infer = infer_crop,
                       .reference = crop_reference,
                       .reach = follow_crop}};

}  // namespace

extern const OpFile crop;
const OpFile crop{defs};

}  // namespace tessera::ops
