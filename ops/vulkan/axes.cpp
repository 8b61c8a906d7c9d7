#include "ops/vulkan/axes.h"

#include <algorithm>

#include "ops/vulkan/epilogue.h"

namespace tessera::vulkan {

Axes join_axes(const Shape& shape, List<Shape> strides) {
  Axes axes{{}, std::vector<Shape>(strides.size())};
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    bool joins = !axes.extents.empty();
    for (size_t k = 0; joins && k < strides.size(); ++k) joins = axes.strides[k].back() == strides[k][i] * shape[i];
    if (!joins) axes.extents.push_back(1);
    axes.extents[axes.extents.size() - 1] *= shape[i];
    for (size_t k = 0; k < strides.size(); ++k) {
      Shape& steps = axes.strides[k];
      if (!joins) steps.push_back(0);
      steps[steps.size() - 1] = strides[k][i];
    }
  }
  if (axes.extents.empty()) {
    axes.extents.push_back(1);
    for (Shape& steps : axes.strides) steps.push_back(0);
  }
  return axes;
}

void assign(uint (&to)[max_axes], const Shape& from) {
  std::fill(std::begin(to), std::end(to), 0);
  std::transform(from.begin(), from.end(), to, [](int64_t value) { return static_cast<uint32_t>(value); });
}

uint32_t word_type(DType dtype) {
  const auto bytes = static_cast<uint32_t>(bits_of(dtype) / 8);
  switch (dtype) {
    case DType::float32:
    case DType::float16: return 16 * real_kind + bytes;
    case DType::int8:
    case DType::int16:
    case DType::int32:
    case DType::int64: return 16 * signed_kind + bytes;
    case DType::uint8:
    case DType::uint16:
    case DType::uint32:
    case DType::uint64: return 16 * natural_kind + bytes;
    case DType::boolean: return 16 * truth_kind + bytes;
    default: return 0;
  }
}

uint32_t element_bytes(const Type& type) {
  const int bits = bits_of(type.layout.stored(type.dtype));
  return bits == 8 || bits == 16 || bits == 32 || bits == 64 ? static_cast<uint32_t>(bits / 8) : 0;
}

void cover_words(uint32_t count, uint32_t bytes, Dispatch& dispatch) {
  cover(groups_of(count, bytes < 4 ? 4 / bytes : 1), dispatch);
}

bool moves_elements(const Problem& problem) {
  const Type &in = problem.in[0], &out = problem.out[0];
  return problem.node.in[0] != absent && problem.out.size() == 1 && problem.node.epilogue.empty() &&
         in.shape.elements() > 0 && element_bytes(in) > 0 && element_bytes(in) == element_bytes(out);
}

View known(const Problem& problem, size_t i) {
  const bool given = i < problem.node.op_inputs() && problem.node.in[i] != absent && problem.constants[i];
  return given ? problem.constants[i]->view() : View{};
}

bool knows_inputs(const Problem& problem, size_t first) {
  for (size_t i = first; i < problem.node.op_inputs(); ++i)
    if (problem.node.in[i] != absent && !problem.constants[i]) return false;
  return true;
}

}  // namespace tessera::vulkan
