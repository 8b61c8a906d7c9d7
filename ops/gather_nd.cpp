// GatherND: the last axis of the indices is a position in the data, after `batch_dims` shared axes.
#include <algorithm>

#include "ops/move.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile gather_nd;
namespace {

void infer_gather_nd(Infer& infer) {
  const Shape &data = infer.shape(0), &indices = infer.shape(1);
  const int64_t batch = infer.integer("batch_dims");
  if (data.empty() || indices.empty() || batch < 0 || batch >= std::min(data.rank(), indices.rank()))
    fail(Error::Kind::shape, "batch_dims ", batch, " does not fit data ", data, " and indices ", indices);
  const auto shared = static_cast<size_t>(batch);
  for (size_t i = 0; i < shared; ++i)
    if (data[i] != indices[i]) fail(Error::Kind::shape, "data ", data, " and indices ", indices, " differ in axis ", i);
  if (indices.back() < 1 || indices.back() > data.rank() - batch)
    fail(Error::Kind::shape, "positions of ", indices.back(), " numbers do not fit data ", data);
  Shape shape;
  for (size_t i = 0; i + 1 < indices.size(); ++i) shape.push_back(indices[i]);
  for (size_t i = shared + static_cast<size_t>(indices.back()); i < data.size(); ++i) shape.push_back(data[i]);
  infer.set(0, shape);
}

void reference(const Args& args) {
  const View &data = args.in[0], &indices = args.in[1];
  const auto batch_dims = static_cast<size_t>(args.integer("batch_dims"));
  const auto length = static_cast<size_t>(indices.shape().back());
  const Shape& shape = data.shape();
  const Shape strides = strides_of(shape);
  const int64_t batches = shape.elements(0, batch_dims), per_batch = shape.elements(batch_dims, shape.size());
  const int64_t slice = shape.elements(batch_dims + length, shape.size());
  const int64_t positions = indices.shape().elements(batch_dims, indices.shape().size() - 1);
  visit_bits(data.type.dtype, [&]<class T>() {
    T* to = args.out[0].as<T>();
    int64_t next = 0;
    for (const int64_t b : Steps(batches))
      for (int64_t p = 0; p < positions; ++p, to += slice) {
        check_cancelled();
        int64_t offset = b * per_batch;
        for (size_t k = 0; k < length; ++k, ++next)
          offset += checked_index(indices.as<int64_t>()[next], shape[batch_dims + k]) * strides[batch_dims + k];
        std::copy_n(data.as<T>() + offset, slice, to);
      }
  });
}

constexpr AttrDef attrs[] = {{.name = "batch_dims", .since = 12}};
const OpDef defs[] = {{"GatherND",
                       "",
                       11,
                       {2, 2},
                       {1, 1},
                       "T=all : T, int64 -> T",
                       attrs,
                       infer_gather_nd,
                       reference,
                       reach::not_followed}};

}  // namespace
const OpFile gather_nd{defs};
}  // namespace tessera::ops
