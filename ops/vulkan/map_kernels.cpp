// Kernels that move elements one by one: elementwise operators, Concat, Split, DepthToSpace, and views.

#include <optional>

#include "ops/elementwise.h"
#include "ops/move.h"
#include "ops/vulkan/finish8.h"
#include "runtime/base/rounding.h"

namespace tessera::vulkan {

#include "shaders/params/map.h"
#include "shaders/params/map8.h"

namespace {

using Functions = std::vector<Fused>;

// The node itself as the first functions of its epilogue; empty if its attributes have no such form.
std::optional<Functions> functions_of(const VkKernel& kernel, const Problem& problem) {
  using namespace elementwise;
  const Node& node = problem.node;
  if (!is_float_input(problem, 0)) return std::nullopt;
  const AttrReader attrs(node);
  Fused fused{kernel.functions[0]};
  Functions result;
  if (is_binary(fused.function)) {
    // Before opset 7 an attribute says how to broadcast.
    if (attrs.has("axis") || attrs.has("broadcast")) return std::nullopt;
    for (size_t i = 1; i < node.op_inputs(); ++i) {
      fused.operand = static_cast<int16_t>(i);
      result.push_back(fused);
    }
    return result;
  }
  const auto number = [&](size_t input, float* value) {
    if (input >= node.op_inputs() || node.in[input] == absent) return true;
    if (problem.constants[input]) *value = problem.constants[input]->as<const float>()[0];
    return problem.constants[input] != nullptr;
  };
  UnaryFunction unary;
  if (!read_unary(attrs, fused.function, number, &unary)) return std::nullopt;
  fused.function = unary.function, fused.a = unary.a, fused.b = unary.b;
  result.push_back(fused);
  return result;
}

void append_epilogue(const Problem& problem, Functions& list) {
  list.insert(list.end(), problem.node.epilogue.begin(), problem.node.epilogue.end());
}

MapParams map_params(const Problem& problem, const Functions& list, const Loop& loop, const Type& source) {
  MapParams params{};
  params.epilogue = epilogue_params(problem, list, loop);
  assign(params.extents, loop.extents());
  params.count = loop.count();
  assign(params.src_strides, loop.strides(source));
  return params;
}

// A dispatch that reads `source` and applies `list`.
Dispatch& record_map(const MapParams& params, const Functions& list, const Slot& source, Recorder& recorder) {
  Dispatch& dispatch = recorder.dispatch("map", params);
  add_epilogue(list, recorder, dispatch);
  dispatch.bind("src", source);
  cover(params.count, dispatch);
  return dispatch;
}

void record_functions(const Problem& problem, const Functions& list, const Shape& before, Recorder& recorder) {
  const Type& source = problem.in[0];
  const Loop loop = make_loop(problem, list, before, source);
  record_map(map_params(problem, list, loop, source), list, recorder.in(0), recorder);
}

// --- Elementwise -------------------------------------------------------------------------------

bool source_fits(const Shape& source, const Shape& before) {
  return before.size() <= 4 || source == before || source.elements() == 1;
}

bool accepts_elementwise(const VkKernel& kernel, const Problem& problem) {
  auto list = functions_of(kernel, problem);
  if (!list) return false;
  append_epilogue(problem, *list);
  const Shape before = shape_before_epilogue(problem);
  return source_fits(problem.in[0].shape, before) && epilogue_fits(problem, *list, before);
}

void record_elementwise(const VkKernel& kernel, const Problem& problem, Recorder& recorder) {
  auto list = functions_of(kernel, problem);
  append_epilogue(problem, *list);
  record_functions(problem, *list, shape_before_epilogue(problem), recorder);
}

// --- Elementwise, 8 halves at a time -----------------------------------------------------------------

// How elements are walked: as rows of the last axis; or as one row, where operands are as large or single numbers.
struct Rows {
  Functions list;
  Loop loop;
  int64_t rows = 1, columns = 1;
};

std::optional<Rows> rows_of(const VkKernel& kernel, const Problem& problem) {
  constexpr int64_t most_columns = 1024;
  auto list = functions_of(kernel, problem);
  if (!list) return std::nullopt;
  append_epilogue(problem, *list);
  const Type& type = problem.out[0];
  if (problem.in[0].shape != type.shape || !finishes_rows(problem, *list, type.shape)) return std::nullopt;
  Rows rows{*list, make_loop(problem, *list, type.shape, problem.in[0])};
  if (rows.loop.flat) {
    rows.columns = type.shape.elements();
  } else {
    if (type.layout.block() > 1 || type.shape.back() > most_columns) return std::nullopt;
    rows.columns = type.shape.back();
    rows.rows = type.shape.elements() / rows.columns;
  }
  return rows;
}

bool accepts_rows(const VkKernel& kernel, const Problem& problem) { return rows_of(kernel, problem).has_value(); }

void record_rows(const VkKernel& kernel, const Problem& problem, Recorder& recorder) {
  const Rows rows = *rows_of(kernel, problem);
  Finish finish = Finish::of_rows(problem, rows.list, rows.loop, rows.rows, rows.columns);
  const int64_t vectors = ceil_div(rows.columns, 8);
  finish.order.padded = rows.loop.flat ? 8 : vectors * 8;
  Map8Params params;
  params.finish = finish.params;
  Dispatch& dispatch = recorder.dispatch("map8", params);
  finish.add(recorder, dispatch);
  dispatch.bind("src", halves_of(0, problem, recorder));
  dispatch.set("tile_channels", word(finish.order.padded));
  dispatch.set("one_row", rows.loop.flat);
  cover(word(rows.rows * vectors), dispatch);
}

// --- DepthToSpace ------------------------------------------------------------------------------

Functions shuffle(const Problem& problem) {
  const AttrReader attrs(problem.node);
  Functions list{Fused::depth_to_space(attrs.integer("blocksize"), attrs.text("mode") == "CRD")};
  append_epilogue(problem, list);
  return list;
}

bool accepts_depth_to_space(const VkKernel&, const Problem& problem) {
  return is_float_input(problem, 0) && problem.in[0].shape.size() == 4 &&
         epilogue_fits(problem, shuffle(problem), problem.in[0].shape);
}

void record_depth_to_space(const VkKernel&, const Problem& problem, Recorder& recorder) {
  record_functions(problem, shuffle(problem), problem.in[0].shape, recorder);
}

// --- Concat and Split --------------------------------------------------------------------------

bool all_float(List<Type> types) {
  return std::all_of(types.begin(), types.end(), [](const Type& type) { return type.dtype == DType::float32; });
}

bool accepts_concat(const VkKernel&, const Problem& problem) {
  return problem.node.epilogue.empty() && all_float(problem.in) && all_float(problem.out);
}

bool accepts_split(const VkKernel&, const Problem& problem) {
  return problem.node.epilogue.empty() && is_float_input(problem, 0);
}

// Parts of a tensor along an axis: as they are where they have four axes, else as matrices of which each is some
// columns of the whole.
struct Parts {
  const Problem& problem;
  Layout layout;  // of the whole and of its parts
  int axis;
  Parts(const Problem& p, const Type& whole)
      : problem(p),
        layout(whole.layout),
        axis(normalize_axis(AttrReader(p.node).integer("axis"), whole.shape.rank())) {}

