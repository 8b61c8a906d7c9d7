// Inputs from files, from shapes, and from a seed.
#include "tools/inputs.h"

#include <algorithm>
#include <charconv>

#include "include/tessera/pictures.h"
#include "include/tessera/tessera.hpp"
#include "runtime/session/c_api.h"
#include "tools/npy.h"

namespace tessera::tools {

namespace {

// Splits NAME=VALUE at the last '=', as names may contain one. With one input that has to be given, which is the
// first, the name may be missing.
std::pair<size_t, Text> split(List<Port> inputs, Text option) {
  const size_t equals = option.rfind('=');
  if (equals == Text::npos) {
    const auto needed = std::count_if(inputs.begin(), inputs.end(), [](const Port& port) { return !port.optional; });
    if (needed == 1) return {0, option};
    fail(Error::Kind::usage, "\"", option, "\": write NAME=VALUE, the model has ", inputs.size(), " inputs");
  }
  const Text name = option.substr(0, equals);
  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].name == name) return {i, option.substr(equals + 1)};
  std::string known;
  for (const Port& port : inputs) known += cat(known.empty() ? "" : ", ", "\"", port.name, "\"");
  fail(Error::Kind::usage, "the model has no input \"", name, "\"; it has ", known.empty() ? "none" : known);
}

// A small generator whose numbers are the same everywhere, unlike those of <random>'s distributions.
class Splitmix {
 public:
  explicit Splitmix(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  double uniform() { return static_cast<double>(next() >> 40) / (1 << 24); }

 private:
  uint64_t state_;
};

std::vector<Type> types_with_files(List<Port> inputs, const InputOptions& options, const std::vector<Tensor>& files) {
  std::vector<const Shape*> given(inputs.size(), nullptr);
  std::vector<Shape> shapes(inputs.size());
  for (const std::string& option : options.shapes) {
    const auto [index, text] = split(inputs, option);
    shapes[index] = parse_shape(text);
    given[index] = &shapes[index];
  }
  for (size_t i = 0; i < files.size(); ++i)
    if (files[i].bytes) given[i] = &files[i].type.shape;

  std::vector<std::pair<std::string, int64_t>> bound;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::vector<std::string>& names = inputs[i].dim_names;
    for (size_t k = 0; given[i] && k < names.size() && k < given[i]->size(); ++k)
      if (!names[k].empty()) bound.emplace_back(names[k], (*given[i])[k]);
  }
  std::vector<Type> types;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Port& port = inputs[i];
    if (port.optional && !given[i]) {
      types.emplace_back();
      continue;
    }
    Type type{port.type.dtype == DType::undefined ? DType::float32 : port.type.dtype, {}, Layout::row_major};
    if (given[i]) {
      type.shape = *given[i];
    } else if (!port.ranked) {
      type.shape = {1};
    } else {
      type.shape = port.type.shape;
      for (size_t k = 0; k < type.shape.size(); ++k) {
        if (type.shape[k] >= 0) continue;
        type.shape[k] = k == 0 ? 1 : options.default_dim;
        for (const auto& [name, value] : bound)
          if (k < port.dim_names.size() && port.dim_names[k] == name) type.shape[k] = value;
      }
    }
    types.push_back(type);
  }
  return types;
}

}  // namespace

std::shared_ptr<const Operators> added_operators() {
  static const std::shared_ptr<const Operators> added = [] {
    tessera_operators* operators = nullptr;
    api::check(tessera_operators_create(&operators));
    const std::unique_ptr<tessera_operators, void (*)(tessera_operators*)> owner(operators, tessera_operators_free);
    api::check(tessera_pictures_add_operators(operators));
    return c_api::operators_of(operators);
  }();
  return added;
}

Shape parse_shape(Text text) {
  Shape shape;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at != end) {
    int64_t dim = -1;
    const auto [next, error] = std::from_chars(at, end, dim);
    const bool more = next != end && (*next == 'x' || *next == ',') && next + 1 != end;
    if (error != std::errc() || dim < 0 || (next != end && !more))
      fail(Error::Kind::usage, "\"", text, "\" is not a shape like 1x3x64x64");
    shape.push_back(dim);
    at = more ? next + 1 : next;
  }
  return shape;
}

std::vector<Port> all_inputs(const Session& session) {
  std::vector<Port> ports(session.inputs().begin(), session.inputs().end());
  ports.insert(ports.end(), session.optional_inputs().begin(), session.optional_inputs().end());
  return ports;
}

std::vector<Type> input_types(List<Port> inputs, const InputOptions& options) {
  return types_with_files(inputs, options, {});
}

Tensor random_input(const Type& type, uint64_t seed) {
  Tensor tensor = Tensor::make(type);
  const int64_t count = type.shape.elements();
  Splitmix random(seed);
  if (type.dtype == DType::string) return tensor;
  if (type.dtype == DType::complex64 || type.dtype == DType::complex128) {
    for (int64_t i = 0; i < 2 * count; ++i) {
      const double value = random.uniform();
      if (type.dtype == DType::complex64)
        tensor.as<float>()[i] = static_cast<float>(value);
      else
        tensor.as<double>()[i] = value;
    }
  } else if (type.dtype == DType::float32) {
    for (int64_t i = 0; i < count; ++i) tensor.as<float>()[i] = static_cast<float>(random.uniform());
  } else {
    const Text name = name_of(type.dtype);
    const bool real = name.starts_with("float") || name.starts_with("bfloat");
    const View view = tensor.view();
    for (int64_t i = 0; i < count; ++i)
      set_element(view, i,
                  real                           ? random.uniform()
                  : type.dtype == DType::boolean ? static_cast<double>(i & 1)
                                                 : static_cast<double>(random.next() >> 63));
  }
  return tensor;
}

std::vector<Tensor> make_inputs(List<Port> inputs, const InputOptions& options) {
  std::vector<Tensor> tensors(inputs.size());
  for (const std::string& option : options.files) {
    const auto [index, path] = split(inputs, option);
    const Port& port = inputs[index];
    Tensor tensor = read_npy(std::string(path));
    // NumPy has no bfloat16, no 8- or 4-bit floats, no 4- or 2-bit integers: those come wider.
    const bool foreign = bits_of(port.type.dtype) < 8 || port.type.dtype == DType::bfloat16 ||
                         name_of(port.type.dtype).starts_with("float8");
    if (foreign && port.type.dtype != DType::undefined && tensor.type.dtype != port.type.dtype)
      tensor = convert(tensor, port.type.dtype);
    tensors[index] = std::move(tensor);
  }
  const std::vector<Type> types = types_with_files(inputs, options, tensors);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (tensors[i].bytes || types[i].dtype == DType::undefined) continue;
    if (inputs[i].kind != Kind::tensor)
      fail(Error::Kind::usage, "input \"", inputs[i].name, "\" is not a tensor, and only tensors can be given");
    try {
      tensors[i] = random_input(types[i], options.seed + i * 0x9e3779b9u);
    } catch (const Error& error) {
      throw Error(error.kind(), cat("input \"", inputs[i].name, "\": ", error.what()));
    }
  }
  return tensors;
}

std::string file_name(Text name) {
  std::string safe(name);
  for (char& c : safe)
    if (static_cast<unsigned char>(c) < 32 || c == 127 || Text("/\\:*?\"<>|").find(c) != Text::npos) c = '_';
  // "." and ".." are folders, and an empty name is none.
  if (safe.empty() || safe[0] == '.') safe.insert(safe.begin(), '_');
  constexpr size_t longest = 200;
  if (safe.size() > longest) safe.resize(longest);
  return safe;
}

}  // namespace tessera::tools
