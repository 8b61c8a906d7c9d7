// Convolution and transposed convolution of one to three axes; see shaders/conv.comp.

#include <algorithm>
#include <numeric>

#include "ops/vulkan/epilogue.h"
#include "ops/vulkan/tiles.h"
#include "ops/window.h"

namespace tessera::vulkan {

#include "shaders/params/conv.h"
#include "shaders/params/depthwise.h"

namespace {

using ops::ConvGeometry, ops::Window, ops::WindowAxis;

// --- Phases --------------------------------------------------------------------------------------

// The outputs of one axis that see the same cells of the kernel: `first`, first + step, ... `size` of them; the cells
// cell, cell + cell_step, ... `cells` of them; the first reads where output `first` minus `pad` says.
struct Share {
  int64_t first = 0, step = 1, size = 1;
  int64_t cell = 0, cell_step = 1, cells = 1;
  int64_t pad = 0;
};

Share whole(const WindowAxis& axis) { return {0, 1, axis.out, 0, 1, axis.kernel, axis.pad_begin}; }

// Of a transposed convolution: outputs that lie `remainder` behind a multiple of the stride, counted from the first
// cell of the first input.
Share share_of(const WindowAxis& axis, int64_t remainder) {
  const int64_t stride = axis.stride, shared = std::gcd(stride, axis.dilation);
  Share share;
  share.first = ((remainder - axis.pad_begin) % stride + stride) % stride;
  share.step = stride;
  share.size = share.first < axis.out ? ceil_div(axis.out - share.first, stride) : 0;
  share.cell_step = stride / shared;
  while (share.cell < share.cell_step && share.cell * axis.dilation % stride != remainder) ++share.cell;
  share.cells =
      share.cell < std::min(share.cell_step, axis.kernel) ? ceil_div(axis.kernel - share.cell, share.cell_step) : 0;
  if (share.cells) share.pad = -(share.first + axis.pad_begin - share.cell * axis.dilation) / stride;
  return share;
}

struct Phase {
  Share axis[Window::max_rank];
};

std::vector<Phase> phases_of(const Window& window, bool transposed) {
  const auto& [depth, height, width] = window.axis;
  if (!transposed) return {{{whole(depth), whole(height), whole(width)}}};
  std::vector<Phase> phases;
  for (int64_t z = 0; z < depth.stride; ++z)
    for (int64_t y = 0; y < height.stride; ++y)
      for (int64_t x = 0; x < width.stride; ++x)
        phases.push_back({{share_of(depth, z), share_of(height, y), share_of(width, x)}});
  return phases;
}

// The most cells of any phase, by axis.
std::array<int64_t, 3> kernel_of(const std::vector<Phase>& phases) {
  std::array<int64_t, 3> kernel{1, 1, 1};
  for (const Phase& phase : phases)
    for (size_t i = 0; i < 3; ++i) kernel[i] = std::max(kernel[i], phase.axis[i].cells);
  return kernel;
}

// --- Weights -------------------------------------------------------------------------------------

// What a packing has to know beside the weights, in the bits of one number.
struct Packing {
  int64_t tile_m, groups;
  std::array<int64_t, 3> stride{1, 1, 1}, dilation{1, 1, 1};
  static constexpr int tile_bits = 7, group_bits = 20, axis_bits = 6;