  size_t place() const { return problem.in[0].shape.size() == 4 ? static_cast<size_t>(axis) : 3; }
  Type seen(const Shape& shape) const {
    if (shape.size() == 4) return {DType::float32, shape, layout};
    const ops::Around around(shape, axis);
    return {DType::float32, {around.outer, around.extent * around.inner}, {}};
  }
  // Of the part's elements, in the order in which they lie.
  MapParams params(const Shape& whole, const Shape& part, bool reads_whole) const {
    const Type from = seen(reads_whole ? whole : part), to = seen(reads_whole ? part : whole);
    const Loop loop = loop_over(seen(part).shape, layout);
    MapParams params{};
    assign(params.extents, loop.extents());
    params.count = loop.count();
    assign(params.src_strides, loop.strides(from));
    assign(params.epilogue.dst_strides, loop.strides(to));
    if (to.layout.block() > 1 && to.shape[1] % block_size)
      params.epilogue.unfilled = static_cast<uint32_t>(to.shape[1]);
    return params;
  }
};

void record_concat(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const Parts parts(problem, problem.out[0]);
  uint32_t first = 0;
  for (size_t i = 0; i < problem.in.size(); ++i) {
    MapParams params = parts.params(problem.out[0].shape, problem.in[i].shape, false);
    params.dst_first[parts.place()] = first;
    record_map(params, {}, recorder.in(i), recorder);
    first += params.extents[parts.place()] & ~in_blocks;
  }
}

void record_split(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const Parts parts(problem, problem.in[0]);
  uint32_t first = 0;
  for (size_t i = 0; i < problem.out.size(); ++i) {
    MapParams params = parts.params(problem.in[0].shape, problem.out[i].shape, true);
    params.src_first[parts.place()] = first;
    record_map(params, {}, recorder.in(0), recorder).bind("dst", recorder.out(i));
    first += params.extents[parts.place()] & ~in_blocks;
  }
}

// --- Views -------------------------------------------------------------------------------------

bool accepts_view(const VkKernel&, const Problem& problem) {
  return bits_of(problem.in[0].dtype) >= 8 && problem.in[0].dtype != DType::string && !problem.constants[0] &&
         problem.out.size() == 1 && problem.node.epilogue.empty();
}

constexpr VkKernel elementwise_kernel(Text op, uint16_t function, Text domain = "") {
  return {op, domain, "map", {"map"}, accepts_elementwise, record_elementwise, {function}, in_both};
}
// Before those that it stands for: of kernels that are as good otherwise, the first one is taken.
constexpr VkKernel rows_kernel(Text op, uint16_t function, Text domain = "") {
  return {op, domain, "map.rows", {"map8"}, accepts_rows, record_rows, {function}, in_both};
}
constexpr VkKernel view(Text op) { return {op, "", "view", {}, accepts_view, nullptr}; }

constexpr VkKernel list[] = {
#define TESSERA_UNARY(id, Op, CLASS, expression) rows_kernel(#Op, id), elementwise_kernel(#Op, id),
#define TESSERA_BINARY(id, Op, CLASS, expression) rows_kernel(#Op, id), elementwise_kernel(#Op, id),
#include "ops/elementwise.def"
#undef TESSERA_UNARY
#undef TESSERA_BINARY
    elementwise_kernel("Sum", elementwise::Add),
    elementwise_kernel("Affine", elementwise::Affine, internal_domain),
    elementwise_kernel("Quantum", elementwise::Quantum, internal_domain),
    {"DepthToSpace", "", "depth_to_space", {"map"}, accepts_depth_to_space, record_depth_to_space, {}, in_both},
    {"Concat", "", "concat", {"map"}, accepts_concat, record_concat, {}, in_both},
    {"Split", "", "split", {"map"}, accepts_split, record_split, {}, in_both},
    view("Identity"),
    view("Reshape"),
    view("Flatten"),
    view("Squeeze"),
    view("Unsqueeze"),
};

}  // namespace

extern const KernelFile map_kernels;
const KernelFile map_kernels{list};

}  // namespace tessera::vulkan
