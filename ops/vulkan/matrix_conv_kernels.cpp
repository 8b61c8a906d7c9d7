// Convolutions by matrices, of pictures in blocks of 16 channels; see shaders/conv_rolling.comp,
// shaders/conv_staged.comp and shaders/conv_gathered.comp, and shaders/common/finish8.glsl for what they apply before
// they store.

#include <algorithm>
#include <cstring>

#include "ops/elementwise.h"
#include "ops/vulkan/epilogue.h"
#include "ops/vulkan/matrix_conv.h"
#include "ops/window.h"

namespace tessera::vulkan {

#include "shaders/params/matrix_conv.h"

namespace {

constexpr int64_t block = 16;

const Fused* shuffle_of(const Problem& problem) {
  for (const Fused& fused : problem.node.epilogue)
    if (fused.shuffles()) return &fused;
  return nullptr;
}

// --- Packing ------------------------------------------------------------------------------------

// What a Pack is told: how many output channels there are with those that fill the last tile, and where they go.
// DepthToSpace leaves in the order CRD; of one in the order DCR, the channels change places.
struct Packing {
  int64_t padded_n = 0;
  int64_t matrix_k = 0;      // of weights for conv_rolling
  int64_t step_blocks = 1;   // that input channels are filled up to
  int64_t cells = 1;         // of DepthToSpace
  bool depth_first = false;  // its order is DCR
  bool shuffled = false;     // values are for channels behind it

  explicit Packing(int64_t code)
      : padded_n(code & 0xffffff),
        matrix_k(code >> 24 & 0xff),
        cells(code >> 32 & 0xffff),
        depth_first(code >> 48 & 1),
        shuffled(code >> 49 & 1) {
    step_blocks = code >> 50 & 0xff;
  }
  Packing() = default;
  int64_t code() const {
    return padded_n | matrix_k << 24 | cells << 32 | int64_t{depth_first} << 48 | int64_t{shuffled} << 49 |
           step_blocks << 50;
  }
  // The node's channel that is the packed one's, of `channels`.
  int64_t source(int64_t packed, int64_t channels) const {
    return depth_first ? packed % cells * (channels / cells) + packed / cells : packed;
  }
};

std::vector<float> floats_of(const Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.type.shape.elements()));
  std::memcpy(values.data(), tensor.bytes.get(), values.size() * sizeof(float));
  return values;
}

// A value for each output channel, or one for all.
Tensor pack_channels(const Tensor& constant, int64_t code) {
  const Packing packing(code);
  const std::vector<float> values = floats_of(constant);
  const auto count = static_cast<int64_t>(values.size());
  Tensor packed = Tensor::make_packed({DType::float32, {packing.padded_n}});
  auto* to = packed.as<float>();
  for (int64_t n = 0; n < packing.padded_n; ++n) {
    const int64_t channel = packing.shuffled ? n / packing.cells : packing.source(n, count);
    const bool there = packing.shuffled ? channel < count : n < count;
    to[n] = count == 1 ? values[0] : there ? values[static_cast<size_t>(channel)] : 0.0f;
  }
  return packed;
}

// [N, C, 3, 3] becomes [cell][in][out], or [cell][in / k][out][k].
Tensor pack_cells(const Tensor& weights, int64_t code) {
  const Packing packing(code);
  const Shape& shape = weights.type.shape;
  const int64_t channels = shape[0], depth = shape[1], cells = shape[2] * shape[3];
  const int64_t padded = round_up(depth, block * packing.step_blocks), k = packing.matrix_k ? packing.matrix_k : 1;
  const std::vector<float> from = floats_of(weights);
  Tensor packed = Tensor::make_packed({DType::float16, {cells, padded / k, packing.padded_n, k}});
  auto* to = packed.as<float16>();
  for (int64_t cell = 0; cell < cells; ++cell)
    for (int64_t c = 0; c < padded; ++c)
      for (int64_t n = 0; n < packing.padded_n; ++n) {
        float value = 0;
        if (n < channels && c < depth)
          value = from[static_cast<size_t>((packing.source(n, channels) * depth + c) * cells + cell)];
        to[((cell * (padded / k) + c / k) * packing.padded_n + n) * k + c % k] = float16(value);
      }
  return packed;
}

// --- What is accepted ---------------------------------------------------------------------------

// One value for each channel of `shape`, or one for all.
bool is_by_channel(const Shape& operand, const Shape& shape) {
  const int64_t elements = operand.elements();
  return elements == 1 || (elements == shape[1] && operand.size() >= 3 && operand[operand.size() - 3] == shape[1]);
}

