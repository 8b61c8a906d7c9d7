// Reorder: between row-major tensors and blocks of sixteen channels.
#include <algorithm>

#include "ops/cpu/kernel.h"
#include "ops/cpu/layout.h"
#include "ops/cpu/simd/reorder.h"

namespace tessera::cpu {
namespace {

bool accepts(const Problem& problem) {
  return problem.in[0].dtype == DType::float32 && problem.in[0].shape.rank() == 4;
}

bool accepts_bytes(const Problem& problem) {
  return bits_of(problem.in[0].dtype) == 8 && problem.in[0].shape.rank() == 4;
}

// Calls body(plane offset, channels, blocked offset, pixels) over runs of pixels of one channel block.
template <class Body>
void over_blocks(const Shape& shape, Threads& threads, const Body& body) {
  constexpr int64_t run = 1024;
  const int64_t channels = shape[1], blocks = (channels + 15) / 16, pixels = shape[2] * shape[3];
  const int64_t runs = (pixels + run - 1) / run;
  threads.parallel(shape[0] * blocks * runs, 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t block = i / runs % blocks, n = i / runs / blocks, first = i % runs * run;
      const int64_t plane = (n * channels + block * 16) * pixels + first;
      const int here = static_cast<int>(std::min<int64_t>(16, channels - block * 16));
      body(plane, here, ((n * blocks + block) * pixels + first) * 16, std::min(run, pixels - first));
    }
  });
}

void to_blocks(const Args& args, Threads& threads) noexcept {
  const ReorderSimd& simd = reorder_simd(level());
  const auto* in = args.in[0].as<const float>();
  auto* out = args.out[0].as<float>();
  const Shape& shape = args.in[0].shape();
  over_blocks(shape, threads, [&](int64_t plane, int channels, int64_t blocked, int64_t pixels) {
    simd.block(in + plane, shape[2] * shape[3], channels, pixels, out + blocked);
  });
}

void to_planes(const Args& args, Threads& threads) noexcept {
  const ReorderSimd& simd = reorder_simd(level());
  const auto* in = args.in[0].as<const float>();
  auto* out = args.out[0].as<float>();
  const Shape& shape = args.in[0].shape();
  over_blocks(shape, threads, [&](int64_t plane, int channels, int64_t blocked, int64_t pixels) {
    simd.unblock(in + blocked, channels, pixels, out + plane, shape[2] * shape[3]);
  });
}

void bytes_to_blocks(const Args& args, Threads& threads) noexcept {
  const ReorderSimd& simd = reorder_simd(level());
  const Shape& shape = args.in[0].shape();
  over_blocks(shape, threads, [&](int64_t plane, int channels, int64_t blocked, int64_t pixels) {
    simd.block_bytes(args.in[0].data + plane, shape[2] * shape[3], channels, pixels, args.out[0].data + blocked);
  });
}

void bytes_to_planes(const Args& args, Threads& threads) noexcept {
  const ReorderSimd& simd = reorder_simd(level());
  const Shape& shape = args.in[0].shape();
  over_blocks(shape, threads, [&](int64_t plane, int channels, int64_t blocked, int64_t pixels) {
    simd.unblock_bytes(args.in[0].data + blocked, channels, pixels, args.out[0].data + plane, shape[2] * shape[3]);
  });
}

const CpuKernel kernels[] = {
    {.op = "Reorder",
     .name = "bytes to nchw16c",
     .domain = "tessera",
     .in = Layout::row_major,
     .out = nchw16c,
     .accepts = accepts_bytes,
     .run = bytes_to_blocks},
    {.op = "Reorder",
     .name = "bytes to row major",
     .domain = "tessera",
     .in = nchw16c,
     .out = Layout::row_major,
     .accepts = accepts_bytes,
     .run = bytes_to_planes},
    {.op = "Reorder",
     .name = "to nchw16c",
     .domain = "tessera",
     .in = Layout::row_major,
     .out = nchw16c,
     .accepts = accepts,
     .run = to_blocks},
    {.op = "Reorder",
     .name = "to row major",
     .domain = "tessera",
     .in = nchw16c,
     .out = Layout::row_major,
     .accepts = accepts,
     .run = to_planes},
};

}  // namespace

extern const KernelFile reorder_kernels;
const KernelFile reorder_kernels{kernels};

}  // namespace tessera::cpu
