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

// Every kernel asks for it.
const ConvGeometry& geometry_of(const Problem& problem) {
  if (const auto* known = std::any_cast<ConvGeometry>(&problem.memo)) return *known;
  return problem.memo.emplace<ConvGeometry>(conv_geometry(problem.node, problem.in[0].shape, problem.in[1].shape));
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

template <ConvForm form, Layout out>
bool accepts_direct(const Problem& problem) {
  if (!fits(problem)) return false;
  const bool flat_only = problem.in[0].shape.rank() != 4;
  const ConvGeometry& g = geometry_of(problem);
  const int64_t group_in = g.in_channels / g.groups, group_out = g.out_channels / g.groups;
  const bool whole_groups = g.groups == 1 || group_out % 16 == 0;
  if (flat_only && (form != ConvForm::planar || out != Layout::row_major)) return false;
  switch (form) {
    case ConvForm::planar: return out == Layout::row_major || whole_groups;
    case ConvForm::blocked: return whole_groups && (g.groups == 1 || group_in % 16 == 0);
    case ConvForm::depthwise: return is_depthwise(g);
    case ConvForm::few: return g.groups == 1 && g.out_channels <= 4 && few_pays(g, is_transposed(problem.node));
    case ConvForm::pairs:
    case ConvForm::split:
      return group_in >= 16 && whole_groups && (g.groups == 1 || group_in % 32 == 0) &&
             !AttrReader(problem.node).has("quantized");
  }
  return false;
}

// Without AMX a 1x1 convolution of far pixels and few channels waits for memory, and rounding makes it wait longer.
bool gains_from_pairs(const Problem& problem) {
  constexpr int64_t near_bytes = 4 << 20, many_channels = 128;
  const ConvGeometry& g = geometry_of(problem);
  return level() >= Level::amx || g.window.taps() > 1 || std::min(g.in_channels, g.out_channels) >= many_channels ||
         problem.in[0].bytes() + problem.out[0].bytes() <= near_bytes;
}

template <ConvForm form, Layout out>
bool accepts_cells(const Problem& problem) {
  return bf16_simd(level()) && accepts_direct<form, out>(problem) && gains_from_pairs(problem);
}

// The planar form where it is the better one, not only the one without a reorder.
template <Layout out>
bool accepts_first(const Problem& problem) {
  return accepts_direct<ConvForm::planar, out>(problem) && geometry_of(problem).in_channels <= few_inputs;
}

template <ConvForm form, Layout out>
bool accepts_epilogue(const Problem& problem) {
  if (!Epilogue::fits(problem, out)) return false;
  if (Epilogue::shuffle_of(problem.node) == 1) return true;
  const ConvGeometry& g = geometry_of(problem);
  if (out == nchw16c) return g.groups == 1 && form != ConvForm::depthwise && form != ConvForm::few;
  // Sums of few outputs leave in planes, where a DepthToSpace is the first thing that can be done to them.
  if (form == ConvForm::few) return problem.node.epilogue.front().shuffles();
  return (g.groups == 1 || g.out_channels / g.groups % 16 == 0 || is_depthwise(g)) &&
         !(form == ConvForm::planar && is_depthwise(g));
}

// Wherever sums are long or others would transform, but not before sums along the lanes, which are sixteen short ones.
template <Layout out>
bool accepts_exact(const Problem& problem) {
  if (!accepts_direct<ConvForm::blocked, out>(problem) || geometry_of(problem).in_channels < few_inputs) return false;
  return !accepts_direct<ConvForm::few, Layout::row_major>(problem) ||
         !(problem.node.epilogue.empty() || accepts_epilogue<ConvForm::few, Layout::row_major>(problem));
}

// Outputs of a tile. Larger tiles need a fifth fewer multiplications, but their rounding is four times as large, which
// the first layers do not bear (optimizer/mark_first.cpp), and their transformed weights are nearly twice as large:
// beyond the second-level cache they want many tiles, and a small picture wastes too much of them.
int winograd_step(const Problem& problem) {
  if (AttrReader(problem.node).has("first")) return 4;
  const ConvGeometry& g = geometry_of(problem);
  constexpr int64_t near_bytes = 2 << 20, most_bytes = 8 << 20;
  const int64_t weight_bytes = 64 * 4 * g.in_channels * g.out_channels;
  const int64_t extent = std::min(g.window.axis[1].out, g.window.axis[2].out);
  return weight_bytes <= most_bytes && extent >= (weight_bytes > near_bytes ? 48 : 24) ? 6 : 4;
}

bool may_transform(const Problem& problem) {
  // Sums of quantized numbers have ties that transforms would break (see optimizer/mark_quantized.cpp).
  if (AttrReader(problem.node).has("quantized")) return false;
  return fits(problem) && problem.in[0].shape.rank() == 4 && !is_transposed(problem.node);
}

// Whether transforming the weights takes so small a part of a run that it need not be done ahead. Of 121 tiles it
// takes a twentieth, and a sixth of two threads' time, which write where the other's cache has what it read.
bool transforms_often(const ConvGeometry& g, int step) {
  constexpr int64_t many_tiles = 256;
  const int64_t high = g.window.axis[1].out + step - 1, wide = g.window.axis[2].out + step - 1;
  return g.batch * (high / step) * (wide / step) >= many_tiles;
}

template <int step, bool taps>
bool accepts_winograd(const Problem& problem) {
  if (!may_transform(problem)) return false;
  const ConvGeometry& g = geometry_of(problem);
  return prefers_winograd(g) && winograd_step(problem) == step && transforms_often(g, step) == taps;
}

bool accepts_small_winograd(const Problem& problem) {
  return may_transform(problem) && small_winograd_fits(geometry_of(problem));
}

template <ConvForm form, Layout out>
std::shared_ptr<const Packed> pack(const Problem& problem) {
  return pack_conv(problem, form, out);
}

template <ConvForm form, Layout out>
int64_t scratch(const Problem& problem, int threads) {
  return direct_scratch(problem, threads, form, out);
}

template <ConvForm form, Layout out, bool short_sums = false>
void run(const Args& args, Threads& threads) noexcept {
  run_direct(args, threads, form, out, short_sums);
}

// Of one picture whose height stays as it is.
int row_reach(const Problem& problem) {
  const ConvGeometry& g = geometry_of(problem);
  const WindowAxis& h = g.window.axis[1];
  if (g.batch != 1 || problem.in[0].shape.rank() != 4 || h.stride != 1 || h.in != h.out) return -1;
  return static_cast<int>(std::max(h.pad_begin, h.reach() - 1 - h.pad_begin));
}

template <int step, Layout out, bool taps>
std::shared_ptr<const Packed> pack_winograd_of(const Problem& problem) {
  return taps ? pack_taps(problem, out) : pack_winograd(problem, step, out);
}

template <int step, Layout out>
int64_t scratch_winograd(const Problem& problem, int threads) {
  return winograd_scratch(problem, threads, out, step);
}

template <int step>
int64_t kept_winograd(const Problem& problem) {
  const ConvPacking packing(geometry_of(problem), ConvForm::blocked);
  return WinogradWeights{packing, step}.floats() * 4;
}

template <int step, Layout out, bool taps>
void winograd(const Args& args, Threads& threads) noexcept {
  run_winograd(args, threads, out, step, taps);
}

void by_channel(const Args& args, Threads& threads) noexcept { run_depthwise(args, threads); }
void small_winograd(const Args& args, Threads& threads) noexcept { run_small_winograd(args, threads); }

template <ConvForm form, Layout out>
constexpr CpuKernel direct(Text op, Text name, int rank) {
  CpuKernel kernel{.op = op, .name = name};
  kernel.rank = rank;
  kernel.in = form == ConvForm::planar ? Layout::row_major : nchw16c;
  kernel.out = out;
  kernel.accepts = accepts_direct<form, out>;
  kernel.accepts_epilogue = accepts_epilogue<form, out>;
  kernel.pack = pack<form, out>;
  kernel.scratch = scratch<form, out>;
  kernel.run = run<form, out>;
  if (op == "Conv") {
    kernel.row_step = 1;
    kernel.row_reach = row_reach;
  }
  return kernel;
}

template <Layout out>
constexpr CpuKernel first(Text op, Text name, int rank) {
  CpuKernel kernel = direct<ConvForm::planar, out>(op, name, rank);
  kernel.accepts = accepts_first<out>;
  return kernel;
}

// Before all that is faster.
template <Layout out>
constexpr CpuKernel exact(Text op, Text name) {
  CpuKernel kernel = direct<ConvForm::blocked, out>(op, name, 7);
  kernel.precision = Precision::exact;
  kernel.accepts = accepts_exact<out>;
  kernel.run = run<ConvForm::blocked, out, true>;
  return kernel;
}

template <int step, Layout out, bool taps>
constexpr CpuKernel by_winograd(Text name, int rank) {
  CpuKernel kernel{.op = "Conv", .name = name};
  kernel.rank = rank;
  kernel.in = nchw16c;
  kernel.out = out;
  kernel.accepts = accepts_winograd<step, taps>;
  kernel.accepts_epilogue = accepts_epilogue<ConvForm::blocked, out>;
  kernel.pack = pack_winograd_of<step, out, taps>;
  kernel.scratch = scratch_winograd<step, out>;
  if (taps) kernel.kept = kept_winograd<step>;
  kernel.run = winograd<step, out, taps>;
  kernel.row_step = step;
  kernel.row_reach = row_reach;
  return kernel;
}

// AMX's tiles are faster than all else. Without them pairs take half the multiplications that float32 takes,
// Winograd's transforms a quarter or less; and a split never pays: it is there to be tested.
template <ConvForm form, Layout out>
constexpr CpuKernel by_cells(Text op, Text name) {
  CpuKernel kernel = direct<form, out>(op, name, form == ConvForm::pairs ? 5 : 1);
  kernel.rank_by_tiles = 7;
  kernel.precision = form == ConvForm::split ? Precision::bf16x3 : Precision::bf16;
  kernel.accepts = accepts_cells<form, out>;
  return kernel;
}

constexpr CpuKernel depthwise(Text name, int rank) {
  CpuKernel kernel = direct<ConvForm::depthwise, nchw16c>("Conv", name, rank);
  kernel.scratch = depthwise_scratch;
  kernel.run = by_channel;
  kernel.row_reach = nullptr;
  return kernel;
}

constexpr CpuKernel by_small_winograd(Text name, int rank) {
  CpuKernel kernel = by_winograd<4, nchw16c, false>(name, rank);
  kernel.accepts = accepts_small_winograd;
  kernel.accepts_epilogue = accepts_epilogue<ConvForm::depthwise, nchw16c>;
  kernel.scratch = small_winograd_scratch;
  kernel.run = small_winograd;
  kernel.row_reach = nullptr;
  return kernel;
}

constexpr Layout blocks = nchw16c, planes = Layout::row_major;

// Of equal ranks the first wins where reorders do not decide.
const CpuKernel kernels[] = {
    direct<ConvForm::few, planes>("Conv", "conv few outputs", 6),
    by_small_winograd("conv winograd 4, small picture", 6),
    by_winograd<4, blocks, true>("conv winograd 4", 5),
    by_winograd<4, planes, true>("conv winograd 4 to planes", 5),
    by_winograd<6, blocks, true>("conv winograd 6", 5),
    by_winograd<6, planes, true>("conv winograd 6 to planes", 5),
    by_winograd<4, blocks, false>("conv winograd 4 packed", 5),
    by_winograd<4, planes, false>("conv winograd 4 packed to planes", 5),
    by_winograd<6, blocks, false>("conv winograd 6 packed", 5),
    by_winograd<6, planes, false>("conv winograd 6 packed to planes", 5),
    depthwise("conv depthwise", 5),
    by_cells<ConvForm::pairs, blocks>("Conv", "conv bf16"),
    by_cells<ConvForm::pairs, planes>("Conv", "conv bf16 to planes"),
    by_cells<ConvForm::split, blocks>("Conv", "conv bf16x3"),
    by_cells<ConvForm::split, planes>("Conv", "conv bf16x3 to planes"),
    exact<blocks>("Conv", "conv exact"),
    exact<planes>("Conv", "conv exact to planes"),
    direct<ConvForm::blocked, blocks>("Conv", "conv blocked", 4),
    direct<ConvForm::blocked, planes>("Conv", "conv blocked to planes", 4),
    first<blocks>("Conv", "conv first", 4),
    first<planes>("Conv", "conv first to planes", 4),
    direct<ConvForm::planar, blocks>("Conv", "conv planar to blocks", 3),
    direct<ConvForm::planar, planes>("Conv", "conv planar", 3),
    direct<ConvForm::few, planes>("ConvTranspose", "transposed conv few outputs", 6),
    direct<ConvForm::depthwise, blocks>("ConvTranspose", "transposed conv depthwise", 5),
    by_cells<ConvForm::pairs, blocks>("ConvTranspose", "transposed conv bf16"),
    by_cells<ConvForm::pairs, planes>("ConvTranspose", "transposed conv bf16 to planes"),
    by_cells<ConvForm::split, blocks>("ConvTranspose", "transposed conv bf16x3"),
    by_cells<ConvForm::split, planes>("ConvTranspose", "transposed conv bf16x3 to planes"),
    exact<blocks>("ConvTranspose", "transposed conv exact"),
    exact<planes>("ConvTranspose", "transposed conv exact to planes"),
    direct<ConvForm::blocked, blocks>("ConvTranspose", "transposed conv blocked", 4),
    direct<ConvForm::blocked, planes>("ConvTranspose", "transposed conv blocked to planes", 4),
    first<blocks>("ConvTranspose", "transposed conv first", 4),
    first<planes>("ConvTranspose", "transposed conv first to planes", 4),
    direct<ConvForm::planar, blocks>("ConvTranspose", "transposed conv planar to blocks", 3),
    direct<ConvForm::planar, planes>("ConvTranspose", "transposed conv planar", 3),
};

}  // namespace

extern const KernelFile conv_kernels;
const KernelFile conv_kernels{kernels};

}  // namespace tessera::cpu
