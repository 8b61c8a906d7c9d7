// DepthToSpace of bytes that lie in blocks of sixteen channels, into planes.
#include <cstring>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"

namespace tessera::cpu {
namespace {

bool accepts(const Problem& problem) {
  return bits_of(problem.in[0].dtype) == 8 && problem.in[0].shape.rank() == 4 && !problem.constants[0];
}

// Neighbours in an output row that are neighbours in a block go together.
template <int Size>
void interleave(const std::byte* from, int64_t pixels, std::byte* out) {
  for (int64_t x = 0; x < pixels; ++x) std::memcpy(out + x * Size, from + x * 16, Size);
}

void run(const Args& args, Threads& threads) noexcept {
  const Shape &in = args.in[0].shape(), &out = args.out[0].shape();
  const int64_t size = args.integer("blocksize"), outputs = out[1], height = in[2], width = in[3];
  const bool crd = args.text("mode") == "CRD";
  const int64_t block_stride = height * width * 16;
  threads.parallel(in[0] * outputs * height, 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t y = item % height, c = item / height % outputs, n = item / height / outputs;
      const std::byte* row = args.in[0].data + n * blocks_of(in) * block_stride + y * width * 16;
      const auto at = [&](int64_t channel) { return row + channel / 16 * block_stride + channel % 16; };
      for (int64_t i = 0; i < size; ++i) {
        std::byte* to = args.out[0].data + ((n * outputs + c) * height * size + y * size + i) * width * size;
        const int64_t first = crd ? (c * size + i) * size : i * size * outputs + c;
        if (crd && size == 4) {
          interleave<4>(at(first), width, to);
        } else if (crd && size == 2) {
          interleave<2>(at(first), width, to);
        } else {
          for (int64_t j = 0; j < size; ++j) {
            const std::byte* from = at(first + j * (crd ? 1 : outputs));
            for (int64_t x = 0; x < width; ++x) to[x * size + j] = from[x * 16];
          }
        }
      }
    }
  });
}

const CpuKernel kernels[] = {
    {.op = "DepthToSpace", .name = "depth_to_space of bytes", .in = nchw16c, .accepts = accepts, .run = run}};

}  // namespace

extern const KernelFile shuffle_kernels;
const KernelFile shuffle_kernels{kernels};

}  // namespace tessera::cpu
