// DepthToSpace of bytes that lie in blocks of sixteen channels, into planes.
#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/shuffle.h"

namespace tessera::cpu {
namespace {

bool accepts(const CpuKernel&, const Problem& problem) {
  return bits_of(problem.in[0].dtype) == 8 && problem.in[0].shape.rank() == 4 && !problem.constants[0];
}

void run(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const Shape &in = args.in[0].shape(), &out = args.out[0].shape();
  const int64_t size = args.integer("blocksize"), outputs = out[1], height = in[2], width = in[3];
  const bool crd = args.text("mode") == "CRD";
  const int64_t block_stride = height * width * block_size;
  threads.parallel(in[0] * outputs * height, 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t y = item % height, c = item / height % outputs, n = item / height / outputs;
      const BlockedRow<std::byte> row{args.in[0].data + n * blocks_of(in) * block_stride + y * width * block_size,
                                      block_stride, width};
      std::byte* to = args.out[0].data + (n * outputs + c) * height * size * width * size;
      for (int64_t i = 0; i < size; ++i) row.shuffle(size, crd, c, outputs, i, to + (y * size + i) * width * size);
    }
  });
}

const CpuKernel kernels[] = {
    {.op = "DepthToSpace", .name = "depth_to_space of bytes", .in = nchw16c, .accepts = accepts, .run = run}};

}  // namespace

extern const KernelFile shuffle_kernels;
const KernelFile shuffle_kernels{kernels};

}  // namespace tessera::cpu
