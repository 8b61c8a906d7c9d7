// SplitToSequence: a tensor cut along an axis, as a sequence.
#include <algorithm>

#include "ops/containers.h"
#include "ops/elements.h"

namespace tessera::ops {
namespace {

void run(Frame& f) {
  const Tensor& tensor = tensor_in(f, 0);
  const int axis = normalize_axis(f.integer("axis"), tensor.type.shape.rank());
  const int64_t extent = tensor.type.shape[static_cast<size_t>(axis)];
  // An empty tensor may be of any extent; nobody means to have that many parts.
  const auto check_count = [&](int64_t count) {
    if (count > 1 << 24) fail(Error::Kind::memory, "an axis of ", extent, " in ", count, " parts");
  };
  RunVector<int64_t> sizes;
  bool keep = true;
  if (!f.has_in(1)) {
    keep = !f.has("keepdims") || f.integer("keepdims") != 0;
    check_count(extent);
    sizes.assign(static_cast<size_t>(extent), 1);
  } else if (tensor_in(f, 1).type.shape.empty()) {
    const int64_t each = only_integer(f.in[1], "the split");
    if (each < 1) fail(Error::Kind::shape, "cannot split into parts of ", each);
    check_count(extent / each);
    for (int64_t done = 0; done < extent; done += each) sizes.push_back(std::min(each, extent - done));
  } else {
    const auto given = as_integers(tensor_in(f, 1).view());
    sizes.assign(given.begin(), given.end());
  }
  std::vector<Datum> items;
  int64_t done = 0;
  for (const int64_t size : sizes) {
    if (size < 0 || size > extent - done) fail(Error::Kind::shape, "parts do not add up to ", extent);
    items.push_back(datum_of(slice_axis(tensor, axis, done, size, keep)));
    done += size;
  }
  if (done != extent) fail(Error::Kind::shape, "parts add up to ", done, ", not to ", extent);
  f.out[0] = sequence_of(std::move(items), tensor.type.dtype);
}

constexpr AttrDef attrs[] = {{"axis"}, {"keepdims", 1}};
const OpDef defs[] = {
    {.name = "SplitToSequence", .since = 11, .in = {1, 2}, .out = {1, 1}, .types = {}, .attrs = attrs, .execute = run}};

}  // namespace

extern const OpFile split_to_sequence;
const OpFile split_to_sequence{defs};

}  // namespace tessera::ops
