// ImageScaler (experimental opset 1): x * scale + bias of the channel.
#include "ops/move.h"
#include "ops/numbers.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_scaler(Infer& n) {
  const Shape& x = n.shape(0);
  if (x.rank() != 4) fail(Error::Kind::shape, "input ", x, " is not [N,C,H,W]");
  if (n.reals("bias").size() != static_cast<size_t>(x[1]))
    fail(Error::Kind::shape, n.reals("bias").size(), " biases for ", x[1], " channels");
  n.set(0, x);
}

void scaler_reference(const Args& a) {
  const Around s(a.in[0].shape(), 1);
  const auto bias = a.reals("bias");
  const float scale = a.real("scale");
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]);
    Write<T> y(a.out[0]);
    for (int64_t i = 0; i < x.size(); ++i)
      y[i] = x[i] * static_cast<T>(scale) + static_cast<T>(bias[static_cast<size_t>(i / s.inner % s.extent)]);
  });
}

constexpr AttrDef attrs[] = {{"scale", 1}, {"bias"}};
const OpDef defs[] = {{.name = "ImageScaler",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .attrs = attrs,
                       .infer = infer_scaler,
                       .reference = scaler_reference,
                       .reach = reach::along}};

}  // namespace

extern const OpFile image_scaler;
const OpFile image_scaler{defs};

}  // namespace tessera::ops