// Functions are applied to 8 channels at a time. Operands are constants, or pictures that lie as the result does.
bool functions_fit(const Problem& problem, const Shape& before) {
  if (!epilogue_fits(problem, problem.node.epilogue, before)) return false;
  const bool shuffles = shuffle_of(problem);
  Shape shape = before;
  bool shuffled = false;
  for (const Fused& fused : problem.node.epilogue) {
    if (fused.shuffles()) {
      if (static_cast<int64_t>(fused.a) % 2) return false;
      shape = problem.out[0].shape;
      shuffled = true;
    } else if (fused.operand >= 0) {
      const auto operand = static_cast<size_t>(fused.operand);
      const bool constant = problem.constants[operand];
      if (constant ? !is_by_channel(problem.in[operand].shape, shape)
                   : shuffles != shuffled || problem.in[operand].shape != shape)
        return false;
    }
  }
  return true;
}

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
  return is_plain(problem) && shuffles == (shuffle_of(problem) != nullptr) &&
         functions_fit(problem, shape_before_epilogue(problem));
}

bool accepts_3x3(const VkKernel& kernel, const Problem& problem) {
  return accepts_any(kernel, problem) && is_by_3x3(geometry_of(problem));
}

// --- Recording ----------------------------------------------------------------------------------

// The host's side of finish8.glsl.
struct Finish {
  List<Fused> functions;
  const Problem* problem;
  Packing packing;
  uint32_t by_channel = 0, channel_rows = 1;

  explicit Finish(const Problem& given) : functions(given.node.epilogue), problem(&given) {
    if (const Fused* fused = shuffle_of(given)) {
      packing.cells = static_cast<int64_t>(fused->a * fused->a);
      packing.depth_first = fused->b == 0;
    }
    for (size_t i = 0; i < functions.size(); ++i)
      if (functions[i].operand >= 0 && given.constants[static_cast<size_t>(functions[i].operand)]) {
        by_channel |= 1u << i;
        ++channel_rows;
      }
  }

  void add(const Recorder& recorder, Dispatch& dispatch) const {
    uint32_t swapped = 0;
    bool shuffled = false;
    for (size_t i = 0; i < functions.size(); ++i) {
      const Fused& fused = functions[i];
      dispatch.set(cat("function_", i), fused.shuffles() ? depth_to_space : fused.function);
      if (fused.shuffles()) {
        shuffled = true;
        dispatch.set("shuffle_block", static_cast<uint32_t>(fused.a));
        dispatch.set("shuffle_function", static_cast<uint32_t>(i));
      } else if (fused.operand >= 0) {
        const auto operand = static_cast<size_t>(fused.operand);
        if (fused.swapped) swapped |= 1u << i;
        Packing packed = packing;
        packed.shuffled = shuffled;
        dispatch.bind(cat("operand_", i), by_channel >> i & 1 ? recorder.constant(operand, pack_channels, packed.code())
                                                              : recorder.in(operand));
      }
    }
    dispatch.set("swapped", swapped);
    dispatch.set("by_channel", by_channel);
    dispatch.set("channel_rows", channel_rows);
    dispatch.set("has_bias", is_given(*problem, 2));
    if (is_given(*problem, 2)) dispatch.bind("bias", recorder.constant(2, pack_channels, packing.code()));
    dispatch.bind("dst", recorder.out(0));
  }
};

MatrixConvParams params_of(const Problem& problem, const ops::ConvGeometry& conv) {
  const ops::WindowAxis &y = conv.window.spatial(0), &x = conv.window.spatial(1);
  MatrixConvParams params;
  params.epilogue =
      epilogue_params(problem, problem.node.epilogue, loop_over({conv.batch, conv.out_channels, y.out, x.out}));
  params.images = word(conv.batch);
  params.in_blocks = word(ceil_div(conv.in_channels, block));
  params.in_h = word(y.in), params.in_w = word(x.in);
  params.out_blocks = word(ceil_div(conv.out_channels, block));
  params.out_h = word(y.out), params.out_w = word(x.out);
  params.out_c = word(conv.out_channels);
  params.kernel_h = word(y.kernel), params.kernel_w = word(x.kernel);
  params.stride_y = word(y.stride), params.stride_x = word(x.stride);
  params.dilation_y = word(y.dilation), params.dilation_x = word(x.dilation);
  params.pad_y = static_cast<int>(y.pad_begin), params.pad_x = static_cast<int>(x.pad_begin);
  return params;
}

// What the dispatches of the three shaders share.
struct Tiles {
  Text shader;
  uint32_t warps, channels;               // of a workgroup
  uint32_t groups;                        // that share the pixels
  int64_t matrix_k = 0, step_blocks = 1;  // of the weights
};

