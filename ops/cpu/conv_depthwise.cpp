#include "ops/cpu/conv_depthwise.h"

#include <algorithm>

#include "ops/cpu/epilogue.h"
#include "ops/cpu/simd/conv.h"
#include "runtime/base/run_scope.h"

namespace tessera::cpu {
namespace {

// Multiply-adds of a vector that are worth a range of their own.
constexpr int64_t worthwhile = 1 << 13;

DepthwiseAxis axis_of(const ops::WindowAxis& a) { return {a.in, a.out, a.kernel, a.stride, a.dilation, a.pad_begin}; }

}  // namespace

int64_t depthwise_scratch(const CpuKernel&, const Problem& problem, int) {
  return operand_bytes(problem.node, problem.in[0].shape[1]);
}

void run_depthwise(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const ops::ConvGeometry g = conv_geometry(kernel, args, args.in[0].shape(), args.in[1].shape());
  if (args.out[0].elements() == 0) return;
  Epilogue epilogue;
  epilogue.start(args, nchw16c, g.out_channels, true, reinterpret_cast<float*>(args.scratch));
  ConvEnd end;
  const bool ends = epilogue.ends(end);
  const DepthwiseAxis y = axis_of(g.window.axis[1]), x = axis_of(g.window.axis[2]);
  const auto* in = args.in[0].as<const float>();
  const auto* weights = args.packed->tensors[0].as<const float>();
  const auto* bias = args.packed->tensors[1].as<const float>();
  auto* out = args.out[0].as<float>();
  const int64_t blocks = blocks_of(g.out_channels), taps = y.kernel * x.kernel, line = x.out * block_size;
  // Items are rows of all planes.
  const auto rows = [&](int64_t begin, int64_t end_row, int) {
    for (int64_t i = begin; i < end_row && !stop_requested();) {
      const int64_t plane = i / y.out, block = plane % blocks, first = i % y.out;
      const int64_t last = std::min(y.out, first + end_row - i);
      DepthwisePlane p{y,
                       x,
                       in + plane * y.in * x.in * block_size,
                       weights + block * taps * block_size,
                       bias + block * block_size,
                       out + plane * y.out * line,
                       {}};
      if (ends) p.end = epilogue.end_at(end, block, p.out - out);
      conv_simd(level()).depthwise_rows(p, first, last);
      float* done = p.out + first * line;
      if (!ends) epilogue.apply_blocked(map_simd(level()), done, (last - first) * x.out, block, done - out);
      i += last - first;
    }
  };
  threads.parallel(g.batch * blocks * y.out, std::max<int64_t>(1, worthwhile / (x.out * taps)), rows);
}

}  // namespace tessera::cpu
