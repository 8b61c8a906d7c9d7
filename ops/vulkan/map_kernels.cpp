// Kernels that move elements one by one: elementwise operators, Concat, DepthToSpace, and views.

#include <algorithm>
#include <limits>
#include <optional>

#include "ops/elementwise.h"
#include "ops/vulkan/kernel.h"

namespace tessera::vulkan {
namespace {

using Rows = std::vector<Fused>;

constexpr uint32_t workgroup = 128;

struct FunctionName {
  Text op;
  uint16_t id;
};
constexpr FunctionName functions[] = {
#define TESSERA_UNARY(id, Op, CLASS, expression) {#Op, id},
#define TESSERA_BINARY(id, Op, CLASS, expression) {#Op, id},
#include "ops/elementwise.def"
#undef TESSERA_UNARY
#undef TESSERA_BINARY
    {"Sum", elementwise::Add},
};

// A bound of Clip: an attribute before opset 11, then an input. Empty if it is not known yet.
std::optional<float> bound(const Problem& problem, size_t input, Text attr, float missing) {
  const AttrReader attrs(problem.node);
  if (problem.node.op->since < 11) return attrs.has(attr) ? attrs.real(attr) : missing;
  if (input >= problem.node.op_inputs() || problem.node.in[input] == absent) return missing;
  if (!problem.constants[input]) return std::nullopt;
  return problem.constants[input]->as<const float>()[0];
}

// The node itself as the first rows of its epilogue; empty if it is not elementwise.
std::optional<Rows> rows_of(const Problem& problem) {
  using namespace elementwise;
  const Node& node = problem.node;
  const auto* found = std::find_if(std::begin(functions), std::end(functions),
                                   [&](const FunctionName& f) { return f.op == node.op->name; });
  if (found == std::end(functions) || !is_float_input(problem, 0)) return std::nullopt;
  const AttrReader attrs(node);
  Fused fused{found->id};
  Rows result;
  const size_t inputs = node.op_inputs();
  if (is_binary(found->id)) {
    // Before opset 7 an attribute says how to broadcast.
    if (attrs.has("axis") || attrs.has("broadcast")) return std::nullopt;
    for (size_t i = 1; i < inputs; ++i) {
      fused.operand = static_cast<int16_t>(i);
      result.push_back(fused);
    }
    return result;
  }
  switch (found->id) {
    case Clip: {
      const float most = std::numeric_limits<float>::infinity();
      const auto low = bound(problem, 1, "min", -most), high = bound(problem, 2, "max", most);
      if (!low || !high) return std::nullopt;
      fused.a = *low, fused.b = *high;
      break;
    }
    case Gelu:
      if (attrs.text("approximate") == "tanh") fused.function = GeluTanh;
      break;
    default: read_parameters(attrs, fused.function, &fused.a, &fused.b);
  }
  result.push_back(fused);
  return result;
}

void append_epilogue(const Problem& problem, Rows& list) {
  list.insert(list.end(), problem.node.epilogue.begin(), problem.node.epilogue.end());
}

// One dispatch that reads input `source` and applies `list`.
Dispatch map(const Problem& problem, const Rows& list, const Shape& before, size_t source) {
  const Shape& shape = problem.in[source].shape;
  const Loop loop = make_loop(problem, list, before, shape);
  Dispatch dispatch;
  dispatch.shader = &find_shader("map", "f32");
  add_epilogue(problem, list, loop, dispatch);
  auto& params = dispatch.params;
  params.insert(params.end(), loop.extent.begin(), loop.extent.end());
  params.push_back(loop.count());
  const auto strides = loop.strides(shape);
  params.insert(params.end(), strides.begin(), strides.end());
  dispatch.reads.push_back({src_binding, problem.node.in[source]});
  cover(loop.count(), workgroup, dispatch);
  return dispatch;
}

// --- Elementwise -------------------------------------------------------------------------------

bool source_fits(const Shape& source, const Shape& before) {
  return before.size() <= 4 || source == before || source.elements() == 1;
}

bool accepts_elementwise(const Problem& problem) {
  auto list = rows_of(problem);
  if (!list) return false;
  append_epilogue(problem, *list);
  const Shape before = shape_before_epilogue(problem);
  return source_fits(problem.in[0].shape, before) && epilogue_fits(problem, *list, before);
}

void emit_elementwise(const Problem& problem, std::vector<Dispatch>& out) {
  auto list = rows_of(problem);
  append_epilogue(problem, *list);
  out.push_back(map(problem, *list, shape_before_epilogue(problem), 0));
}

// --- DepthToSpace ------------------------------------------------------------------------------

Rows shuffle_rows(const Problem& problem) {
  const AttrReader attrs(problem.node);
  Rows list{Fused::depth_to_space(attrs.integer("blocksize"), attrs.text("mode") == "CRD")};
  append_epilogue(problem, list);
  return list;
}

bool accepts_depth_to_space(const Problem& problem) {
  return is_float_input(problem, 0) && problem.in[0].shape.size() == 4 &&
         epilogue_fits(problem, shuffle_rows(problem), problem.in[0].shape);
}

void emit_depth_to_space(const Problem& problem, std::vector<Dispatch>& out) {
  out.push_back(map(problem, shuffle_rows(problem), problem.in[0].shape, 0));
}

// --- Concat ------------------------------------------------------------------------------------

bool accepts_concat(const Problem& problem) {
  if (!problem.node.epilogue.empty() || problem.out[0].dtype != DType::float32) return false;
  for (size_t i = 0; i < problem.in.size(); ++i)
    if (!is_float_input(problem, i)) return false;
  return true;
}

// Each input is a matrix [outer, axis * inner] that becomes some columns of the output.
void emit_concat(const Problem& problem, std::vector<Dispatch>& out) {
  const Shape& whole = problem.out[0].shape;
  const auto axis = static_cast<size_t>(normalize_axis(AttrReader(problem.node).integer("axis"), whole.rank()));
  const auto outer = static_cast<uint32_t>(whole.elements(0, axis));
  const auto row = static_cast<uint32_t>(whole.elements(axis, whole.size()));
  uint32_t offset = 0;
  for (size_t i = 0; i < problem.in.size(); ++i) {
    const Shape& part = problem.in[i].shape;
    const auto columns = static_cast<uint32_t>(part.elements(axis, part.size()));
    Loop loop;
    loop.extent = {1, 1, outer, columns};
    Dispatch dispatch;
    dispatch.shader = &find_shader("map", "f32");
    add_epilogue(problem, {}, loop, dispatch);
    auto& params = dispatch.params;
    params[2] = row;
    params[4] = offset;
    params.insert(params.end(), {1, 1, outer, columns, loop.count(), 0, 0, columns, 1});
    dispatch.reads.push_back({src_binding, problem.node.in[i]});
    cover(loop.count(), workgroup, dispatch);
    out.push_back(std::move(dispatch));
    offset += columns;
  }
}

// --- Views -------------------------------------------------------------------------------------

bool accepts_view(const Problem& problem) {
  return is_float_input(problem, 0) && !problem.constants[0] && problem.out.size() == 1 &&
         problem.out[0].dtype == DType::float32 && problem.node.epilogue.empty();
}

void emit_view(const Problem&, std::vector<Dispatch>&) {}

constexpr VkKernel list[] = {
#define TESSERA_UNARY(id, Op, CLASS, expression) {#Op, "", "map", "map", accepts_elementwise, emit_elementwise},
#define TESSERA_BINARY(id, Op, CLASS, expression) {#Op, "", "map", "map", accepts_elementwise, emit_elementwise},
#include "ops/elementwise.def"
#undef TESSERA_UNARY
#undef TESSERA_BINARY
    {"Sum", "", "map", "map", accepts_elementwise, emit_elementwise},
    {"Affine", "tessera", "map", "map", accepts_elementwise, emit_elementwise},
    {"DepthToSpace", "", "depth_to_space", "map", accepts_depth_to_space, emit_depth_to_space},
    {"Concat", "", "concat", "map", accepts_concat, emit_concat},
    {"Identity", "", "view", "", accepts_view, emit_view},
    {"Reshape", "", "view", "", accepts_view, emit_view},
    {"Flatten", "", "view", "", accepts_view, emit_view},
    {"Squeeze", "", "view", "", accepts_view, emit_view},
    {"Unsqueeze", "", "view", "", accepts_view, emit_view},
};

}  // namespace

const List<VkKernel> map_kernels = list;

}  // namespace tessera::vulkan
