#include "ops/vulkan/epilogue.h"

#include <algorithm>

#include "ops/elementwise.h"

namespace tessera::vulkan {
namespace {

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

// "function_3"
std::string numbered(Text name, size_t i) { return cat(name, '_', i); }

}  // namespace

uint32_t Loop::count() const {
  const uint32_t channels = blocked ? groups_of(extent[1], block_size) * block_size : extent[1];
  return extent[0] * channels * extent[2] * extent[3];
}

std::array<uint32_t, 4> Loop::extents() const {
  auto result = extent;
  if (blocked) result[1] |= in_blocks;
  return result;
}

Loop loop_over(const Shape& shape, Layout layout) {
  Loop loop;
  for (size_t i = 0; i < shape.size(); ++i) loop.extent[4 - shape.size() + i] = static_cast<uint32_t>(shape[i]);
  loop.blocked = layout.block() > 1;
  return loop;
}

std::array<uint32_t, 4> Loop::strides(const Type& type) const {
  if (flat) return {0, 0, 0, type.shape.elements() == 1 ? 0u : 1u};
  const auto [n, c, h, w] = loop_over(type.shape).extent;
  const uint32_t block = type.layout.block() > 1 ? block_size : 1, plane = h * w * block;
  const std::array<uint32_t, 4> steps{groups_of(c, block) * plane, block > 1 ? plane | in_blocks : plane, w * block,
                                      block};
  const std::array<uint32_t, 4> extents{n, c, h, w};
  std::array<uint32_t, 4> result{};
  for (size_t i = 0; i < 4; ++i) result[i] = extents[i] == 1 ? 0 : steps[i];
  return result;
}

Shape shape_before_epilogue(const Problem& problem) {
  Shape shape = problem.out[0].shape;
  for (const Fused& fused : problem.node.epilogue)
    if (fused.shuffles() && shape.size() == 4) {
      const auto block = static_cast<int64_t>(fused.a);
      shape = {shape[0], shape[1] * block * block, shape[2] / block, shape[3] / block};
    }
  return shape;
}

bool epilogue_fits(const Problem& problem, List<Fused> functions, const Shape& before) {
  if (functions.size() > max_functions || problem.out.size() != 1 || problem.out[0].dtype != DType::float32)
    return false;
  Shape shape = before;
  int shuffles = 0;
  for (const Fused& fused : functions) {
    if (fused.shuffles()) {
      const auto block = static_cast<int64_t>(fused.a);
      if (++shuffles > 1 || shape.size() != 4 || block < 1 || shape[1] % (block * block)) return false;
      shape = shuffled(shape, block);
      continue;
    }
    if (fused.kind != Fused::Kind::function) return false;
    if (!elementwise::is_binary(fused.function)) continue;
    const auto operand = static_cast<size_t>(fused.operand);
    if (fused.operand < 0 || !is_float_input(problem, operand)) return false;
    const Shape& other = problem.in[operand].shape;
    if (shape.size() > 4 && other != shape && other.elements() != 1) return false;
    if (!broadcasts(other, shape)) return false;
  }
  return shape == problem.out[0].shape;
}

Loop make_loop(const Problem& problem, List<Fused> functions, const Shape& before, const Type& source) {
  const Layout layout = problem.out[0].layout;
  // Where channels fill their blocks, no element is there in vain.
  const bool full = layout.block() == 1 || before[1] % layout.block() == 0;
  const auto plain = [&](const Type& type) {
    return type.shape.elements() == 1 || (type.shape == before && type.layout.block() == layout.block());
  };
  bool flat = full && plain(source);
  for (const Fused& fused : functions) {
    if (fused.shuffles()) flat = false;
    if (fused.operand >= 0) flat &= plain(problem.in[static_cast<size_t>(fused.operand)]);
  }
  if (!flat && before.size() <= 4) return loop_over(before, layout);
  return {{1, 1, 1, static_cast<uint32_t>(before.elements())}, true};
}

EpilogueParams epilogue_params(const Problem& problem, List<Fused> functions, const Loop& loop) {
  EpilogueParams params{};
  std::array<uint32_t, 4> out = loop.extent;
  for (size_t i = 0; i < functions.size(); ++i) {
    const Fused& fused = functions[i];
    if (fused.shuffles()) {
      const auto block = static_cast<uint32_t>(fused.a);
      out = {out[0], out[1] / (block * block), out[2] * block, out[3] * block};
      params.shuffled_channels = out[1];
      continue;
    }
    params.functions[i].a = fused.a;
    params.functions[i].b = fused.b;
    if (fused.operand >= 0)
      assign(params.functions[i].strides, loop.strides(problem.in[static_cast<size_t>(fused.operand)]));
  }
  const Type& dst = problem.out[0];
  if (loop.flat || dst.layout.block() == 1) {
    assign(params.dst_strides, {out[1] * out[2] * out[3], out[2] * out[3], out[3], 1});
  } else {
    assign(params.dst_strides, loop.strides(dst));
    if (dst.shape[1] % block_size) params.unfilled = static_cast<uint32_t>(dst.shape[1]);
  }
  return params;
}

void add_epilogue(List<Fused> functions, const Recorder& recorder, Dispatch& dispatch) {
  uint32_t swapped = 0;
  for (size_t i = 0; i < max_functions; ++i) {
    const Fused* fused = i < functions.size() ? &functions[i] : nullptr;
    dispatch.set(numbered("function", i), !fused ? no_function : fused->shuffles() ? depth_to_space : fused->function);
    if (!fused) continue;
    if (fused->shuffles()) {
      dispatch.set("shuffle_block", static_cast<uint32_t>(fused->a));
      dispatch.set("shuffle_crd", fused->b != 0);
    } else if (fused->operand >= 0) {
      if (fused->swapped) swapped |= 1u << i;
      dispatch.bind(numbered("operand", i), recorder.in(static_cast<size_t>(fused->operand)));
    }
  }
  dispatch.set("swapped", swapped);
  dispatch.bind("dst", recorder.out(0));
}

void cover(uint32_t count, Dispatch& dispatch) {
  constexpr uint32_t workgroup = 128;
  dispatch.set("local_size", workgroup);
  dispatch.groups = {std::min<uint32_t>(groups_of(count, workgroup), 65535), 1, 1};
}

}  // namespace tessera::vulkan
