// Trilu: the upper or lower triangle of each matrix, the rest zero.
#include <algorithm>

#include "ops/move.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile trilu;
namespace {

void infer_trilu(Infer& infer) {
  if (infer.rank(0) < 2) fail(Error::Kind::shape, "needs two axes or more, got ", infer.shape(0));
  if (infer.has_input(1) && infer.shape(1).elements() != 1) fail(Error::Kind::shape, "k is not one number");
  infer.set(0, infer.shape(0));
}

void reference(const Args& args) {
  const View &in = args.in[0], &out = args.out[0];
  const Shape& shape = in.shape();
  const int64_t width = shape.back(), height = shape[shape.size() - 2];
  const int64_t rows = shape.elements(0, shape.size() - 1);
  const bool upper = args.integer("upper") != 0;
  // Beyond the matrix all diagonals are alike.
  const int64_t k = args.has_in(1) ? std::clamp(*args.in[1].as<int64_t>(), -height, width) : 0;
  visit_bits(in.type.dtype, [&]<class T>() {
    for (const int64_t row : Steps(rows)) {
      // The first column on or above the diagonal, and the first one above it.
      const int64_t diagonal = row % height + k;
      const int64_t from = std::clamp<int64_t>(upper ? diagonal : 0, 0, width);
      const int64_t to = std::clamp<int64_t>(upper ? width : diagonal + 1, 0, width);
      const T* source = in.as<T>() + row * width;
      T* target = out.as<T>() + row * width;
      std::fill(target, target + width, T());
      if (from < to) std::copy(source + from, source + to, target + from);
    }
  });
}

constexpr AttrDef attrs[] = {{"upper", 1}};
const OpDef defs[] = {
    {"Trilu", "", 14, {1, 2}, {1, 1}, "T=all : T, int64 -> T", attrs, infer_trilu, reference, reach::not_followed},
    {"Trilu",
     "com.microsoft",
     1,
     {1, 2},
     {1, 1},
     "T=all : T, int64 -> T",
     attrs,
     infer_trilu,
     reference,
     reach::not_followed},
};

}  // namespace
const OpFile trilu{defs};
}  // namespace tessera::ops
