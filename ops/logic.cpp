// And, Or, Xor, Not: elementwise on booleans.
#include "ops/pairs.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile logic;
namespace {

// Both sides are read, so that many go at a time.
struct And {
  bool operator()(bool x, bool y) const { return (x & y) != 0; }
};
struct Or {
  bool operator()(bool x, bool y) const { return (x | y) != 0; }
};
struct Xor {
  bool operator()(bool x, bool y) const { return x != y; }
};

template <class F>
void reference(const Args& args) {
  for_pairs<bool, bool>(args.in[0], args.in[1], args.out[0], F());
}

template <class F>
void old_reference(const Args& args) {
  for_pairs<bool, bool>(args.in[0], old_operand(args), args.out[0], F());
}

void infer_not(Infer& infer) { infer.set(0, infer.shape(0)); }

// As bytes, of which many go at a time.
void run_not(const Args& args) {
  const auto* x = args.in[0].as<const uint8_t>();
  auto* y = args.out[0].as<uint8_t>();
  for (int64_t i = 0, n = args.out[0].elements(); i < n; ++i) y[i] = x[i] ^ 1;
}

constexpr Text two = "boolean, boolean -> boolean";

template <class F>
constexpr OpDef old_def(Text name) {
  return {name, "", 1, {2, 2}, {1, 1}, two, old_pair_attrs, infer_old_pair, old_reference<F>, reach::pointwise};
}
template <class F>
constexpr OpDef def(Text name) {
  return {name, "", 7, {2, 2}, {1, 1}, two, {}, infer_pair, reference<F>, reach::pointwise};
}

const OpDef defs[] = {
    old_def<And>("And"),
    def<And>("And"),
    old_def<Or>("Or"),
    def<Or>("Or"),
    old_def<Xor>("Xor"),
    def<Xor>("Xor"),
    {"Not", "", 1, {1, 1}, {1, 1}, "boolean -> boolean", {}, infer_not, run_not, reach::pointwise},
};

}  // namespace
const OpFile logic{defs};
}  // namespace tessera::ops
