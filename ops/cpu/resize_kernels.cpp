// Resize and Upsample of float32 pictures [N,C,H,W] by rows: taps of both axes are tabulated once
// per run, rows are blended first, then columns.
#include <algorithm>
#include <cstring>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/simd/resize.h"
#include "ops/resize.h"
#include "runtime/base/rounding.h"
#include "runtime/base/run_scope.h"

namespace tessera::cpu {
namespace {

constexpr int64_t floats_per_task = 1 << 14;
constexpr int max_taps = 4;

// The taps of every output of one axis.
struct Table {
  int32_t* index;
  float* weights;

  void fill(const ops::ResampleRule& rule, const ops::ResampleAxis& axis, int taps) const {
    int64_t at[max_taps];
    double weight[max_taps];
    for (int64_t i = 0; i < axis.out; ++i) {
      ops::taps_at(rule, axis, i, taps, at, weight);
      for (int t = 0; t < taps; ++t) {
        index[i * taps + t] = static_cast<int32_t>(at[t]);
        weights[i * taps + t] = static_cast<float>(weight[t]);
      }
    }
  }
};

int64_t table_bytes(int64_t height, int64_t width) { return round_up((height + width) * max_taps * 8, 64); }

bool accepts(const CpuKernel&, const Problem& problem) {
  const Shape &in = problem.in[0].shape, &out = problem.out[0].shape;
  if (!is_float32(problem.in[0]) || in.size() != 4 || in[0] != out[0] || in[1] != out[1]) return false;
  if (in.elements() == 0 || in[2] >= (1 << 24) || in[3] >= (1 << 24)) return false;
  const AttrReader attrs(problem.node);
  const ops::ResampleRule rule = ops::resize_rule(attrs);
  const Text policy = attrs.text("keep_aspect_ratio_policy");
  return rule.coordinates != ops::Coordinates::tf_half_pixel && rule.coordinates != ops::Coordinates::crop &&
         !rule.antialias && (policy.empty() || policy == "stretch");
}

bool accepts_blocked(const CpuKernel& kernel, const Problem& problem) {
  return accepts(kernel, problem) && !problem.constants[0];
}

int64_t scratch(const CpuKernel& kernel, const Problem& problem, int threads) {
  const Shape &in = problem.in[0].shape, &out = problem.out[0].shape;
  return table_bytes(out[2], out[3]) + threads * round_up(in[3] * kernel.in.block() * 4, 64);
}

void run(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const Shape &in = args.in[0].shape(), &out = args.out[0].shape();
  if (args.out[0].elements() == 0) return;
  const ops::Resizing resizing = ops::resizing_of(args);
  const ops::ResampleAxis height = resizing.axis(2), width = resizing.axis(3);
  const int taps = static_cast<int>(ops::tap_count(resizing.rule, height));
  const int64_t lanes = kernel.in.block();
  const auto* const base = args.scratch;
  const int64_t entries = (out[2] + out[3]) * taps;
  const Table rows{reinterpret_cast<int32_t*>(args.scratch), reinterpret_cast<float*>(args.scratch) + entries};
  const Table columns{rows.index + out[2] * taps, rows.weights + out[2] * taps};
  rows.fill(resizing.rule, height, taps);
  columns.fill(resizing.rule, width, taps);
  const int64_t planes = in[0] * ceil_div(in[1], lanes);
  const int64_t in_row = in[3] * lanes, out_row = out[3] * lanes;
  const ResizeSimd& simd = resize_simd(level());
  const auto across = lanes == 1 ? simd.plain : simd.blocked;
  const auto body = [&](int64_t begin, int64_t end, int worker) {
    auto* blended = reinterpret_cast<float*>(const_cast<std::byte*>(base) + table_bytes(out[2], out[3]) +
                                             worker * round_up(in_row * 4, 64));
    for (int64_t item = begin; item < end && !stop_requested(); ++item) {
      const int64_t y = item % out[2];
      const float* plane = args.in[0].as<const float>() + item / out[2] * in[2] * in_row;
      float* to = args.out[0].as<float>() + item * out_row;
      if (taps == 1) {
        if (item > begin && y > 0 && rows.index[y] == rows.index[y - 1])
          std::memcpy(to, to - out_row, static_cast<size_t>(out_row) * 4);
        else
          across(plane + rows.index[y] * in_row, columns.index, columns.weights, 1, to, out[3]);
        continue;
      }
      const float* sources[max_taps];
      for (int t = 0; t < taps; ++t) sources[t] = plane + rows.index[y * taps + t] * in_row;
      simd.blend(sources, rows.weights + y * taps, taps, blended, in_row);
      across(blended, columns.index, columns.weights, taps, to, out[3]);
    }
  };
  threads.parallel(planes * out[2], std::max<int64_t>(1, floats_per_task / out_row), body);
}

constexpr CpuKernel resize(Text op) {
  return {.op = op, .name = "resize", .accepts = accepts, .scratch = scratch, .run = run};
}
constexpr CpuKernel blocked(Text op) { return in_blocks(resize(op), "resize.nchw16c", accepts_blocked, run); }

constexpr CpuKernel kernels[] = {resize("Resize"), blocked("Resize"), resize("Upsample"), blocked("Upsample")};

}  // namespace

extern const KernelFile resize_kernels;
const KernelFile resize_kernels{kernels};

}  // namespace tessera::cpu
