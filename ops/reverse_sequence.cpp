// ReverseSequence: the first elements of each batch in reverse order, each batch its own number.
#include <algorithm>

#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile reverse_sequence;
namespace {

void infer_reverse_sequence(Infer& infer) {
  const Shape& shape = infer.shape(0);
  const int batch = infer.axis("batch_axis", infer.rank(0)), time = infer.axis("time_axis", infer.rank(0));
  if (batch + time != 1) fail(Error::Kind::shape, "batch_axis and time_axis must be 0 and 1, or 1 and 0");
  const Shape lengths{shape[static_cast<size_t>(batch)]};
  if (infer.shape(1) != lengths) fail(Error::Kind::shape, "lengths are ", infer.shape(1), ", but must be ", lengths);
  infer.set(0, shape);
}

void reference(const Args& args) {
  const View &in = args.in[0], &out = args.out[0];
  const Shape& shape = in.shape();
  const bool time_first = normalize_axis(args.integer("time_axis"), shape.rank()) == 0;
  const int64_t times = shape[time_first ? 0 : 1], batches = shape[time_first ? 1 : 0];
  const int64_t inner = shape.elements(2, shape.size());
  const int64_t time_stride = (time_first ? batches : 1) * inner, batch_stride = (time_first ? 1 : times) * inner;
  visit_bits(in.type.dtype, [&]<class T>() {
    for (int64_t b = 0; b < batches; ++b) {
      const int64_t length = args.in[1].as<int64_t>()[b];
      if (length < 0 || length > times) fail(Error::Kind::shape, "length ", length, " is outside ", times, " steps");
      for (int64_t t = 0; t < times; ++t) {
        const int64_t from = t < length ? length - 1 - t : t;
        std::copy_n(in.as<T>() + b * batch_stride + from * time_stride, inner,
                    out.as<T>() + b * batch_stride + t * time_stride);
      }
    }
  });
}

constexpr AttrDef attrs[] = {{"batch_axis", 1}, {"time_axis", 0}};
const OpDef defs[] = {{"ReverseSequence",
                       "",
                       10,
                       {2, 2},
                       {1, 1},
                       "T=all : T, int64 -> T",
                       attrs,
                       infer_reverse_sequence,
                       reference,
                       reach::not_followed}};

}  // namespace
const OpFile reverse_sequence{defs};
}  // namespace tessera::ops