  bool fits() const {
    const auto few = [](int64_t value) { return value < 1 << axis_bits; };
    return groups < 1 << group_bits && std::all_of(stride.begin(), stride.end(), few) &&
           std::all_of(dilation.begin(), dilation.end(), few);
  }
  int64_t bits() const {
    int64_t result = groups << tile_bits | tile_m;
    for (size_t i = 0; i < 3; ++i) result = (result << axis_bits | stride[i]) << axis_bits | dilation[i];
    return result;
  }
  static Packing of(int64_t bits) {
    const auto take = [&](int count) {
      const int64_t value = bits & ((int64_t{1} << count) - 1);
      bits >>= count;
      return value;
    };
    Packing packing{};
    for (size_t i = 3; i-- > 0;) packing.dilation[i] = take(axis_bits), packing.stride[i] = take(axis_bits);
    packing.tile_m = take(tile_bits);
    packing.groups = take(group_bits);
    return packing;
  }
};

Packing packing_of(const ConvGeometry& conv, int64_t tile_m, bool transposed) {
  Packing packing{tile_m, conv.groups};
  if (transposed)
    for (size_t i = 0; i < 3; ++i)
      packing.stride[i] = conv.window.axis[i].stride, packing.dilation[i] = conv.window.axis[i].dilation;
  return packing;
}

// [M, C / groups, kernel], or transposed [C, M / groups, kernel], becomes [phase][group][C * cells padded][M padded].
template <bool transposed>
Tensor pack_weights(const Tensor& weights, int64_t parameter) {
  const Packing packing = Packing::of(parameter);
  const Shape& shape = weights.type.shape;
  Window window;
  window.rank = shape.rank() - 2;
  for (size_t i = 0; i < 3; ++i)
    window.axis[i].stride = packing.stride[i], window.axis[i].dilation = packing.dilation[i];
  for (int i = 0; i < window.rank; ++i) window.spatial(i).kernel = shape[static_cast<size_t>(i) + 2];
  const auto& axis = window.axis;
  const auto phases = phases_of(window, transposed);
  const auto kernel = kernel_of(phases);
  const int64_t group_in = transposed ? shape[0] / packing.groups : shape[1];
  const int64_t group_out = transposed ? shape[1] : shape[0] / packing.groups;
  const int64_t cells = kernel[0] * kernel[1] * kernel[2], taps = window.taps();
  const int64_t padded_k = round_up(group_in * cells, tile_k), padded_m = round_up(group_out, packing.tile_m);
  const auto parts = static_cast<int64_t>(phases.size()) * packing.groups;
  Tensor packed = Tensor::make({DType::float32, {parts, padded_k, padded_m}});
  const auto* from = weights.as<const float>();
  auto* to = packed.as<float>();
  std::fill_n(to, packed.type.shape.elements(), 0.0f);
  for (int64_t part = 0; part < parts; ++part, to += padded_k * padded_m) {
    const auto& [z, y, x] = phases[static_cast<size_t>(part / packing.groups)].axis;
    const int64_t group = part % packing.groups;
    for (int64_t c = 0; c < group_in; ++c)
      for (int64_t m = 0; m < group_out; ++m) {
        const int64_t plane =
            transposed ? (group * group_in + c) * group_out + m : (group * group_out + m) * group_in + c;
        for (int64_t i = 0; i < z.cells * y.cells * x.cells; ++i) {
          const int64_t cz = i / (y.cells * x.cells), cy = i / x.cells % y.cells, cx = i % x.cells;
          const int64_t tap =
              ((z.cell + cz * z.cell_step) * axis[1].kernel + y.cell + cy * y.cell_step) * axis[2].kernel + x.cell +
              cx * x.cell_step;
          to[(c * cells + (cz * kernel[1] + cy) * kernel[2] + cx) * padded_m + m] = from[plane * taps + tap];
        }
      }
  }
  return packed;
}

// --- The kernel ----------------------------------------------------------------------------------

template <bool transposed>
ConvGeometry geometry_of(const Problem& problem) {
  const AttrReader attrs(problem.node);
  const Shape &x = problem.in[0].shape, &w = problem.in[1].shape;
  return transposed ? ops::transposed_geometry(attrs, x, w) : ops::conv_geometry(attrs, x, w);
}

bool is_depthwise(const ConvGeometry& conv) {
  return conv.groups > 1 && conv.groups == conv.in_channels && conv.window.rank == 2;
}

template <bool transposed>
bool accepts_conv(const VkKernel&, const Problem& problem) {
  if (!is_float_input(problem, 0) || !is_float_input(problem, 1) || !problem.constants[1]) return false;
  if (is_given(problem, 2) && !is_float_input(problem, 2)) return false;
  if (!problem.in[1].shape.elements()) return false;
  const ConvGeometry conv = geometry_of<transposed>(problem);
  if (!transposed && is_depthwise(conv)) return false;  // it has a kernel of its own
  const auto parts = static_cast<int64_t>(phases_of(conv.window, transposed).size()) * conv.groups;
  return packing_of(conv, 1, transposed).fits() && parts * conv.out_channels / conv.groups < most_groups &&
         epilogue_fits(problem, problem.node.epilogue, shape_before_epilogue(problem));
}

ConvPhase phase_of(const Phase& phase, int64_t batch) {
  ConvPhase result{};
  int64_t pixels = batch;
  for (size_t i = 0; i < 3; ++i) {
    const Share& share = phase.axis[i];
    pixels *= share.size;
    result.size[i] = word(share.size);
    result.first[i] = word(share.first);
    result.pad[i] = static_cast<int32_t>(share.pad);
    result.cells[i] = word(share.cells);
  }
  result.pixels = word(pixels);
  return result;
}

ConvParams params_of(const ConvGeometry& conv, bool transposed) {
  ConvParams params{};
  params.batch = word(conv.batch), params.groups = word(conv.groups);
  params.group_in = word(conv.in_channels / conv.groups), params.group_out = word(conv.out_channels / conv.groups);
  for (size_t i = 0; i < 3; ++i) {
    const WindowAxis& axis = conv.window.axis[i];
    params.in_size[i] = word(axis.in), params.out_size[i] = word(axis.out);
    params.stride[i] = transposed ? 1 : word(axis.stride);
    params.step[i] = transposed ? word(axis.stride) : 1;
    const int64_t shared = transposed ? -std::gcd(axis.stride, axis.dilation) : 1;
    params.dilation[i] = static_cast<int32_t>(axis.dilation / shared);
  }
  return params;
}

template <bool transposed>
void record_conv(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const ConvGeometry conv = geometry_of<transposed>(problem);
  const auto phases = phases_of(conv.window, transposed);
  const auto kernel = kernel_of(phases);
  std::vector<ConvPhase> table;
  uint32_t pixels = 0;
  for (const Phase& phase : phases) {
    table.push_back(phase_of(phase, conv.batch));
    pixels = std::max(pixels, table.back().pixels);
  }
  const auto parts = static_cast<int64_t>(phases.size()) * conv.groups;
  const Tiles tiles = choose_tiles(conv.out_channels / conv.groups, pixels, parts,
                                   conv.in_channels / conv.groups * kernel[0] * kernel[1] * kernel[2], recorder);
  const List<Fused> functions = problem.node.epilogue;
  const Shape before = shape_before_epilogue(problem);
  const auto elements = word(before.elements());
  ConvParams params = params_of(conv, transposed);
  params.epilogue =
      epilogue_params(problem, functions, before.size() > 4 ? Loop{{1, 1, 1, elements}, true} : loop_over(before));
  params.padded_k = word(round_up(params.group_in * kernel[0] * kernel[1] * kernel[2], tile_k));
  params.padded_m = word(round_up(params.group_out, tiles.m));

  Dispatch& dispatch = recorder.dispatch("conv", params);
  add_epilogue(functions, recorder, dispatch);
  set_tiles(tiles, dispatch);
  dispatch.set("kernel_d", word(kernel[0]));
  dispatch.set("kernel_h", word(kernel[1]));
  dispatch.set("kernel_w", word(kernel[2]));
  dispatch.set("has_bias", is_given(problem, 2));
  dispatch.set("phased", transposed);
  dispatch.set("rank", word(before.rank()));
  dispatch.set("src_block", word(problem.in[0].layout.block()));
  dispatch.bind("src", recorder.in(0));
  const int64_t packing = packing_of(conv, tiles.m, transposed).bits();
  dispatch.bind("weights", constant_of<pack_weights<transposed>>(1, packing, dispatch, recorder));
  if (is_given(problem, 2)) dispatch.bind("bias", recorder.in(2));
  dispatch.bind("phases", recorder.table(table));
  spread(groups_of(pixels, tiles.n), dispatch);
  dispatch.groups[1] = word(parts) * (params.padded_m / tiles.m);
}

// --- Every channel by itself ---------------------------------------------------------------------

// [M, 1, h, w] becomes [h * w][M].
Tensor pack_depthwise(const Tensor& weights, int64_t) {
  const int64_t channels = weights.type.shape[0], cells = weights.type.shape.elements(1, 4);
  Tensor packed = Tensor::make({DType::float32, {cells, channels}});
  for (int64_t channel = 0; channel < channels; ++channel)
    for (int64_t cell = 0; cell < cells; ++cell)
      packed.as<float>()[cell * channels + channel] = weights.as<const float>()[channel * cells + cell];
  return packed;
}

bool accepts_depthwise(const VkKernel&, const Problem& problem) {
  if (!is_float_input(problem, 0) || !is_float_input(problem, 1) || !problem.constants[1]) return false;
  if (is_given(problem, 2) && !is_float_input(problem, 2)) return false;
  return is_depthwise(geometry_of<false>(problem)) &&
         epilogue_fits(problem, problem.node.epilogue, shape_before_epilogue(problem));
}

void record_depthwise(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const ConvGeometry conv = geometry_of<false>(problem);
  const WindowAxis &y = conv.window.spatial(0), &x = conv.window.spatial(1);
  const Loop loop = loop_over(shape_before_epilogue(problem), problem.out[0].layout);
  DepthwiseParams params{};
  params.epilogue = epilogue_params(problem, problem.node.epilogue, loop);
  assign(params.extents, loop.extents());
  params.count = loop.count();
  assign(params.src_strides, loop.strides(problem.in[0]));
  params.channels = word(conv.out_channels);
  params.multiplier = word(conv.out_channels / conv.in_channels);
  params.in_h = word(y.in), params.in_w = word(x.in);
  params.stride_y = word(y.stride), params.stride_x = word(x.stride);
  params.dilation_y = word(y.dilation), params.dilation_x = word(x.dilation);
  params.pad_y = static_cast<int32_t>(y.pad_begin), params.pad_x = static_cast<int32_t>(x.pad_begin);

  Dispatch& dispatch = recorder.dispatch("depthwise", params);
  add_epilogue(problem.node.epilogue, recorder, dispatch);
  dispatch.set("kernel_h", word(y.kernel));
  dispatch.set("kernel_w", word(x.kernel));
  dispatch.set("has_bias", is_given(problem, 2));
  dispatch.bind("src", recorder.in(0));
  dispatch.bind("weights", constant_of<pack_depthwise>(1, 0, dispatch, recorder));
  if (is_given(problem, 2)) dispatch.bind("bias", recorder.in(2));
  cover(params.count, dispatch);
}

constexpr VkKernel list[] = {
    {"Conv", "", "depthwise", {"depthwise"}, accepts_depthwise, record_depthwise, {}, in_both},
    {"Conv", "", "conv", {"conv"}, accepts_conv<false>, record_conv<false>, {}, in_both},
    {"ConvTranspose", "", "conv_transpose", {"conv"}, accepts_conv<true>, record_conv<true>, {}, in_both},
};

}  // namespace

extern const KernelFile conv_kernels;
const KernelFile conv_kernels{list};

}  // namespace tessera::vulkan
