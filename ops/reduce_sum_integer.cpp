// com.microsoft ReduceSumInteger: sums of bytes along some axes, as 32-bit integers.
#include "ops/elements.h"
#include "ops/numbers.h"
#include "ops/reduction.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_sum(Infer& n) {
  const ReducedAxes axes = reduced_axes(n, n.integers("axes"), n.rank(0));
  Shape shape;
  for (size_t i = 0; i < axes.reduced.size(); ++i)
    if (!axes.reduced[i] || axes.keep) shape.push_back(axes.reduced[i] ? 1 : n.shape(0)[i]);
  n.set(0, n.in(0).dtype == DType::uint8 ? DType::uint32 : DType::int32, shape);
}

void sum_reference(const Args& a) {
  const Shape& shape = a.in[0].shape();
  const ReducedAxes axes = reduced_axes(a, a.integers("axes"), shape.rank());
  const Read<int32_t> x(a.in[0]);
  auto* y = reinterpret_cast<uint32_t*>(a.out[0].data);  // or int32: the same bits
  std::fill_n(y, a.out[0].elements(), 0u);
  for (const int64_t i : Elements(x.size())) {
    int64_t rest = i, to = 0, step = 1;
    for (size_t d = shape.size(); d-- > 0; rest /= shape[d]) {
      if (axes.reduced[d]) continue;
      to += rest % shape[d] * step;
      step *= shape[d];
    }
    y[to] += static_cast<uint32_t>(x[i]);
  }
}

constexpr AttrDef attrs[] = {{.name = "axes", .required = true}, {.name = "keepdims", .required = true}};
const OpDef defs[] = {{.name = "ReduceSumInteger",
                       .domain = "com.microsoft",
                       .in = {1, 1},
                       .types = "int8|uint8",
                       .attrs = attrs,
                       .infer = infer_sum,
                       .reference = sum_reference,
                       .reach = reach::not_followed,
                       .quantized = true}};

}  // namespace

extern const OpFile reduce_sum_integer;
const OpFile reduce_sum_integer{defs};

}  // namespace tessera::ops