Dispatch& record_tiles(const Tiles& tiles, const MatrixConvParams& params, Finish finish, Recorder& recorder) {
  const Facts& facts = recorder.facts();
  finish.packing.padded_n = round_up(int64_t{params.out_c}, int64_t{tiles.channels});
  Dispatch& dispatch = recorder.dispatch(tiles.shader, params);
  finish.add(recorder, dispatch);
  dispatch.set("odd_channels", params.out_c % block != 0);
  dispatch.set("local_size", tiles.warps * facts.subgroup);
  dispatch.set("matrix_m", facts.matrix.m);
  dispatch.set("matrix_n", facts.matrix.n);
  dispatch.set("matrix_k", facts.matrix.k);
  dispatch.bind("src", recorder.in(0));
  Packing cells = finish.packing;
  cells.matrix_k = tiles.matrix_k;
  cells.step_blocks = tiles.step_blocks;
  dispatch.bind("weights", recorder.constant(1, pack_cells, cells.code()));
  spread(tiles.groups, dispatch);
  dispatch.groups[1] = word(finish.packing.padded_n) / tiles.channels;
  return dispatch;
}

void record_rolling(const Rolling& rolling, const MatrixConvParams& params, const Finish& finish, Recorder& recorder) {
  const MatrixShape& matrix = recorder.facts().matrix;
  const Tiles tiles{"conv_rolling", rolling.warps(), rolling.warps_n * matrix.n, rolling.groups, matrix.k};
  Dispatch& dispatch = record_tiles(tiles, params, finish, recorder);
  dispatch.set("warps_x", rolling.warps_x);
  dispatch.set("warps_n", rolling.warps_n);
  dispatch.set("warps_k", rolling.warps_k);
  dispatch.set("each_k", rolling.each_k);
  dispatch.set("step_rows", rolling.step_rows);
  dispatch.set("strip_rows", rolling.strip_rows);
}

void record_staged(const Staged& staged, const MatrixConvParams& params, const Finish& finish, Recorder& recorder) {
  const uint32_t channels = staged.warps_n * staged.each_n * recorder.facts().matrix.n;
  Dispatch& dispatch = record_tiles({"conv_staged", staged.warps(), channels, staged.groups}, params, finish, recorder);
  dispatch.set("warps_y", staged.warps_y);
  dispatch.set("warps_x", staged.warps_x);
  dispatch.set("warps_n", staged.warps_n);
  dispatch.set("each_rows", staged.each_rows);
  dispatch.set("each_n", staged.each_n);
  dispatch.set("flush_rows", staged.flush_rows);
}

void record_gathered(const Gathered& gathered, const MatrixConvParams& params, const Finish& finish,
                     Recorder& recorder) {
  const MatrixShape& matrix = recorder.facts().matrix;
  const uint32_t pixels = params.images * params.out_h * params.out_w;
  const Tiles tiles{"conv_gathered",
                    gathered.warps(),
                    gathered.warps_n * gathered.each_n * matrix.n,
                    groups_of(pixels, gathered.warps_m * gathered.each_m * matrix.m),
                    0,
                    gathered.step_blocks};
  Dispatch& dispatch = record_tiles(tiles, params, finish, recorder);
  dispatch.set("warps_m", gathered.warps_m);
  dispatch.set("warps_n", gathered.warps_n);
  dispatch.set("each_m", gathered.each_m);
  dispatch.set("each_n", gathered.each_n);
  dispatch.set("step_blocks", gathered.step_blocks);
}

BlockedConv blocked_conv(const MatrixConvParams& params) {
  return {params.images, params.in_blocks, params.out_blocks, params.out_h, params.out_w};
}

void record_3x3(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const MatrixConvParams params = params_of(problem, geometry_of(problem));
  const Finish finish(problem);
  if (const auto rolling = choose_rolling(blocked_conv(params), recorder.facts(), finish.channel_rows))
    record_rolling(*rolling, params, finish, recorder);
  else
    record_staged(choose_staged(blocked_conv(params), recorder.facts(), finish.channel_rows), params, finish, recorder);
}

void record_any(const VkKernel&, const Problem& problem, Recorder& recorder) {
  const MatrixConvParams params = params_of(problem, geometry_of(problem));
  const Finish finish(problem);
  record_gathered(choose_gathered(blocked_conv(params), recorder.facts(), finish.channel_rows), params, finish,
                  recorder);
}

constexpr LayoutPair blocked[] = {{half16, half16}}, unblocked[] = {{half16, half}};

constexpr VkKernel by_3x3(List<LayoutPair> layouts) {
  return {"Conv", "", "conv3x3.matrix", {"conv_rolling", "conv_staged"}, accepts_3x3, record_3x3, {}, layouts, 3};
}
constexpr VkKernel by_any(List<LayoutPair> layouts) {
  return {"Conv", "", "conv.matrix", {"conv_gathered"}, accepts_any, record_any, {}, layouts, 2};
}

constexpr VkKernel list[] = {by_3x3(blocked), by_3x3(unblocked), by_any(blocked), by_any(unblocked)};

}  // namespace

extern const KernelFile matrix_conv_kernels;
const KernelFile matrix_conv_kernels{list};

}  // namespace tessera::vulkan
