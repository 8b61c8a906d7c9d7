// The host's side of shaders/epilogue.glsl.

#include <algorithm>
#include <bit>

#include "ops/elementwise.h"
#include "ops/vulkan/kernel.h"

namespace tessera::vulkan {
namespace {

constexpr uint32_t no_row = 0xfffe, shuffle_row = 0xffff;
constexpr uint32_t row_ids = 32, swapped_id = 38, block_id = 39, crd_id = 40;  // specialization constants
constexpr uint32_t row_params = 8, row_words = 6;
constexpr uint32_t operand_binding = 2;

// Vulkan promises too little of sin and its like for the precision that is asked of results.
bool precise_enough(uint16_t function) { return function < elementwise::Sin || function > elementwise::Atanh; }

// A shape of at most four extents as [N, C, H, W].
std::array<uint32_t, 4> padded(const Shape& shape) {
  std::array<uint32_t, 4> extents{1, 1, 1, 1};
  for (size_t i = 0; i < shape.size(); ++i) extents[4 - shape.size() + i] = static_cast<uint32_t>(shape[i]);
  return extents;
}

bool broadcasts(const Shape& from, const Shape& to) {
  if (from.size() > to.size()) return false;
  for (size_t i = 0; i < from.size(); ++i) {
    const int64_t target = to[to.size() - from.size() + i];
    if (from[i] != 1 && from[i] != target) return false;
  }
  return true;
}

Shape shuffled(const Shape& shape, int64_t block) {
  return {shape[0], shape[1] / (block * block), shape[2] * block, shape[3] * block};
}

}  // namespace

bool is_float_input(const Problem& problem, size_t i) {
  return i < problem.in.size() && problem.node.in[i] != absent && problem.in[i].dtype == DType::float32;
}

std::array<uint32_t, 4> Loop::strides(const Shape& shape) const {
  if (flat) return {0, 0, 0, shape.elements() == 1 ? 0u : 1u};
  const auto extents = padded(shape);
  std::array<uint32_t, 4> result{};
  uint32_t step = 1;
  for (size_t i = 4; i-- > 0;) {
    result[i] = extents[i] == 1 ? 0 : step;
    step *= extents[i];
  }
  return result;
}

Shape shape_before_epilogue(const Problem& problem) {
  Shape shape = problem.out[0].shape;
  for (const Fused& row : problem.node.epilogue)
    if (row.shuffles() && shape.size() == 4) {
      const auto block = static_cast<int64_t>(row.a);
      shape = {shape[0], shape[1] * block * block, shape[2] / block, shape[3] / block};
    }
  return shape;
}

bool epilogue_fits(const Problem& problem, List<Fused> rows, const Shape& before) {
  if (rows.size() > max_rows || problem.out.size() != 1 || problem.out[0].dtype != DType::float32) return false;
  Shape shape = before;
  int shuffles = 0;
  for (const Fused& row : rows) {
    if (row.shuffles()) {
      const auto block = static_cast<int64_t>(row.a);
      if (++shuffles > 1 || shape.size() != 4 || block < 1 || shape[1] % (block * block)) return false;
      shape = shuffled(shape, block);
      continue;
    }
    if (row.kind != Fused::Kind::function || !precise_enough(row.function)) return false;
    if (!elementwise::is_binary(row.function)) continue;
    const auto operand = static_cast<size_t>(row.operand);
    if (row.operand < 0 || !is_float_input(problem, operand)) return false;
    const Shape& other = problem.in[operand].shape;
    if (shape.size() > 4 && other != shape && other.elements() != 1) return false;
    if (!broadcasts(other, shape)) return false;
  }
  return shape == problem.out[0].shape;
}

Loop make_loop(const Problem& problem, List<Fused> rows, const Shape& before, const Shape& source) {
  const auto plain = [&](const Shape& shape) { return shape.elements() == 1 || shape == before; };
  Loop loop;
  loop.flat = plain(source);
  for (const Fused& row : rows) {
    if (row.shuffles()) loop.flat = false;
    if (row.operand >= 0) loop.flat &= plain(problem.in[static_cast<size_t>(row.operand)].shape);
  }
  loop.flat |= before.size() > 4;
  if (loop.flat)
    loop.extent[3] = static_cast<uint32_t>(before.elements());
  else
    loop.extent = padded(before);
  return loop;
}

void add_epilogue(const Problem& problem, List<Fused> rows, const Loop& loop, Dispatch& dispatch) {
  auto& params = dispatch.params;
  params.assign(own_params, 0);
  std::array<uint32_t, 4> out = loop.extent;
  uint32_t swapped = 0;
  for (uint32_t i = 0; i < max_rows; ++i) {
    const Fused* row = i < rows.size() ? &rows[i] : nullptr;
    dispatch.constants[row_ids + i] = !row ? no_row : row->shuffles() ? shuffle_row : row->function;
    if (!row) continue;
    if (row->shuffles()) {
      const auto block = static_cast<uint32_t>(row->a);
      dispatch.constants[block_id] = block;
      dispatch.constants[crd_id] = row->b != 0;
      out = {out[0], out[1] / (block * block), out[2] * block, out[3] * block};
      params[5] = out[1];
      continue;
    }
    const uint32_t at = row_params + row_words * i;
    params[at] = std::bit_cast<uint32_t>(row->a);
    params[at + 1] = std::bit_cast<uint32_t>(row->b);
    if (row->operand < 0) continue;
    const auto operand = static_cast<size_t>(row->operand);
    const auto strides = loop.strides(problem.in[operand].shape);
    std::copy(strides.begin(), strides.end(), params.begin() + at + 2);
    if (row->swapped) swapped |= 1u << i;
    dispatch.reads.push_back({operand_binding + i, problem.node.in[operand]});
  }
  dispatch.constants[swapped_id] = swapped;
  params[0] = out[1] * out[2] * out[3];
  params[1] = out[2] * out[3];
  params[2] = out[3];
  params[3] = 1;
}

void cover(uint32_t count, uint32_t size, Dispatch& dispatch) {
  dispatch.constants[0] = size;
  dispatch.groups = {std::min<uint32_t>((count + size - 1) / size, 65535), 1, 1};
}

}  // namespace tessera::vulkan
