// Resize and Upsample over height and width: the host tabulates, per output row and column, which
// source elements count and how much; see shaders/resize.comp.

#include "ops/resize.h"
#include "ops/vulkan/epilogue.h"

namespace tessera::vulkan {

#include "shaders/params/resize.h"

namespace {

// Crops, and what changes batch or channels, are left to the CPU.
bool accepts_resize(const VkKernel&, const Problem& problem) {
  if (!is_float_input(problem, 0) || problem.in[0].shape.size() != 4 || problem.out[0].shape.size() != 4) return false;
  const Shape before = shape_before_epilogue(problem);
  if (before[0] != problem.in[0].shape[0] || before[1] != problem.in[0].shape[1]) return false;
  if (ops::resize_rule(AttrReader(problem.node)).coordinates == ops::Coordinates::crop) return false;
  for (size_t i = 1; i < problem.node.op_inputs(); ++i)
    if (problem.node.in[i] != absent && problem.in[i].shape.elements() && !problem.constants[i]) return false;
  return epilogue_fits(problem, problem.node.epilogue, before);
}

ops::Resizing resizing_of(const Problem& problem) {
  return ops::Resizing(AttrReader(problem.node), problem.in[0].shape, [&](size_t i) {
    const bool given = i < problem.node.op_inputs() && problem.node.in[i] != absent;
    return given && problem.in[i].shape.elements() ? problem.constants[i]->view() : View{};
  });
}

std::vector<Tap> table_of(const ops::Taps& taps) {
  std::vector<Tap> table;
  for (size_t i = 0; i < taps.index.size(); ++i)
    table.push_back({static_cast<uint32_t>(taps.index[i]), static_cast<float>(taps.weight[i])});
  return table;
}

void record_resize(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const ops::Resizing resizing = resizing_of(problem);
  const ops::ResampleAxis height = resizing.axis(2), width = resizing.axis(3);
  const Loop loop = loop_over(shape_before_epilogue(problem));
  const List<Fused> functions = problem.node.epilogue;
  ResizeParams params;
  params.epilogue = epilogue_params(problem, functions, loop);
  assign(params.extents, loop.extent);
  params.count = loop.count();
  params.in_h = static_cast<uint32_t>(height.in);
  params.in_w = static_cast<uint32_t>(width.in);
  const ops::Taps rows = ops::resample_taps(resizing.rule, height);
  const ops::Taps columns = ops::resample_taps(resizing.rule, width);

  Dispatch& dispatch = recorder.dispatch("resize", params);
  add_epilogue(functions, recorder, dispatch);
  dispatch.set("row_taps", static_cast<uint32_t>(rows.count));
  dispatch.set("column_taps", static_cast<uint32_t>(columns.count));
  dispatch.bind("src", recorder.in(0));
  dispatch.bind("rows", recorder.table(table_of(rows)));
  dispatch.bind("columns", recorder.table(table_of(columns)));
  cover(params.count, dispatch);
}

constexpr VkKernel list[] = {
    {"Resize", "", "resize", {"resize"}, accepts_resize, record_resize},
    {"Upsample", "", "resize", {"resize"}, accepts_resize, record_resize},
};

}  // namespace

extern const KernelFile resize_kernels;
const KernelFile resize_kernels{list};

}  // namespace tessera::vulkan
