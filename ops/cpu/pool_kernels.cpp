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
  return {a.in, a.out, a.kernel, a.stride, a.dilation, a.pad_begin, a.pad_end};
}

PoolShape decode(const AttrReader& attrs, const Shape& in) {
  const ops::Window w = ops::resolve_window(attrs, in, attrs.integers("kernel_shape"), attrs.integer("ceil_mode") != 0);
  return {axis_of(w.axis[1]), axis_of(w.axis[2]), attrs.node().op->name == "AveragePool",
          attrs.integer("count_include_pad") != 0};
}

bool accepts(const Problem& problem) {
  const size_t rank = problem.in[0].shape.size();
  for (size_t i = 1; i < problem.node.out.size(); ++i)
    if (problem.node.out[i] != absent) return false;
  return is_float32(problem.in[0]) && (rank == 3 || rank == 4);
}

bool accepts_blocked(const Problem& problem) {
  return accepts(problem) && problem.in[0].shape.size() == 4 && !problem.constants[0];
}

void run(const Args& args, Threads& threads) noexcept {
  if (args.out[0].elements() == 0) return;
  const Shape& in = args.in[0].shape();
  const PoolShape shape = decode(args, in);
  const PoolSimd& simd = pool_simd(level());
  const int64_t rows = shape.y.out, work = shape.x.out * shape.x.kernel * shape.y.kernel;
  threads.parallel(in[0] * in[1] * rows, std::max<int64_t>(1, floats_per_task / work),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t i = begin; i < end && !stop_requested(); ++i)
                       simd.plane_row(shape, args.in[0].as<const float>() + i / rows * shape.y.in * shape.x.in,
                                      i % rows, args.out[0].as<float>() + i * shape.x.out);
                   });
}

void run_blocked(const Args& args, Threads& threads) noexcept {
  if (args.out[0].elements() == 0) return;
  const Shape& in = args.in[0].shape();
  const PoolShape shape = decode(args, in);
  const PoolSimd& simd = pool_simd(level());
  const int64_t rows = shape.y.out, work = 16 * shape.x.out * shape.x.kernel * shape.y.kernel;
  threads.parallel(in[0] * blocks_of(in) * rows, std::max<int64_t>(1, floats_per_task / work),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t i = begin; i < end && !stop_requested(); ++i)
                       simd.block_row(shape, args.in[0].as<const float>() + i / rows * shape.y.in * shape.x.in * 16,
                                      i % rows, args.out[0].as<float>() + i * shape.x.out * 16);
                   });
}

#define TESSERA_POOL(Op)                                      \
  {.op = Op, .name = "pool", .accepts = accepts, .run = run}, \
      {.op = Op,                                              \
       .name = "pool.nchw16c",                                \
       .in = nchw16c,                                         \
       .out = nchw16c,                                        \
       .accepts = accepts_blocked,                            \
       .run = run_blocked},

constexpr CpuKernel kernels[] = {TESSERA_POOL("MaxPool") TESSERA_POOL("AveragePool")};

}  // namespace

extern const KernelFile pool_kernels;
const KernelFile pool_kernels{kernels};

}  // namespace tessera::cpu
