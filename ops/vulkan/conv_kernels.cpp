// Convolution with one group, in two dimensions; see shaders/conv.comp.

#include <algorithm>

#include "ops/vulkan/kernel.h"
#include "ops/window.h"

namespace tessera::vulkan {
namespace {

constexpr uint32_t tile_k = 16;
constexpr uint32_t weights_binding = 9, bias_binding = 10;

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

ops::ConvGeometry geometry(const Problem& problem) {
  return ops::conv_geometry(AttrReader(problem.node), problem.in[0].shape, problem.in[1].shape);
}

bool accepts_conv(const Problem& problem) {
  if (!is_float_input(problem, 0) || !is_float_input(problem, 1) || !problem.constants[1]) return false;
  if (problem.in[0].shape.size() != 4 || problem.in[0].shape[1] != problem.in[1].shape[1]) return false;
  const bool bias = problem.node.op_inputs() > 2 && problem.node.in[2] != absent;
  if (bias && !is_float_input(problem, 2)) return false;
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

void emit_conv(const Problem& problem, std::vector<Dispatch>& out) {
  const auto word = [](int64_t value) { return static_cast<uint32_t>(value); };
  const ops::ConvGeometry conv = geometry(problem);
  const ops::WindowAxis &y = conv.window.spatial(0), &x = conv.window.spatial(1);
  const Tiles tiles = choose_tiles(word(conv.out_channels));
  const auto padded_m = word(round_up(conv.out_channels, tiles.m));
  const auto padded_k = word(round_up(conv.in_channels * conv.window.taps(), tile_k));
  const auto pixels = word(conv.batch * conv.window.out_elements());
  const bool bias = problem.node.op_inputs() > 2 && problem.node.in[2] != absent;

  Dispatch dispatch;
  dispatch.shader = &find_shader("conv", "f32");
  Loop loop;
  loop.extent = {word(conv.batch), word(conv.out_channels), word(y.out), word(x.out)};
  add_epilogue(problem, problem.node.epilogue, loop, dispatch);
  const uint32_t constants[] = {tiles.invocations(), tiles.m,        tiles.n, tiles.each_m, tiles.each_n, tile_k,
                                word(y.kernel),      word(x.kernel), bias};
  for (uint32_t id = 0; id < std::size(constants); ++id) dispatch.constants[id] = constants[id];
  for (const int64_t value :
       {conv.in_channels, y.in, x.in, conv.out_channels, y.out, x.out, int64_t{pixels}, int64_t{padded_k},
        int64_t{padded_m}, y.stride, x.stride, y.dilation, x.dilation, y.pad_begin, x.pad_begin})
    dispatch.params.push_back(word(value));
  dispatch.reads.push_back({src_binding, problem.node.in[0]});
  dispatch.reads.push_back({weights_binding, problem.node.in[1], pack_weights, padded_m});
  if (bias) dispatch.reads.push_back({bias_binding, problem.node.in[2]});
  // Pixel tiles go over x and z: one axis may be as short as 65535.
  const uint32_t tiles_n = (pixels + tiles.n - 1) / tiles.n;
  const uint32_t across = std::min<uint32_t>(tiles_n, 32768);
  dispatch.groups = {across, padded_m / tiles.m, (tiles_n + across - 1) / across};
  out.push_back(std::move(dispatch));
}

constexpr VkKernel list[] = {{"Conv", "", "conv", "conv", accepts_conv, emit_conv}};

}  // namespace

const List<VkKernel> conv_kernels = list;

}  // namespace tessera::vulkan
