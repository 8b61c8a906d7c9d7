// Reductions along any axes, and pools over whole pictures; see shaders/reduce.comp. What has few results is joined
// in two steps, so that there is work for many workgroups.

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>

#include "ops/elementwise.h"
#include "ops/reduction.h"
#include "ops/vulkan/epilogue.h"

namespace tessera::vulkan {

#include "shaders/params/reduce.h"

namespace {

constexpr uint32_t enough_workgroups = 64, least_per_lane = 16;

// What VkKernel::functions are for: an element is prepared, joined, and the result finished. Affine
// finishes a mean: it divides by the number of elements.
enum { join_function, prepare_function, finish_function };
constexpr uint16_t none = 0xfffe;

using ops::ReducedAxes;

// By attribute, or by an input; empty if they are not known yet.
std::optional<ReducedAxes> named_axes(const Problem& problem) {
  const AttrReader attrs(problem.node);
  const int rank = problem.in[0].shape.rank();
  if (problem.node.op_inputs() < 2 || problem.node.in[1] == absent)
    return ops::reduced_axes(attrs, attrs.integers("axes"), rank);
  const Tensor* axes = problem.constants[1];
  if (!axes) return std::nullopt;
  return ops::reduced_axes(attrs, {axes->as<const int64_t>(), static_cast<size_t>(axes->type.shape.elements())}, rank);
}

// All but batch and channels.
std::optional<ReducedAxes> picture_axes(const Problem& problem) {
  ReducedAxes axes{std::vector<bool>(problem.in[0].shape.size(), true), true};
  axes.reduced[0] = axes.reduced[1] = false;
  return axes;
}

// How a tensor is walked: along its result, and along what becomes one element of it.
struct Walk {
  Loop loop;
  std::array<uint32_t, 4> strides{}, joined{1, 1, 1, 1}, joined_strides{};
  uint32_t elements() const { return joined[0] * joined[1] * joined[2] * joined[3]; }
};

// Of a picture in blocks of channels: every axis is where it is.
std::optional<Walk> make_blocked_walk(const Type& in, const ReducedAxes& axes, const Shape& result) {
  if (result.size() != 4) return std::nullopt;
  Walk walk;
  walk.loop = loop_over(result);
  const auto extents = loop_over(in.shape).extent, strides = walk.loop.strides(in);
  for (size_t i = 0; i < 4; ++i) {
    (axes.reduced[i] ? walk.joined_strides : walk.strides)[i] = strides[i];
    if (axes.reduced[i]) walk.joined[i] = extents[i];
  }
  return walk;
}

// Empty if the result, or what is joined, has more than four axes. Neighbours that are joined count as one.
std::optional<Walk> make_walk(const Type& type, const ReducedAxes& axes, const Shape& result) {
  const Shape& in = type.shape;
  if (type.layout.block() > 1) return make_blocked_walk(type, axes, result);
  if (result.size() > 4) return std::nullopt;
  Walk walk;
  walk.loop = loop_over(result);
  size_t kept = 4, joined = 4;  // places before these are free
  bool before = false;          // whether the last axis was joined
  uint32_t step = 1;
  for (size_t i = in.size(); i-- > 0;) {
    const auto extent = static_cast<uint32_t>(in[i]);
    if (!axes.reduced[i]) {
      walk.strides[--kept] = step;
    } else {
      if (!before && joined == 0) return std::nullopt;
      if (!before) walk.joined_strides[--joined] = step;
      walk.joined[joined] *= extent;
      if (axes.keep) --kept;
    }
    before = axes.reduced[i];
    step *= extent;
  }
  return walk;
}

using AxesOf = std::optional<ReducedAxes> (*)(const Problem&);

std::vector<Fused> functions_of(const VkKernel& kernel, const Problem& problem, uint32_t elements) {
  std::vector<Fused> functions;
  const uint16_t finish = kernel.functions[finish_function];
  if (finish != none) functions.push_back({.function = finish, .a = 1.0f / static_cast<float>(elements)});
  functions.insert(functions.end(), problem.node.epilogue.begin(), problem.node.epilogue.end());
  return functions;
}

template <AxesOf axes_of>
bool accepts(const VkKernel& kernel, const Problem& problem) {
  if (!is_float_input(problem, 0)) return false;
  const auto axes = axes_of(problem);
  const Shape before = shape_before_epilogue(problem);
  return axes && make_walk(problem.in[0], *axes, before) &&
         epilogue_fits(problem, functions_of(kernel, problem, 1), before);
}

float start_of(uint16_t join) {
  constexpr float most = std::numeric_limits<float>::infinity();
  switch (join) {
    case elementwise::Max: return -most;
    case elementwise::Min: return most;
    case elementwise::Mul: return 1;
    default: return 0;
  }
}

// One dispatch: `parts` of what is joined, each for itself.
Dispatch& record_part(const Walk& walk, uint32_t parts, uint16_t join, uint16_t prepare, const EpilogueParams& epilogue,
                      Recorder& recorder) {
  ReduceParams params;
  params.epilogue = epilogue;
  assign(params.extents, walk.loop.extent);
  params.count = walk.loop.count();
  assign(params.src_strides, walk.strides);
  assign(params.joined, walk.joined);
  assign(params.joined_strides, walk.joined_strides);
  params.elements = walk.elements();
  params.part = groups_of(params.elements, parts);
  params.start = start_of(join);
  Dispatch& dispatch = recorder.dispatch("reduce", params);
  dispatch.set("join", join);
  dispatch.set("prepare", prepare);
  dispatch.groups[1] = parts;
  return dispatch;
}

// Neighbours in memory are read by neighbouring lanes: along what is joined, or along the results.
uint32_t lanes_together(const Walk& walk) {
  const uint32_t most = std::min(reduce_lanes, std::bit_ceil(walk.elements()));
  if (walk.joined_strides[3] == 1) return most;
  return std::min(most, reduce_lanes / std::min(reduce_lanes, std::bit_ceil(walk.loop.count())));
}

template <AxesOf axes_of>
void record(const VkKernel& kernel, const Problem& problem, Recorder& recorder) {
  const Shape result = shape_before_epilogue(problem);
  Walk walk = *make_walk(problem.in[0], *axes_of(problem), result);
  const auto functions = functions_of(kernel, problem, walk.elements());
  const EpilogueParams epilogue = epilogue_params(problem, functions, walk.loop);
  const uint16_t join = kernel.functions[join_function];
  uint16_t prepare = kernel.functions[prepare_function];
  std::optional<Slot> joined_parts;
  uint32_t together = lanes_together(walk);
  const uint32_t workgroups = groups_of(walk.loop.count(), reduce_lanes / together);
  const uint32_t parts = std::min(enough_workgroups / std::min(enough_workgroups, workgroups),
                                  walk.elements() / (together * least_per_lane));
  if (parts > 1) {
    const Slot scratch = recorder.scratch(int64_t{4} * parts * walk.loop.count());
    Dispatch& first = record_part(walk, parts, join, prepare, {}, recorder);
    add_epilogue({}, recorder, first);
    first.set("together", together);
    first.bind("src", recorder.in(0));
    first.bind("parts", scratch);
    spread(workgroups, first);
    walk.strides = walk.loop.strides(result);
    walk.joined = {1, 1, 1, parts};
    walk.joined_strides = {0, 0, 0, walk.loop.count()};
    prepare = none;
    joined_parts = scratch;
    together = lanes_together(walk);
  }
  Dispatch& last = record_part(walk, 1, join, prepare, epilogue, recorder);
  add_epilogue(functions, recorder, last);
  last.set("together", together);
  last.set("joins_parts", joined_parts.has_value());
  last.bind(joined_parts ? "parts" : "src", joined_parts.value_or(recorder.in(0)));
  spread(groups_of(walk.loop.count(), reduce_lanes / together), last);
}

constexpr VkKernel reduction(Text op, uint16_t join, uint16_t prepare = none, uint16_t finish = none) {
  return {op, "", "reduce", {"reduce"}, accepts<named_axes>, record<named_axes>, {join, prepare, finish}, in_both};
}
constexpr VkKernel pool(Text op, uint16_t join, uint16_t finish) {
  return {op, "", "reduce", {"reduce"}, accepts<picture_axes>, record<picture_axes>, {join, none, finish}, in_both};
}

using namespace elementwise;
constexpr VkKernel list[] = {
    reduction("ReduceSum", Add),
    reduction("ReduceMean", Add, none, Affine),
    reduction("ReduceMax", Max),
    reduction("ReduceMin", Min),
    reduction("ReduceProd", Mul),
    reduction("ReduceL1", Add, Abs),
    reduction("ReduceL2", Add, Mul, Sqrt),
    reduction("ReduceSumSquare", Add, Mul),
    reduction("ReduceLogSum", Add, none, Log),
    pool("GlobalAveragePool", Add, Affine),
    pool("GlobalMaxPool", Max, none),
};

}  // namespace

extern const KernelFile reduce_kernels;
const KernelFile reduce_kernels{list};

}  // namespace tessera::vulkan
