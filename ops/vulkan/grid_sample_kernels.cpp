// GridSample; see shaders/grid_sample.comp. Half precision has no room for the places of a large picture: values are
// float32 here.
#include "ops/grid_sample.h"
#include "ops/vulkan/kernel.h"

namespace tessera::vulkan {

#include "shaders/params/grid_sample.h"

namespace {

bool accepts(const VkKernel&, const Problem& problem) {
  return is_float_input(problem, 0) && is_float_input(problem, 1) && problem.in[0].shape.size() <= 5 &&
         problem.node.epilogue.empty();
}

void record(const VkKernel&, const Problem& problem, Recorder& recorder) {
  static_assert(static_cast<uint32_t>(ops::SampleMode::linear) == sample_linear &&
                static_cast<uint32_t>(ops::SampleMode::cubic) == sample_cubic &&
                static_cast<uint32_t>(ops::SamplePadding::border) == sample_border &&
                static_cast<uint32_t>(ops::SamplePadding::reflection) == sample_reflection);
  const ops::SampleRule rule{AttrReader(problem.node)};
  const Shape &in = problem.in[0].shape, &out = problem.out[0].shape;
  GridSampleParams params{};
  params.axes = word(in.rank() - 2);
  params.count = word(out.elements());
  params.channels = word(in[1]);
  params.points = word(out.elements(2, out.size()));
  for (size_t i = 0; i < 3; ++i) params.extents[i] = i + params.axes < 3 ? 1 : word(in[i + params.axes - 1]);
  Dispatch& dispatch = recorder.dispatch("grid_sample", params);
  dispatch.set("mode", static_cast<uint32_t>(rule.mode));
  dispatch.set("padding", static_cast<uint32_t>(rule.padding));
  dispatch.set("align", rule.align);
  dispatch.bind("dst", recorder.out(0));
  dispatch.bind("src", recorder.in(0));
  dispatch.bind("grid", recorder.in(1));
  spread(groups_of(params.count, sample_lanes), dispatch);
}

constexpr VkKernel list[] = {
    {"GridSample", "", "grid_sample", {"grid_sample"}, accepts, record},
    {"GridSample", "com.microsoft", "grid_sample", {"grid_sample"}, accepts, record},
};

}  // namespace

extern const KernelFile grid_sample_kernels;
const KernelFile grid_sample_kernels{list};

}  // namespace tessera::vulkan
