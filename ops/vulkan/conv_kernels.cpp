// Convolution with one group, in two dimensions; see shaders/conv.comp.

#include <algorithm>

#include "ops/vulkan/epilogue.h"
#include "ops/window.h"

namespace tessera::vulkan {

#include "shaders/params/conv.h"

namespace {

constexpr uint32_t tile_k = 16;

// How a workgroup divides its work; kept within 128 invocations and 16 KiB of shared memory,
// which every device has.
struct Tiles {
  uint32_t m, n, each_m, each_n;
  uint32_t invocations() const { return m / each_m * (n / each_n); }
};

// The tallest tile that computes the fewest channels in vain.
Tiles choose_tiles(uint32_t channels) {
  constexpr Tiles shapes[] = {{64, 64, 8, 4}, {32, 128, 8, 4}, {24, 128, 8, 4}, {16, 128, 8, 2}, {4, 128, 4, 1}};
  const auto waste = [&](const Tiles& tiles) { return round_up(channels, tiles.m) - channels; };
  return *std::min_element(std::begin(shapes), std::end(shapes) - (channels > 16),
                           [&](const Tiles& a, const Tiles& b) { return waste(a) < waste(b); });
}

bool has_bias(const Problem& problem) { return problem.node.op_inputs() > 2 && problem.node.in[2] != absent; }

bool accepts_conv(const VkKernel&, const Problem& problem) {
  if (!is_float_input(problem, 0) || !is_float_input(problem, 1) || !problem.constants[1]) return false;
  if (problem.in[0].shape.size() != 4 || problem.in[0].shape[1] != problem.in[1].shape[1]) return false;
  if (has_bias(problem) && !is_float_input(problem, 2)) return false;
  return epilogue_fits(problem, problem.node.epilogue, shape_before_epilogue(problem));
}

// [M, C, h, w] becomes [C * h * w padded][M padded].
Tensor pack_weights(const Tensor& weights, int64_t padded_m) {
  const Shape& shape = weights.type.shape;
  const int64_t channels = shape[0], depth = shape.elements(1, 4);
  Tensor packed = Tensor::make({DType::float32, {round_up(depth, tile_k), padded_m}});
  const auto* from = weights.as<const float>();
  auto* to = packed.as<float>();
  for (int64_t m = 0; m < channels; ++m)
    for (int64_t k = 0; k < depth; ++k) to[k * padded_m + m] = from[m * depth + k];
  return packed;
}

void record_conv(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const auto word = [](int64_t value) { return static_cast<uint32_t>(value); };
  const auto conv = ops::conv_geometry(AttrReader(problem.node), problem.in[0].shape, problem.in[1].shape);
  const ops::WindowAxis &y = conv.window.spatial(0), &x = conv.window.spatial(1);
  const Tiles tiles = choose_tiles(word(conv.out_channels));
  const List<Fused> functions = problem.node.epilogue;
  ConvParams params;
  params.epilogue = epilogue_params(problem, functions, loop_over({conv.batch, conv.out_channels, y.out, x.out}));
  params.in_c = word(conv.in_channels), params.in_h = word(y.in), params.in_w = word(x.in);
  params.out_c = word(conv.out_channels), params.out_h = word(y.out), params.out_w = word(x.out);
  params.pixels = word(conv.batch * conv.window.out_elements());
  params.padded_k = word(round_up(conv.in_channels * conv.window.taps(), tile_k));
  params.padded_m = word(round_up(conv.out_channels, tiles.m));
  params.stride_y = word(y.stride), params.stride_x = word(x.stride);
  params.dilation_y = word(y.dilation), params.dilation_x = word(x.dilation);
  params.pad_y = static_cast<int>(y.pad_begin), params.pad_x = static_cast<int>(x.pad_begin);

  Dispatch& dispatch = recorder.dispatch("conv", params);
  add_epilogue(functions, recorder, dispatch);
  dispatch.set("local_size", tiles.invocations());
  dispatch.set("tile_m", tiles.m);
  dispatch.set("tile_n", tiles.n);
  dispatch.set("tile_k", tile_k);
  dispatch.set("each_m", tiles.each_m);
  dispatch.set("each_n", tiles.each_n);
  dispatch.set("kernel_h", word(y.kernel));
  dispatch.set("kernel_w", word(x.kernel));
  dispatch.set("has_bias", has_bias(problem));
  dispatch.bind("src", recorder.in(0));
  dispatch.bind("weights", recorder.constant(1, pack_weights, params.padded_m));
  if (has_bias(problem)) dispatch.bind("bias", recorder.in(2));
  spread(groups_of(params.pixels, tiles.n), dispatch);
  dispatch.groups[1] = params.padded_m / tiles.m;
}

constexpr VkKernel list[] = {{"Conv", "", "conv", {"conv"}, accepts_conv, record_conv}};

}  // namespace

extern const KernelFile conv_kernels;
const KernelFile conv_kernels{list};

}  // namespace tessera::vulkan
