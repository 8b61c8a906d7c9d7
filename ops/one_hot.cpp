// OneHot: each index becomes a new axis that is `on` at that place and `off` elsewhere.
#include <algorithm>

#include "ops/move.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile one_hot;
namespace {

void infer_one_hot(Infer& infer) {
  Shape shape = infer.shape(0);
  const int axis = infer.axis("axis", infer.rank(0) + 1);
  if (infer.shape(1).elements() != 1) fail(Error::Kind::shape, "depth ", infer.in(1), " is not a scalar");
  if (infer.shape(2) != Shape{2}) fail(Error::Kind::shape, "values are ", infer.in(2), ", not off and on");
  const int64_t depth = whole_numbers(infer.value(1).view())[0];
  if (depth < 0) fail(Error::Kind::shape, "depth ", depth, " is negative");
  shape.insert(static_cast<size_t>(axis), depth);
  infer.set(0, infer.in(2).dtype, shape);
}

void reference(const Args& args) {
  const View &indices = args.in[0], &out = args.out[0];
  const Around around(out.shape(), normalize_axis(args.integer("axis"), out.shape().rank()));
  const auto depth = static_cast<double>(around.extent);
  visit_bits(out.type.dtype, [&]<class T>() {
    const T off = args.in[2].as<T>()[0], on = args.in[2].as<T>()[1];
    T* to = out.as<T>();
    std::fill_n(to, out.elements(), off);
    for (int64_t o = 0; o < around.outer; ++o)
      for (const int64_t i : Steps(around.inner)) {
        double index = std::trunc(element_as_double(indices, o * around.inner + i));
        if (index < 0) index += depth;
        if (index >= 0 && index < depth) to[(o * around.extent + static_cast<int64_t>(index)) * around.inner + i] = on;
      }
  });
}

constexpr AttrDef attrs[] = {{"axis", -1}};
constexpr Text types = "I=numeric; D=numeric; T=all : I, D, T -> T";
const OpDef defs[] = {{"OneHot", "", 9, {3, 3}, {1, 1}, types, attrs, infer_one_hot, reference, reach::not_followed}};

}  // namespace
const OpFile one_hot{defs};
}  // namespace tessera::ops
