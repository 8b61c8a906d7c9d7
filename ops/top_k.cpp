// TopK: the k largest or smallest elements along an axis, and where they were.
#include <algorithm>
#include <numeric>

#include "ops/elements.h"
#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile top_k;
namespace {

void set_shapes(Infer& infer, int64_t k) {
  Shape shape = infer.shape(0);
  const auto axis = static_cast<size_t>(infer.axis("axis", infer.rank(0)));
  if (k < 0 || k > shape[axis]) fail(Error::Kind::shape, "k is ", k, ", but axis ", axis, " of ", shape, " is shorter");
  shape[axis] = k;
  infer.set(0, shape);
  infer.set(1, shape);
}

void infer_attribute(Infer& infer) { set_shapes(infer, infer.integer("k")); }

void infer_input(Infer& infer) {
  const auto k = infer.integers_of(1);
  if (k.size() != 1) fail(Error::Kind::shape, "k is not one number");
  set_shapes(infer, k[0]);
}

// Whether x is less than y; NaN is above all numbers.
template <class T>
bool below(const T& x, const T& y) {
  if (y != y) return x == x;
  return x < y;
}

template <class T>
void pick(const Args& args, bool largest) {
  const View &in = args.in[0], &values = args.out[0], &places = args.out[1];
  const int axis = normalize_axis(args.integer("axis"), in.shape().rank());
  const Around around(in.shape(), axis);
  const View& some = values ? values : places;
  const int64_t k = some ? some.shape()[static_cast<size_t>(axis)] : 0;
  if (around.outer * around.inner == 0) return;  // and the axis as long as it likes
  RunVector<int64_t> order(static_cast<size_t>(around.extent));
  for (const int64_t o : Steps(around.outer))
    for (const int64_t i : Steps(around.inner)) {
      const T* from = in.as<T>() + o * around.extent * around.inner + i;
      // Of equal elements the first comes first.
      const auto before = [&](int64_t a, int64_t b) {
        const T &x = from[a * around.inner], &y = from[b * around.inner];
        if (largest ? below(y, x) : below(x, y)) return true;
        if (largest ? below(x, y) : below(y, x)) return false;
        return a < b;
      };
      std::iota(order.begin(), order.end(), int64_t{0});
      std::partial_sort(order.begin(), order.begin() + k, order.end(), asking(before));
      for (int64_t j = 0; j < k; ++j) {
        const int64_t to = (o * k + j) * around.inner + i;
        if (values) values.as<T>()[to] = from[order[static_cast<size_t>(j)] * around.inner];
        if (places) places.as<int64_t>()[to] = order[static_cast<size_t>(j)];
      }
    }
}

void reference(const Args& args) {
  visit(args.in[0].type.dtype, [&]<class T>() { pick<T>(args, args.integer("largest") != 0); });
}

// The largest of an axis of channels.
bool follow_top_k(reach::Step& s) {
  reach::Field field = s.in[0];
  if (!make_plain(s, field, s.axis(), s.out_types[0].shape[s.axis()])) return false;
  s.out.assign(s.out_types.size(), field);
  return true;
}

constexpr AttrDef attrs[] = {{"axis", -1},
                             {.name = "k", .required = true, .last = 9},
                             {"largest", 1, {}, false, 11},
                             {"sorted", 1, {}, false, 11}};
constexpr Text types = "T=numeric : T, int64 -> T, int64";
const OpDef defs[] = {
    {"TopK", "", 1, {1, 1}, {2, 2}, "T=numeric : T -> T, int64", attrs, infer_attribute, reference, follow_top_k},
    {"TopK", "", 10, {2, 2}, {2, 2}, types, attrs, infer_input, reference, follow_top_k},
};

}  // namespace
const OpFile top_k{defs};
}  // namespace tessera::ops
