// How blocked results of convolutions become row-major output, by way of DepthToSpace where fused.
#include <algorithm>

#include "ops/cpu/conv_direct.h"
#include "ops/cpu/shuffle.h"
#include "ops/cpu/simd/reorder.h"

namespace tessera::cpu {

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
  const int64_t size = epilogue->shuffle(), blocks = channels / (size * size) / block_size;
  const int64_t height = shape[2] * size, width = shape[3] * size;
  for (int64_t b = first; b < end; ++b, result += block_stride) {
    const int64_t phase = b / blocks, row = y * size + phase / size, column = x * size + phase % size;
    float* to = out.as<float>() + (((n * blocks + b % blocks) * height + row) * width + column) * block_size;
    for (int64_t p = 0; p < pixels; ++p)
      std::memcpy(to + p * size * block_size, result + p * block_size, block_size * sizeof(float));
  }
}

void RowStore::plain(const float* result, int64_t block_stride, const int64_t (&shape)[4], int64_t n, int64_t y,
                     int64_t x, int64_t pixels) const {
  const MapSimd& map = map_simd(level());
  const ReorderSimd& reorder = reorder_simd(level());
  auto* base = out.as<float>();
  const int64_t plane = shape[2] * shape[3];
  const int64_t blocks_per_group = blocks_of(group_out);
  for (int64_t c = 0; c < channels;) {
    const int64_t in_group = c % group_out;
    const int here = static_cast<int>(channels_in(in_group / block_size, group_out));
    const int64_t block = c / group_out * blocks_per_group + in_group / block_size;
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
  const BlockedRow<float> row{result, block_stride, pixels};
  for (int64_t c = 0; c < outputs; ++c)
    for (int64_t i = 0; i < size; ++i) {
      const int64_t offset = ((n * outputs + c) * height + y * size + i) * width + x * size;
      row.shuffle(size, epilogue->shuffle_crd(), c, outputs, i, out.as<float>() + offset);
      epilogue->apply_row(map, out.as<float>() + offset, pixels * size, c, offset);
    }
}

}  // namespace tessera::cpu
