// Transposes four by four: the compiler's own vectors of four, which every level has.
#include "ops/cpu/simd/reorder.h"

#include <cstring>
#include <utility>

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

typedef float Four __attribute__((vector_size(16)));

inline Four load4(const float* p) {
  Four v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store4(float* p, Four v) { std::memcpy(p, &v, sizeof v); }

// out[j * out_stride + i] = in[i * in_stride + j] for i, j < 4.
inline __attribute__((always_inline)) void transpose4(const float* in, int64_t in_stride, float* out,
                                                      int64_t out_stride) {
  const Four a = load4(in), b = load4(in + in_stride), c = load4(in + 2 * in_stride), d = load4(in + 3 * in_stride);
  const Four ac_low = __builtin_shufflevector(a, c, 0, 4, 1, 5), ac_high = __builtin_shufflevector(a, c, 2, 6, 3, 7);
  const Four bd_low = __builtin_shufflevector(b, d, 0, 4, 1, 5), bd_high = __builtin_shufflevector(b, d, 2, 6, 3, 7);
  store4(out, __builtin_shufflevector(ac_low, bd_low, 0, 4, 1, 5));
  store4(out + out_stride, __builtin_shufflevector(ac_low, bd_low, 2, 6, 3, 7));
  store4(out + 2 * out_stride, __builtin_shufflevector(ac_high, bd_high, 0, 4, 1, 5));
  store4(out + 3 * out_stride, __builtin_shufflevector(ac_high, bd_high, 2, 6, 3, 7));
}

// Sixteen pixels, four channels at a time: whole cache lines of few planes, which may lie so that many would
// share a set of the innermost cache. `pixels` is a constant 16, or 4.
template <int pixels>
inline __attribute__((always_inline)) void block_run(const float* planes, int64_t plane_stride, int channels,
                                                     float* out) {
  const int quads = channels / 4 * 4;
  for (int c = 0; c < quads; c += 4)
#pragma GCC unroll 4
    for (int p = 0; p < pixels; p += 4) transpose4(planes + c * plane_stride + p, plane_stride, out + p * 16 + c, 16);
  for (int c = quads; c < channels; ++c)
    for (int p = 0; p < pixels; ++p) out[p * 16 + c] = planes[c * plane_stride + p];
  for (int p = 0; p < pixels; ++p)
    for (int c = channels; c < 16; ++c) out[p * 16 + c] = 0.0f;
}

template <int pixels>
inline __attribute__((always_inline)) void unblock_run(const float* in, int channels, float* planes,
                                                       int64_t plane_stride) {
  const int quads = channels / 4 * 4;
  for (int c = 0; c < quads; c += 4)
#pragma GCC unroll 4
    for (int p = 0; p < pixels; p += 4) transpose4(in + p * 16 + c, 16, planes + c * plane_stride + p, plane_stride);
  for (int c = quads; c < channels; ++c)
    for (int p = 0; p < pixels; ++p) planes[c * plane_stride + p] = in[p * 16 + c];
}

void block(const float* planes, int64_t plane_stride, int channels, int64_t pixels, float* out) {
  int64_t p = 0;
  for (; p + 16 <= pixels; p += 16) block_run<16>(planes + p, plane_stride, channels, out + p * 16);
  for (; p + 4 <= pixels; p += 4) block_run<4>(planes + p, plane_stride, channels, out + p * 16);
  for (; p < pixels; ++p)
    for (int c = 0; c < 16; ++c) out[p * 16 + c] = c < channels ? planes[c * plane_stride + p] : 0.0f;
}

void unblock(const float* in, int channels, int64_t pixels, float* planes, int64_t plane_stride) {
  int64_t p = 0;
  for (; p + 16 <= pixels; p += 16) unblock_run<16>(in + p * 16, channels, planes + p, plane_stride);
  for (; p + 4 <= pixels; p += 4) unblock_run<4>(in + p * 16, channels, planes + p, plane_stride);
  for (; p < pixels; ++p)
    for (int c = 0; c < channels; ++c) planes[c * plane_stride + p] = in[p * 16 + c];
}

// --- Bytes, sixteen by sixteen --------------------------------------------------------------------

typedef uint8_t Sixteen __attribute__((vector_size(16)));

inline __attribute__((always_inline)) Sixteen low_halves(Sixteen a, Sixteen b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
inline __attribute__((always_inline)) Sixteen high_halves(Sixteen a, Sixteen b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

// out[j * out_stride + i] = in[i * in_stride + j] for i, j < 16; rows from `rows` on are zeros.
void transpose16(const std::byte* in, int64_t in_stride, int rows, std::byte* out, int64_t out_stride, int columns) {
  Sixteen a[16], b[16];
  for (int i = 0; i < 16; ++i) {
    a[i] = Sixteen{};
    if (i < rows) std::memcpy(&a[i], in + i * in_stride, 16);
  }
  for (int stage = 0; stage < 4; ++stage) {
    for (int i = 0; i < 8; ++i) {
      b[2 * i] = low_halves(a[i], a[i + 8]);
      b[2 * i + 1] = high_halves(a[i], a[i + 8]);
    }
    for (int i = 0; i < 16; ++i) a[i] = b[i];
  }
  for (int i = 0; i < columns; ++i) std::memcpy(out + i * out_stride, &a[i], 16);
}

void block_bytes(const std::byte* planes, int64_t plane_stride, int channels, int64_t pixels, std::byte* out) {
  int64_t p = 0;
  for (; p + 16 <= pixels; p += 16) transpose16(planes + p, plane_stride, channels, out + p * 16, 16, 16);
  for (; p < pixels; ++p)
    for (int c = 0; c < 16; ++c) out[p * 16 + c] = c < channels ? planes[c * plane_stride + p] : std::byte{0};
}

void unblock_bytes(const std::byte* in, int channels, int64_t pixels, std::byte* planes, int64_t plane_stride) {
  int64_t p = 0;
  for (; p + 16 <= pixels; p += 16) transpose16(in + p * 16, 16, 16, planes + p, plane_stride, channels);
  for (; p < pixels; ++p)
    for (int c = 0; c < channels; ++c) planes[c * plane_stride + p] = in[p * 16 + c];
}

// --- Elements of any size ---------------------------------------------------------------------------

#if defined(__AVX512F__)
constexpr int most_lanes = 4;
#else
constexpr int most_lanes = 1;  // for AVX2 compilers find slower ways
#endif

// Lanes of sixteen bytes, which hold `side` elements: in each of them as many rows are transposed, those of the next
// lane lie behind them.
template <class T, int lanes>
struct Tile {
  static constexpr int side = 16 / sizeof(T), rows = side * lanes;
  typedef T Lane __attribute__((vector_size(16)));
  typedef T Vector __attribute__((vector_size(16 * lanes)));
  template <int... i>
  using Places = std::integer_sequence<int, i...>;
  template <int count>
  using FirstPlaces = std::make_integer_sequence<int, count>;

  // The elements of two vectors in turn, of the first half of each lane or of the second one.
  template <int half, int... i>
  static inline __attribute__((always_inline)) Vector mixed(Vector a, Vector b, Places<i...>) {
    return __builtin_shufflevector(a, b, (i / side * side + half * side / 2 + i % side / 2 + i % 2 * rows)...);
  }
  template <class Half, int... i>
  static inline __attribute__((always_inline)) auto joined(Half a, Half b, Places<i...>) {
    return __builtin_shufflevector(a, b, i...);
  }
  template <int count>
  static inline __attribute__((always_inline)) auto take(const T* source, int64_t stride) {
    if constexpr (count == 1) {
      Lane lane;
      std::memcpy(&lane, source, 16);
      return lane;
    } else {
      return joined(take<count / 2>(source, stride), take<count / 2>(source + count / 2 * side * stride, stride),
                    FirstPlaces<side * count>());
    }
  }

  // `rows` rows of `side` elements.
  static inline __attribute__((always_inline)) void turn(const T* source, int64_t source_stride, T* target,
                                                         int64_t target_stride) {
    Vector a[side], b[side];
    for (int i = 0; i < side; ++i) a[i] = take<lanes>(source + i * source_stride, source_stride);
#pragma GCC unroll 4
    for (int stage = 1; stage < side; stage *= 2) {
      for (int i = 0; i < side / 2; ++i) {
        b[2 * i] = mixed<0>(a[i], a[i + side / 2], FirstPlaces<rows>());
        b[2 * i + 1] = mixed<1>(a[i], a[i + side / 2], FirstPlaces<rows>());
      }
      for (int i = 0; i < side; ++i) a[i] = b[i];
    }
    for (int i = 0; i < side; ++i) std::memcpy(target + i * target_stride, &a[i], sizeof a[i]);
  }
};

// Elements lie in memory that need not be aligned to them.
template <class T>
inline void move_one(const T* from, T* to) {
  std::memcpy(to, from, sizeof(T));
}

// Few columns that lie side by side: what compilers know how to load.
template <class T, int columns>
void split(const T* __restrict source, T* __restrict target, int64_t target_stride, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    for (int d = 0; d < columns; ++d) target[d * target_stride + i] = source[i * columns + d];
}

template <class T>
void transpose(const std::byte* from, int64_t source_stride, std::byte* to, int64_t target_stride, int64_t depth,
               int64_t n) {
  const auto* source = reinterpret_cast<const T*>(from);
  auto* target = reinterpret_cast<T*>(to);
  if (depth == source_stride && depth == 2) return split<T, 2>(source, target, target_stride, n);
  if (depth == source_stride && depth == 3) return split<T, 3>(source, target, target_stride, n);
  if (depth == source_stride && depth == 4) return split<T, 4>(source, target, target_stride, n);
  int64_t i = 0;
  const auto tiles = [&]<class Tile>(Tile) {
    for (; i + Tile::rows <= n; i += Tile::rows) {
      int64_t d = 0;
      for (; d + Tile::side <= depth; d += Tile::side)
        Tile::turn(source + i * source_stride + d, source_stride, target + d * target_stride + i, target_stride);
      for (; d < depth; ++d)
        for (int64_t j = i; j < i + Tile::rows; ++j)
          move_one(source + j * source_stride + d, target + d * target_stride + j);
    }
  };
  if constexpr (most_lanes > 1) tiles(Tile<T, most_lanes>());
  tiles(Tile<T, 1>());
  for (; i < n; ++i)
    for (int64_t d = 0; d < depth; ++d) move_one(source + i * source_stride + d, target + d * target_stride + i);
}

void transpose_wide(const std::byte* source, int64_t source_stride, std::byte* target, int64_t target_stride,
                    int64_t depth, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t d = 0; d < depth; ++d)
      std::memcpy(target + (d * target_stride + i) * 16, source + (i * source_stride + d) * 16, 16);
}

}  // namespace

const ReorderSimd reorder{
    block,
    unblock,
    block_bytes,
    unblock_bytes,
    {transpose<uint8_t>, transpose<uint16_t>, transpose<uint32_t>, transpose<uint64_t>, transpose_wide}};

}  // namespace tessera::cpu::TESSERA_LEVEL
