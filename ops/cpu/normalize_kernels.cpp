// LayerNormalization, RMSNormalization, InstanceNormalization, GroupNormalization, BatchNormalization and ImageScaler
// of float32.
#include <algorithm>
#include <cmath>

#include "ops/cpu/attrs.h"
#include "ops/cpu/chain.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/simd/reduce.h"
#include "ops/elementwise.h"

namespace tessera::cpu {
namespace {

constexpr int64_t floats_per_task = 1 << 14;

bool all_float(const Problem& problem) {
  for (size_t i = 0; i < problem.node.op_inputs(); ++i)
    if (problem.node.in[i] != absent && !is_float32(problem.in[i])) return false;
  return true;
}

int64_t row_length(const Shape& shape, int axis) { return shape.elements(static_cast<size_t>(axis), shape.size()); }

// Scale and bias hold one number per element of a row.
bool accepts_layer(const CpuKernel&, const Problem& problem) {
  const Shape& shape = problem.in[0].shape;
  if (!all_float(problem) || shape.empty()) return false;
  const int64_t length = row_length(shape, axis_of(AttrReader(problem.node), shape.rank()));
  return length > 0 && problem.in[1].shape.elements() == length &&
         (!has_input(problem, 2) || problem.in[2].shape.elements() == length);
}

void run_layer(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const Shape& shape = args.in[0].shape();
  const int64_t length = row_length(shape, axis_of(args, shape.rank()));
  if (args.out[0].elements() == 0) return;
  const float epsilon = args.real("epsilon");
  const ReduceSimd& simd = reduce_simd(level());
  const auto* x = args.in[0].as<const float>();
  const auto* scale = args.in[1].as<const float>();
  const auto* bias = args.has_in(2) ? args.in[2].as<const float>() : nullptr;
  auto* y = args.out[0].as<float>();
  float* means = args.out.size() > 1 && args.out[1].data ? args.out[1].as<float>() : nullptr;
  float* inverses = args.out.size() > 2 && args.out[2].data ? args.out[2].as<float>() : nullptr;
  threads.parallel(shape.elements() / length, std::max<int64_t>(1, floats_per_task / length),
                   [&](int64_t begin, int64_t end, int) {
                     simd.layer_norm(x + begin * length, end - begin, length, epsilon, scale, bias, y + begin * length,
                                     means ? means + begin : nullptr, inverses ? inverses + begin : nullptr);
                   });
}

// Rows divided by the root of their mean square; statistics are not asked for.
bool accepts_rms(const CpuKernel&, const Problem& problem) {
  const Shape& shape = problem.in[0].shape;
  if (!all_float(problem) || !is_float32(problem.out[0]) || shape.empty()) return false;
  if (problem.node.out.size() > 1 && problem.node.out[1] != absent) return false;
  const int axis = axis_of(AttrReader(problem.node), shape.rank());
  return problem.in[1].shape.elements() == row_length(shape, axis) && problem.in[1].shape.rank() <= shape.rank() - axis;
}

void run_rms(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const Shape& shape = args.in[0].shape();
  if (args.out[0].elements() == 0) return;
  const int64_t length = row_length(shape, axis_of(args, shape.rank()));
  const float epsilon = args.real("epsilon");
  const ReduceSimd& reduce = reduce_simd(level());
  const MapSimd& map = map_simd(level());
  const auto multiply = map.binary[elementwise::Mul - MapSimd::unary_functions][static_cast<int>(Along::both)];
  threads.parallel(shape.elements() / length, std::max<int64_t>(1, floats_per_task / length),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t i = begin; i < end; ++i) {
                       const float* x = args.in[0].as<const float>() + i * length;
                       float* y = args.out[0].as<float>() + i * length;
                       const float squares = reduce.row[static_cast<int>(Reduction::sum_squares)](x, length);
                       const float inverse = 1 / std::sqrt(squares / static_cast<float>(length) + epsilon);
                       map.unary[elementwise::Affine](x, y, length, inverse, 0);
                       multiply(y, args.in[1].as<const float>(), y, length);
                     }
                   });
}

