#include "ops/cpu/conv_pack.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/cpu/simd/bf16.h"
#include "ops/cpu/simd/winograd.h"

namespace tessera::cpu {
namespace {

// Blocked output by way of a CRD DepthToSpace wants the channels of one of its output blocks together,
// which is the order of DCR: packed channel -> the operator's; empty where they are the same.
std::vector<int64_t> output_order(const Problem& problem, int64_t channels, Layout out) {
  std::vector<int64_t> order;
  if (out == Layout::row_major) return order;
  for (const Fused& fused : problem.node.epilogue) {
    if (!fused.shuffles() || fused.b == 0) continue;
    const auto phases = static_cast<int64_t>(fused.a * fused.a);
    for (int64_t i = 0; i < channels; ++i) order.push_back(i % (channels / phases) * phases + i / (channels / phases));
  }
  return order;
}

// One weight, by group and packed output.
class Weights {
 public:
  Weights(const CpuKernel& kernel, const Problem& problem, const ops::ConvGeometry& g)
      : order_(output_order(problem, g.out_channels, kernel.out)),
        data_(problem.constants[1]->as<const float>()),
        transposed_(kernel.member == conv_transpose),
        taps_(g.window.taps()),
        group_in_(g.in_channels / g.groups),
        group_out_(g.out_channels / g.groups) {}

  /// Of group `g`, output `m` and input `c` within the group.
  float at(int64_t g, int64_t m, int64_t c, int64_t tap) const {
    if (m >= group_out_ || c >= group_in_) return 0.0f;
    if (!order_.empty()) m = order_[static_cast<size_t>(m)];
    const int64_t pair = transposed_ ? (g * group_in_ + c) * group_out_ + m : (g * group_out_ + m) * group_in_ + c;
    return data_[pair * taps_ + tap];
  }

  /// The same for all of a 3x3 kernel, of a single group: sixteen floats apart.
  void taps(int64_t m, int64_t c, float* to) const {
    if (m < group_out_ && !order_.empty()) m = order_[static_cast<size_t>(m)];
    const float* from = data_ + (m * group_in_ + c) * 9;
    for (int k = 0; k < 9; ++k) to[k * block_size] = m < group_out_ ? from[k] : 0.0f;
  }

