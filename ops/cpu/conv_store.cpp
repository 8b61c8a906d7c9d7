// How blocked results of convolutions become row-major output, by way of DepthToSpace where fused.
#include <algorithm>

#include "ops/cpu/conv_direct.h"
#include "ops/cpu/simd/reorder.h"

namespace tessera::cpu {
namespace {

// out[x * B + i] = from[x * 16 + i]: one output row of a CRD shuffle whose run of B channels lies
// within one block.
template <int B>
void interleave(const float* from, int64_t pixels, float* out) {
  for (int64_t x = 0; x < pixels; ++x) std::memcpy(out + x * B, from + x * 16, B * sizeof(float));
}

}  // namespace

void RowStore::row(const float* result, int64_t block_stride, int64_t first, int64_t end, const int64_t (&shape)[4],
                   int64_t n, int64_t y, int64_t x, int64_t pixels) const {
  if (out.type.layout != Layout::row_major)
    blocked(result, block_stride, first, end, shape, n, y, x, pixels);
  else if (epilogue->shuffle() > 1)
    shuffled(result, block_stride, shape, n, y, x, pixels);
  else
    plain(result, block_stride, shape, n, y, x, pixels);
}

void RowStore::blocked(const float* result, int64_t block_stride, int64_t first, int64_t end, const int64_t (&shape)[4],
                       int64_t n, int64_t y, int64_t x, int64_t pixels) const {
  const int64_t size = epilogue->shuffle(), blocks = channels / (size * size) / 16;
  const int64_t height = shape[2] * size, width = shape[3] * size;
  for (int64_t b = first; b < end; ++b, result += block_stride) {
    const int64_t phase = b / blocks, row = y * size + phase / size, column = x * size + phase % size;
    float* to = out.as<float>() + (((n * blocks + b % blocks) * height + row) * width + column) * 16;
    for (int64_t p = 0; p < pixels; ++p) std::memcpy(to + p * size * 16, result + p * 16, 16 * sizeof(float));
  }
}

void RowStore::plain(const float* result, int64_t block_stride, const int64_t (&shape)[4], int64_t n, int64_t y,
                     int64_t x, int64_t pixels) const {
  const MapSimd& map = map_simd(level());
  const ReorderSimd& reorder = reorder_simd(level());
  auto* base = out.as<float>();
  const int64_t plane = shape[2] * shape[3];
  const int64_t blocks_per_group = (group_out + 15) / 16;
  for (int64_t c = 0; c < channels;) {
    const int64_t in_group = c % group_out;
    const int here = static_cast<int>(std::min<int64_t>(16, group_out - in_group));
    const int64_t block = c / group_out * blocks_per_group + in_group / 16;
    const int64_t offset = ((n * shape[1] + c) * shape[2] + y) * shape[3] + x;
    reorder.unblock(result + block * block_stride, here, pixels, base + offset, plane);
    if (epilogue->row_steps())
      for (int i = 0; i < here; ++i)
        epilogue->apply_row(map, base + offset + i * plane, pixels, c + i, offset + i * plane);
    c += here;
  }
}

void RowStore::shuffled(const float* result, int64_t block_stride, const int64_t (&shape)[4], int64_t n, int64_t y,
                        int64_t x, int64_t pixels) const {
  const MapSimd& map = map_simd(level());
  const int64_t size = epilogue->shuffle(), outputs = channels / (size * size);
  const int64_t height = shape[2] * size, width = shape[3] * size;
  const auto at = [&](int64_t channel) { return result + channel / 16 * block_stride + channel % 16; };
  for (int64_t c = 0; c < outputs; ++c)
    for (int64_t i = 0; i < size; ++i) {
      const int64_t offset = ((n * outputs + c) * height + y * size + i) * width + x * size;
      float* to = out.as<float>() + offset;
      const int64_t first = epilogue->shuffle_crd() ? (c * size + i) * size : i * size * outputs + c;
      const int64_t step = epilogue->shuffle_crd() ? 1 : outputs;
      const bool together = step == 1 && first / 16 == (first + size - 1) / 16;
      if (together && size == 4) {
        interleave<4>(at(first), pixels, to);
      } else if (together && size == 2) {
        interleave<2>(at(first), pixels, to);
      } else if (together && size == 3) {
        interleave<3>(at(first), pixels, to);
      } else {
        for (int64_t j = 0; j < size; ++j) {
          const float* from = at(first + j * step);
          for (int64_t p = 0; p < pixels; ++p) to[p * size + j] = from[p * 16];
        }
      }
      epilogue->apply_row(map, to, pixels * size, c, offset);
    }
}

}  // namespace tessera::cpu