// Sums of pieces join in double: one float sum over a picture would be so far off that the mean of
// numbers that lie far from zero, and with it their spread, loses its digits.
constexpr int64_t sum_piece = 1024;

struct Moments {
  float mean, rest;  ///< the mean is their sum
  float spread;      ///< the mean of the squared distances
};

Moments row_moments(const ReduceSimd& simd, const float* x, int64_t n) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n; i += sum_piece)
    sum += simd.row[static_cast<int>(Reduction::sum)](x + i, std::min(sum_piece, n - i));
  const double exact = sum / static_cast<double>(n);
  const auto mean = static_cast<float>(exact);
  for (int64_t i = 0; i < n; i += sum_piece) squares += simd.row_spread(x + i, std::min(sum_piece, n - i), mean);
  return {mean, static_cast<float>(exact - mean), static_cast<float>(squares / static_cast<double>(n))};
}

// Of 16 channels side by side.
void block_moments(const ReduceSimd& simd, const float* x, int64_t n, float* mean, float* rest, float* spread) {
  double sum[block_size] = {}, squares[block_size] = {};
  float part[block_size];
  for (int64_t i = 0; i < n; i += sum_piece) {
    simd.columns[static_cast<int>(Reduction::sum)](x + i * block_size, block_size, std::min(sum_piece, n - i), part,
                                                   block_size);
    for (int c = 0; c < block_size; ++c) sum[c] += part[c];
  }
  for (int c = 0; c < block_size; ++c) {
    const double exact = sum[c] / static_cast<double>(n);
    mean[c] = static_cast<float>(exact);
    rest[c] = static_cast<float>(exact - mean[c]);
  }
  for (int64_t i = 0; i < n; i += sum_piece) {
    simd.columns_spread(x + i * block_size, block_size, std::min(sum_piece, n - i), mean, part, block_size);
    for (int c = 0; c < block_size; ++c) squares[c] += part[c];
  }
  for (int c = 0; c < block_size; ++c) spread[c] = static_cast<float>(squares[c] / static_cast<double>(n));
}

// What Instance- and BatchNormalization end with: (x - mean) * a + b by channel, then the node's epilogue, in pieces
// that stay in the innermost cache. The mean is taken away first: behind a large factor its digits would be lost.
class Finish {
 public:
  explicit Finish(const Args& args)
      : args_(args), chain_(args, nullptr), simd_(map_simd(level())), out_(args.out[0].as<float>()) {}

  /// Stored elements [begin, begin + n) of the output, all of one channel.
  void plane(const float* x, int64_t begin, int64_t n, float mean, float a, float b) const {
    pieces(n, [&](int64_t i, int64_t count) {
      float* to = out_ + begin + i;
      if (mean != 0) simd_.unary[elementwise::Affine](x + i, to, count, 1, -mean);
      simd_.unary[elementwise::Affine](mean != 0 ? to : x + i, to, count, a, b);
      apply_as_stored(simd_, chain_, args_.in, begin + i, to, count);
    });
  }

  /// The same with 16 channels side by side, `channels` of them real.
  void block(const float* x, int64_t begin, int64_t n, const float* mean, const float* a, const float* b,
             int64_t channels) const {
    constexpr int lane = static_cast<int>(Along::y_lane);
    pieces(n, [&](int64_t i, int64_t count) {
      float* to = out_ + begin + i;
      if (mean) simd_.binary[elementwise::Sub - MapSimd::unary_functions][lane](x + i, mean, to, count);
      simd_.binary[elementwise::Mul - MapSimd::unary_functions][lane](mean ? to : x + i, a, to, count);
      simd_.binary[elementwise::Add - MapSimd::unary_functions][lane](to, b, to, count);
      apply_as_stored(simd_, chain_, args_.in, begin + i, to, count);
      if (channels < block_size && chain_.count) clear_lanes(to, count, channels);
    });
  }

 private:
  template <class Piece>
  static void pieces(int64_t n, const Piece& piece) {
    constexpr int64_t length = 1024;
    for (int64_t i = 0; i < n; i += length) piece(i, std::min(length, n - i));
  }

