// Softmax and its logarithm, and normalizations of rows, pictures and channels; see shaders/softmax.comp,
// normalize.comp and batch_norm.comp.

#include <bit>
#include <limits>
#include <optional>

#include "ops/elementwise.h"
#include "ops/move.h"
#include "ops/vulkan/finish8.h"
#include "ops/vulkan/rows.h"

namespace tessera::vulkan {

#include "shaders/params/batch_norm.h"
#include "shaders/params/normalize.h"
#include "shaders/params/normalize8.h"
#include "shaders/params/softmax.h"

namespace {

bool wants(const Problem& problem, size_t i) { return i < problem.out.size() && problem.node.out[i] != absent; }

// The loop over a result, by its coordinates if they fit.
Loop loop_of(const Problem& problem) {
  const Type& type = problem.out[0];
  return make_loop(problem, problem.node.epilogue, type.shape, type);
}

bool finishes(const Problem& problem) {
  const auto& functions = problem.node.epilogue;
  if (std::any_of(functions.begin(), functions.end(), [](const Fused& fused) { return fused.shuffles(); }))
    return false;
  return epilogue_fits(problem, functions, problem.out[0].shape);
}

// --- Softmax -------------------------------------------------------------------------------------

// Rows along an axis, or of all that lies behind it.
RowSet rows_along(const Shape& shape, int64_t axis, bool flat) {
  if (shape.empty()) return {};
  if (axis == shape.rank()) return {shape.elements(), 1, 1};
  const int at = normalize_axis(axis, shape.rank());
  const ops::Around around(shape, at);
  if (flat) return {around.outer, around.extent * around.inner, 1};
  return {around.outer * around.inner, around.extent, around.inner};
}

bool accepts_softmax(const VkKernel&, const Problem& problem) {
  return is_float_input(problem, 0) && finishes(problem);
}

template <bool logarithm>
void record_softmax(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const bool flat = problem.node.op->since < 13;
  const RowSet rows = rows_along(problem.in[0].shape, AttrReader(problem.node).integer("axis"), flat);
  const Loop loop = loop_of(problem);
  SoftmaxParams params{};
  params.epilogue = epilogue_params(problem, problem.node.epilogue, loop);
  assign(params.extents, loop.extent);
  params.rows = word(rows.rows), params.extent = word(rows.extent), params.stride = word(rows.stride);
  Dispatch& dispatch = recorder.dispatch("softmax", params);
  add_epilogue(problem.node.epilogue, recorder, dispatch);
  dispatch.set("logarithm", logarithm);
  dispatch.bind("src", recorder.in(0));
  set_rows(rows, softmax_lanes, dispatch);
}

// --- Rows by their own moments -------------------------------------------------------------------

constexpr size_t nothing = std::numeric_limits<size_t>::max();

// Rows, what they are divided by, and which inputs are their scale and bias.
struct Norm {
  RowSet rows;
  uint32_t divisor = by_deviation;
  float epsilon = 0;
  size_t scale = nothing, bias = nothing;
  RowOperand scale_at{1, 0, 1, 1}, bias_at{1, 0, 1, 1};
  size_t skip = nothing, skip_bias = nothing;
  size_t sum_out = nothing;
};

// Scale or bias as a whole row, or a single number.
bool read_operand(const Problem& problem, size_t input, const RowSet& rows, size_t* at, RowOperand* operand) {
  if (!is_given(problem, input)) return true;
  const Shape& shape = problem.in[input].shape;
  const bool single = shape.elements() == 1;
  if (!is_float_input(problem, input) || (!single && shape.elements() != rows.extent)) return false;
  // A row of as many elements may still be broadcast along other axes.
  const Shape& x = problem.in[0].shape;
  int64_t row = 1;
  for (size_t i = 1; i <= shape.size() && row < rows.extent && !single; ++i) {
    row *= x[x.size() - i];
    if (shape[shape.size() - i] != x[x.size() - i]) return false;
  }
  *at = input;
  *operand = {1, 0, 1, single ? 0u : 1u};
  return true;
}

template <bool centred>
std::optional<Norm> layer_norm(const Problem& problem) {
  const AttrReader attrs(problem.node);
  if (wants(problem, 1) || wants(problem, 2)) return std::nullopt;
  Norm norm;
  norm.rows = rows_along(problem.in[0].shape, attrs.integer("axis"), true);
  norm.divisor = centred ? by_deviation : by_mean_square;
  norm.epsilon = attrs.real("epsilon");
  if (!read_operand(problem, 1, norm.rows, &norm.scale, &norm.scale_at)) return std::nullopt;
  if (centred && !read_operand(problem, 2, norm.rows, &norm.bias, &norm.bias_at)) return std::nullopt;
  return norm;
}

template <bool centred>
std::optional<Norm> skip_layer_norm(const Problem& problem) {
  const size_t added = centred ? 4 : 3;
  if (wants(problem, 1) || wants(problem, 2) || !is_float_input(problem, 1)) return std::nullopt;
  Norm norm;
  norm.rows = rows_along(problem.in[0].shape, -1, true);
  norm.divisor = centred ? by_deviation : by_mean_square;
  norm.epsilon = AttrReader(problem.node).real("epsilon");
  norm.skip = 1;
  norm.scale = 2;
  if (centred && is_given(problem, 3)) norm.bias = 3;
  if (is_given(problem, added)) norm.skip_bias = added;
  if (wants(problem, 3)) norm.sum_out = 3;
  return norm;
}

// Groups of channels that share their moments: each is a row.
Norm group_norm(const Problem& problem, int64_t groups, bool operands_per_group) {
  const Shape& shape = problem.in[0].shape;
  const int64_t plane = shape.elements(2, shape.size()), each = shape[1] / groups;
  Norm norm;
  norm.rows = {shape[0] * groups, each * plane, 1};
  norm.epsilon = AttrReader(problem.node).real("epsilon");
  norm.scale = 1, norm.bias = 2;
  norm.scale_at = {word(groups), operands_per_group ? 1 : word(each), word(plane), operands_per_group ? 0u : 1u};
  norm.bias_at = norm.scale_at;
  return norm;
}

std::optional<Norm> instance_norm(const Problem& problem) { return group_norm(problem, problem.in[0].shape[1], false); }

std::optional<Norm> group_norm(const Problem& problem) {
  return group_norm(problem, AttrReader(problem.node).integer("num_groups"), problem.node.op->since < 21);
}

std::optional<Norm> lp_norm(const Problem& problem) {
  const AttrReader attrs(problem.node);
  Norm norm;
  norm.rows = rows_along(problem.in[0].shape, attrs.integer("axis"), false);
  norm.divisor = attrs.integer("p") == 1 ? by_sum : by_sum_square;
  return norm;
}

// Over all axes but one prefix; others are left to the CPU.
std::optional<Norm> mean_variance_norm(const Problem& problem) {
  const Shape& shape = problem.in[0].shape;
  const AttrReader attrs(problem.node);
  std::vector<bool> joined(shape.size());
  const std::vector<int64_t> usual{0, 2, 3};
  for (const int64_t axis : attrs.has("axes") ? attrs.integers("axes") : List<int64_t>(usual))
    joined[static_cast<size_t>(normalize_axis(axis, shape.rank()))] = true;
  size_t first = 0;
  while (first < joined.size() && (!joined[first] || shape[first] == 1)) ++first;
  for (size_t i = first; i < joined.size(); ++i)
    if (!joined[i] && shape[i] != 1) return std::nullopt;
  Norm norm;
  norm.rows = {shape.elements(0, first), shape.elements(first, shape.size()), 1};
  norm.divisor = by_bare_deviation;
  norm.epsilon = 1e-9f;
  return norm;
}

using NormOf = std::optional<Norm> (*)(const Problem&);

template <NormOf norm_of>
bool accepts_norm(const VkKernel&, const Problem& problem) {
  if (!is_float_input(problem, 0)) return false;
  const auto norm = norm_of(problem);
  if (!norm) return false;
  for (const size_t i : {norm->scale, norm->bias, norm->skip, norm->skip_bias})
    if (i != nothing && !is_float_input(problem, i)) return false;
  return problem.out.size() == 1 ? finishes(problem) : problem.node.epilogue.empty();
}

Dispatch& record_stage(const Norm& norm, const NormalizeParams& params, uint32_t stage, Recorder& recorder) {
  const auto bind = [&](Dispatch& dispatch, Text buffer, Text constant, size_t input) {
    if (input == nothing) return;
    dispatch.set(constant, 1);
    dispatch.bind(buffer, recorder.in(input));
  };
  Dispatch& dispatch = recorder.dispatch("normalize", params);
  RowSet part = norm.rows;
  part.extent = params.part;
  set_rows(part, normalize_lanes, dispatch);
  dispatch.groups[1] = params.parts;
  dispatch.set("divisor", norm.divisor);
  dispatch.set("stage", stage);
  dispatch.bind("src", recorder.in(0));
  bind(dispatch, "scale", "scaled", norm.scale);
  bind(dispatch, "bias", "biased", norm.bias);
  bind(dispatch, "skip", "skips", norm.skip);
  bind(dispatch, "added", "skip_bias", norm.skip_bias);
  return dispatch;
}

template <NormOf norm_of>
void record_norm(const VkKernel&, const Problem& problem, Recorder& recorder) {
  constexpr int64_t enough_workgroups = 64, least_part = 2048;
  const Norm norm = *norm_of(problem);
  const Loop loop = loop_of(problem);
  NormalizeParams params{};
  params.epilogue = epilogue_params(problem, problem.node.epilogue, loop);
  assign(params.extents, loop.extent);
  params.rows = word(norm.rows.rows), params.extent = word(norm.rows.extent), params.stride = word(norm.rows.stride);
  params.epsilon = norm.epsilon;
  params.scale = norm.scale_at, params.bias = norm.bias_at;
  if (norm.skip != nothing) params.skip_size = word(problem.in[norm.skip].shape.elements());

  const bool has_moments = norm.divisor == by_deviation || norm.divisor == by_bare_deviation;
  const int64_t parts = std::min(enough_workgroups / norm.rows.rows, norm.rows.extent / least_part);
  params.parts = 1, params.part = params.extent;
  if (parts > 1 && has_moments && norm.rows.stride == 1) {
    params.part = word(ceil_div(norm.rows.extent, parts));
    params.parts = groups_of(params.extent, params.part);
  }
  const bool split = params.parts > 1;
  const Slot measured = split ? recorder.scratch(int64_t{sizeof(Moments)} * params.rows * params.parts) : Slot{};
  if (split) record_stage(norm, params, 1, recorder).bind("measured", measured);
  Dispatch& dispatch = record_stage(norm, params, split ? 2 : 0, recorder);
  if (split) dispatch.bind("measured", measured);
  add_epilogue(problem.node.epilogue, recorder, dispatch);
  if (norm.sum_out == nothing) return;
  dispatch.set("keeps_sum", 1);
  dispatch.bind("total", recorder.out(norm.sum_out));
}

// --- Rows of halves, 8 at a time -----------------------------------------------------------------

// Scale and bias are the first functions.
std::vector<Fused> functions_of(const Norm& norm, const Problem& problem) {
  std::vector<Fused> functions;
  const auto apply = [&](uint16_t function, size_t operand) {
    if (operand != nothing) functions.push_back({.function = function, .operand = static_cast<int16_t>(operand)});
  };
  apply(elementwise::Mul, norm.scale);
  apply(elementwise::Add, norm.bias);
  functions.insert(functions.end(), problem.node.epilogue.begin(), problem.node.epilogue.end());
  return functions;
}

template <NormOf norm_of>
bool accepts_rows(const VkKernel& kernel, const Problem& problem) {
  constexpr int64_t most_columns = 1024;
  if (!accepts_norm<norm_of>(kernel, problem) || problem.out.size() != 1) return false;
  const Norm norm = *norm_of(problem);
  return norm.rows.stride == 1 && norm.rows.extent <= most_columns &&
         finishes_rows(problem, functions_of(norm, problem), problem.out[0].shape);
}

template <NormOf norm_of>
void record_rows(const VkKernel&, const Problem& problem, Recorder& recorder) {
  constexpr uint32_t warps = 4, usual_processors = 32, groups_of_one = 8;
  const Norm norm = *norm_of(problem);
  const Facts& facts = recorder.facts();
  const auto functions = functions_of(norm, problem);
  const Type& type = problem.out[0];
  const Loop loop = make_loop(problem, functions, type.shape, type);
  Finish finish = Finish::of_rows(problem, functions, loop, norm.rows.rows, norm.rows.extent);
  const uint32_t vectors = groups_of(word(norm.rows.extent), 8);
  const uint32_t together = std::min(facts.subgroup, std::bit_ceil(vectors));
  finish.order.padded = int64_t{vectors} * 8;
  Normalize8Params params;
  params.finish = finish.params;
  params.epsilon = norm.epsilon;
  Dispatch& dispatch = recorder.dispatch("normalize8", params);
  finish.add(recorder, dispatch);
  dispatch.bind("src", halves_of(0, problem, recorder));
  dispatch.set("local_size", warps * facts.subgroup);
  dispatch.set("tile_channels", vectors * 8);
  dispatch.set("together", together);
  dispatch.set("kept", groups_of(vectors, together));
  dispatch.set("centred", norm.divisor == by_deviation);
  const uint32_t most = groups_of_one * (facts.processors ? facts.processors : usual_processors);
  dispatch.groups[0] = std::min(most, groups_of(word(norm.rows.rows), warps * facts.subgroup / together));
}

// --- By given moments ----------------------------------------------------------------------------

// Moments are read as float32, however the picture is stored: a variance may be small.
bool accepts_batch(const VkKernel&, const Problem& problem) {
  if (!is_float_input(problem, 0)) return false;
  for (size_t i = 1; i < 5; ++i)
    if (!is_float_input(problem, i) || !(problem.constants[i] || problem.in[i].layout == Layout::row_major))
      return false;
  const AttrReader attrs(problem.node);
  for (size_t i = 1; i < problem.out.size(); ++i)
    if (wants(problem, i)) return false;
  const bool trains = problem.node.op->since >= 14 && attrs.integer("training_mode");
  return !trains && problem.out.size() == 1 && problem.in[0].shape.size() >= 2 && finishes(problem);
}

void record_batch(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const AttrReader attrs(problem.node);
  const Shape& shape = problem.in[0].shape;
  const bool spatial = !attrs.has("spatial") || attrs.integer("spatial") != 0;
  const bool pictures = shape.size() == 4 && spatial;
  const Loop loop = pictures ? loop_over(shape, problem.out[0].layout) : loop_of(problem);
  BatchNormParams params{};
  params.epilogue = epilogue_params(problem, problem.node.epilogue, loop);
  assign(params.extents, loop.extents());
  params.count = loop.count();
  if (pictures) assign(params.src_strides, loop.strides(problem.in[0]));
  params.channels = word(spatial ? shape[1] : shape.elements(1, shape.size()));
  params.plane = word(spatial ? shape.elements(2, shape.size()) : 1);
  params.epsilon = attrs.real("epsilon");
  Dispatch& dispatch = recorder.dispatch("batch_norm", params);
  add_epilogue(problem.node.epilogue, recorder, dispatch);
  dispatch.set("pictures", pictures);
  const Text buffers[] = {"src", "scale", "bias", "mean", "variance"};
  for (size_t i = 0; i < 5; ++i) dispatch.bind(buffers[i], recorder.in(i));
  cover(params.count, dispatch);
}

template <bool logarithm>
constexpr VkKernel softmax_kernel(Text op) {
  return {op, "", "softmax", {"softmax"}, accepts_softmax, record_softmax<logarithm>};
}
template <NormOf norm_of>
constexpr VkKernel norm_kernel(Text op, Text domain = "") {
  return {op, domain, "normalize", {"normalize"}, accepts_norm<norm_of>, record_norm<norm_of>};
}

template <NormOf norm_of>
constexpr VkKernel rows_kernel(Text op) {
  return {op, "", "normalize.rows", {"normalize8"}, accepts_rows<norm_of>, record_rows<norm_of>, {}, in_half, 1};
}

constexpr VkKernel list[] = {
    softmax_kernel<false>("Softmax"),
    softmax_kernel<true>("LogSoftmax"),
    norm_kernel<layer_norm<true>>("LayerNormalization"),
    norm_kernel<layer_norm<false>>("RMSNormalization"),
    norm_kernel<layer_norm<false>>("SimplifiedLayerNormalization"),
    rows_kernel<layer_norm<true>>("LayerNormalization"),
    rows_kernel<layer_norm<false>>("RMSNormalization"),
    norm_kernel<skip_layer_norm<true>>("SkipLayerNormalization", "com.microsoft"),
    norm_kernel<skip_layer_norm<false>>("SkipSimplifiedLayerNormalization", "com.microsoft"),
    norm_kernel<instance_norm>("InstanceNormalization"),
    norm_kernel<group_norm>("GroupNormalization"),
    norm_kernel<lp_norm>("LpNormalization"),
    norm_kernel<mean_variance_norm>("MeanVarianceNormalization"),
    {"BatchNormalization", "", "batch_norm", {"batch_norm"}, accepts_batch, record_batch, {}, in_both},
};

}  // namespace

extern const KernelFile normalize_kernels;
const KernelFile normalize_kernels{list};

}  // namespace tessera::vulkan
