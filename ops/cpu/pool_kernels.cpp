// MaxPool and AveragePool of float32 over one or two spatial axes.
#include <algorithm>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/simd/pool.h"
#include "ops/window.h"
#include "runtime/base/run_scope.h"

namespace tessera::cpu {
namespace {

constexpr int64_t floats_per_task = 1 << 14;

PoolAxis axis_of(const ops::WindowAxis& a) {
  const int64_t last = a.in - 1 - (a.kernel - 1) * a.dilation + a.pad_begin;
  const int64_t end = std::min(a.out, last < 0 ? 0 : last / a.stride + 1), begin = ceil_div(a.pad_begin, a.stride);
  return {a.in,
          a.out,
          a.kernel,
          a.stride,
          a.dilation,
          a.pad_begin,
          a.pad_end,
          begin < end ? begin : a.out,
          begin < end ? end : a.out};
}

enum Member { max_pool, average_pool };

PoolShape decode(const CpuKernel& kernel, const AttrReader& attrs, const Shape& in) {
  const ops::Window w = ops::resolve_window(attrs, in, attrs.integers("kernel_shape"), attrs.integer("ceil_mode") != 0);
  return {axis_of(w.axis[1]), axis_of(w.axis[2]), kernel.member == average_pool,
          attrs.integer("count_include_pad") != 0};
}

bool accepts(const CpuKernel&, const Problem& problem) {
  const size_t rank = problem.in[0].shape.size();
  for (size_t i = 1; i < problem.node.out.size(); ++i)
    if (problem.node.out[i] != absent) return false;
  return is_float32(problem.in[0]) && (rank == 3 || rank == 4);
}

bool accepts_blocked(const CpuKernel& kernel, const Problem& problem) {
  return accepts(kernel, problem) && problem.in[0].shape.size() == 4 && !problem.constants[0];
}

void run(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  if (args.out[0].elements() == 0) return;
  const Shape& in = args.in[0].shape();
  const PoolShape shape = decode(kernel, args, in);
  const PoolSimd& simd = pool_simd(level());
  const int64_t pixel = kernel.in.block(), planes = in[0] * ceil_div(in[1], pixel), rows = shape.y.out;
  const int64_t work = pixel * shape.x.out * shape.x.kernel * shape.y.kernel;
  const auto row = pixel > 1 ? simd.block_row : simd.plane_row;
  threads.parallel(planes * rows, std::max<int64_t>(1, floats_per_task / work), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end && !stop_requested(); ++i)
      row(shape, args.in[0].as<const float>() + i / rows * shape.y.in * shape.x.in * pixel, i % rows,
          args.out[0].as<float>() + i * shape.x.out * pixel);
  });
}

constexpr CpuKernel pool(Text op, Member member) {
  return {.op = op, .name = "pool", .member = member, .accepts = accepts, .run = run};
}
constexpr CpuKernel most = pool("MaxPool", max_pool), mean = pool("AveragePool", average_pool);

constexpr CpuKernel kernels[] = {most, in_blocks(most, "pool.nchw16c", accepts_blocked, run), mean,
                                 in_blocks(mean, "pool.nchw16c", accepts_blocked, run)};

}  // namespace

extern const KernelFile pool_kernels;
const KernelFile pool_kernels{kernels};

}  // namespace tessera::cpu
