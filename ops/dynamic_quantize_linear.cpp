// DynamicQuantizeLinear: uint8 with scale and zero point taken from the data.
#include <algorithm>

#include "ops/quantization.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_dynamic(Infer& n) {
  n.set(0, n.shape(0));
  n.set(1, {});
  n.set(2, {});
}

void dynamic_reference(const Args& a) {
  const Read<float> x(a.in[0]);
  float low = 0, high = 0;
  for (int64_t i = 0; i < x.size(); ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  const float scale = high == low ? 1.0f : (high - low) / 255;
  const uint8_t zero = dynamic_zero(low, scale);
  for (int64_t i = 0; i < x.size(); ++i)
    a.out[0].as<uint8_t>()[i] = static_cast<uint8_t>(quantized(x[i] / scale, static_cast<double>(zero), {0, 255}));
  if (a.out.size() > 1 && a.out[1]) *a.out[1].as<float>() = scale;
  if (a.out.size() > 2 && a.out[2]) *a.out[2].as<uint8_t>() = zero;
}

// Scale and zero point come from all elements.
bool follow_dynamic(reach::Step& s) {
  s.global = s.global || s.in[0].on_picture();
  return reach::along(s);
}

const OpDef defs[] = {{.name = "DynamicQuantizeLinear",
                       .since = 11,
                       .in = {1, 1},
                       .out = {3, 3},
                       .types = "float32 -> uint8, float32, uint8",
                       .infer = infer_dynamic,
                       .reference = dynamic_reference,
                       .reach = follow_dynamic,
                       .quantized = true}};

}  // namespace

extern const OpFile dynamic_quantize_linear;
const OpFile dynamic_quantize_linear{defs};

}  // namespace tessera::ops
