// Mod: remainders, with the divisor's sign (as Python has it) or, with fmod=1, the dividend's.
#include "ops/pairs.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile mod;
namespace {

void infer_mod(Infer& infer) {
  if (is_float(infer.in(0).dtype) && infer.integer("fmod") != 1)
    fail(Error::Kind::model, "floating point numbers need fmod=1");
  infer_pair(infer);
}

template <class T>
T remainder_of(T x, T y, bool like_dividend) {
  if constexpr (std::is_integral_v<T>) {
    // Division by zero traps, and so does the smallest number by -1.
    if (y == 0) return 0;
    if constexpr (std::is_signed_v<T>)
      if (y == -1) return 0;
    const auto rest = static_cast<T>(x % y);
    return !like_dividend && rest != 0 && (rest < 0) != (y < 0) ? static_cast<T>(rest + y) : rest;
  } else if constexpr (std::is_same_v<T, double>) {
    return std::fmod(x, y);
  } else {
    return T(std::fmod(static_cast<float>(x), static_cast<float>(y)));
  }
}

void reference(const Args& args) {
  const bool like_dividend = args.integer("fmod") == 1;
  visit(args.in[0].type.dtype, [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool>)
      for_pairs<T, T>(args.in[0], args.in[1], args.out[0], [=](T x, T y) { return remainder_of(x, y, like_dividend); });
  });
}

constexpr AttrDef attrs[] = {{"fmod"}};
const OpDef defs[] = {
    {"Mod", "", 10, {2, 2}, {1, 1}, "T=numeric : T, T -> T", attrs, infer_mod, reference, reach::pointwise}};

}  // namespace
const OpFile mod{defs};
}  // namespace tessera::ops
