// Unique: the different elements of a tensor, or slices of an axis; where each was first, which of
// them each one is, and how often it comes.
#include <algorithm>
#include <numeric>

#include "ops/data_dependent.h"
#include "ops/elements.h"
#include "ops/move.h"

namespace tessera::ops {
extern const OpFile unique;
namespace {

// -1, 0 or 1; NaNs are equal to each other and above all numbers.
template <class T>
int order_of(const T& x, const T& y) {
  if constexpr (!std::is_same_v<T, std::string>)
    if (x != x || y != y) return static_cast<int>(x != x) - static_cast<int>(y != y);
  return x < y ? -1 : y < x ? 1 : 0;
}

struct Groups {
  RunVector<int64_t> first, inverse, counts;
};

// Items 0..n-1 in groups of equal ones; compare(i, j) orders two of them.
template <class Order>
Groups group(int64_t n, bool sorted, const Order& compare) {
  if (n > 1 << 28) fail(Error::Kind::memory, n, " elements to be sorted");
  RunVector<int64_t> items(static_cast<size_t>(n));
  std::iota(items.begin(), items.end(), int64_t{0});
  std::sort(items.begin(), items.end(), [&](int64_t i, int64_t j) {
    const int order = compare(i, j);
    return order < 0 || (order == 0 && i < j);
  });
  Groups groups;
  groups.inverse.resize(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    if (i == 0 || compare(items[i - 1], items[i]) != 0) {
      groups.first.push_back(items[i]);
      groups.counts.push_back(0);
    }
    ++groups.counts.back();
    groups.inverse[static_cast<size_t>(items[i])] = static_cast<int64_t>(groups.first.size()) - 1;
  }
  if (sorted) return groups;
  // In the order of first appearance.
  RunVector<size_t> order(groups.first.size()), rank(order.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return groups.first[i] < groups.first[j]; });
  Groups ordered;
  for (size_t i = 0; i < order.size(); ++i) {
    rank[order[i]] = i;
    ordered.first.push_back(groups.first[order[i]]);
    ordered.counts.push_back(groups.counts[order[i]]);
  }
  for (const int64_t g : groups.inverse) ordered.inverse.push_back(static_cast<int64_t>(rank[static_cast<size_t>(g)]));
  return ordered;
}

template <class T>
std::vector<Tensor> unique_of(const AttrReader& attrs, const View& data) {
  const bool flat = !attrs.has("axis");
  const int axis = flat ? 0 : normalize_axis(attrs.integer("axis"), data.shape().rank());
  Shape shape = flat ? Shape{data.elements()} : data.shape();
  const Around around(shape, axis);
  const T* from = data.as<T>();
  const auto slice = [&](int64_t o, int64_t i) { return from + (o * around.extent + i) * around.inner; };
  const Groups groups = group(around.extent, attrs.integer("sorted") != 0, [&](int64_t i, int64_t j) {
    for (const int64_t o : Steps(around.outer))
      for (const int64_t k : Elements(around.inner))
        if (const int order = order_of(slice(o, i)[k], slice(o, j)[k])) return order;
    return 0;
  });
  shape[static_cast<size_t>(axis)] = static_cast<int64_t>(groups.first.size());
  Tensor out = Tensor::make({data.type.dtype, shape});
  T* to = out.as<T>();
  for (const int64_t o : Steps(around.outer))
    for (const int64_t i : groups.first) to = std::copy_n(slice(o, i), around.inner, to);
  return {out, Tensor::of(groups.first), Tensor::of(groups.inverse), Tensor::of(groups.counts)};
}

std::vector<Tensor> different(const AttrReader& attrs, List<View> in) {
  if (in[0].type.dtype == DType::string) return unique_of<std::string>(attrs, in[0]);
  return visit(in[0].type.dtype, [&]<class T>() { return unique_of<T>(attrs, in[0]); });
}

constexpr AttrDef attrs[] = {{"sorted", 1}, {"axis"}};
const OpDef defs[] = {
    by_value<different>("Unique", 11, {1, 1}, {1, 4}, "T=numeric|boolean|string : T -> T, int64, int64, int64", attrs)};

}  // namespace
const OpFile unique{defs};
}  // namespace tessera::ops