 private:
  std::vector<int64_t> order_;
  const float* data_;
  bool transposed_;
  int64_t taps_, group_in_, group_out_;
};

Tensor pack_bias(const Problem& problem, const ConvPacking& p, Layout out) {
  Tensor bias = Tensor::make_packed({DType::float32, {p.groups * p.out_blocks * block_size}});
  const bool given = problem.node.op_inputs() > 2 && problem.constants[2];
  if (!given) return bias;
  const auto* from = problem.constants[2]->as<const float>();
  const auto order = output_order(problem, p.groups * p.group_out, out);
  for (size_t m = 0; m < order.size(); ++m) bias.as<float>()[m] = from[order[m]];
  if (!order.empty()) return bias;
  for (int64_t g = 0; g < p.groups; ++g)
    std::copy_n(from + g * p.group_out, p.group_out, bias.as<float>() + g * p.out_blocks * block_size);
  return bias;
}

// Three blocks are one unit, where the level has such tiles, rather than a wide one and a narrow one.
int best_unit(int64_t blocks, ConvForm form) {
  if (has_cells(form)) return Bf16Simd::max_blocks;
  const ConvSimd& conv = conv_simd(level());
  if (blocks == 3 && conv.pixels[3]) return 3;
  return conv.pixels[2] ? 2 : 1;
}

// [unit][tap][cell][output] of the weights, for a split each tap's once more of what rounding left.
void pack_cells(const Weights& weights, const ConvPacking& p, uint32_t* to) {
  const int64_t cells = cell_blocks_of(p.group_in) * block_size;
  for (int64_t group = 0; group < p.groups; ++group)
    for (int64_t unit = 0; unit < p.units(); ++unit) {
      const int width = p.blocks_in(unit) * block_size;
      for (int64_t t = 0; t < p.taps; ++t)
        for (int64_t part = 0; part * cells < p.depth; ++part, to += cells * width)
          for (int m = 0; m < width; ++m) {
            const int64_t output = unit * p.unit_blocks * block_size + m;
            for (int64_t c = 0; c < cells; ++c)
              to[c * width + m] =
                  cell_of(weights.at(group, output, 2 * c, t), weights.at(group, output, 2 * c + 1, t), part == 1);
          }
    }
}

}  // namespace

ops::ConvGeometry conv_geometry(const CpuKernel& kernel, const AttrReader& attrs, const Shape& x, const Shape& w) {
  return kernel.member == conv_transpose ? ops::transposed_geometry(attrs, x, w) : ops::conv_geometry(attrs, x, w);
}

const ops::ConvGeometry& geometry_of(const CpuKernel& kernel, const Problem& problem) {
  if (const auto* known = std::any_cast<ops::ConvGeometry>(&problem.memo)) return *known;
  return problem.memo.emplace<ops::ConvGeometry>(
      conv_geometry(kernel, AttrReader(problem.node), problem.in[0].shape, problem.in[1].shape));
}

ConvPacking::ConvPacking(const ops::ConvGeometry& g, ConvForm form)
    : groups(g.groups),
      group_in(g.in_channels / g.groups),
      group_out(g.out_channels / g.groups),
      depth(group_in),
      out_blocks(blocks_of(group_out)),
      taps(g.window.taps()),
      unit_blocks(best_unit(out_blocks, form)) {
  switch (form) {
    case ConvForm::planar: break;
    case ConvForm::blocked: depth = blocks_of(group_in) * block_size; break;
    case ConvForm::depthwise:
      groups = 1, depth = 1, unit_blocks = 1;
      group_in = group_out = g.out_channels;
      out_blocks = blocks_of(group_out);
      break;
    case ConvForm::few:
      // Outputs of a tap follow one another, each over all inputs: see ConvSimd::few.
      depth = blocks_of(group_in) * block_size;
      out_blocks = 1, unit_blocks = 1;
      break;
    case ConvForm::pairs: depth = cell_blocks_of(group_in) * block_size; break;
    case ConvForm::split: depth = cell_blocks_of(group_in) * 32; break;
  }
}

std::shared_ptr<const Packed> pack_conv(const CpuKernel& kernel, const Problem& problem) {
  const ConvForm form = form_of(kernel);
  const ops::ConvGeometry g = geometry_of(kernel, problem);
  const ConvPacking p(g, form);
  const Weights weights(kernel, problem, g);
  auto packed = std::make_shared<Packed>();
  Tensor out = Tensor::make_packed({DType::float32, {p.groups * p.out_blocks * block_size * p.taps * p.depth}});
  auto* to = out.as<float>();
  if (form == ConvForm::depthwise) {
    for (int64_t m = 0; m < p.group_out; ++m)
      for (int64_t t = 0; t < p.taps; ++t)
        to[((m / block_size) * p.taps + t) * block_size + m % block_size] = weights.at(m, 0, 0, t);
  } else if (form == ConvForm::few) {
    for (int64_t t = 0; t < p.taps; ++t)
      for (int64_t m = 0; m < p.group_out; ++m)
        for (int64_t c = 0; c < p.group_in; ++c) to[(t * block_size + m) * p.depth + c] = weights.at(0, m, c, t);
  } else if (has_cells(form)) {
    pack_cells(weights, p, out.as<uint32_t>());
  } else {
    for (int64_t group = 0; group < p.groups; ++group)
      for (int64_t unit = 0; unit < p.units(); ++unit) {
        const int width = p.blocks_in(unit) * block_size;
        // Along the input channels, which lie together in most models.
        for (int64_t t = 0; t < p.taps; ++t, to += p.depth * width)
          for (int m = 0; m < width; ++m)
            for (int64_t c = 0; c < p.depth; ++c)
              to[c * width + m] = weights.at(group, unit * p.unit_blocks * block_size + m, c, t);
      }
  }
  packed->tensors = {std::move(out), pack_bias(problem, p, kernel.out)};
  return packed;
}

namespace {

// [output block][input channel][9][16] of some output blocks.
void pack_taps(const Weights& weights, const ConvPacking& p, int64_t first_block, int64_t blocks, float* to) {
  for (int64_t block = first_block; block < first_block + blocks; ++block, to += p.group_in * 9 * block_size)
    for (int m = 0; m < block_size; ++m)
      for (int64_t c = 0; c < p.group_in; ++c) weights.taps(block * block_size + m, c, to + c * 9 * block_size + m);
}

}  // namespace

std::shared_ptr<const Packed> pack_taps(const CpuKernel& kernel, const Problem& problem) {
  const ops::ConvGeometry g = geometry_of(kernel, problem);
  const ConvPacking p(g, ConvForm::blocked);
  Tensor out = Tensor::make_packed({DType::float32, {p.out_blocks * p.group_in * 9 * block_size}});
  pack_taps(Weights(kernel, problem, g), p, 0, p.out_blocks, out.as<float>());
  auto packed = std::make_shared<Packed>();
  packed->tensors = {std::move(out), pack_bias(problem, p, kernel.out)};
  return packed;
}

void WinogradWeights::transform(const float* taps, int64_t unit, int64_t in_block, float* to) const {
  const int64_t first = in_block * block_size, count = std::min<int64_t>(block_size, packing.group_in - first);
  const int64_t width = packing.blocks_in(unit) * block_size;
  const auto simd = winograd_simd(level()).of(step).weights;
  to += unit * packing.unit_blocks * block_size * packing.depth + first * width;
  taps += first * 9 * block_size;
  for (int64_t c = 0; c < count; ++c)
    for (int64_t m = 0; m < width; m += block_size)
      simd(taps + (m * packing.group_in + c * block_size) * 9, to + c * width + m, plane(), 2 * width);
}

std::shared_ptr<const Packed> pack_winograd(const CpuKernel& kernel, const Problem& problem) {
  const ops::ConvGeometry g = geometry_of(kernel, problem);
  const ConvPacking p(g, ConvForm::blocked);
  const Weights weights(kernel, problem, g);
  const WinogradWeights transformed{p, kernel.row_step};
  Tensor out = Tensor::make_packed({DType::float32, {transformed.floats()}});
  std::vector<float> taps(static_cast<size_t>(p.unit_blocks * p.group_in * 9 * block_size));
  for (int64_t unit = 0; unit < p.units(); ++unit) {
    pack_taps(weights, p, unit * p.unit_blocks, p.blocks_in(unit), taps.data());
    for (int64_t block = 0; block < transformed.in_blocks(); ++block)
      transformed.transform(taps.data(), unit, block, out.as<float>());
  }
  auto packed = std::make_shared<Packed>();
  packed->tensors = {std::move(out), pack_bias(problem, p, kernel.out)};
  return packed;
}

}  // namespace tessera::cpu