  const Args& args_;
  Chain chain_;
  const MapSimd& simd_;
  float* out_;
};

enum Member { instance_norm, group_norm, batch_norm, image_scaler };

bool accepts_instance(const CpuKernel&, const Problem& problem) {
  return all_float(problem) && problem.in[0].shape.size() >= 3;
}
bool accepts_blocked_instance(const CpuKernel& kernel, const Problem& problem) {
  return accepts_instance(kernel, problem) && problem.in[0].shape.size() == 4 && !problem.constants[0];
}

// Groups of channels share their moments; an instance's are of one channel each.
void run_instance(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const Shape& shape = args.in[0].shape();
  if (args.out[0].elements() == 0) return;
  const Finish finish(args);
  const int64_t plane = shape.elements(2, shape.size());
  const int64_t groups = kernel.member == group_norm ? args.integer("num_groups") : shape[1],
                channels = shape[1] / groups;
  const bool per_channel = args.in[1].elements() == shape[1];
  const auto *scale = args.in[1].as<const float>(), *bias = args.in[2].as<const float>();
  const float epsilon = args.real("epsilon");
  const ReduceSimd& simd = reduce_simd(level());
  threads.parallel(shape[0] * groups, std::max<int64_t>(1, floats_per_task / (plane * channels)),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t i = begin; i < end; ++i) {
                       const int64_t first = i * channels * plane;
                       const float* x = args.in[0].as<const float>() + first;
                       const Moments moments = row_moments(simd, x, channels * plane);
                       const float inverse = 1 / std::sqrt(moments.spread + epsilon);
                       for (int64_t c = 0; c < channels; ++c) {
                         const int64_t at = per_channel ? i % groups * channels + c : i % groups;
                         const float a = scale[at] * inverse, b = bias[at] - moments.rest * a;
                         finish.plane(x + c * plane, first + c * plane, plane, moments.mean, a, b);
                       }
                     }
                   });
}

void run_blocked_instance(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const Shape& shape = args.in[0].shape();
  if (args.out[0].elements() == 0) return;
  const Finish finish(args);
  const int64_t plane = shape[2] * shape[3], blocks = blocks_of(shape);
  const float epsilon = args.real("epsilon");
  const ReduceSimd& simd = reduce_simd(level());
  const auto body = [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const float* x = args.in[0].as<const float>() + i * plane * block_size;
      const int64_t first = i % blocks * block_size, channels = std::min<int64_t>(block_size, shape[1] - first);
      float mean[block_size], rest[block_size], spread[block_size], a[block_size] = {}, b[block_size] = {};
      block_moments(simd, x, plane, mean, rest, spread);
      for (int64_t c = 0; c < channels; ++c) {
        a[c] = args.in[1].as<const float>()[first + c] / std::sqrt(spread[c] + epsilon);
        b[c] = args.in[2].as<const float>()[first + c] - rest[c] * a[c];
      }
      finish.block(x, i * plane * block_size, plane * block_size, mean, a, b, channels);
    }
  };
  threads.parallel(shape[0] * blocks, std::max<int64_t>(1, floats_per_task / (plane * block_size)), body);
}

// Inference only: one output, and statistics from the inputs.
bool accepts_batch(const CpuKernel&, const Problem& problem) {
  const AttrReader attrs(problem.node);
  return problem.node.opset >= 7 && all_float(problem) && problem.node.out.size() == 1 &&
         problem.in[0].shape.size() >= 2 && attrs.integer("training_mode") == 0 && attrs.integer("spatial") == 1;
}
bool accepts_scaler(const CpuKernel&, const Problem& problem) {
  return is_float32(problem.in[0]) && problem.in[0].shape.size() == 4;
}
bool accepts_blocked_scaler(const CpuKernel& kernel, const Problem& problem) {
  return accepts_scaler(kernel, problem) && !problem.constants[0];
}

