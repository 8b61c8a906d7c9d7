// DequantizeLinear: (x - zero point) * scale.
#include "ops/quantization.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_dequantize(Infer& n) {
  if (n.has_input(2) && n.shape(2).elements() != n.shape(1).elements())
    fail(Error::Kind::shape, "scale ", n.shape(1), " and zero point ", n.shape(2), " differ");
  ScaleMap(n.shape(0), n.shape(1), n.integer("axis"), n.integer("block_size"));
  DType to = n.in(1).dtype;
  if (const int64_t named = n.integer("output_dtype")) {
    if (named < 0 || named >= dtype_count || !is_float(static_cast<DType>(named)))
      fail(Error::Kind::type, "cannot dequantize to data type ", named);
    to = static_cast<DType>(named);
  }
  n.set(0, is_float(to) ? to : DType::float32, n.shape(0));
}

void dequantize_reference(const Args& a) {
  const ScaleMap map(a.in[0].shape(), a.in[1].shape(), a.integer("axis"), a.integer("block_size"));
  const Read<double> x(a.in[0]);
  const Read<float> scale(a.in[1]);
  const Read<double> zero(a.has_in(2) ? a.in[2] : View{});
  Write<float> y(a.out[0]);
  const int64_t count = x.size();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t s = map(i);
    y[i] = static_cast<float>(x[i] - (zero ? zero[s] : 0)) * scale[s];
  }
}

constexpr AttrDef attrs[] = {
    {"axis", 1, {}, false, 13}, {.name = "block_size", .since = 21}, {.name = "output_dtype", .since = 23}};
constexpr AttrDef contrib_attrs[] = {{"axis", 1}, {"block_size"}};
const OpDef defs[] = {{.name = "DequantizeLinear",
                       .since = 10,
                       .in = {2, 3},
                       .types = "T=fixed; S=float|float8e8m0 : T, S, T",
                       .attrs = attrs,
                       .infer = infer_dequantize,
                       .reference = dequantize_reference,
                       .reach = reach::along},
                      {.name = "DequantizeLinear",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {2, 3},
                       .types = "T=fixed; S=float : T, S, T",
                       .attrs = contrib_attrs,
                       .infer = infer_dequantize,
                       .reference = dequantize_reference,
                       .reach = reach::along}};

}  // namespace

extern const OpFile dequantize_linear;
const OpFile dequantize_linear{defs};

}  // namespace tessera::ops
