// Resize and Upsample along any axes: the host tabulates, per place of an axis, which source elements count and how
// much; see shaders/resize.comp. Axes that stay as they are are joined where there are more than four.

#include <optional>

#include "ops/resize.h"
#include "ops/vulkan/axes.h"
#include "ops/vulkan/epilogue.h"

namespace tessera::vulkan {

#include "shaders/params/resize.h"

namespace {

ops::Resizing resizing_of(const Problem& problem) {
  return ops::Resizing(AttrReader(problem.node), problem.in[0].shape, [&](size_t i) {
    const View view = known(problem, i);
    return view && view.elements() ? view : View{};
  });
}

using FourAxes = std::vector<ops::ResampleAxis>;

std::optional<FourAxes> over_four_axes(const ops::Resizing& resizing, size_t rank) {
  FourAxes axes;
  bool stays = false;  // whether the last axis does
  for (size_t i = 0; i < rank; ++i) {
    const ops::ResampleAxis axis = resizing.axis(i);
    const bool joins = stays && rank > 4 && axis.identity(resizing.rule);
    stays = axis.identity(resizing.rule);
    if (joins)
      axes.back() = {axes.back().in * axis.in, axes.back().in * axis.in};
    else
      axes.push_back(axis);
  }
  if (axes.size() > 4) return std::nullopt;
  axes.insert(axes.begin(), 4 - axes.size(), ops::ResampleAxis{.begin = 0, .end = 1});
  return axes;
}

bool accepts_resize(const VkKernel&, const Problem& problem) {
  if (!is_float_input(problem, 0)) return false;
  for (size_t i = 1; i < problem.node.op_inputs(); ++i)
    if (problem.node.in[i] != absent && problem.in[i].shape.elements() && !problem.constants[i]) return false;
  const size_t rank = problem.in[0].shape.size();
  const Shape before = shape_before_epilogue(problem);
  return over_four_axes(resizing_of(problem), rank) && (rank <= 4 || problem.node.epilogue.empty()) &&
         epilogue_fits(problem, problem.node.epilogue, before);
}

void append(const ops::Taps& taps, std::vector<Tap>& table) {
  for (size_t i = 0; i < taps.index.size(); ++i)
    table.push_back({static_cast<uint32_t>(taps.index[i]), static_cast<float>(taps.weight[i])});
}

void record_resize(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const ops::Resizing resizing = resizing_of(problem);
  const List<Fused> functions = problem.node.epilogue;
  const FourAxes axes = *over_four_axes(resizing, problem.in[0].shape.size());
  Shape in, out;
  std::vector<Tap> table;
  std::array<uint32_t, 4> counts{};
  ResizeParams params;
  for (size_t i = 0; i < 4; ++i) {
    in.push_back(axes[i].in);
    out.push_back(axes[i].out);
    params.first[i] = static_cast<uint32_t>(table.size());
    if (axes[i].identity(resizing.rule)) continue;
    const ops::Taps taps = ops::resample_taps(resizing.rule, axes[i]);
    counts[i] = static_cast<uint32_t>(taps.count);
    append(taps, table);
  }
  if (table.empty()) table.push_back({});
  const Loop loop = loop_over(out, problem.out[0].layout);
  params.epilogue = epilogue_params(problem, functions, loop);
  assign(params.extents, loop.extents());
  params.count = loop.count();
  assign(params.src_strides, loop.strides(Type{DType::float32, in, problem.in[0].layout}));
  params.extrapolation = static_cast<float>(resizing.rule.extrapolation);

  Dispatch& dispatch = recorder.dispatch("resize", params);
  add_epilogue(functions, recorder, dispatch);
  for (size_t i = 0; i < 4; ++i) dispatch.set(cat("taps_", i), counts[i]);
  dispatch.bind("src", recorder.in(0));
  dispatch.bind("taps", recorder.table(table));
  cover(params.count, dispatch);
}

constexpr VkKernel list[] = {
    {"Resize", "", "resize", {"resize"}, accepts_resize, record_resize, {}, in_both},
    {"Upsample", "", "resize", {"resize"}, accepts_resize, record_resize, {}, in_both},
};

}  // namespace

extern const KernelFile resize_kernels;
const KernelFile resize_kernels{list};

}  // namespace tessera::vulkan
