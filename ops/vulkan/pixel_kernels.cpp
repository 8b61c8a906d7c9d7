// Pixels to planes and back, the ends of an upscaler: see ops/pixels.h and the shaders.
#include <algorithm>

#include "ops/pixels.h"
#include "ops/vulkan/kernel.h"

namespace tessera::vulkan {

#include "shaders/params/pixel_facts.h"

namespace {

constexpr uint32_t most_groups = 4096;

bool accepts(const VkKernel&, const Problem& problem) { return problem.node.epilogue.empty(); }

// Where the elements of planes lie; `pixels` are those that they become or are made of.
PixelParams params_of(const Type& planes, const Type& pixels, List<int64_t> from, List<float> black,
                      List<float> factor) {
  PixelParams params{};
  params.count = static_cast<uint32_t>(planes.shape[2] * planes.shape[3]);
  params.words = static_cast<uint32_t>((pixels.bytes() + 3) / 4);
  const auto block = static_cast<uint32_t>(planes.layout.block());
  params.pixel_step = block;
  params.channel_step = block > 1 ? 1 : params.count;
  std::copy(from.begin(), from.end(), params.from);
  std::copy(black.begin(), black.end(), params.black);
  std::copy(factor.begin(), factor.end(), params.factor);
  return params;
}

void set_samples(const Type& pixels, Dispatch& dispatch) {
  dispatch.set("samples", static_cast<uint32_t>(pixels.shape[2]));
  dispatch.set("bits", static_cast<uint32_t>(bits_of(pixels.dtype)));
}

void record_to_planes(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const Type &pixels = problem.in[0], &planes = problem.out[0];
  const AttrReader attrs(problem.node);
  const ops::ToPlanes to(attrs);
  const PixelParams params = params_of(planes, pixels, to.from, to.black, to.span);
  Dispatch& dispatch = recorder.dispatch("pixels_to_planes", params);
  const auto channels = static_cast<uint32_t>(planes.shape[1]);
  set_samples(pixels, dispatch);
  dispatch.set("channels", channels);
  dispatch.set("stored", std::max(channels, static_cast<uint32_t>(planes.layout.block())));
  dispatch.bind("src", recorder.in(0));
  dispatch.bind("dst", recorder.out(0));
  dispatch.groups[0] = std::min(groups_of(params.count, pixel_lanes), 32768u);
}

void record_to_pixels(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const Type &planes = problem.in[0], &pixels = problem.out[0];
  const AttrReader attrs(problem.node);
  const ops::ToPixels to(attrs);
  const PixelParams params = params_of(planes, pixels, to.from, to.black, to.unit);
  const uint32_t groups = std::min(groups_of(params.words, pixel_lanes), most_groups);
  const Slot partial = recorder.scratch(int64_t{groups} * 3 * 16);
  Dispatch& dispatch = recorder.dispatch("planes_to_pixels", params);
  set_samples(pixels, dispatch);
  dispatch.set("gray", to.gray);
  dispatch.bind("src", recorder.in(0));
  dispatch.bind("dst", recorder.out(0));
  dispatch.bind("partial", partial);
  dispatch.groups[0] = groups;
  Dispatch& facts = recorder.dispatch("pixel_facts", FactsParams{groups, static_cast<uint32_t>(to.samples())});
  facts.bind("partial", partial);
  facts.bind("dst", recorder.out(1));
}

// Pixels and facts are stored as they are.
constexpr LayoutPair planes_out[] = {{Layout::row_major, half16}, {Layout::row_major, half}};
constexpr LayoutPair planes_in[] = {{half16, Layout::row_major}, {half, Layout::row_major}};

constexpr VkKernel list[] = {
    {.op = "PixelsToPlanes",
     .domain = internal_domain,
     .name = "pixels to planes",
     .shaders = {"pixels_to_planes"},
     .accepts = accepts,
     .record = record_to_planes,
     .layouts = planes_out},
    {.op = "PlanesToPixels",
     .domain = internal_domain,
     .name = "planes to pixels",
     .shaders = {"planes_to_pixels", "pixel_facts"},
     .accepts = accepts,
     .record = record_to_pixels,
     .layouts = planes_in},
};

}  // namespace

extern const KernelFile pixel_kernels;
const KernelFile pixel_kernels{list};

}  // namespace tessera::vulkan
