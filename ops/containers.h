// Data for control flow and containers: scalars, sequences, slices along an axis and stacking.
#pragma once

#include <algorithm>

#include "ops/move.h"

namespace tessera::ops {

inline Datum datum_of(Tensor tensor) {
  Datum datum;
  datum.tensor = std::move(tensor);
  return datum;
}

inline Tensor boolean(bool value) {
  Tensor tensor = Tensor::make({DType::boolean, {}});
  *tensor.as<bool>() = value;
  return tensor;
}

/// The one element of a boolean or integer tensor.
inline int64_t only_integer(const Datum& datum, Text what) {
  if (datum.kind != Kind::tensor || !datum.tensor.bytes || datum.tensor.type.shape.elements() != 1)
    fail(Error::Kind::shape, what, " must be one number");
  return as_integers(datum.tensor.view())[0];
}

inline const Datum& sequence_in(const Frame& f, size_t i) {
  if (i >= f.in.size() || f.in[i].kind != Kind::sequence) fail(Error::Kind::type, "input ", i, " is not a sequence");
  return f.in[i];
}

inline const Tensor& tensor_in(const Frame& f, size_t i) {
  if (i >= f.in.size() || f.in[i].kind != Kind::tensor || !f.in[i].tensor.bytes)
    fail(Error::Kind::type, "input ", i, " is not a tensor");
  return f.in[i].tensor;
}

inline Datum sequence_of(std::vector<Datum> items, DType element) {
  Datum datum;
  datum.kind = Kind::sequence;
  if (!items.empty() && items[0].kind == Kind::tensor) element = items[0].tensor.type.dtype;
  datum.element = element;
  datum.items = std::move(items);
  return datum;
}

/// Elements [begin, begin + count) of `from` along `axis`; without `keep` the axis (count 1) is dropped.
inline Tensor slice_axis(const Tensor& from, int axis, int64_t begin, int64_t count, bool keep) {
  const auto at = static_cast<size_t>(axis);
  const Shape& shape = from.type.shape;
  Shape out;
  for (size_t i = 0; i < shape.size(); ++i)
    if (i != at || keep) out.push_back(i == at ? count : shape[i]);
  Tensor result = Tensor::make({from.type.dtype, out});
  Shape part = shape;
  part[at] = count;
  const Shape strides = strides_of(shape);
  if (part.elements())
    copy_strided(from.view(), begin * strides[at], strides, View{{from.type.dtype, part}, result.bytes.get()});
  return result;
}

/// Tensors joined along `axis`: an axis of theirs, or with `fresh` a new one.
inline Tensor join(List<Tensor> parts, int64_t axis, bool fresh) {
  if (parts.empty()) fail(Error::Kind::shape, "nothing to join");
  const Type& first = parts[0].type;
  const int at = normalize_axis(axis, first.shape.rank() + (fresh ? 1 : 0));
  Shape out = first.shape;
  if (fresh) out.insert(static_cast<size_t>(at), 0);
  out[static_cast<size_t>(at)] = 0;
  for (const Tensor& part : parts) {
    Shape other = part.type.shape;
    if (fresh) other.insert(static_cast<size_t>(std::min(at, other.rank())), 1);
    bool fits = part.type.dtype == first.dtype && other.size() == out.size();
    for (size_t i = 0; fits && i < out.size(); ++i) fits = static_cast<int>(i) == at || other[i] == out[i];
    if (!fits) fail(Error::Kind::shape, "cannot join ", part.type, " with ", first, " along axis ", at);
    out[static_cast<size_t>(at)] += other[static_cast<size_t>(at)];
  }
  Tensor result = Tensor::make({first.dtype, out});
  const Around around(out, at);
  int64_t done = 0;
  for (const Tensor& part : parts) {
    const int64_t extent = fresh ? 1 : part.type.shape[static_cast<size_t>(at)];
    const int64_t row = extent * around.inner;
    visit_bits(first.dtype, [&]<class T>() {
      for (int64_t o = 0; o < around.outer; ++o)
        std::copy_n(part.as<T>() + o * row, row, result.as<T>() + (o * around.extent + done) * around.inner);
    });
    done += extent;
  }
  return result;
}

/// What a subgraph's output is when no round of a loop has made it: no elements of the type that it would have for
/// inputs like these; where that does not follow, of the type that the body declares, with no elements along
/// extents that it leaves open.
inline Tensor empty_scan(Frame& f, List<Type> inputs, size_t output, int64_t axis = 0) {
  const Graph& body = f.graph("body");
  if (output >= body.outputs.size())
    fail(Error::Kind::model, "the subgraph has ", body.outputs.size(), " outputs, but more are needed");
  const Value& declared = body.values[body.outputs[output]];
  std::vector<Datum> in;
  for (const Type& type : inputs) in.push_back(datum_of({type, nullptr}));
  Type type = f.run("body", std::move(in))[output].tensor.type;
  if (type.dtype == DType::undefined && declared.ranked) type = declared.type;
  if (type.dtype == DType::undefined)
    fail(Error::Kind::unsupported, "a loop of no rounds does not tell the type of \"", declared.name,
         "\": its body has to declare the data type and shape of that output");
  for (int64_t& dim : type.shape) dim = std::max<int64_t>(dim, 0);
  type.shape.insert(static_cast<size_t>(normalize_axis(axis, type.shape.rank() + 1)), 0);
  return Tensor::make({type.dtype, type.shape});
}

/// Undefined for what is no tensor.
inline Type type_of(const Datum& datum) { return datum.kind == Kind::tensor ? datum.tensor.type : Type{}; }

inline void expect_outputs(List<Datum> results, size_t wanted) {
  if (results.size() != wanted)
    fail(Error::Kind::model, "the subgraph has ", results.size(), " outputs, but ", wanted, " are needed");
}

}  // namespace tessera::ops
