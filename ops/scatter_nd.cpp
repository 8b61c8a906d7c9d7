// ScatterND: writes slices of updates at the positions that the last axis of the indices spells.
#include "ops/scatter.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile scatter_nd;
namespace {

void infer_scatter_nd(Infer& infer) {
  const Shape &data = infer.shape(0), &indices = infer.shape(1), &updates = infer.shape(2);
  if (indices.empty() || indices.back() > data.rank())
    fail(Error::Kind::shape, "indices ", indices, " do not fit data ", data);
  Shape expected;
  for (size_t i = 0; i + 1 < indices.size(); ++i) expected.push_back(indices[i]);
  for (size_t i = static_cast<size_t>(indices.back()); i < data.size(); ++i) expected.push_back(data[i]);
  if (updates != expected) fail(Error::Kind::shape, "updates are ", updates, ", but must be ", expected);
  join_of(infer);
  infer.set(0, data);
}

void reference(const Args& args) {
  const View &indices = args.in[1], &updates = args.in[2], &out = args.out[0];
  copy_elements(args.in[0], out);
  const Shape& shape = out.shape();
  const Shape strides = strides_of(shape);
  const auto length = static_cast<size_t>(indices.shape().back());
  const int64_t positions = indices.shape().elements(0, indices.shape().size() - 1);
  const int64_t slice = shape.elements(length, shape.size());
  with_join(args, out.type.dtype, [&]<class T>(auto place) {
    const T* update = updates.as<T>();
    int64_t next = 0;
    for ([[maybe_unused]] const int64_t p : Steps(positions)) {
      int64_t offset = 0;
      for (size_t k = 0; k < length; ++k, ++next)
        offset += checked_index(indices.as<int64_t>()[next], shape[k]) * strides[k];
      for (int64_t i = 0; i < slice; ++i) place(out.as<T>()[offset + i], *update++);
    }
  });
}

constexpr AttrDef attrs[] = {{.name = "reduction", .text = "none", .since = 16}};
const OpDef defs[] = {{"ScatterND",
                       "",
                       11,
                       {3, 3},
                       {1, 1},
                       "T=all : T, int64, T -> T",
                       attrs,
                       infer_scatter_nd,
                       reference,
                       reach::not_followed}};

}  // namespace
const OpFile scatter_nd{defs};
}  // namespace tessera::ops
