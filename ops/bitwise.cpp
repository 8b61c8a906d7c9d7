// BitwiseAnd, BitwiseOr, BitwiseXor, BitwiseNot and BitShift: elementwise on integers.
#include "ops/pairs.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile bitwise;
namespace {

template <class F>
void with_integer(DType dtype, F&& f) {
  visit(dtype, [&]<class T>() {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>)
      f.template operator()<T>();
    else
      fail(Error::Kind::type, name_of(dtype), " is not an integer type");
  });
}

template <class F>
void reference(const Args& args) {
  with_integer(args.in[0].type.dtype, [&]<class T>() {
    for_pairs<T, T>(args.in[0], args.in[1], args.out[0], [](T x, T y) { return static_cast<T>(F()(x, y)); });
  });
}

void infer_not(Infer& infer) { infer.set(0, infer.shape(0)); }

void run_not(const Args& args) {
  with_integer(args.in[0].type.dtype, [&]<class T>() {
    for (int64_t i = 0, n = args.out[0].elements(); i < n; ++i)
      args.out[0].as<T>()[i] = static_cast<T>(~args.in[0].as<T>()[i]);
  });
}

void infer_shift(Infer& infer) {
  const Text direction = infer.text("direction");
  if (direction != "LEFT" && direction != "RIGHT")
    fail(Error::Kind::model, "direction \"", direction, "\" is neither LEFT nor RIGHT");
  infer_pair(infer);
}

// Shifting by the whole width or more leaves nothing.
void shift(const Args& args) {
  const bool left = args.text("direction") == "LEFT";
  with_integer(args.in[0].type.dtype, [&]<class T>() {
    using U = std::make_unsigned_t<T>;
    for_pairs<T, T>(args.in[0], args.in[1], args.out[0], [left](T x, T y) {
      const auto bits = static_cast<uint64_t>(static_cast<U>(x)), by = static_cast<uint64_t>(static_cast<U>(y));
      if (by >= sizeof(T) * 8) return T(0);
      return static_cast<T>(left ? bits << by : bits >> by);
    });
  });
}

constexpr Text two = "T=integer : T, T -> T";
constexpr AttrDef shift_attrs[] = {{.name = "direction", .required = true}};
const OpDef defs[] = {
    {"BitwiseAnd", "", 18, {2, 2}, {1, 1}, two, {}, infer_pair, reference<std::bit_and<>>, reach::pointwise},
    {"BitwiseOr", "", 18, {2, 2}, {1, 1}, two, {}, infer_pair, reference<std::bit_or<>>, reach::pointwise},
    {"BitwiseXor", "", 18, {2, 2}, {1, 1}, two, {}, infer_pair, reference<std::bit_xor<>>, reach::pointwise},
    {"BitwiseNot", "", 18, {1, 1}, {1, 1}, "T=integer : T -> T", {}, infer_not, run_not, reach::pointwise},
    {"BitShift", "", 11, {2, 2}, {1, 1}, two, shift_attrs, infer_shift, shift, reach::pointwise},
};

}  // namespace
const OpFile bitwise{defs};
}  // namespace tessera::ops
