// ai.onnx.ml LabelEncoder: looks each element up in a table of keys and values.
#include <map>

#include "ops/move.h"

namespace tessera::ops {
extern const OpFile label_encoder;
namespace {

Tensor tensor_of(List<std::string> list) {
  const Tensor tensor = Tensor::make({DType::string, {static_cast<int64_t>(list.size())}});
  std::copy(list.begin(), list.end(), tensor.as<std::string>());
  return tensor;
}
Tensor tensor_of(List<float> list) {
  const Tensor tensor = Tensor::make({DType::float32, {static_cast<int64_t>(list.size())}});
  std::copy(list.begin(), list.end(), tensor.as<float>());
  return tensor;
}

// "keys" or "values", in whichever of its spellings the model has.
Tensor column(const AttrReader& attrs, const std::string& name) {
  if (attrs.has(name + "_tensor")) return attrs.tensor(name + "_tensor");
  if (attrs.has(name + "_strings")) return tensor_of(attrs.texts(name + "_strings"));
  if (attrs.has(name + "_int64s")) return Tensor::of(attrs.integers(name + "_int64s"));
  if (attrs.has(name + "_floats")) return tensor_of(attrs.reals(name + "_floats"));
  fail(Error::Kind::model, "has no ", name);
}

struct Table {
  Tensor keys, values, other;  // `other`: what an unknown key becomes
};

Table table_of(const AttrReader& attrs) {
  Table table{column(attrs, "keys"), column(attrs, "values"), {}};
  if (table.keys.type.shape.elements() != table.values.type.shape.elements())
    fail(Error::Kind::model, "keys and values differ in number");
  const DType dtype = table.values.type.dtype;
  if (attrs.has("default_tensor")) {
    table.other = attrs.tensor("default_tensor");
    if (table.other.type.dtype != dtype || table.other.type.shape.elements() != 1)
      fail(Error::Kind::model, "default_tensor is ", table.other.type, ", values are ", table.values.type);
    return table;
  }
  table.other = Tensor::make({dtype, {}});
  if (dtype == DType::string) *table.other.as<std::string>() = attrs.text("default_string");
  else if (is_float(dtype)) set_element(table.other.view(), 0, attrs.real("default_float"));
  else set_element(table.other.view(), 0, static_cast<double>(attrs.integer("default_int64")));
  return table;
}

// Opset 1: strings to their place in a list, or back.
Table old_table(const AttrReader& attrs, bool to_string) {
  const Tensor names = tensor_of(attrs.texts("classes_strings"));
  std::vector<int64_t> places;
  for (int64_t i = 0; i < names.type.shape.elements(); ++i) places.push_back(i);
  Table table{to_string ? Tensor::of(places) : names, to_string ? names : Tensor::of(places),
              Tensor::make({to_string ? DType::string : DType::int64, {}})};
  if (to_string) *table.other.as<std::string>() = attrs.text("default_string");
  else *table.other.as<int64_t>() = attrs.integer("default_int64");
  return table;
}

Table table_for(const AttrReader& attrs, DType from) {
  if (attrs.node().op->since == 1) return old_table(attrs, from != DType::string);
  return table_of(attrs);
}

void infer_encoder(Infer& infer) {
  const Table table = table_for(infer, infer.in(0).dtype);
  if (table.keys.type.dtype != infer.in(0).dtype)
    fail(Error::Kind::type, "keys are ", name_of(table.keys.type.dtype), ", but the input is ", infer.in(0));
  infer.set(0, table.values.type.dtype, infer.shape(0));
}

// Equal elements have equal keys: NaN equals NaN, and 0 equals -0.
std::string key_of(const View& view, int64_t i) {
  if (view.type.dtype == DType::string) return view.as<std::string>()[i];
  if (!is_float(view.type.dtype)) {
    return visit(view.type.dtype, [&]<class T>() { return cat(static_cast<int64_t>(view.as<T>()[i])); });
  }
  double value = element_as_double(view, i);
  if (value != value) return "nan";
  if (value == 0) value = 0;
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

void reference(const Args& args) {
  const View &in = args.in[0], &out = args.out[0];
  const Table table = table_for(args, in.type.dtype);
  std::map<std::string, int64_t> places;
  for (int64_t i = 0; i < table.keys.type.shape.elements(); ++i) places.emplace(key_of(table.keys.view(), i), i);
  visit_bits(out.type.dtype, [&]<class T>() {
    for (int64_t i = 0, n = out.elements(); i < n; ++i) {
      const auto found = places.find(key_of(in, i));
      out.as<T>()[i] = found == places.end() ? *table.other.as<T>() : table.values.as<T>()[found->second];
    }
  });
}

constexpr AttrDef attrs[] = {{"default_float", -0.0}, {"default_int64", -1}, {"default_string", 0, "_Unused"}};
constexpr Text types = "T=numeric|boolean|string : T";
const OpDef rows[] = {
    {"LabelEncoder", "ai.onnx.ml", 1, {1, 1}, {1, 1}, types, attrs, infer_encoder, reference},
    {"LabelEncoder", "ai.onnx.ml", 2, {1, 1}, {1, 1}, types, attrs, infer_encoder, reference},
};

}  // namespace
const OpFile label_encoder{rows};
}  // namespace tessera::ops
