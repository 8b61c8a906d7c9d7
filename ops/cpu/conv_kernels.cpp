// Conv and ConvTranspose in float32 over one or two spatial axes: which kernel takes which problem.
#include <algorithm>

#include "ops/cpu/conv_depthwise.h"
#include "ops/cpu/conv_direct.h"
#include "ops/cpu/conv_winograd_small.h"
#include "ops/cpu/kernel.h"

namespace tessera::cpu {
namespace {

using ops::ConvGeometry;
using ops::WindowAxis;

bool is_constant_float(const Problem& problem, size_t input) {
  return problem.constants[input] && problem.in[input].dtype == DType::float32;
}

// What every kernel here needs: constant float32 weights and bias, at most two spatial axes.
bool fits(const Problem& problem) {
  if (problem.in[0].dtype != DType::float32 || problem.out[0].dtype != DType::float32) return false;
  const int rank = problem.in[0].shape.rank();
  if (rank < 3 || rank > 4 || !is_constant_float(problem, 1)) return false;
  const bool bias = problem.node.op_inputs() > 2 && problem.node.in[2] != absent;
  return (!bias || is_constant_float(problem, 2)) && problem.in[0].shape.elements() > 0 &&
         problem.in[1].shape.elements() > 0;
}

// So few input channels are read faster from planes than from blocks with idle lanes; from so many on, transforms pay.
constexpr int64_t few_inputs = 8;

bool is_depthwise(const ConvGeometry& g) {
  return g.groups > 1 && g.groups == g.in_channels && g.groups == g.out_channels;
}

// By shape alone, so that the arithmetic of a layer is the same wherever and however often it runs.
// Few outputs may have a better kernel, of higher rank; weights beyond the second-level cache, which are read once per
// group of tiles, want many tiles.
bool prefers_winograd(const ConvGeometry& g) {
  if (!winograd_fits(g) || g.in_channels < few_inputs) return false;
  const int64_t tiles = ((g.window.axis[1].out + 3) / 4) * ((g.window.axis[2].out + 3) / 4);
  const int64_t weight_bytes = 36 * 4 * g.in_channels * g.out_channels;
  return tiles >= (weight_bytes > (int64_t{1} << 20) ? 64 : 4);
}

// Whether sums along the lanes, which must be added up in the end, are fewer operations than sums in lanes
// that are mostly idle: per output pixel, or per phase of a transposed convolution.
bool few_pays(const ConvGeometry& g, bool transposed) {
  constexpr int64_t to_add_up = 12, to_unblock = 8;
  const int64_t phases = transposed ? g.window.axis[1].stride * g.window.axis[2].stride : 1;
  const int64_t taps = (g.window.taps() + phases - 1) / phases;
  return g.out_channels * (taps * blocks_of(g.in_channels) + to_add_up) < taps * g.in_channels + to_unblock;
}

// Whether a direct convolution of that form can do it.
bool has_form(const CpuKernel& kernel, const Problem& problem, ConvForm form, Layout out) {
  if (!fits(problem)) return false;
  const bool flat_only = problem.in[0].shape.rank() != 4;
  const ConvGeometry& g = geometry_of(kernel, problem);
  const int64_t group_in = g.in_channels / g.groups, group_out = g.out_channels / g.groups;
  const bool whole_groups = g.groups == 1 || group_out % block_size == 0;
  if (flat_only && (form != ConvForm::planar || out != Layout::row_major)) return false;
  switch (form) {
    case ConvForm::planar: return out == Layout::row_major || whole_groups;
    case ConvForm::blocked: return whole_groups && (g.groups == 1 || group_in % block_size == 0);
    case ConvForm::depthwise: return is_depthwise(g);
    case ConvForm::few: return g.groups == 1 && g.out_channels <= 4 && few_pays(g, kernel.member == conv_transpose);
    case ConvForm::pairs:
    case ConvForm::split:
      return group_in >= block_size && whole_groups && (g.groups == 1 || group_in % 32 == 0) &&
             !AttrReader(problem.node).has("quantized");
  }
  return false;
}

bool accepts_direct(const CpuKernel& kernel, const Problem& problem) {
  return has_form(kernel, problem, form_of(kernel), kernel.out);
}

// Without AMX a 1x1 convolution of far pixels and few channels waits for memory, and rounding makes it wait longer.
bool gains_from_pairs(const ConvGeometry& g, const Problem& problem) {
  constexpr int64_t near_bytes = 4 << 20, many_channels = 128;
  return level() >= Level::amx || g.window.taps() > 1 || std::min(g.in_channels, g.out_channels) >= many_channels ||
         problem.in[0].bytes() + problem.out[0].bytes() <= near_bytes;
}

bool accepts_cells(const CpuKernel& kernel, const Problem& problem) {
  return bf16_simd(level()) && accepts_direct(kernel, problem) &&
         gains_from_pairs(geometry_of(kernel, problem), problem);
}

// The planar form where it is the better one, not only the one without a reorder.
bool accepts_first(const CpuKernel& kernel, const Problem& problem) {
  return accepts_direct(kernel, problem) && geometry_of(kernel, problem).in_channels <= few_inputs;
}

bool applies_epilogue(const CpuKernel& kernel, const Problem& problem, ConvForm form, Layout out) {
  if (!Epilogue::fits(problem, out)) return false;
  if (Epilogue::shuffle_of(problem.node) == 1) return true;
  const ConvGeometry& g = geometry_of(kernel, problem);
  if (out == nchw16c) return g.groups == 1 && form != ConvForm::depthwise && form != ConvForm::few;
  // Sums of few outputs leave in planes, where a DepthToSpace is the first thing that can be done to them.
  if (form == ConvForm::few) return problem.node.epilogue.front().shuffles();
  return (g.groups == 1 || g.out_channels / g.groups % block_size == 0 || is_depthwise(g)) &&
         !(form == ConvForm::planar && is_depthwise(g));
}

bool accepts_epilogue(const CpuKernel& kernel, const Problem& problem) {
  return applies_epilogue(kernel, problem, form_of(kernel), kernel.out);
}

// Wherever sums are long or others would transform, but not before sums along the lanes, which are sixteen short ones.
bool accepts_exact(const CpuKernel& kernel, const Problem& problem) {
  if (!accepts_direct(kernel, problem) || geometry_of(kernel, problem).in_channels < few_inputs) return false;
  return !has_form(kernel, problem, ConvForm::few, Layout::row_major) ||
         !(problem.node.epilogue.empty() || applies_epilogue(kernel, problem, ConvForm::few, Layout::row_major));
}

// Outputs of a tile. Larger tiles need a fifth fewer multiplications, but their rounding is four times as large, which
// the first layers do not bear (optimizer/mark_first.cpp), and their transformed weights are nearly twice as large:
// beyond the second-level cache they want many tiles, and a small picture wastes too much of them.
int winograd_step(const ConvGeometry& g, const Problem& problem) {
  if (AttrReader(problem.node).has("first")) return 4;
  constexpr int64_t near_bytes = 2 << 20, most_bytes = 8 << 20;
  const int64_t weight_bytes = 64 * 4 * g.in_channels * g.out_channels;
  const int64_t extent = std::min(g.window.axis[1].out, g.window.axis[2].out);
  return weight_bytes <= most_bytes && extent >= (weight_bytes > near_bytes ? 48 : 24) ? 6 : 4;
}

bool may_transform(const Problem& problem) {
  // Sums of quantized numbers have ties that transforms would break (see optimizer/mark_quantized.cpp).
  if (AttrReader(problem.node).has("quantized")) return false;
  return fits(problem) && problem.in[0].shape.rank() == 4;
}

// Whether transforming the weights takes so small a part of a run that it need not be done ahead. Of 121 tiles it
// takes a twentieth, and a sixth of two threads' time, which write where the other's cache has what it read.
bool transforms_often(const ConvGeometry& g, int step) {
  constexpr int64_t many_tiles = 256;
  const int64_t high = g.window.axis[1].out + step - 1, wide = g.window.axis[2].out + step - 1;
  return g.batch * (high / step) * (wide / step) >= many_tiles;
}

bool accepts_winograd(const CpuKernel& kernel, const Problem& problem) {
  if (!may_transform(problem)) return false;
  const ConvGeometry& g = geometry_of(kernel, problem);
  const int step = kernel.row_step;
  return prefers_winograd(g) && winograd_step(g, problem) == step &&
         transforms_often(g, step) == (kernel.kept != nullptr);
}

bool accepts_small_winograd(const CpuKernel& kernel, const Problem& problem) {
  return may_transform(problem) && small_winograd_fits(geometry_of(kernel, problem));
}

// Of one picture whose height stays as it is.
int row_reach(const CpuKernel& kernel, const Problem& problem) {
  const ConvGeometry& g = geometry_of(kernel, problem);
  const WindowAxis& h = g.window.axis[1];
  if (g.batch != 1 || problem.in[0].shape.rank() != 4 || h.stride != 1 || h.in != h.out) return -1;
  return static_cast<int>(std::max(h.pad_begin, h.reach() - 1 - h.pad_begin));
}

constexpr CpuKernel direct(ConvMember member, ConvForm form, Layout out, Text name, int rank) {
  CpuKernel kernel{.op = member == conv ? "Conv" : "ConvTranspose", .name = name};
  kernel.form = static_cast<int>(form);
  kernel.member = member;
  kernel.rank = rank;
  kernel.in = form == ConvForm::planar ? Layout::row_major : nchw16c;
  kernel.out = out;
  kernel.accepts = accepts_direct;
  kernel.accepts_epilogue = accepts_epilogue;
  kernel.pack = pack_conv;
  kernel.scratch = direct_scratch;
  kernel.run = run_direct;
  if (member == conv) {
    kernel.row_step = 1;
    kernel.row_reach = row_reach;
  }
  return kernel;
}

constexpr CpuKernel first(ConvMember member, Layout out, Text name) {
  CpuKernel kernel = direct(member, ConvForm::planar, out, name, 4);
  kernel.accepts = accepts_first;
  return kernel;
}

// Before all that is faster.
constexpr CpuKernel exact(ConvMember member, Layout out, Text name) {
  CpuKernel kernel = direct(member, ConvForm::blocked, out, name, 7);
  kernel.precision = Precision::exact;
  kernel.accepts = accepts_exact;
  return kernel;
}

// Weights are transformed in each run, or are packed so.
constexpr CpuKernel by_winograd(int step, Layout out, bool packed, Text name) {
  CpuKernel kernel = direct(conv, ConvForm::blocked, out, name, 5);
  kernel.accepts = accepts_winograd;
  kernel.pack = packed ? pack_winograd : pack_taps;
  kernel.scratch = winograd_scratch;
  if (!packed) kernel.kept = winograd_kept;
  kernel.run = run_winograd;
  kernel.row_step = step;
  return kernel;
}

// AMX's tiles are faster than all else. Without them pairs take half the multiplications that float32 takes,
// Winograd's transforms a quarter or less; and a split never pays: it is there to be tested.
constexpr CpuKernel by_cells(ConvMember member, ConvForm form, Layout out, Text name) {
  CpuKernel kernel = direct(member, form, out, name, form == ConvForm::pairs ? 5 : 1);
  kernel.rank_by_tiles = 7;
  kernel.precision = form == ConvForm::split ? Precision::bf16x3 : Precision::bf16;
  kernel.accepts = accepts_cells;
  return kernel;
}

constexpr CpuKernel depthwise(Text name) {
  CpuKernel kernel = direct(conv, ConvForm::depthwise, nchw16c, name, 5);
  kernel.scratch = depthwise_scratch;
  kernel.run = run_depthwise;
  kernel.row_reach = nullptr;
  return kernel;
}

// Its results leave channel by channel, as the depthwise form's do.
constexpr CpuKernel by_small_winograd(Text name) {
  CpuKernel kernel = by_winograd(4, nchw16c, true, name);
  kernel.form = static_cast<int>(ConvForm::depthwise);
  kernel.rank = 6;
  kernel.accepts = accepts_small_winograd;
  kernel.scratch = small_winograd_scratch;
  kernel.run = run_small_winograd;
  kernel.row_reach = nullptr;
  return kernel;
}

constexpr Layout blocks = nchw16c, planes = Layout::row_major;
constexpr bool packed = true, as_given = false;

// Of equal ranks the first wins where reorders do not decide.
const CpuKernel kernels[] = {
    direct(conv, ConvForm::few, planes, "conv few outputs", 6),
    by_small_winograd("conv winograd 4, small picture"),
    by_winograd(4, blocks, as_given, "conv winograd 4"),
    by_winograd(4, planes, as_given, "conv winograd 4 to planes"),
    by_winograd(6, blocks, as_given, "conv winograd 6"),
    by_winograd(6, planes, as_given, "conv winograd 6 to planes"),
    by_winograd(4, blocks, packed, "conv winograd 4 packed"),
    by_winograd(4, planes, packed, "conv winograd 4 packed to planes"),
    by_winograd(6, blocks, packed, "conv winograd 6 packed"),
    by_winograd(6, planes, packed, "conv winograd 6 packed to planes"),
    depthwise("conv depthwise"),
    by_cells(conv, ConvForm::pairs, blocks, "conv bf16"),
    by_cells(conv, ConvForm::pairs, planes, "conv bf16 to planes"),
    by_cells(conv, ConvForm::split, blocks, "conv bf16x3"),
    by_cells(conv, ConvForm::split, planes, "conv bf16x3 to planes"),
    exact(conv, blocks, "conv exact"),
    exact(conv, planes, "conv exact to planes"),
    direct(conv, ConvForm::blocked, blocks, "conv blocked", 4),
    direct(conv, ConvForm::blocked, planes, "conv blocked to planes", 4),
    first(conv, blocks, "conv first"),
    first(conv, planes, "conv first to planes"),
    direct(conv, ConvForm::planar, blocks, "conv planar to blocks", 3),
    direct(conv, ConvForm::planar, planes, "conv planar", 3),
    direct(conv_transpose, ConvForm::few, planes, "transposed conv few outputs", 6),
    direct(conv_transpose, ConvForm::depthwise, blocks, "transposed conv depthwise", 5),
    by_cells(conv_transpose, ConvForm::pairs, blocks, "transposed conv bf16"),
    by_cells(conv_transpose, ConvForm::pairs, planes, "transposed conv bf16 to planes"),
    by_cells(conv_transpose, ConvForm::split, blocks, "transposed conv bf16x3"),
    by_cells(conv_transpose, ConvForm::split, planes, "transposed conv bf16x3 to planes"),
    exact(conv_transpose, blocks, "transposed conv exact"),
    exact(conv_transpose, planes, "transposed conv exact to planes"),
    direct(conv_transpose, ConvForm::blocked, blocks, "transposed conv blocked", 4),
    direct(conv_transpose, ConvForm::blocked, planes, "transposed conv blocked to planes", 4),
    first(conv_transpose, blocks, "transposed conv first"),
    first(conv_transpose, planes, "transposed conv first to planes"),
    direct(conv_transpose, ConvForm::planar, blocks, "transposed conv planar to blocks", 3),
    direct(conv_transpose, ConvForm::planar, planes, "transposed conv planar", 3),
};

}  // namespace

extern const KernelFile conv_kernels;
const KernelFile conv_kernels{kernels};

}  // namespace tessera::cpu
