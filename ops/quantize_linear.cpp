// QuantizeLinear: x / scale, rounded to even, plus the zero point, saturated.
#include "ops/quantization.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_quantize(Infer& n) {
  DType to = DType::uint8;
  if (n.has_input(2)) {
    to = n.in(2).dtype;
    if (n.shape(2).elements() != n.shape(1).elements())
      fail(Error::Kind::shape, "scale ", n.shape(1), " and zero point ", n.shape(2), " differ");
    const int64_t named = n.integer("output_dtype");
    if (named && named != static_cast<int64_t>(to))
      fail(Error::Kind::type, "the zero point is ", name_of(to), ", not of type ", named);
  } else if (const int64_t named = n.integer("output_dtype")) {
    if (named < 0 || named >= dtype_count) fail(Error::Kind::type, "data type ", named, " is unknown");
    to = static_cast<DType>(named);
  }
  const bool small_float = bits_of(to) <= 8 && bits_of(to) && to != DType::boolean;
  if (!is_quantized_integer(to) && !small_float) fail(Error::Kind::type, "cannot quantize to ", name_of(to));
  ScaleMap(n.shape(0), n.shape(1), n.integer("axis"), n.integer("block_size"));
  n.set(0, to, n.shape(0));
}

void quantize_reference(const Args& a) {
  const ScaleMap map(a.in[0].shape(), a.in[1].shape(), a.integer("axis"), a.integer("block_size"));
  const View& to = a.out[0];
  const Read<float> x(a.in[0]), scale(a.in[1]);
  const Read<double> zero(a.has_in(2) ? a.in[2] : View{});
  const int64_t count = x.size();
  if (!is_quantized_integer(to.type.dtype)) {
    const bool saturate = a.integer("saturate") != 0;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t s = map(i);
      store_small_float(to, i, x[i] / scale[s] + static_cast<float>(zero ? zero[s] : 0), saturate);
    }
    return;
  }
  const IntegerRange range = range_of(to.type.dtype);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t s = map(i);
    set_element(to, i, quantized(x[i] / scale[s], zero ? zero[s] : 0, range));
  }
}

constexpr AttrDef attrs[] = {{"axis", 1, {}, false, 13},
                             {"saturate", 1, {}, false, 19},
                             {.name = "block_size", .since = 21},
                             {.name = "output_dtype", .since = 21},
                             {.name = "precision", .since = 23}};
constexpr AttrDef contrib_attrs[] = {{"axis", 1}, {"saturate", 1, {}, false, 19}, {"block_size"}};
const OpDef defs[] = {{.name = "QuantizeLinear",
                       .since = 10,
                       .in = {2, 3},
                       .types = "T=float|int32; S=float|int32|float8e8m0; Z=fixed : T, S, Z",
                       .attrs = attrs,
                       .infer = infer_quantize,
                       .reference = quantize_reference,
                       .reach = reach::along,
                       .quantized = true},
                      {.name = "QuantizeLinear",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {2, 3},
                       .types = "T=float; S=float; Z=fixed : T, S, Z",
                       .attrs = contrib_attrs,
                       .infer = infer_quantize,
                       .reference = quantize_reference,
                       .reach = reach::along,
                       .quantized = true}};

}  // namespace

extern const OpFile quantize_linear;
const OpFile quantize_linear{defs};

}  // namespace tessera::ops
