// MaxUnpool: puts the maxima of a MaxPool back where they were.
#include <algorithm>

#include "ops/move.h"
#include "ops/steps.h"
#include "ops/window.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

// The shape that the pool's input had if its windows fitted exactly.
Shape natural_shape(const AttrReader& n, const Shape& x) {
  const Window w = window::read(n, x, n.integers("kernel_shape"));
  Shape shape{x[0], x[1]};
  for (int i = 0; i < w.rank; ++i) {
    const WindowAxis& a = w.spatial(i);
    shape.push_back((a.in - 1) * a.stride + a.kernel - a.pad_begin - a.pad_end);
    if (shape.back() < 0) fail(Error::Kind::shape, "pads leave nothing of axis ", i + 2);
  }
  return shape;
}

void infer_unpool(Infer& n) {
  const Shape natural = natural_shape(n, n.shape(0));
  natural.elements();  // throws where indices into it would not fit
  if (!(n.shape(0) == n.shape(1))) fail(Error::Kind::shape, n.shape(0), " with indices ", n.shape(1));
  if (!n.has_input(2)) return n.set(0, natural);
  const auto wanted = n.integers_of(2);
  if (wanted.size() != natural.size()) fail(Error::Kind::shape, "output shape ", Shape(wanted), " for ", n.shape(0));
  n.set(0, Shape(wanted));
}

void unpool_reference(const Args& a) {
  const Shape natural = natural_shape(a, a.in[0].shape());
  const Shape& shape = a.out[0].shape();
  const Shape from = strides_of(natural), to = strides_of(shape);
  const int64_t* indices = a.in[1].as<const int64_t>();
  visit_bits(a.in[0].type.dtype, [&]<class T>() {
    std::fill_n(a.out[0].as<T>(), a.out[0].elements(), T{});
    for (const int64_t i : Steps(a.in[0].elements())) {
      int64_t rest = checked_index(indices[i], natural.elements()), at = 0;
      bool inside = true;
      for (size_t d = 0; d < natural.size(); ++d) {
        inside = inside && rest / from[d] < shape[d];
        at += rest / from[d] * to[d];
        rest %= from[d];
      }
      if (inside) a.out[0].as<T>()[at] = a.in[0].as<T>()[i];
    }
  });
}

constexpr AttrDef attrs[] = {{.name = "kernel_shape", .required = true}, {"pads"}, {"strides"}};
const OpDef defs[] = {{.name = "MaxUnpool",
                       .since = 9,
                       .in = {2, 3},
                       .types = "T=float : T, int64, int64 -> T",
                       .attrs = attrs,
                       .infer = infer_unpool,
                       .reference = unpool_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile max_unpool;
const OpFile max_unpool{defs};

}  // namespace tessera::ops
