// Writes an ONNX model without protobuf: a machine that is to be measured needs nothing but the program.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/base/base.h"

namespace tessera::check {

using Ints = std::vector<int64_t>;
using Names = std::vector<std::string>;

/// One message of protobuf's wire format.
class Message {
 public:
  void integer(int field, int64_t value);
  void number(int field, float value);
  void bytes(int field, std::string_view value);
  const std::string& text() const { return text_; }

 private:
  void varint(uint64_t value);
  std::string text_;
};

struct Attribute {
  std::string name;
  std::variant<int64_t, float, std::string, Ints> value;
};
using Attributes = std::vector<Attribute>;

/// A model of IR 8 and opset 17 with seeded random weights. Values are called by names that the pen makes up.
class ModelPen {
 public:
  explicit ModelPen(uint64_t seed) : state_(seed) {}

  /// An extent is a number, or the name of an open one.
  using Extent = std::variant<int64_t, std::string>;
  enum class Type { float32 = 1, int64 = 7 };
  std::string input(const std::string& name, const std::vector<Extent>& shape, Type type = Type::float32);
  void output(const std::string& value, const std::string& name, const std::vector<Extent>& shape);
  std::string op(const std::string& type, const Names& in, const Attributes& attributes = {});

  std::string floats(const Ints& shape, std::span<const float> values);
  std::string scalar(float value) { return floats({}, {&value, 1}); }
  std::string ints(const Ints& values);
  std::string whole(int64_t value);  ///< a scalar
  /// Of zero mean and this deviation, or uniform in [middle - spread, middle + spread].
  std::string weights(const Ints& shape, double deviation);
  std::string uniform(const Ints& shape, double middle, double spread);

  /// The whole file.
  std::string model(const std::string& name) const;

 private:
  double next();  // uniform in [-1, 1)
  std::string fresh() { return cat("v", ++count_); }
  static std::string port(const std::string& name, const std::vector<Extent>& shape, Type type);
  std::string constant(const Ints& shape, Type type, std::string_view bytes);

  uint64_t state_;
  int count_ = 0;
  Message graph_;
};

}  // namespace tessera::check
