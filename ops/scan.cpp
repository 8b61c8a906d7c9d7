// Scan: a subgraph over the slices of its inputs, with carried values. Opset 8 has a batch axis.
#include <algorithm>

#include "ops/containers.h"

namespace tessera::ops {
namespace {

struct Scan {
  size_t states = 0, inputs = 0, outputs = 0;  ///< carried values, scanned inputs, stacked outputs
  std::vector<int64_t> in_axes, out_axes, in_backwards, out_backwards;
};

std::vector<int64_t> list_or_zeros(const Frame& f, Text name, size_t count) {
  const auto given = f.integers(name);
  std::vector<int64_t> values(given.begin(), given.end());
  if (!values.empty() && values.size() != count)
    fail(Error::Kind::model, "attribute \"", name, "\" has ", values.size(), " values, not ", count);
  values.resize(count, 0);
  return values;
}

Scan read_scan(const Frame& f, size_t inputs, Text directions) {
  Scan s;
  const int64_t scanned = f.integer("num_scan_inputs");
  if (scanned < 1 || static_cast<size_t>(scanned) > inputs)
    fail(Error::Kind::model, "num_scan_inputs is ", scanned, " of ", inputs, " inputs");
  s.inputs = static_cast<size_t>(scanned);
  s.states = inputs - s.inputs;
  if (f.out.size() < s.states) fail(Error::Kind::model, s.states, " states, but ", f.out.size(), " outputs");
  s.outputs = f.out.size() - s.states;
  s.in_axes = list_or_zeros(f, "scan_input_axes", s.inputs);
  s.out_axes = list_or_zeros(f, "scan_output_axes", s.outputs);
  s.in_backwards = list_or_zeros(f, directions, s.inputs);
  s.out_backwards = list_or_zeros(f, "scan_output_directions", s.outputs);
  return s;
}

Shape without(const Shape& shape, int axis) {
  Shape rest;
  for (int i = 0; i < shape.rank(); ++i)
    if (i != axis) rest.push_back(shape[static_cast<size_t>(i)]);
  return rest;
}

// One pass over `length` slices; `length` < 0 takes them all.
std::vector<Datum> scan_once(Frame& f, const Scan& s, std::vector<Datum> in, int64_t length) {
  std::vector<int> axes(s.inputs);
  for (size_t i = 0; i < s.inputs; ++i) {
    const Datum& datum = in[s.states + i];
    if (datum.kind != Kind::tensor || !datum.tensor.bytes) fail(Error::Kind::type, "a scanned input is not a tensor");
    const Shape& shape = datum.tensor.type.shape;
    axes[i] = normalize_axis(s.in_axes[i], shape.rank());
    const int64_t extent = shape[static_cast<size_t>(axes[i])];
    if (length < 0) length = extent;
    if (extent < length) fail(Error::Kind::shape, "scanned inputs of ", extent, " and ", length, " slices");
  }
  std::vector<std::vector<Tensor>> stacks(s.outputs);
  for (int64_t round = 0; round < length; ++round) {
    f.check_cancelled();
    std::vector<Datum> step(in.begin(), in.begin() + static_cast<ptrdiff_t>(s.states));
    for (size_t i = 0; i < s.inputs; ++i) {
      const int64_t at = s.in_backwards[i] ? length - 1 - round : round;
      step.push_back(datum_of(slice_axis(in[s.states + i].tensor, axes[i], at, 1, false)));
    }
    std::vector<Datum> out = f.run("body", std::move(step));
    expect_outputs(out, s.states + s.outputs);
    for (size_t i = 0; i < s.states; ++i) in[i] = std::move(out[i]);
    for (size_t i = 0; i < s.outputs; ++i) stacks[i].push_back(std::move(out[s.states + i].tensor));
  }
  std::vector<Type> types;  // of a step's inputs
  for (size_t i = 0; i < in.size(); ++i) {
    types.push_back(type_of(in[i]));
    if (i >= s.states) types[i].shape = without(types[i].shape, axes[i - s.states]);
  }
  in.resize(s.states);
  for (size_t i = 0; i < s.outputs; ++i) {
    if (s.out_backwards[i]) std::reverse(stacks[i].begin(), stacks[i].end());
    in.push_back(datum_of(stacks[i].empty() ? empty_scan(f, types, s.states + i, s.out_axes[i])
                                            : join(stacks[i], s.out_axes[i], true)));
  }
  return in;
}

void run_scan(Frame& f) { f.out = scan_once(f, read_scan(f, f.in.size(), "scan_input_directions"), f.in, -1); }

// Outputs of a shorter sequence are filled up with zeros.
Tensor padded(const Tensor& part, int64_t length) {
  Shape shape = part.type.shape;
  if (shape[0] == length) return part;
  shape[0] = length;
  Tensor result = Tensor::make({part.type.dtype, shape});
  visit_bits(part.type.dtype,
             [&]<class T>() { std::copy_n(part.as<T>(), part.type.shape.elements(), result.as<T>()); });
  return result;
}

// States as they came, and stacks for no sequences.
void run_no_batch(Frame& f, const Scan& s) {
  std::vector<Type> types;
  for (size_t i = 1; i < f.in.size(); ++i) {
    types.push_back(tensor_in(f, i).type);
    Shape& shape = types.back().shape;
    if (shape.rank() < (i > s.states ? 2 : 1)) fail(Error::Kind::shape, "input ", i, " is ", shape, " in a batch");
    shape = without(shape, 0);
    if (i > s.states) shape = without(shape, normalize_axis(s.in_axes[i - 1 - s.states], shape.rank()));
  }
  for (size_t i = 0; i < f.out.size(); ++i) {
    if (i < s.states) {
      f.out[i] = f.in[1 + i];
      continue;
    }
    Type type = empty_scan(f, types, i).type;
    type.shape.insert(1, tensor_in(f, 1 + s.states).type.shape[1]);
    f.out[i] = datum_of(Tensor::make(type));
  }
}

void run_scan_8(Frame& f) {
  if (f.in.size() < 2) fail(Error::Kind::model, "has nothing to scan");
  const Scan s = read_scan(f, f.in.size() - 1, "directions");
  const Tensor& first = tensor_in(f, 1 + s.states);
  if (first.type.shape.rank() < 2) fail(Error::Kind::shape, "scanned input ", first.type, " has no batch and sequence");
  const int64_t batch = first.type.shape[0], sequence = first.type.shape[1];
  if (batch == 0) return run_no_batch(f, s);
  std::vector<std::vector<Tensor>> all(f.out.size());
  for (int64_t b = 0; b < batch; ++b) {
    std::vector<Datum> in;
    for (size_t i = 1; i < f.in.size(); ++i) {
      const Tensor& tensor = tensor_in(f, i);
      if (tensor.type.shape.empty() || tensor.type.shape[0] != batch)
        fail(Error::Kind::shape, "input ", i, " is ", tensor.type, " in a batch of ", batch);
      in.push_back(datum_of(slice_axis(tensor, 0, b, 1, false)));
    }
    int64_t length = sequence;
    if (f.has_in(0)) {
      const auto lengths = as_integers(tensor_in(f, 0).view());
      if (static_cast<int64_t>(lengths.size()) != batch)
        fail(Error::Kind::shape, lengths.size(), " sequence lengths in a batch of ", batch);
      length = lengths[static_cast<size_t>(b)];
      if (length < 0 || length > sequence) fail(Error::Kind::shape, "sequence length ", length, " of ", sequence);
    }
    std::vector<Datum> out = scan_once(f, s, std::move(in), length);
    for (size_t i = 0; i < out.size(); ++i)
      all[i].push_back(i < s.states ? out[i].tensor : padded(out[i].tensor, sequence));
  }
  for (size_t i = 0; i < all.size(); ++i) f.out[i] = datum_of(join(all[i], 0, true));
}

constexpr AttrDef attrs[] = {{"body", 0, {}, true},
                             {"num_scan_inputs", 0, {}, true},
                             {.name = "directions", .last = 8},
                             {.name = "scan_input_axes", .since = 9},
                             {.name = "scan_input_directions", .since = 9},
                             {.name = "scan_output_axes", .since = 9},
                             {.name = "scan_output_directions", .since = 9}};
const OpDef defs[] = {
    {.name = "Scan", .since = 8, .in = {0, many}, .out = {1, many}, .types = {}, .attrs = attrs, .execute = run_scan_8},
    {.name = "Scan", .since = 9, .in = {1, many}, .out = {1, many}, .types = {}, .attrs = attrs, .execute = run_scan}};

}  // namespace

extern const OpFile scan;
const OpFile scan{defs};

}  // namespace tessera::ops
