// Convolutions by matrices, of pictures in blocks of 16 channels; see shaders/conv_rolling.comp,
// shaders/conv_staged.comp and shaders/conv_gathered.comp, and shaders/common/finish8.glsl for what they apply before
// they store.

#include <algorithm>
#include <cstring>

#include "ops/vulkan/matrix_conv.h"
#include "ops/vulkan/matrix_tiles.h"
#include "ops/window.h"

namespace tessera::vulkan {

#include "shaders/params/matrix_conv.h"

namespace {

constexpr int64_t block = block_size;

// --- Packing ------------------------------------------------------------------------------------

// What a Pack of weights is told.
struct Packing {
  ChannelOrder order;
  int64_t matrix_k = 0;     // of weights for conv_rolling
  int64_t step_blocks = 1;  // that input channels are filled up to

  Packing(const ChannelOrder& o, int64_t k, int64_t blocks) : order(o), matrix_k(k), step_blocks(blocks) {}
  explicit Packing(int64_t code) : order(code), matrix_k(code >> 24 & 0xff), step_blocks(code >> 50 & 0xff) {}
  int64_t code() const { return order.code() | matrix_k << 24 | step_blocks << 50; }
};

// [N, C, 3, 3] becomes [cell][in][out], or [cell][in / k][out][k].
Tensor pack_cells(const Tensor& weights, int64_t code) {
  const Packing packing(code);
  const Shape& shape = weights.type.shape;
  const int64_t channels = shape[0], depth = shape[1], cells = shape[2] * shape[3];
  const int64_t padded = round_up(depth, block * packing.step_blocks), k = packing.matrix_k ? packing.matrix_k : 1;
  const int64_t filled = packing.order.padded;
  std::vector<float> from(static_cast<size_t>(shape.elements()));
  std::memcpy(from.data(), weights.bytes.get(), from.size() * sizeof(float));
  Tensor packed = Tensor::make_packed({DType::float16, {cells, padded / k, filled, k}});
  auto* to = packed.as<float16>();
  for (int64_t cell = 0; cell < cells; ++cell)
    for (int64_t c = 0; c < padded; ++c)
      for (int64_t n = 0; n < filled; ++n) {
        float value = 0;
        if (n < channels && c < depth)
          value = from[static_cast<size_t>((packing.order.source(n, channels) * depth + c) * cells + cell)];
        to[((cell * (padded / k) + c / k) * filled + n) * k + c % k] = float16(value);
      }
  return packed;
}

// --- What is accepted ---------------------------------------------------------------------------

ops::ConvGeometry geometry_of(const Problem& problem) {
  return ops::conv_geometry(AttrReader(problem.node), problem.in[0].shape, problem.in[1].shape);
}

bool is_by_3x3(const ops::ConvGeometry& conv) {
  const auto fits = [](const ops::WindowAxis& axis) {
    return axis.kernel == 3 && axis.stride == 1 && axis.dilation == 1;
  };
  return fits(conv.window.spatial(0)) && fits(conv.window.spatial(1));
}

bool is_plain(const Problem& problem) {
  if (!is_float_input(problem, 0) || !is_float_input(problem, 1) || !problem.constants[1]) return false;
  if (is_given(problem, 2) && (!is_float_input(problem, 2) || !problem.constants[2])) return false;
  return problem.in[0].shape.size() == 4 && problem.in[0].shape[1] == problem.in[1].shape[1];
}

// Behind DepthToSpace pictures have few channels: they leave in row-major order.
bool accepts_any(const VkKernel& kernel, const Problem& problem) {
  const bool shuffles = kernel.layouts[0].out == half;
  return is_plain(problem) && shuffles == (shuffle_of(problem.node.epilogue) != nullptr) &&
         finishes_pictures(problem, problem.node.epilogue, shape_before_epilogue(problem));
}

// Small deep pictures have tiles for few processors, and long sums: as products these are made in parts.
bool is_small_and_deep(const ops::ConvGeometry& conv) {
  constexpr int64_t side = 16, channels = 64, few_tiles = 32, deep = 128;
  const int64_t tiles = conv.batch * ceil_div(conv.window.spatial(0).out, side) *
                        ceil_div(conv.window.spatial(1).out, side) * ceil_div(conv.out_channels, channels);
  return tiles <= few_tiles && conv.in_channels >= deep;
}

bool accepts_3x3(const VkKernel& kernel, const Problem& problem) {
  if (!accepts_any(kernel, problem)) return false;
  const ops::ConvGeometry conv = geometry_of(problem);
  return is_by_3x3(conv) && !is_small_and_deep(conv);
}

// --- Recording ----------------------------------------------------------------------------------

MatrixConvParams params_of(const ops::ConvGeometry& conv, const Finish& finish) {
  const ops::WindowAxis &y = conv.window.spatial(0), &x = conv.window.spatial(1);
  MatrixConvParams params;
  params.finish = finish.params;
  params.images = word(conv.batch);
  params.in_blocks = word(ceil_div(conv.in_channels, block));
  params.in_h = word(y.in), params.in_w = word(x.in);
  params.kernel_h = word(y.kernel), params.kernel_w = word(x.kernel);
  params.stride_y = word(y.stride), params.stride_x = word(x.stride);
  params.dilation_y = word(y.dilation), params.dilation_x = word(x.dilation);
  params.pad_y = static_cast<int>(y.pad_begin), params.pad_x = static_cast<int>(x.pad_begin);
  params.part = 0;
  return params;
}

// The weights' columns are filled up to as many.
int64_t padded_channels(const Finish& finish, uint32_t tile) {
  return round_up(int64_t{finish.params.out_c}, int64_t{tile});
}

// What the dispatches of the two shaders for cells of 3x3 share: `channels` are a workgroup's, `groups` share the
// pixels.
Dispatch& record_cells(Text shader, uint32_t warps, uint32_t channels, uint32_t groups, int64_t matrix_k,
                       const MatrixConvParams& params, Finish finish, Recorder& recorder) {
  const Facts& facts = recorder.facts();
  finish.order.padded = padded_channels(finish, channels);
  Dispatch& dispatch = recorder.dispatch(shader, params);
  finish.add(recorder, dispatch);
  set_matrices(warps, facts, dispatch);
  dispatch.bind("src", recorder.in(0));
  dispatch.bind("weights", recorder.constant(1, pack_cells, Packing(finish.order, matrix_k, 1).code()));
  spread(groups, dispatch);
  dispatch.groups[1] = word(finish.order.padded) / channels;
  return dispatch;
}

void record_rolling(const Rolling& rolling, const MatrixConvParams& params, const Finish& finish, Recorder& recorder) {
  const MatrixShape& matrix = recorder.facts().matrix;
  Dispatch& dispatch = record_cells("conv_rolling", rolling.warps(), rolling.warps_n * matrix.n, rolling.groups,
                                    matrix.k, params, finish, recorder);
  dispatch.set("warps_x", rolling.warps_x);
  dispatch.set("warps_n", rolling.warps_n);
  dispatch.set("warps_k", rolling.warps_k);
  dispatch.set("each_k", rolling.each_k);
  dispatch.set("step_rows", rolling.step_rows);
  dispatch.set("strip_rows", rolling.strip_rows);
}

void record_staged(const Staged& staged, const MatrixConvParams& params, const Finish& finish, Recorder& recorder) {
  const uint32_t channels = staged.warps_n * staged.each_n * recorder.facts().matrix.n;
  Dispatch& dispatch =
      record_cells("conv_staged", staged.warps(), channels, staged.groups, 0, params, finish, recorder);
  dispatch.set("warps_y", staged.warps_y);
  dispatch.set("warps_x", staged.warps_x);
  dispatch.set("warps_n", staged.warps_n);
  dispatch.set("each_rows", staged.each_rows);
  dispatch.set("each_n", staged.each_n);
  dispatch.set("flush_rows", staged.flush_rows);
}

BlockedConv blocked_conv(const MatrixConvParams& params) {
  const Finish8Params& out = params.finish;
  return {params.images, params.in_blocks, out.out_blocks, out.out_h, out.out_w};
}

constexpr size_t bias_in = 2;

void record_3x3(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const Finish finish = Finish::of_pictures(problem, bias_in);
  const MatrixConvParams params = params_of(geometry_of(problem), finish);
  const BlockedConv conv = blocked_conv(params);
  if (const Staged* tuned = recorder.tuned(
          staged_ways(), {conv.in_blocks, conv.out_blocks, int64_t{conv.images} * conv.out_h * conv.out_w}))
    if (const auto staged = staged_by(*tuned, conv, recorder.facts(), finish.channel_rows))
      return record_staged(*staged, params, finish, recorder);
  if (const auto rolling = choose_rolling(conv, recorder.facts(), finish.channel_rows))
    record_rolling(*rolling, params, finish, recorder);
  else
    record_staged(choose_staged(conv, recorder.facts(), finish.channel_rows), params, finish, recorder);
}

void record_any(const VkKernel&, const Problem& problem, Recorder& recorder) {
  Finish finish = Finish::of_pictures(problem, bias_in);
  MatrixConvParams params = params_of(geometry_of(problem), finish);
  TileProblem product;
  product.rows = int64_t{params.images} * finish.params.out_h * finish.params.out_w;
  product.columns = finish.params.out_c;
  product.cells = int64_t{params.kernel_h} * params.kernel_w;
  product.terms = int64_t{params.in_blocks} * block;
  const Tiling tiling = choose_tiling(product, recorder, finish.channel_rows);
  finish.order.padded = padded_columns(product, tiling, recorder.facts());
  params.part = tiling.part_steps;
  Dispatch& dispatch = recorder.dispatch("conv_gathered", params);
  set_tiling(product, tiling, finish, dispatch, recorder);
  dispatch.bind("src", recorder.in(0));
  dispatch.bind("weights", recorder.constant(1, pack_cells, Packing(finish.order, 0, tiling.step_blocks).code()));
}

constexpr LayoutPair blocked[] = {{half16, half16}}, unblocked[] = {{half16, half}};

constexpr VkKernel by_3x3(List<LayoutPair> layouts) {
  return {"Conv", "", "conv3x3.matrix", {"conv_rolling", "conv_staged"}, accepts_3x3, record_3x3, {}, layouts, 3};
}
constexpr VkKernel by_any(List<LayoutPair> layouts) {
  return {"Conv", "", "conv.matrix", {"conv_gathered", "join_matrix"}, accepts_any, record_any, {}, layouts, 2};
}

constexpr VkKernel list[] = {by_3x3(blocked), by_3x3(unblocked), by_any(blocked), by_any(unblocked)};

}  // namespace

extern const KernelFile matrix_conv_kernels;
const KernelFile matrix_conv_kernels{list};

}  // namespace tessera::vulkan
