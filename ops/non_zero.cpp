// NonZero: the positions of the elements that are not zero, one column each.
#include "ops/data_dependent.h"
#include "ops/elements.h"

namespace tessera::ops {
extern const OpFile non_zero;
namespace {

std::vector<Tensor> positions(const AttrReader&, List<View> in) {
  const Shape& shape = in[0].shape();
  const int64_t count = in[0].elements(), rank = shape.rank();
  RunVector<int64_t> found;
  visit(in[0].type.dtype, [&]<class T>() {
    for (const int64_t i : Elements(count))
      if (in[0].as<T>()[i] != T(0)) found.push_back(i);
  });
  const auto columns = static_cast<int64_t>(found.size());
  Tensor out = Tensor::make({DType::int64, {rank, columns}});
  for (int64_t axis = rank; axis-- > 0;)
    for (int64_t i = 0; i < columns; ++i) {
      int64_t& rest = found[static_cast<size_t>(i)];
      out.as<int64_t>()[axis * columns + i] = rest % shape[static_cast<size_t>(axis)];
      rest /= shape[static_cast<size_t>(axis)];
    }
  return {out};
}

const OpDef defs[] = {by_value<positions>("NonZero", 9, {1, 1}, {1, 1}, "T=numeric|boolean : T -> int64")};

}  // namespace
const OpFile non_zero{defs};
}  // namespace tessera::ops
