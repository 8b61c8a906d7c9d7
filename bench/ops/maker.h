// What makes questions: cases of about a size, whose numbers are drawn when their turn comes.
#pragma once

#include <cmath>

#include "bench/ops/questions.h"
#include "tests/tensors.h"

namespace tessera::peers {

using test::attr;
using test::Case;
using test::fixed;
using test::Input;
using test::integers;
using test::list;

inline constexpr DType f32 = DType::float32, f16 = DType::float16, f64 = DType::float64, i64 = DType::int64,
                       i32 = DType::int32, u8 = DType::uint8, s8 = DType::int8, boolean = DType::boolean;

class Maker {
 public:
  explicit Maker(int64_t bytes) : bytes_(bytes) {}
  std::vector<Timed> take() { return std::move(timed_); }

 protected:
  void add(std::string name, Case question, double tolerance = 1e-4) {
    timed_.push_back({std::move(name), std::move(question), tolerance, blanks_});
  }
  // Numbers that are drawn when their case's turn comes.
  Input random(const Shape& shape, double low, double high, DType type = f32) {
    Tensor tensor = Tensor::make({type, shape});
    (*blanks_)[tensor.bytes.get()] = {low, high};
    return {std::move(tensor)};
  }
  // Places on an axis of so many.
  Input places(const Shape& shape, int64_t extent) { return random(shape, 0, static_cast<double>(extent), i64); }
  int64_t count(DType type) const { return std::max<int64_t>(64, bytes_ * 8 / bits_of(type) / 64 * 64); }
  // [1, rows, width] and the like: a matrix of about the size
  int64_t rows(DType type, int64_t width) const { return std::max<int64_t>(1, count(type) / width); }
  // The side of a square picture, or of a square matrix, of so many channels.
  int64_t side(int64_t channels, DType type = f32) const {
    const auto pixels = static_cast<double>(count(type)) / static_cast<double>(channels);
    return std::max<int64_t>(8, static_cast<int64_t>(std::sqrt(pixels)) / 8 * 8);
  }
  Input numbers(const Shape& shape, DType type = f32, double low = -2, double high = 2) {
    return random(shape, low, high, type);
  }
  Input rows_of(int64_t width, DType type = f32, double low = -2, double high = 2) {
    return random({rows(type, width), width}, low, high, type);
  }
  Input picture(int64_t channels, DType type = f32) {
    const double low = type == u8 ? 0 : -2, high = type == u8 ? 255 : 2;
    return random({1, channels, side(channels, type), side(channels, type)}, low, high, type);
  }
  static Input whole(DType type, double value) { return fixed({test::tensor(type, {}, {value})}); }

  int64_t bytes_;
  std::vector<Timed> timed_;
  std::shared_ptr<Blanks> blanks_ = std::make_shared<Blanks>();
};

/// Operators of com.microsoft that quantized and optimized models carry, and other types of common ones.
void add_more(int64_t bytes, std::vector<Timed>& timed);

}  // namespace tessera::peers
