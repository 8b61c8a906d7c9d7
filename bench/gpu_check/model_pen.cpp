// Field numbers are those of onnx.proto.
#include "bench/gpu_check/model_pen.h"

#include <cmath>
#include <cstring>

namespace tessera::check {

void Message::varint(uint64_t value) {
  for (; value >= 0x80; value >>= 7) text_.push_back(static_cast<char>(value | 0x80));
  text_.push_back(static_cast<char>(value));
}

void Message::integer(int field, int64_t value) {
  varint(static_cast<uint64_t>(field) << 3);
  varint(static_cast<uint64_t>(value));
}

void Message::number(int field, float value) {
  varint(static_cast<uint64_t>(field) << 3 | 5);
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  text_.append(bytes, sizeof bytes);
}

void Message::bytes(int field, std::string_view value) {
  varint(static_cast<uint64_t>(field) << 3 | 2);
  varint(value.size());
  text_.append(value);
}

namespace {

Message message_of(const Attribute& attribute) {
  constexpr int name = 1, f = 2, i = 3, s = 4, ints = 8, type = 20;
  enum { type_float = 1, type_int = 2, type_string = 3, type_ints = 7 };
  Message message;
  message.bytes(name, attribute.name);
  if (const auto* whole = std::get_if<int64_t>(&attribute.value)) {
    message.integer(i, *whole);
    message.integer(type, type_int);
  } else if (const auto* real = std::get_if<float>(&attribute.value)) {
    message.number(f, *real);
    message.integer(type, type_float);
  } else if (const auto* text = std::get_if<std::string>(&attribute.value)) {
    message.bytes(s, *text);
    message.integer(type, type_string);
  } else {
    for (const int64_t value : std::get<Ints>(attribute.value)) message.integer(ints, value);
    message.integer(type, type_ints);
  }
  return message;
}

}  // namespace

std::string ModelPen::port(const std::string& name, const std::vector<Extent>& shape, Type type) {
  Message dims, tensor, wrapped, info;
  for (const Extent& extent : shape) {
    Message dim;
    if (const auto* open = std::get_if<std::string>(&extent))
      dim.bytes(2, *open);
    else
      dim.integer(1, std::get<int64_t>(extent));
    dims.bytes(1, dim.text());
  }
  tensor.integer(1, static_cast<int>(type));
  tensor.bytes(2, dims.text());
  wrapped.bytes(1, tensor.text());
  info.bytes(1, name);
  info.bytes(2, wrapped.text());
  return info.text();
}

std::string ModelPen::input(const std::string& name, const std::vector<Extent>& shape, Type type) {
  graph_.bytes(11, port(name, shape, type));
  return name;
}

void ModelPen::output(const std::string& value, const std::string& name, const std::vector<Extent>& shape) {
  Message node;
  node.bytes(1, value);
  node.bytes(2, name);
  node.bytes(4, "Identity");
  graph_.bytes(1, node.text());
  graph_.bytes(12, port(name, shape, Type::float32));
}

std::string ModelPen::op(const std::string& type, const Names& in, const Attributes& attributes) {
  const std::string out = fresh();
  Message node;
  for (const std::string& name : in) node.bytes(1, name);
  node.bytes(2, out);
  node.bytes(3, type + "_" + out);
  node.bytes(4, type);
  for (const Attribute& attribute : attributes) node.bytes(5, message_of(attribute).text());
  graph_.bytes(1, node.text());
  return out;
}

std::string ModelPen::constant(const Ints& shape, Type type, std::string_view bytes) {
  const std::string name = fresh();
  Message tensor;
  for (const int64_t dim : shape) tensor.integer(1, dim);
  tensor.integer(2, static_cast<int>(type));
  tensor.bytes(8, name);
  tensor.bytes(9, bytes);
  graph_.bytes(5, tensor.text());
  return name;
}

std::string ModelPen::floats(const Ints& shape, std::span<const float> values) {
  return constant(shape, Type::float32, {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

std::string ModelPen::ints(const Ints& values) {
  return constant({static_cast<int64_t>(values.size())}, Type::int64,
                  {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(int64_t)});
}

std::string ModelPen::whole(int64_t value) {
  return constant({}, Type::int64, {reinterpret_cast<const char*>(&value), sizeof value});
}

double ModelPen::next() {
  state_ = state_ * 6364136223846793005u + 1442695040888963407u;
  return static_cast<double>(state_ >> 40) / (1 << 23) - 1;
}

std::string ModelPen::weights(const Ints& shape, double deviation) {
  return uniform(shape, 0, deviation * std::sqrt(3.0));
}

std::string ModelPen::uniform(const Ints& shape, double middle, double spread) {
  size_t count = 1;
  for (const int64_t dim : shape) count *= static_cast<size_t>(dim);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(middle + spread * next());
  return floats(shape, values);
}

std::string ModelPen::model(const std::string& name) const {
  Message graph = graph_, opset, model;
  graph.bytes(2, name);
  opset.bytes(1, "");
  opset.integer(2, 17);
  model.integer(1, 8);
  model.bytes(2, "tessera gpu_check");
  model.bytes(8, opset.text());
  model.bytes(7, graph.text());
  return model.text();
}

}  // namespace tessera::check
