// Tile: repeats a tensor along each axis; in opset 1 along one axis.
#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile tile;
namespace {

void infer_axis(Infer& infer) {
  Shape shape = infer.shape(0);
  const auto repeats = whole_numbers(infer.value(1).view()), axes = whole_numbers(infer.value(2).view());
  if (repeats.size() != 1 || axes.size() != 1) fail(Error::Kind::shape, "tiles and axis must be scalars");
  int64_t& extent = shape[static_cast<size_t>(normalize_axis(axes[0], infer.rank(0)))];
  if (repeats[0] < 0) fail(Error::Kind::shape, "cannot repeat ", infer.shape(0), " ", repeats[0], " times");
  extent = checked_product(extent, repeats[0]);
  infer.set(0, shape);
}

void infer_repeats(Infer& infer) {
  Shape shape = infer.shape(0);
  const auto repeats = infer.integers_of(1);
  if (repeats.size() != shape.size())
    fail(Error::Kind::shape, repeats.size(), " repeats for a tensor of rank ", shape.size());
  for (size_t i = 0; i < shape.size(); ++i) {
    if (repeats[i] < 0)
      fail(Error::Kind::shape, "cannot repeat ", infer.shape(0), " ", repeats[i], " times along axis ", i);
    shape[i] = checked_product(shape[i], repeats[i]);
  }
  infer.set(0, shape);
}

// Each axis becomes two, [repeats, extent], of which the first stands still.
void reference(const Args& args) {
  const View &in = args.in[0], &out = args.out[0];
  if (!out.elements()) return;
  const Shape from = strides_of(in.shape());
  Shape shape, strides;
  for (size_t i = 0; i < from.size(); ++i) {
    shape.push_back(out.shape()[i] / in.shape()[i]);
    strides.push_back(0);
    shape.push_back(in.shape()[i]);
    strides.push_back(from[i]);
  }
  copy_strided(in, 0, strides, {{out.type.dtype, shape}, out.data});
}

const OpDef defs[] = {
    {"Tile", "", 1, {3, 3}, {1, 1}, "T=all; I=numeric : T, I, I -> T", {}, infer_axis, reference, reach::not_followed},
    {"Tile", "", 6, {2, 2}, {1, 1}, "T=all : T, int64 -> T", {}, infer_repeats, reference, reach::not_followed},
};

}  // namespace
const OpFile tile{defs};
}  // namespace tessera::ops
