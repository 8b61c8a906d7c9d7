// Range: numbers from a start up or down to a limit, which is left out.
#include "ops/elements.h"
#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile range;
namespace {

void infer_range(Infer& infer) {
  for (const int i : {0, 1, 2})
    if (infer.shape(i).elements() != 1) fail(Error::Kind::shape, "input ", infer.in(i), " is not a scalar");
  const View start = infer.value(0).view(), limit = infer.value(1).view(), delta = infer.value(2).view();
  const double step = element_as_double(delta, 0);
  if (step == 0) fail(Error::Kind::shape, "the step is 0");
  const double count = std::ceil((element_as_double(limit, 0) - element_as_double(start, 0)) / step);
  if (!(count < 1e15)) fail(Error::Kind::shape, "the range has no end or is too long");
  infer.set(0, {count > 0 ? static_cast<int64_t>(count) : 0});
}

void reference(const Args& args) {
  const View& out = args.out[0];
  visit(out.type.dtype, [&]<class T>() {
    // 16-bit floats would lose small steps; integers wrap.
    using N = std::conditional_t<std::is_same_v<T, double>, double,
                                 std::conditional_t<std::is_integral_v<T>, uint64_t, float>>;
    const N start = static_cast<N>(*args.in[0].as<T>()), delta = static_cast<N>(*args.in[2].as<T>());
    for (const int64_t i : Elements(out.elements())) out.as<T>()[i] = static_cast<T>(start + static_cast<N>(i) * delta);
  });
}

const OpDef defs[] = {
    {"Range", "", 11, {3, 3}, {1, 1}, "T=numeric : T, T, T -> T", {}, infer_range, reference, reach::not_followed},
    {"Range",
     "com.microsoft",
     1,
     {3, 3},
     {1, 1},
     "T=numeric : T, T, T -> T",
     {},
     infer_range,
     reference,
     reach::not_followed},
};

}  // namespace
const OpFile range{defs};
}  // namespace tessera::ops
