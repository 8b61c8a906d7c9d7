// ai.onnx.ml LabelEncoder: replaces each element by the value that its key stands for.
#include <algorithm>
#include <unordered_map>

#include "ops/elements.h"
#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

// Keys or values of the map, whichever attribute holds them, as a tensor.
Tensor side(const AttrReader& n, const std::string& name) {
  if (n.has(name + "_tensor")) return n.tensor(name + "_tensor");
  if (n.has(name + "_strings")) {
    const auto texts = n.texts(name + "_strings");
    Tensor tensor = Tensor::make({DType::string, {static_cast<int64_t>(texts.size())}});
    std::copy(texts.begin(), texts.end(), tensor.as<String>());
    return tensor;
  }
  if (n.has(name + "_int64s")) return Tensor::of(n.integers(name + "_int64s"));
  const auto reals = n.reals(name + "_floats");
  Tensor tensor = Tensor::make({DType::float32, {static_cast<int64_t>(reals.size())}});
  std::copy(reals.begin(), reals.end(), tensor.as<float>());
  return tensor;
}

// An element as text that is equal for equal elements of one dtype.
std::string key_of(const View& view, int64_t i) {
  if (view.type.dtype == DType::string) return std::string(view.as<const String>()[i]);
  const double value = element_as_double(view, i) + 0.0;  // -0 becomes 0
  if (value != value) return "nan";
  if (view.type.dtype == DType::int64) return std::to_string(view.as<const int64_t>()[i]);
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

void store_default(const AttrReader& n, const View& to, int64_t i) {
  if (n.has("default_tensor")) {
    const View given = n.tensor("default_tensor").view();
    if (given.type.dtype != to.type.dtype || given.elements() < 1)
      fail(Error::Kind::type, "default_tensor is ", given.type, " for values ", to.type);
    copy_elements({{given.type.dtype, {}}, given.data},
                  {{to.type.dtype, {}}, to.data + i * (bits_of(to.type.dtype) / 8)});
  } else if (to.type.dtype == DType::string) {
    to.as<String>()[i] = n.text("default_string");
  } else {
    set_element(to, i,
                to.type.dtype == DType::int64 ? static_cast<double>(n.integer("default_int64"))
                                              : static_cast<double>(n.real("default_float")));
  }
}

void infer_encoder(Infer& n) {
  const Tensor keys = side(n, "keys"), values = side(n, "values");
  if (keys.type.dtype != n.in(0).dtype || keys.type.shape.elements() != values.type.shape.elements())
    fail(Error::Kind::type, "keys ", keys.type, " and values ", values.type, " for ", n.in(0));
  if (bits_of(values.type.dtype) < 8) fail(Error::Kind::type, "values ", values.type);
  n.set(0, values.type.dtype, n.shape(0));
}

void encoder_reference(const Args& a) {
  const Tensor keys = side(a, "keys"), values = side(a, "values");
  std::unordered_map<std::string, int64_t> places;
  for (const int64_t i : Elements(keys.type.shape.elements())) places.emplace(key_of(keys.view(), i), i);
  const View& to = a.out[0];
  const int64_t size = bits_of(to.type.dtype) / 8;
  const Type one{to.type.dtype, {}};
  for (const int64_t i : Elements(to.elements())) {
    const auto found = places.find(key_of(a.in[0], i));
    if (found == places.end())
      store_default(a, to, i);
    else
      copy_elements({one, values.view().data + found->second * size}, {one, to.data + i * size});
  }
}

// Version 1: one list of strings, looked up by name or by position.
void infer_encoder_1(Infer& n) { n.set(0, n.in(0).dtype == DType::string ? DType::int64 : DType::string, n.shape(0)); }

void encoder_1(const Args& a) {
  const auto classes = a.texts("classes_strings");
  for (const int64_t i : Elements(a.out[0].elements())) {
    if (a.in[0].type.dtype == DType::string) {
      const auto found = std::find(classes.begin(), classes.end(), Text(a.in[0].as<const String>()[i]));
      a.out[0].as<int64_t>()[i] = found == classes.end() ? a.integer("default_int64") : found - classes.begin();
    } else {
      const int64_t at = a.in[0].as<const int64_t>()[i];
      const bool known = at >= 0 && at < static_cast<int64_t>(classes.size());
      a.out[0].as<String>()[i] = known ? classes[static_cast<size_t>(at)] : std::string(a.text("default_string"));
    }
  }
}

constexpr AttrDef attrs[] = {{"default_int64", -1},
                             {"default_string", 0, "_Unused"},
                             {.name = "default_float", .number = -0.0, .since = 2},
                             {.name = "classes_strings", .last = 1},
                             {.name = "keys_strings", .since = 2},
                             {.name = "keys_int64s", .since = 2},
                             {.name = "keys_floats", .since = 2},
                             {.name = "keys_tensor", .since = 4},
                             {.name = "values_strings", .since = 2},
                             {.name = "values_int64s", .since = 2},
                             {.name = "values_floats", .since = 2},
                             {.name = "values_tensor", .since = 4},
                             {.name = "default_tensor", .since = 4}};
const OpDef defs[] = {{.name = "LabelEncoder",
                       .domain = "ai.onnx.ml",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=string|int64 : T",
                       .attrs = attrs,
                       .infer = infer_encoder_1,
                       .reference = encoder_1,
                       .reach = reach::not_followed},
                      {.name = "LabelEncoder",
                       .domain = "ai.onnx.ml",
                       .since = 2,
                       .in = {1, 1},
                       .types = "T=string|int64|float32|float64|int32|int16 : T",
                       .attrs = attrs,
                       .infer = infer_encoder,
                       .reference = encoder_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile label_encoder;
const OpFile label_encoder{defs};

}  // namespace tessera::ops
