// Transpose: permutes the axes; reverses them if no permutation is given.
#include <numeric>

#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile transpose;
namespace {

Shape permutation(const AttrReader& attrs, size_t rank) {
  Shape perm;
  if (!attrs.has("perm"))
    for (size_t i = rank; i-- > 0;) perm.push_back(static_cast<int64_t>(i));
  else
    perm = Shape(attrs.integers("perm"));
  return perm;
}

// Kernels and rewrites take an axis as it stands.
bool is_permutation(const Shape& perm) {
  Shape sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i)
    if (sorted[i] != static_cast<int64_t>(i)) return false;
  return true;
}

void infer_transpose(Infer& infer) {
  const Shape& from = infer.shape(0);
  const Shape perm = permutation(infer, from.size());
  if (perm.size() != from.size() || !is_permutation(perm))
    fail(Error::Kind::shape, "perm ", cat(perm), " is no permutation of the axes of ", from);
  Shape shape;
  for (const int64_t axis : perm) shape.push_back(from[static_cast<size_t>(axis)]);
  infer.set(0, shape);
}

void reference(const Args& args) {
  const Shape from = strides_of(args.in[0].shape());
  Shape strides;
  for (const int64_t axis : permutation(args, from.size())) strides.push_back(from[static_cast<size_t>(axis)]);
  copy_strided(args.in[0], 0, strides, args.out[0]);
}

bool follow_transpose(reach::Step& s) {
  std::vector<int64_t> order(static_cast<size_t>(s.rank(0)));
  if (const auto given = s.integers("perm"); !given.empty())
    order.assign(given.begin(), given.end());
  else
    std::iota(order.rbegin(), order.rend(), 0);
  s.out = {s.in[0]};
  return permute(s.out[0], order);
}

constexpr AttrDef attrs[] = {{"perm"}};
const OpDef defs[] = {
    {"Transpose", "", 1, {1, 1}, {1, 1}, "T=all : T -> T", attrs, infer_transpose, reference, follow_transpose}};

}  // namespace
const OpFile transpose{defs};
}  // namespace tessera::ops
