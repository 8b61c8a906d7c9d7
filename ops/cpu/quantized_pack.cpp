#include "ops/cpu/quantized_pack.h"

#include <vector>

#include "ops/cpu/attrs.h"
#include "ops/cpu/quantized_steps.h"
#include "ops/cpu/simd/bytes.h"
#include "runtime/base/rounding.h"

namespace tessera::cpu {
namespace {

// Weights less their zero points.
struct Weights {
  explicit Weights(const Problem& problem)
      : w(*problem.constants[quant::w]),
        zero(*problem.constants[quant::w_zero]),
        each(w.type.shape.elements() / std::max<int64_t>(1, count())),
        single(zero.type.shape.elements() == 1) {}

  int64_t count() const { return w.type.shape[0]; }
  static int32_t byte(const Tensor& tensor, int64_t i) {
    return tensor.type.dtype == DType::int8 ? tensor.as<const int8_t>()[i] : tensor.as<const uint8_t>()[i];
  }
  /// Calls f(i, weight) for each of an output channel.
  template <class F>
  void for_channel(int64_t channel, const F& f) const {
    const int32_t less = byte(zero, single ? 0 : channel);
    const auto each_of = [&](const auto* bytes) {
      for (int64_t i = 0; i < each; ++i) f(i, bytes[i] - less);
    };
    if (w.type.dtype == DType::int8)
      each_of(w.as<const int8_t>() + channel * each);
    else
      each_of(w.as<const uint8_t>() + channel * each);
  }

