// Comparisons, logic, casts, Where, OneHot and arithmetic of integers; see shaders/mixed.comp.

#include <algorithm>
#include <bit>
#include <numeric>

#include "ops/move.h"
#include "ops/pairs.h"
#include "ops/vulkan/axes.h"
#include "ops/vulkan/epilogue.h"

namespace tessera::vulkan {

#include "shaders/params/mixed.h"

namespace {

enum { function_of, in_turn };                 // what VkKernel::functions are for
enum : uint16_t { as_written, second_first };  // the order of the operands

constexpr size_t most_operands = 3;

uint32_t type_of(const Type& type) { return word_type(type.layout.stored(type.dtype)); }

// How many inputs are operands: CastLike's second one only has a type.
size_t operands_of(const VkKernel& kernel, const Problem& problem) {
  return kernel.functions[function_of] == fn_cast ? 1 : problem.node.op_inputs();
}

// The shapes of the operands, as they are broadcast to the output's.
std::vector<Shape> shapes_of(const VkKernel& kernel, const Problem& problem) {
  std::vector<Shape> shapes;
  for (size_t i = 0; i < operands_of(kernel, problem); ++i) shapes.push_back(problem.in[i].shape);
  if (shapes.size() == 2 && problem.node.op->since < 7)
    shapes[1] = ops::old_operand_shape(AttrReader(problem.node), shapes[0], shapes[1]);
  return shapes;
}

Axes axes_of(const VkKernel& kernel, const Problem& problem) {
  std::vector<Shape> strides;
  for (const Shape& shape : shapes_of(kernel, problem))
    strides.push_back(ops::broadcast_strides(shape, problem.out[0].shape));
  return join_axes(problem.out[0].shape, strides);
}

bool accepts(const VkKernel& kernel, const Problem& problem) {
  const size_t operands = operands_of(kernel, problem);
  if (operands > most_operands || problem.out.size() != 1 || !problem.node.epilogue.empty() || !type_of(problem.out[0]))
    return false;
  for (size_t i = 0; i < operands; ++i)
    if (problem.node.in[i] == absent || !type_of(problem.in[i])) return false;
  return axes_of(kernel, problem).extents.size() <= max_axes;
}

// Floats have kernels with epilogues for these.
bool accepts_integers(const VkKernel& kernel, const Problem& problem) {
  return !is_float(problem.in[0].dtype) && problem.in[0].dtype != DType::boolean && accepts(kernel, problem);
}

MixedParams params_of(const VkKernel& kernel, const Problem& problem, const Axes& axes) {
  MixedParams params{};
  assign(params.extents, axes.extents);
  params.count = static_cast<uint32_t>(axes.extents.elements());
  uint32_t(*const strides[])[max_axes] = {&params.strides_a, &params.strides_b, &params.strides_c};
  for (size_t i = 0; i < std::min(axes.strides.size(), std::size(strides)); ++i) assign(*strides[i], axes.strides[i]);
  if (kernel.functions[function_of] == fn_is_inf) {
    const AttrReader attrs(problem.node);
    params.a = attrs.integer("detect_positive") != 0;
    params.b = attrs.integer("detect_negative") != 0;
  }
  return params;
}

// Binds the operands in that order, and the output.
void bind_operands(const Problem& problem, const Axes& axes, List<Slot> slots, List<uint32_t> types,
                   Dispatch& dispatch) {
  constexpr Text buffers[] = {"words_a", "words_b", "words_c"}, constants[] = {"type_a", "type_b", "type_c"};
  for (size_t i = 0; i < slots.size(); ++i) {
    dispatch.bind(buffers[i], slots[i]);
    dispatch.set(constants[i], types[i]);
  }
  dispatch.set("operands", static_cast<uint32_t>(slots.size()));
  dispatch.set("axes", static_cast<uint32_t>(axes.extents.size()));
  dispatch.set("type_out", type_of(problem.out[0]));
  cover_words(static_cast<uint32_t>(axes.extents.elements()), element_bytes(problem.out[0]), dispatch);
}

void record(const VkKernel& kernel, const Problem& problem, Recorder& recorder) {
  Axes axes = axes_of(kernel, problem);
  std::vector<Slot> slots;
  std::vector<uint32_t> types;
  for (size_t i = 0; i < axes.strides.size(); ++i) {
    slots.push_back(recorder.in(i));
    types.push_back(type_of(problem.in[i]));
  }
  if (kernel.functions[in_turn] == second_first) {
    std::swap(slots[0], slots[1]);
    std::swap(types[0], types[1]);
    std::swap(axes.strides[0], axes.strides[1]);
  }
  Dispatch& dispatch = recorder.dispatch("mixed", params_of(kernel, problem, axes));
  dispatch.set("function", kernel.functions[function_of]);
  dispatch.bind("dst", recorder.out(0));
  bind_operands(problem, axes, slots, types, dispatch);
}

// --- OneHot ------------------------------------------------------------------------------------

// The output as [outer, depth, inner], of indices [outer, inner].
Axes one_hot_axes(const Problem& problem) {
  const Shape& out = problem.out[0].shape;
  const ops::Around around(out, normalize_axis(AttrReader(problem.node).integer("axis"), out.rank()));
  const Shape strides[] = {{around.inner, 0, 1}, {0, 1, 0}};
  return join_axes({around.outer, around.extent, around.inner}, strides);
}

bool accepts_one_hot(const VkKernel&, const Problem& problem) {
  return knows_inputs(problem, 2) && problem.in[2].dtype == DType::float32 && type_of(problem.in[0]) &&
         problem.in[0].dtype != DType::boolean && problem.node.epilogue.empty();
}

void record_one_hot(const VkKernel& kernel, const Problem& problem, Recorder& recorder) {
  const Axes axes = one_hot_axes(problem);
  const auto* values = problem.constants[2]->as<const float>();
  const Shape& out = problem.out[0].shape;
  std::vector<int32_t> places(static_cast<size_t>(
      out[static_cast<size_t>(normalize_axis(AttrReader(problem.node).integer("axis"), out.rank()))]));
  std::iota(places.begin(), places.end(), 0);
  MixedParams params = params_of(kernel, problem, axes);
  params.a = std::bit_cast<uint32_t>(values[0]);
  params.b = std::bit_cast<uint32_t>(values[1]);
  params.depth = static_cast<uint32_t>(places.size());
  Dispatch& dispatch = recorder.dispatch("mixed", params);
  dispatch.set("function", fn_one_hot);
  dispatch.bind("dst", recorder.out(0));
  const Slot slots[] = {recorder.in(0), recorder.table(places)};
  const uint32_t types[] = {type_of(problem.in[0]), word_type(DType::int32)};
  bind_operands(problem, axes, slots, types, dispatch);
}

constexpr VkKernel mixed(Text op, uint16_t function, uint16_t order = as_written) {
  return {op, "", "mixed", {"mixed"}, accepts, record, {function, order}, in_half, 0, true};
}
constexpr VkKernel integers(Text op, uint16_t function) {
  return {op, "", "integers", {"mixed"}, accepts_integers, record, {function, as_written}};
}

constexpr VkKernel list[] = {
    mixed("Equal", fn_equal),
    mixed("Greater", fn_greater),
    mixed("GreaterOrEqual", fn_greater_or_equal),
    mixed("Less", fn_greater, second_first),
    mixed("LessOrEqual", fn_greater_or_equal, second_first),
    mixed("And", fn_and),
    mixed("Or", fn_or),
    mixed("Xor", fn_xor),
    mixed("Not", fn_not),
    mixed("BitwiseAnd", fn_and),
    mixed("BitwiseOr", fn_or),
    mixed("BitwiseXor", fn_xor),
    mixed("IsNaN", fn_is_nan),
    mixed("IsInf", fn_is_inf),
    mixed("Where", fn_where),
    mixed("Cast", fn_cast),
    mixed("CastLike", fn_cast),
    integers("Add", fn_add),
    integers("Sub", fn_sub),
    integers("Mul", fn_mul),
    integers("Min", fn_min),
    integers("Max", fn_max),
    integers("Neg", fn_neg),
    integers("Abs", fn_abs),
    {"OneHot", "", "one_hot", {"mixed"}, accepts_one_hot, record_one_hot},
};

}  // namespace

extern const KernelFile mixed_kernels;
const KernelFile mixed_kernels{list};

}  // namespace tessera::vulkan
