// Reorder: between row-major tensors and blocks of sixteen channels.
#include <algorithm>

#include "ops/cpu/kernel.h"
#include "ops/cpu/layout.h"
#include "ops/cpu/simd/reorder.h"

namespace tessera::cpu {
namespace {

// Layouts are the planner's choice, but here, where they are what the node is for. Elements have `member` bits.
bool accepts(const CpuKernel& kernel, const Problem& problem) {
  const Type &in = problem.in[0], &out = problem.out[0];
  if (kernel.in != in.layout || kernel.out != out.layout || in.shape.rank() != 4) return false;
  return bits_of(in.dtype) == kernel.member;
}

// Calls body(plane offset, channels, blocked offset, pixels) over runs of pixels of one channel block.
template <class Body>
void over_blocks(const Shape& shape, Threads& threads, const Body& body) {
  constexpr int64_t run = 1024;
  const int64_t channels = shape[1], blocks = blocks_of(channels), pixels = shape[2] * shape[3];
  const int64_t runs = (pixels + run - 1) / run;
  threads.parallel(shape[0] * blocks * runs, 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t block = i / runs % blocks, n = i / runs / blocks, first = i % runs * run;
      const int64_t plane = (n * channels + block * block_size) * pixels + first;
      const int here = static_cast<int>(channels_in(block, channels));
      body(plane, here, ((n * blocks + block) * pixels + first) * block_size, std::min(run, pixels - first));
    }
  });
}

void to_blocks(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const ReorderSimd& simd = reorder_simd(level());
  const auto* in = args.in[0].as<const float>();
  auto* out = args.out[0].as<float>();
  const Shape& shape = args.in[0].shape();
  over_blocks(shape, threads, [&](int64_t plane, int channels, int64_t blocked, int64_t pixels) {
    simd.block(in + plane, shape[2] * shape[3], channels, pixels, out + blocked);
  });
}

void to_planes(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const ReorderSimd& simd = reorder_simd(level());
  const auto* in = args.in[0].as<const float>();
  auto* out = args.out[0].as<float>();
  const Shape& shape = args.in[0].shape();
  over_blocks(shape, threads, [&](int64_t plane, int channels, int64_t blocked, int64_t pixels) {
    simd.unblock(in + blocked, channels, pixels, out + plane, shape[2] * shape[3]);
  });
}

void bytes_to_blocks(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const ReorderSimd& simd = reorder_simd(level());
  const Shape& shape = args.in[0].shape();
  over_blocks(shape, threads, [&](int64_t plane, int channels, int64_t blocked, int64_t pixels) {
    simd.block_bytes(args.in[0].data + plane, shape[2] * shape[3], channels, pixels, args.out[0].data + blocked);
  });
}

void bytes_to_planes(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const ReorderSimd& simd = reorder_simd(level());
  const Shape& shape = args.in[0].shape();
  over_blocks(shape, threads, [&](int64_t plane, int channels, int64_t blocked, int64_t pixels) {
    simd.unblock_bytes(args.in[0].data + blocked, channels, pixels, args.out[0].data + plane, shape[2] * shape[3]);
  });
}

constexpr Layout planes = Layout::row_major, blocks = nchw16c;

constexpr CpuKernel reorder(Text name, int bits, Layout in, Layout out,
                            void (*run)(const CpuKernel&, const Args&, Threads&) noexcept) {
  CpuKernel kernel{.op = "Reorder", .name = name, .domain = "tessera", .member = bits};
  kernel.in = in;
  kernel.out = out;
  kernel.accepts = accepts;
  kernel.run = run;
  return kernel;
}

constexpr CpuKernel kernels[] = {
    reorder("bytes to nchw16c", 8, planes, blocks, bytes_to_blocks),
    reorder("bytes to row major", 8, blocks, planes, bytes_to_planes),
    reorder("to nchw16c", 32, planes, blocks, to_blocks),
    reorder("to row major", 32, blocks, planes, to_planes),
};

}  // namespace

extern const KernelFile reorder_kernels;
const KernelFile reorder_kernels{kernels};

}  // namespace tessera::cpu
