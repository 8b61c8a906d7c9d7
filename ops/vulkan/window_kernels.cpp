// Slice, Crop and Pad of floats: windows into a tensor of at most four axes, which may reach beyond it; see
// shaders/window.comp. Axes that stay as they are are joined with their neighbours where there are more.

#include <optional>

#include "ops/pad.h"
#include "ops/slice.h"
#include "ops/vulkan/axes.h"
#include "ops/vulkan/epilogue.h"

namespace tessera::vulkan {

#include "shaders/params/window.h"

namespace {

struct WindowAxis {
  int64_t in, out, begin = 0, step = 1;
  bool is_whole() const { return in == out && begin == 0 && step == 1; }
};

struct Window {
  std::vector<WindowAxis> axes;
  uint32_t border = border_none;
  float fill = 0;
};
using WindowOf = Window (*)(const Problem&);

Window same_axes(const Problem& problem) {
  Window window;
  for (const int64_t extent : problem.in[0].shape) window.axes.push_back({extent, extent});
  return window;
}

Window sliced(const Problem& problem) {
  Window window;
  const Shape& in = problem.in[0].shape;
  const auto ranges = ops::slice_ranges(AttrReader(problem.node), in, [&](size_t i) { return known(problem, i); });
  for (size_t i = 0; i < in.size(); ++i)
    window.axes.push_back({in[i], ranges[i].count, ranges[i].begin, ranges[i].step});
  return window;
}

// Borders are left, top, right, bottom.
Window cropped(const Problem& problem) {
  Window window = same_axes(problem);
  const AttrReader attrs(problem.node);
  const auto border = attrs.integers("border"), scale = attrs.integers("scale");
  for (size_t i = 0; i < 2; ++i) {
    WindowAxis& axis = window.axes[i + 2];
    axis.begin = border[1 - i];
    axis.out = scale.empty() ? axis.in - axis.begin - border[3 - i] : scale[i];
  }
  return window;
}

uint32_t border_of(Text mode) {
  return mode == "edge"      ? border_edge
         : mode == "reflect" ? border_reflect
         : mode == "wrap"    ? border_wrap
                             : border_constant;
}

Window padded(const Problem& problem) {
  const AttrReader attrs(problem.node);
  Window window = same_axes(problem);
  const ops::Amounts amounts =
      ops::pad_amounts(attrs, problem.in[0].shape.rank(), [&](size_t i) { return known(problem, i); });
  for (size_t i = 0; i < window.axes.size(); ++i) {
    WindowAxis& axis = window.axes[i];
    axis.begin = -amounts.before[i];
    axis.out = axis.in + amounts.before[i] + amounts.after[i];
  }
  window.border = border_of(attrs.text("mode"));
  const bool by_attribute = problem.node.op->since < 11;
  const View value = by_attribute ? View{} : known(problem, 2);
  window.fill = by_attribute ? attrs.real("value") : value.data && value.elements() ? *value.as<float>() : 0;
  return window;
}

// The window over four axes, if its axes can be joined to so few. Positions in joined axes may be anywhere, as long as
// none is looked for beyond the border.
std::optional<Window> over_four_axes(Window window) {
  auto& axes = window.axes;
  const bool may_shift = window.border == border_none || window.border == border_constant;
  for (size_t i = axes.size(); axes.size() > 4 && i-- > 1;) {
    WindowAxis &outer = axes[i - 1], &inner = axes[i];
    if (!inner.is_whole() || !(outer.is_whole() || (may_shift && outer.step == 1))) continue;
    outer = {outer.in * inner.in, outer.out * inner.in, outer.begin * inner.in};
    axes.erase(axes.begin() + static_cast<ptrdiff_t>(i));
  }
  if (axes.size() > 4) return std::nullopt;
  axes.insert(axes.begin(), 4 - axes.size(), WindowAxis{1, 1});
  return window;
}

template <WindowOf of>
bool accepts(const VkKernel&, const Problem& problem) {
  if (!is_float_input(problem, 0) || problem.in[0].shape.elements() == 0 || !knows_inputs(problem, 1)) return false;
  if (!over_four_axes(of(problem))) return false;
  const Shape before = shape_before_epilogue(problem);
  return epilogue_fits(problem, problem.node.epilogue, before) && (before.size() <= 4 || problem.node.epilogue.empty());
}

template <WindowOf of>
void record(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const Window window = *over_four_axes(of(problem));
  const List<Fused> functions = problem.node.epilogue;
  WindowParams params;
  Shape out, in;
  for (size_t i = 0; i < 4; ++i) {
    const WindowAxis& axis = window.axes[i];
    out.push_back(axis.out);
    in.push_back(axis.in);
    params.begin[i] = static_cast<int32_t>(axis.begin);
    params.step[i] = static_cast<int32_t>(axis.step);
  }
  const Loop loop = loop_over(out, problem.out[0].layout);
  params.epilogue = epilogue_params(problem, functions, loop);
  assign(params.extents, loop.extents());
  params.count = loop.count();
  assign(params.in_extents, loop_over(in).extent);
  assign(params.src_strides, loop.strides(Type{DType::float32, in, problem.in[0].layout}));
  params.fill = window.fill;

  Dispatch& dispatch = recorder.dispatch("window", params);
  add_epilogue(functions, recorder, dispatch);
  dispatch.set("border", window.border);
  dispatch.bind("src", recorder.in(0));
  cover(params.count, dispatch);
}

template <WindowOf of>
constexpr VkKernel window(Text op) {
  return {op, "", "window", {"window"}, accepts<of>, record<of>, {}, in_both};
}

constexpr VkKernel list[] = {
    window<sliced>("Slice"),
    window<cropped>("Crop"),
    window<padded>("Pad"),
};

}  // namespace

extern const KernelFile window_kernels;
const KernelFile window_kernels{list};

}  // namespace tessera::vulkan
