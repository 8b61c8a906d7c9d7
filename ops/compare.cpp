// Equal, Greater, GreaterOrEqual, Less, LessOrEqual: elementwise, with a boolean result.
#include "ops/pairs.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile compare;
namespace {

// std::equal_to and the like compare T as it is; small floats compare as floats.
template <class Relation>
void compare_views(const View& x, const View& y, const View& out) {
  if (x.type.dtype == DType::string)
    return for_pairs<std::string, bool>(x, y, out, [](const auto& a, const auto& b) { return Relation()(a, b); });
  visit(x.type.dtype, [&]<class T>() {
    for_pairs<T, bool>(x, y, out, [](const T& a, const T& b) {
      if constexpr (std::is_arithmetic_v<T>)
        return Relation()(a, b);
      else
        return Relation()(static_cast<float>(a), static_cast<float>(b));
    });
  });
}

template <class Relation>
void reference(const Args& args) {
  compare_views<Relation>(args.in[0], args.in[1], args.out[0]);
}

template <class Relation>
void old_reference(const Args& args) {
  compare_views<Relation>(args.in[0], old_operand(args), args.out[0]);
}

template <class Relation>
constexpr OpDef old_def(Text name) {
  return {name,
          "",
          1,
          {2, 2},
          {1, 1},
          "T=all : T, T -> boolean",
          old_pair_attrs,
          infer_old_pair,
          old_reference<Relation>,
          reach::pointwise};
}
template <class Relation>
constexpr OpDef def(Text name, int since) {
  return {name,
          "",
          since,
          {2, 2},
          {1, 1},
          "T=all : T, T -> boolean",
          {},
          infer_pair,
          reference<Relation>,
          reach::pointwise};
}

const OpDef defs[] = {
    old_def<std::equal_to<>>("Equal"),
    def<std::equal_to<>>("Equal", 7),
    old_def<std::greater<>>("Greater"),
    def<std::greater<>>("Greater", 7),
    def<std::greater_equal<>>("GreaterOrEqual", 12),
    old_def<std::less<>>("Less"),
    def<std::less<>>("Less", 7),
    def<std::less_equal<>>("LessOrEqual", 12),
};

}  // namespace
const OpFile compare{defs};
}  // namespace tessera::ops