  const Tensor& w;
  const Tensor& zero;
  int64_t each;  // per output channel
  bool single;
};

// Weights in quads are bytes, others have 16 bits: T is either.
template <class T>
void pack_depthwise(const QuantPacking& p, const Weights& weights, const Shape& shape, T* to) {
  const int64_t columns = shape.size() > 2 ? shape.back() : 1;
  const int64_t spans = ceil_div(columns, p.tap_columns), slots = p.channels_per_group();
  for (int64_t c = 0; c < weights.count(); ++c)
    weights.for_channel(c, [&](int64_t i, int32_t weight) {
      const int64_t ky = i / columns, kx = i % columns;
      const int64_t tap = ky * spans + kx / p.tap_columns;
      to[((c / block_size * p.taps + tap) * block_size + c % block_size) * slots + kx % p.tap_columns] =
          static_cast<T>(weight);
    });
}

template <class T>
void pack_dense(const QuantPacking& p, const Weights& weights, T* to) {
  constexpr int size = 4 / sizeof(T);  // input channels per group
  const int64_t groups = p.tap_bytes() / 64, used = ceil_div(p.group_in, size);
  std::vector<T> channel(static_cast<size_t>(used * size * p.taps));  // zeros behind the last input
  for (int64_t m = 0; m < weights.count(); ++m) {
    weights.for_channel(m,
                        [&](int64_t i, int32_t weight) { channel[static_cast<size_t>(i)] = static_cast<T>(weight); });
    const int64_t group = m / p.group_out, output = m % p.group_out, unit = output / block_size / p.unit_blocks;
    const int64_t width = p.blocks_in(unit) * block_size, lane = output - unit * p.unit_blocks * block_size;
    T* place = to + p.unit_offset(group, unit) / static_cast<int64_t>(sizeof(T)) + lane * size;
    for (int64_t tap = 0; tap < p.taps; ++tap, place += groups * width * size) {
      const T* from = channel.data() + tap;
      for (int64_t g = 0; g < used; ++g)
        for (int c = 0; c < size; ++c, from += p.taps) place[g * width * size + c] = *from;
    }
  }
}

template <class T>
void pack_weights(const QuantPacking& p, const Weights& weights, const Shape& shape, Tensor& to) {
  if (p.depthwise)
    pack_depthwise(p, weights, shape, to.as<T>());
  else
    pack_dense(p, weights, to.as<T>());
}

}  // namespace

QuantPacking::QuantPacking(const Node& node, const Shape& w, bool narrow) {
  const QuantSimd& simd = quantized_vnni_simd(level());
  quads = simd.has_quads && narrow;
  const AttrReader attrs(node);
  groups = w.rank() > 2 ? attrs.integer("group") : 1;
  group_in = w[1];
  group_out = w[0] / groups;
  taps = w.elements(2, w.size());
  depthwise = groups > 1 && group_in == 1 && group_out == 1;
  if (depthwise) {
    // A tap takes neighbouring columns of the kernel together.
    const auto dilations = attrs.integers("dilations");
    tap_columns = dilations.empty() || dilations.back() == 1 ? channels_per_group() : 1;
    const int64_t columns = w.back(), spans = ceil_div(columns, tap_columns);
    taps = taps / columns * spans;
    group_in = group_out = groups;
    groups = 1;
  } else {
    unit_blocks = simd.blocks;
    // Fewer channels would leave most of a tile idle.
    tiles = quads && byte_simd(level()) && group_in >= block_size && (groups == 1 || group_in % ByteSimd::pixel == 0);
  }
  out_blocks = blocks_of(group_out);
  in_blocks = ceil_div(group_in, channels_per_block());
  const int64_t rest = tiles ? ByteSimd::pixel : group_in - (in_blocks - 1) * block_size;
  last = ceil_div(rest, channels_per_group());
}

bool has_narrow_weights(const Problem& problem) {
  const Weights weights(problem);
  const bool is_signed = weights.w.type.dtype == DType::int8;
  // Without zero points signed bytes are what they are.
  bool centred = is_signed;
  for (int64_t i = 0; centred && i < weights.zero.type.shape.elements(); ++i) centred = !Weights::byte(weights.zero, i);
  if (centred) return true;
  bool narrow = true;
  for (int64_t m = 0; m < weights.count(); ++m)
    weights.for_channel(m, [&](int64_t, int32_t weight) { narrow &= weight >= -128 && weight <= 127; });
  return narrow;
}

std::shared_ptr<const Packed> pack_quantized(const CpuKernel&, const Problem& problem) {
  const Weights weights(problem);
  const Shape& shape = weights.w.type.shape;
  const bool narrow = has_narrow_weights(problem);
  const QuantPacking p(problem.node, shape, narrow);
  const int64_t padded = p.groups * p.out_blocks * block_size;
  auto packed = std::make_shared<Packed>();
  const auto add = [&](DType type, int64_t count) {
    packed->tensors.push_back(Tensor::make_packed({type, {count}}));
    return packed->tensors.size() - 1;
  };
  // A block's last tap may be read beyond its end by whole vectors.
  const int64_t size = p.groups * p.out_blocks * p.taps * p.tap_bytes() + 64;
  const size_t bytes = add(p.quads ? DType::int8 : DType::int16, p.quads ? size : size / 2);
  const size_t sums = add(DType::int32, padded), scales = add(DType::float32, padded);
  if (p.quads)
    pack_weights<int8_t>(p, weights, shape, packed->tensors[bytes]);
  else
    pack_weights<int16_t>(p, weights, shape, packed->tensors[bytes]);

  const auto real = [&](size_t i) {
    return has_input(problem, i) ? static_cast<float>(element_as_double(problem.constants[i]->view(), 0)) : 1.0f;
  };
  const Tensor& zero = *problem.constants[quant::x_zero];
  const int32_t x_zero = Weights::byte(zero, 0) + (zero.type.dtype == DType::int8 ? 128 : 0);
  const Tensor& w_scale = *problem.constants[quant::w_scale];
  const Tensor* bias = has_input(problem, quant::bias) ? problem.constants[quant::bias] : nullptr;
  const bool real_bias = bias && bias->type.dtype == DType::float32;
  const size_t shifts = real_bias ? add(DType::float32, padded) : 0;
  const float factor = real(quant::x_scale), out = real(quant::y_scale);
  for (int64_t m = 0; m < weights.count(); ++m) {
    const int64_t at = m / p.group_out * p.out_blocks * block_size + m % p.group_out;
    uint32_t sum = bias && !real_bias ? static_cast<uint32_t>(bias->as<const int32_t>()[m]) : 0;
    weights.for_channel(m, [&](int64_t, int32_t weight) { sum -= static_cast<uint32_t>(x_zero * weight); });
    packed->tensors[sums].as<uint32_t>()[at] = sum;
    const float scale = w_scale.as<const float>()[w_scale.type.shape.elements() == 1 ? 0 : m];
    packed->tensors[scales].as<float>()[at] = factor * scale / out;
    if (real_bias) packed->tensors[shifts].as<float>()[at] = bias->as<const float>()[m];
  }
  return packed;
}

}  // namespace tessera::cpu
