#include "ops/cpu/strided.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "ops/cpu/simd/reorder.h"
#include "runtime/base/rounding.h"

namespace tessera::cpu {
namespace {

constexpr int64_t bytes_per_task = 1 << 15, block_bytes = 1 << 13;

// Memory that need not be aligned to its type.
template <class T>
T get(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}
template <class T>
void put(std::byte* p, T value) {
  std::memcpy(p, &value, sizeof value);
}

// One row: the target's elements lie `to` apart, the source's `from` apart.
template <class T>
void copy_row(const std::byte* source, std::byte* target, int64_t n, int64_t from, int64_t to) {
  constexpr int64_t size = sizeof(T);
  if (from == 1 && to == 1) {
    if (n * size > 64) {
      std::memcpy(target, source, static_cast<size_t>(n * size));
      return;
    }
    for (int64_t i = 0; i < n; ++i) put(target + i * size, get<T>(source + i * size));
  } else if (from == 0 && to == 1) {
    const T value = get<T>(source);
    for (int64_t i = 0; i < n; ++i) put(target + i * size, value);
  } else {
    for (int64_t i = 0; i < n; ++i) put(target + i * to * size, get<T>(source + i * from * size));
  }
}

template <class F>
void by_size(int bytes, const F& f) {
  switch (bytes) {
    case 1: return f.template operator()<uint8_t>();
    case 2: return f.template operator()<uint16_t>();
    case 4: return f.template operator()<uint32_t>();
    case 8: return f.template operator()<uint64_t>();
    default: return f.template operator()<Bits128>();
  }
}

}  // namespace

int movable_bytes(DType type) {
  if (type == DType::string) return 0;
  const int bits = bits_of(type);
  return bits >= 8 ? bits / 8 : 0;
}

void StridedCopy::axis(int64_t extent, int64_t from_stride, int64_t to_stride) {
  if (extent == 0) empty_ = true;
  if (extent != 1) axes_[rank_++] = {extent, from_stride, to_stride};
}

// Orders axes by the target's strides, largest first, and merges those that continue each other.
void StridedCopy::simplify() {
  std::sort(axes_, axes_ + rank_, [](const Axis& x, const Axis& y) { return x.to > y.to; });
  int kept = 0;
  for (int i = 0; i < rank_; ++i) {
    Axis& last = axes_[kept > 0 ? kept - 1 : 0];
    const Axis next = axes_[i];
    if (kept > 0 && last.to == next.to * next.extent && last.from == next.from * next.extent)
      last = {last.extent * next.extent, next.from, next.to};
    else
      axes_[kept++] = next;
  }
  rank_ = kept;
}

void StridedCopy::run(const std::byte* from, std::byte* to, Threads& threads) {
  if (empty_) return;
  simplify();
  if (rank_ == 0) axes_[rank_++] = {1, 1, 1};
  const Axis& inner = axes_[rank_ - 1];
  if (inner.to == 1 && inner.from > 1)
    for (int d = rank_ - 2; d >= 0; --d)
      if (axes_[d].from == 1) return run_transposed(from, to, d, threads);
  read_in_order();
  run_rows(from, to, threads);
}

// Rows that lie side by side in the source come one after the other, if the places that they are written to are few at
// a time: memory is better at that than at reading from many.
void StridedCopy::read_in_order() {
  constexpr int64_t most_streams = 32;
  int nearest = rank_ - 2;
  for (int d = 0; d + 1 < rank_; ++d)
    if (axes_[d].from > 0 && axes_[d].from < axes_[nearest].from) nearest = d;
  if (nearest < 0 || axes_[nearest].extent > most_streams) return;
  std::rotate(axes_ + nearest, axes_ + nearest + 1, axes_ + rank_ - 1);
}

void StridedCopy::run_rows(const std::byte* from, std::byte* to, Threads& threads) const {
  const Axis inner = axes_[rank_ - 1];
  int64_t rows = 1;
  for (int d = 0; d + 1 < rank_; ++d) rows *= axes_[d].extent;
  const int64_t piece = std::min(inner.extent, std::max<int64_t>(1, bytes_per_task / bytes_));
  const int64_t pieces = (inner.extent + piece - 1) / piece;
  const auto copy = [&]<class T>(int64_t begin, int64_t end) {
    // Where the item lies in each axis, the pieces of a row last.
    int64_t index[max_rank], source = 0, target = 0, rest = begin / pieces, place = begin % pieces;
    for (int d = rank_ - 2; d >= 0; --d) {
      index[d] = rest % axes_[d].extent;
      rest /= axes_[d].extent;
      source += index[d] * axes_[d].from;
      target += index[d] * axes_[d].to;
    }
    for (int64_t item = begin; item < end; ++item) {
      const int64_t at = place * piece, n = std::min(piece, inner.extent - at);
      copy_row<T>(from + (source + at * inner.from) * bytes_, to + (target + at * inner.to) * bytes_, n, inner.from,
                  inner.to);
      if (++place < pieces) continue;
      place = 0;
      for (int d = rank_ - 2; d >= 0; --d) {
        source += axes_[d].from, target += axes_[d].to;
        if (++index[d] < axes_[d].extent) break;
        source -= index[d] * axes_[d].from, target -= index[d] * axes_[d].to;
        index[d] = 0;
      }
    }
  };
  const auto body = [&](int64_t begin, int64_t end, int) {
    by_size(bytes_, [&]<class T>() { copy.template operator()<T>(begin, end); });
  };
  threads.parallel(rows * pieces, std::max<int64_t>(1, bytes_per_task / (piece * bytes_)), body);
}

void StridedCopy::run_transposed(const std::byte* from, std::byte* to, int other, Threads& threads) const {
  // Whole cache lines of the source, many of them where there are few columns.
  const int64_t line = std::max<int64_t>(16, 64 / bytes_),
                inner_block = std::min<int64_t>(512, axes_[rank_ - 1].extent);
  const int64_t depth_block = round_up(ceil_div(block_bytes, inner_block * bytes_), line);
  const ReorderSimd::Transpose turn = reorder_simd(level()).transpose[std::countr_zero(static_cast<unsigned>(bytes_))];
  const Axis inner = axes_[rank_ - 1], depth = axes_[other];
  const int64_t inner_blocks = (inner.extent + inner_block - 1) / inner_block;
  const int64_t depth_blocks = (depth.extent + depth_block - 1) / depth_block;
  int64_t items = inner_blocks * depth_blocks;
  for (int d = 0; d + 1 < rank_; ++d)
    if (d != other) items *= axes_[d].extent;
  const auto body = [&](int64_t begin, int64_t end, int) {
    for (int64_t item = begin; item < end; ++item) {
      int64_t rest = item;
      const int64_t i = rest % inner_blocks * inner_block;
      rest /= inner_blocks;
      const int64_t k = rest % depth_blocks * depth_block;
      rest /= depth_blocks;
      int64_t source = i * inner.from + k, target = i + k * depth.to;
      for (int d = rank_ - 2; d >= 0; --d) {
        if (d == other) continue;
        source += rest % axes_[d].extent * axes_[d].from;
        target += rest % axes_[d].extent * axes_[d].to;
        rest /= axes_[d].extent;
      }
      const int64_t n = std::min(inner_block, inner.extent - i), rows = std::min(depth_block, depth.extent - k);
      turn(from + source * bytes_, inner.from, to + target * bytes_, depth.to, rows, n);
    }
  };
  const int64_t item_bytes = inner_block * std::min(depth_block, depth.extent) * bytes_;
  threads.parallel(items, std::max<int64_t>(1, bytes_per_task / item_bytes), body);
}

}  // namespace tessera::cpu