bool accepts_blocked_batch(const CpuKernel& kernel, const Problem& problem) {
  return accepts_batch(kernel, problem) && problem.in[0].shape.size() == 4 && !problem.constants[0];
}

// The affine map of one channel; ImageScaler is such a map, too.
void batch_factors(const CpuKernel& kernel, const Args& args, int64_t channel, float& a, float& b) {
  if (kernel.member == image_scaler) {
    a = args.real("scale");
    b = args.reals("bias")[static_cast<size_t>(channel)];
    return;
  }
  const auto at = [&](size_t input) { return args.in[input].as<const float>()[channel]; };
  a = at(1) / std::sqrt(at(4) + args.real("epsilon"));
  b = at(2) - at(3) * a;
}

void run_batch(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const Shape& shape = args.in[0].shape();
  if (args.out[0].elements() == 0) return;
  const Finish finish(args);
  const int64_t plane = shape.elements(2, shape.size());
  threads.parallel(shape[0] * shape[1], std::max<int64_t>(1, floats_per_task / plane),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t i = begin; i < end; ++i) {
                       float a, b;
                       batch_factors(kernel, args, i % shape[1], a, b);
                       finish.plane(args.in[0].as<const float>() + i * plane, i * plane, plane, 0, a, b);
                     }
                   });
}

void run_blocked_batch(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const Shape& shape = args.in[0].shape();
  if (args.out[0].elements() == 0) return;
  const Finish finish(args);
  const int64_t plane = shape[2] * shape[3] * block_size, blocks = blocks_of(shape);
  const auto body = [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % blocks * block_size, channels = std::min<int64_t>(block_size, shape[1] - first);
      float a[block_size] = {}, b[block_size] = {};
      for (int64_t c = 0; c < channels; ++c) batch_factors(kernel, args, first + c, a[c], b[c]);
      finish.block(args.in[0].as<const float>() + i * plane, i * plane, plane, nullptr, a, b, channels);
    }
  };
  threads.parallel(shape[0] * blocks, std::max<int64_t>(1, floats_per_task / plane), body);
}

constexpr CpuKernel layer{
    .op = "LayerNormalization", .name = "layer_norm", .in_place = true, .accepts = accepts_layer, .run = run_layer};
constexpr CpuKernel rms(Text op) {
  return {.op = op, .name = "rms_norm", .in_place = true, .accepts = accepts_rms, .run = run_rms};
}
constexpr CpuKernel instance{.op = "InstanceNormalization",
                             .name = "instance_norm",
                             .in_place = true,
                             .accepts = accepts_instance,
                             .accepts_epilogue = chain_fits_as_stored,
                             .run = run_instance};

constexpr CpuKernel group_of_instance() {
  CpuKernel kernel = instance;
  kernel.op = "GroupNormalization";
  kernel.name = "group_norm";
  kernel.member = group_norm;
  return kernel;
}

constexpr CpuKernel by_channel(Text op, Member member, Text name, bool (*accepts)(const CpuKernel&, const Problem&)) {
  CpuKernel kernel = instance;
  kernel.op = op;
  kernel.name = name;
  kernel.member = member;
  kernel.accepts = accepts;
  kernel.run = run_batch;
  return kernel;
}
constexpr CpuKernel batch = by_channel("BatchNormalization", batch_norm, "batch_norm", accepts_batch);
constexpr CpuKernel scaler = by_channel("ImageScaler", image_scaler, "scaler", accepts_scaler);

constexpr CpuKernel kernels[] = {
    layer,
    rms("RMSNormalization"),
    rms("SimplifiedLayerNormalization"),
    instance,
    group_of_instance(),
    in_blocks(instance, "instance_norm.nchw16c", accepts_blocked_instance, run_blocked_instance),
    batch,
    in_blocks(batch, "batch_norm.nchw16c", accepts_blocked_batch, run_blocked_batch),
    scaler,
    in_blocks(scaler, "scaler.nchw16c", accepts_blocked_scaler, run_blocked_batch),
};

}  // namespace

extern const KernelFile normalize_kernels;
const KernelFile normalize_kernels{kernels};

}  // namespace tessera::cpu
