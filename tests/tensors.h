// Short ways to make tensors and to read them.
#pragma once

#include <cmath>
#include <random>
#include <vector>

#include "runtime/graph/tensor.h"

namespace tessera::test {

/// A tensor with these elements, rounded to `dtype`; one value fills all.
inline Tensor tensor(DType dtype, const Shape& shape, const std::vector<double>& values = {0}) {
  Tensor made = Tensor::make({dtype, shape});
  const int64_t count = shape.elements();
  for (int64_t i = 0; i < count; ++i)
    set_element(made.view(), i, values.size() == 1 ? values[0] : values[static_cast<size_t>(i)]);
  return made;
}

inline Tensor floats(const Shape& shape, const std::vector<double>& values) {
  return tensor(DType::float32, shape, values);
}

/// Random elements in [low, high); integers are whole.
inline Tensor random_tensor(DType dtype, const Shape& shape, uint32_t seed, double low = -1, double high = 1) {
  Tensor made = Tensor::make({dtype, shape});
  std::mt19937 engine(seed);
  std::uniform_real_distribution<double> uniform(low, high);
  const int64_t count = shape.elements();
  for (int64_t i = 0; i < count; ++i) {
    const double value = uniform(engine);
    set_element(made.view(), i, is_float(dtype) ? value : std::floor(value));
  }
  return made;
}

inline std::vector<double> elements(const View& view) {
  std::vector<double> values(static_cast<size_t>(view.elements()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = element_as_double(view, static_cast<int64_t>(i));
  return values;
}
inline std::vector<double> elements(const Tensor& tensor) { return elements(tensor.view()); }

}  // namespace tessera::test
