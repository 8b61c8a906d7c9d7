// Dropout: passes its input on; in training mode (since opset 12) it drops elements at random.
#include <random>

#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile dropout;
namespace {

// The mask has the input's type before opset 10.
void infer_old(Infer& infer) {
  infer.set(0, infer.shape(0));
  infer.set(1, infer.in(0).dtype, infer.shape(0));
}

void infer_dropout(Infer& infer) {
  infer.set(0, infer.shape(0));
  infer.set(1, DType::boolean, infer.shape(0));
}

void pass(const Args& args) {
  copy_input(args);
  if (args.out.size() < 2 || !args.out[1]) return;
  for (int64_t i = 0, n = args.out[1].elements(); i < n; ++i) set_element(args.out[1], i, 1);
}

void reference(const Args& args) {
  const bool training = args.has_in(2) && args.in[2].elements() && args.in[2].as<uint8_t>()[0];
  const double ratio = args.has_in(1) && args.in[1].elements() ? element_as_double(args.in[1], 0) : 0.5;
  if (!training || ratio == 0) return pass(args);
  std::mt19937 random(static_cast<uint32_t>(args.integer("seed")));
  const double scale = 1 / (1 - ratio);
  for (int64_t i = 0, n = args.out[0].elements(); i < n; ++i) {
    // 53 random bits, as numpy draws a number below 1.
    const double high = random() >> 5, low = random() >> 6;
    const bool keep = (high * 67108864 + low) / 9007199254740992 >= ratio;
    set_element(args.out[0], i, keep ? element_as_double(args.in[0], i) * scale : 0);
    if (args.out.size() > 1 && args.out[1]) args.out[1].as<bool>()[i] = keep;
  }
}

constexpr Text with_ratio = "T=all; R=float|float8e4m3fn|float8e4m3fnuz|float8e5m2|float8e5m2fnuz : T, R, boolean -> T";
constexpr AttrDef attrs[] = {{"seed"}};
const OpDef defs[] = {
    {"Dropout", "", 1, {1, 1}, {1, 2}, "T=all : T -> T", {}, infer_old, pass, reach::along},
    {"Dropout", "", 10, {1, 1}, {1, 2}, "T=all : T -> T", {}, infer_dropout, pass, reach::along},
    {"Dropout", "", 12, {1, 3}, {1, 2}, with_ratio, attrs, infer_dropout, reference, reach::along},
};

}  // namespace
const OpFile dropout{defs};
}  // namespace tessera::ops
