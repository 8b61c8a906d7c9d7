#include "ops/cpu/product.h"

#include <algorithm>

#include "ops/cpu/cells.h"
#include "ops/cpu/simd/bf16.h"
#include "ops/cpu/simd/gemm.h"
#include "runtime/base/rounding.h"
#include "runtime/base/run_scope.h"

namespace tessera::cpu {
namespace {

constexpr int64_t depth_block = 384;  // a panel of B, nr * depth_block floats, is read from L1 or near it
constexpr int row_panels = 12;        // of A's packed block: it stays in L2
constexpr int64_t column_block = 768;
constexpr int64_t little_work = 1 << 17;  // multiplications below which waking threads does not pay

// Few rows: B is used where it lies, as packing it would cost as much as multiplying.
bool reads_right_directly(const Product& p, bool packed, const GemmSimd& simd) {
  return !packed && p.m <= simd.mr / 2 && p.b_column == 1;
}

// Dot products along a contiguous depth.
bool is_dots(const Product& p, bool packed) {
  return !packed && p.a_depth == 1 && p.b_depth == 1 && (p.m <= 2 || p.n <= 2);
}

int64_t left_floats(const GemmSimd& simd) { return int64_t{simd.mr} * row_panels * depth_block; }
int64_t tail_floats(const GemmSimd& simd) { return simd.nr * depth_block; }

void pack_panel(const GemmSimd& simd, const Product& p, const float* b, int64_t panel, float* out) {
  const int64_t wide = round_up(p.n, simd.nr), column = panel * simd.nr;
  const int columns = static_cast<int>(std::min<int64_t>(simd.nr, p.n - column));
  for (int64_t k = 0; k < p.k; k += depth_block) {
    const int64_t depth = std::min(depth_block, p.k - k);
    simd.pack_b(b + k * p.b_depth + column * p.b_column, p.b_depth, p.b_column, depth, columns, 1,
                out + k * wide + column * depth);
  }
}

struct Grid {
  int64_t rows, columns;              // of one block
  int64_t row_blocks, column_blocks;  // of one product
};

// Blocks of whole panels, `mr` rows and `nr` columns: large ones for few packings, smaller ones to feed every
// thread.
Grid divide(const Product& p, int64_t mr, int64_t nr, int threads) {
  Grid g{std::min(round_up(p.m, mr), mr * row_panels), std::min(round_up(p.n, nr), round_up(column_block, nr)), 0, 0};
  for (;;) {
    g.row_blocks = ceil_div(p.m, g.rows);
    g.column_blocks = ceil_div(p.n, g.columns);
    if (threads == 1 || p.batch * g.row_blocks * g.column_blocks >= 4 * threads) return g;
    if (g.columns > nr && (g.columns >= g.rows || g.rows <= mr))
      g.columns = round_up(g.columns / 2, nr);
    else if (g.rows > mr)
      g.rows = round_up(g.rows / 2, mr);
    else
      return g;
  }
}

// A part of one product's output.
struct Block {
  int64_t batch, row, column, rows, columns;
  float* out;
};

// What every way to multiply shares: what it is given, how the output is divided, how a block is finished.
class BlockedProduct {
 public:
  BlockedProduct(const Product& p, const ProductData& data, const BatchOffsets& offsets, Pieces pieces,
                 const void* object, FinishCall finish)
      : p_(p),
        data_(data),
        offsets_(offsets),
        pieces_(pieces),
        object_(object),
        finish_(finish),
        little_(p.batch * p.m * p.n * p.k < little_work) {}

 protected:
  // Calls body(begin, end, worker) for ranges of items, on one thread if there is little work.
  template <class Body>
  void parallel(Threads& threads, int64_t items, int64_t grain, const Body& body) const {
    if (little_)
      body(0, items, 0);
    else
      threads.parallel(items, grain, body);
  }

  // Calls body(block, worker) for blocks of panels of `mr` rows and `nr` columns, which it makes, and finishes them.
  template <class Body>
  void each_block(Threads& threads, int64_t mr, int64_t nr, const Body& body) const {
    const Grid grid = divide(p_, mr, nr, little_ ? 1 : threads.count());
    parallel(threads, p_.batch * grid.row_blocks * grid.column_blocks, 1, [&](int64_t begin, int64_t end, int worker) {
      for (int64_t i = begin; i < end && !stop_requested(); ++i) {
        const Block block = at(grid, i);
        body(block, worker);
        finish(block, mr);
      }
    });
  }

  const Product& p_;
  const ProductData& data_;
  const BatchOffsets& offsets_;
  const Pieces pieces_;
  const void* object_;
  FinishCall finish_;
  const bool little_;

 private:
  Block at(const Grid& grid, int64_t index) const {
    const int64_t rest = index / grid.column_blocks, batch = rest / grid.row_blocks;
    const int64_t row = rest % grid.row_blocks * grid.rows, column = index % grid.column_blocks * grid.columns;
    return {batch,
            row,
            column,
            std::min(grid.rows, p_.m - row),
            std::min(grid.columns, p_.n - column),
            data_.out + (batch * p_.m + row) * p_.n + column};
  }

  // Whole rows may be joined, `mr` at a time.
  void finish(const Block& b, int64_t mr) const {
    if (pieces_ == Pieces::none) return;
    const int64_t step = pieces_ == Pieces::joined && b.columns == p_.n ? mr : 1;
    for (int64_t i = 0; i < b.rows; i += step)
      finish_(object_, b.batch * p_.m + b.row + i, b.column, b.out + i * p_.n, std::min(step, b.rows - i) * b.columns);
  }
};

class Multiplier : BlockedProduct {
 public:
  using BlockedProduct::BlockedProduct;

  void run(Threads& threads) {
    if (is_dots(p_, data_.packed)) return run_dots(threads);
    direct_ = reads_right_directly(p_, data_.packed, simd_);
    packed_ = data_.packed;
    in_place_ = p_.alpha == 1 && reads_left_in_place(p_.a_row, p_.a_depth);
    auto* scratch = reinterpret_cast<float*>(data_.scratch);
    left_ = scratch;
    tail_ = scratch + left_floats(simd_) * threads.count();
    if (!packed_ && !direct_) {
      float* all = tail_;
      pack_right(p_, data_.b, all, little_ ? nullptr : &threads);
      packed_ = all;
    }
    each_block(threads, simd_.mr, simd_.nr, [&](const Block& b, int worker) { block(b, worker); });
  }

 private:
  void run_dots(Threads& threads) const {
    // Runs along a row of results, or down the only column of a matrix.
    const bool down = p_.n == 1;
    const auto body = [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end;) {
        const int64_t column = i % p_.n, row = i / p_.n, batch = row / p_.m, own = row % p_.m;
        const float* a = data_.a + offsets_.left_of(batch) + own * p_.a_row;
        const float* b = data_.b + offsets_.right_of(batch) * p_.right_stride + column * p_.b_column;
        const int64_t run = std::min(end - i, down ? p_.m - own : p_.n - column);
        for (int64_t j = 0; j < run; ++j, ++i, a += down ? p_.a_row : 0, b += down ? 0 : p_.b_column) {
          const int64_t here = down ? 0 : column + j;
          data_.out[i] = p_.alpha * simd_.dot(a, b, p_.k) + (data_.bias ? data_.bias[here] : 0.0f);
          if (pieces_ != Pieces::none) finish_(object_, down ? row + j : row, here, data_.out + i, 1);
        }
      }
    };
    parallel(threads, p_.batch * p_.m * p_.n, std::max<int64_t>(1, little_work / std::max<int64_t>(p_.k, 1)), body);
  }

  void block(const Block& b, int worker) const {
    const auto& [batch, row, column, rows, columns, out] = b;
    for (int64_t k = 0; k < p_.k; k += depth_block) {
      const int64_t depth = std::min(depth_block, p_.k - k);
      const float* a = data_.a + offsets_.left_of(batch) + row * p_.a_row + k * p_.a_depth;
      float* own = left_ + left_floats(simd_) * worker;
      for (int64_t i = 0; i < rows && !in_place_; i += simd_.mr)
        simd_.pack_a(a + i * p_.a_row, p_.a_row, p_.a_depth, panel_rows(rows, i), depth, p_.alpha, own + i * depth);
      for (int64_t j = 0; j < columns; j += simd_.nr) {
        const int width = static_cast<int>(std::min<int64_t>(simd_.nr, columns - j));
        GemmTile tile{.columns = width, .depth = depth, .b_stride = simd_.nr, .ldc = p_.n};
        tile.b = right_panel(batch, k, depth, column + j, width, worker, tile.b_stride);
        // Packed panels lie in the order of their use: each tile fetches its share of the next one.
        const int64_t panel = simd_.nr * depth * static_cast<int64_t>(sizeof(float));
        const int64_t share = panel / ceil_div(rows, simd_.mr);
        const char* next = packed_ ? reinterpret_cast<const char*>(tile.b) + panel : nullptr;
        if (next) tile.fetch_step = share / depth;
        for (int64_t i = 0; i < rows; i += simd_.mr) {
          tile.rows = panel_rows(rows, i);
          if (in_place_)
            tile.a = a + i * p_.a_row, tile.a_row = p_.a_row, tile.a_depth = p_.a_depth;
          else
            tile.a = own + i * depth, tile.a_row = 1, tile.a_depth = tile.rows;
          tile.c = out + i * p_.n + j;
          tile.start = k > 0 ? tile.c : data_.bias ? data_.bias + column + j : nullptr;
          tile.start_row = k > 0 ? p_.n : 0;
          if (next) tile.fetch = next + i / simd_.mr * share;
          simd_.tile(tile);
        }
      }
    }
    for (int64_t i = 0; i < rows && p_.k == 0; ++i)
      for (int64_t j = 0; j < columns; ++j) out[i * p_.n + j] = data_.bias ? data_.bias[column + j] : 0.0f;
  }

  int panel_rows(int64_t rows, int64_t i) const { return static_cast<int>(std::min<int64_t>(simd_.mr, rows - i)); }

  const float* right_panel(int64_t batch, int64_t k, int64_t depth, int64_t column, int width, int worker,
                           int64_t& stride) const {
    const int64_t matrix = offsets_.right_of(batch);
    if (!direct_) {
      const int64_t wide = round_up(p_.n, simd_.nr);
      return packed_ + matrix * p_.k * wide + k * wide + column * depth;
    }
    const float* b = data_.b + matrix * p_.right_stride + k * p_.b_depth + column;
    if (width == simd_.nr) {
      stride = p_.b_depth;
      return b;
    }
    float* tail = tail_ + tail_floats(simd_) * worker;
    simd_.pack_b(b, p_.b_depth, 1, depth, width, 1, tail);
    return tail;
  }

  const GemmSimd& simd_ = gemm_simd(level());
  bool direct_ = false, in_place_ = false;
  const float* packed_ = nullptr;
  float *left_ = nullptr, *tail_ = nullptr;
};

// --- Products of cells -------------------------------------------------------------------------
//
// The left block is rounded into [part][16 cells of depth][row][16 cells], the right matrix is packed as
// [block of depth][panel][part][cell][column]; a split has a second part for residues. A tile is that of a
// 1x1 convolution whose pixels are rows.

constexpr int64_t cell_columns = 32, depth_cells = 384;

int64_t cell_parts(const Product& p) { return p.precision == Precision::bf16x3 ? 2 : 1; }
int64_t packed_depth(const Product& p) { return cell_blocks_of(p.k) * 16; }
int64_t cell_row_step(const Bf16Simd& simd) { return simd.pixels[2]; }

// Floats for the rounded rows of one block.
int64_t cell_floats(const Product& p, const Bf16Simd& simd) {
  const int64_t depth = std::min(packed_depth(p), depth_cells);
  return cell_parts(p) * depth * cell_row_step(simd) * row_panels + Bf16Simd::max_grain * 16;
}

// One row of cells, zeros behind the last column and depth.
void pack_cell_row(const Product& p, const float* b, int64_t k, int64_t columns, int64_t width, bool residue,
                   uint32_t* to) {
  std::fill(to, to + width, 0u);
  if (k >= p.k) return;
  const float *first = b + k * p.b_depth, *second = first + p.b_depth;
  if (k + 1 == p.k)
    for (int64_t j = 0; j < columns; ++j) to[j] = cell_of(first[j * p.b_column], 0.0f, residue);
  else if (p.b_column == 1)
    for (int64_t j = 0; j < columns; ++j) to[j] = cell_of(first[j], second[j], residue);
  else
    for (int64_t j = 0; j < columns; ++j) to[j] = cell_of(first[j * p.b_column], second[j * p.b_column], residue);
}

void pack_cell_panel(const Product& p, const float* b, int64_t panel, uint32_t* out) {
  const int64_t column = panel * cell_columns, columns = std::min(cell_columns, p.n - column);
  const int64_t wide = round_up(p.n, 16), width = round_up(columns, 16), depth = packed_depth(p);
  for (int64_t first = 0; first < depth; first += depth_cells) {
    const int64_t end = std::min(depth, first + depth_cells), parts = cell_parts(p);
    uint32_t* to = out + parts * (first * wide + column * (end - first));
    for (int64_t part = 0; part < parts; ++part)
      for (int64_t cell = first; cell < end; ++cell, to += width)
        pack_cell_row(p, b + column * p.b_column, 2 * cell, columns, width, part == 1, to);
  }
}

class CellMultiplier : BlockedProduct {
 public:
  using BlockedProduct::BlockedProduct;

  void run(Threads& threads) const {
    each_block(threads, cell_row_step(simd_), cell_columns, [&](const Block& b, int worker) {
      simd_.begin();
      block(b, worker);
      simd_.end();
    });
  }

 private:
  void block(const Block& b, int worker) const {
    const auto& [batch, row, column, rows, columns, out] = b;
    const int64_t parts = cell_parts(p_), depth = packed_depth(p_), wide = round_up(p_.n, 16);
    const float* packed = data_.packed + offsets_.right_of(batch) * parts * depth * wide;
    auto* left = reinterpret_cast<float*>(data_.scratch) + cell_floats(p_, simd_) * worker;
    for (int64_t first = 0; first < depth; first += depth_cells) {
      const int64_t cells = std::min(depth - first, depth_cells), part = cells * rows;
      const int64_t numbers = std::min(2 * cells, p_.k - 2 * first);
      const float* a = data_.a + offsets_.left_of(batch) + row * p_.a_row + 2 * first;
      for (int64_t k = 0; k < 2 * cells; k += 32)
        for (int64_t i = 0; i < parts; ++i)
          simd_.round(a + k, a + k + 16, p_.a_row, rows, static_cast<int>(std::min<int64_t>(32, numbers - k)), i == 1,
                      left + i * part + k / 2 * rows);
      for (int64_t j = 0; j < columns; j += cell_columns) {
        const int64_t width = std::min(cell_columns, columns - j), panel = cells * round_up(width, 16);
        const float* right = packed + parts * (first * wide + (column + j) * cells);
        const ConvTap taps[3] = {{left, right}, {left, right + panel}, {left + part, right}};
        ConvTile tile{};
        tile.taps = taps;
        tile.tap_count = parts == 2 ? 3 : 1;
        tile.blocks = static_cast<int>(cells / 16);
        tile.last = static_cast<int>((numbers + 1) / 2 - (cells - 16));
        tile.block_stride = rows * 16;
        tile.out_block = 16;
        tile.fetch = right + parts * panel;
        run_panel(tile, rows, width, out + j, data_.bias && first == 0 ? data_.bias + column + j : nullptr, first > 0);
      }
    }
  }

  // Rows times the columns of a panel.
  void run_panel(ConvTile& tile, int64_t rows, int64_t width, float* out, const float* bias, bool again) const {
    const int blocks = static_cast<int>((width + 15) / 16);
    const bool whole = width % 16 == 0;
    float padded[cell_columns] = {};
    if (bias && !whole) std::copy_n(bias, width, padded);
    if (bias) tile.bias = whole ? bias : padded;
    tile.columns = whole ? 0 : static_cast<int>(width);
    const int64_t tiles = ceil_div(rows, simd_.pixels[blocks]);
    tile.out_pixel = p_.n;
    tile.fetch_step = ceil_div(blocks * 16, tiles);
    for (int64_t i = 0, begin = 0, end = 0; i < tiles; ++i, begin = end) {
      end = std::min(rows, round_up(rows * (i + 1) / tiles, simd_.grain));
      tile.at = begin * 16;
      tile.out = out + begin * p_.n;
      if (again) tile.end.add = tile.out, tile.end.add_block = tile.out_block;
      simd_.tile(tile, blocks, static_cast<int>(end - begin));
      tile.fetch += tile.fetch_step * tile.blocks * 16;
    }
  }

  const Bf16Simd& simd_ = *bf16_simd(level());
};

}  // namespace

int64_t packed_floats(const Product& p) {
  if (p.precision != Precision::fp32) return p.right_count * cell_parts(p) * packed_depth(p) * round_up(p.n, 16);
  return p.right_count * p.k * round_up(p.n, gemm_simd(level()).nr);
}

void pack_right(const Product& p, const float* b, float* out, Threads* threads) {
  if (p.right_count == 0) return;
  const GemmSimd& simd = gemm_simd(level());
  const bool cells = p.precision != Precision::fp32;
  const int64_t panels = cells ? round_up(p.n, cell_columns) / cell_columns : round_up(p.n, simd.nr) / simd.nr;
  const int64_t floats = packed_floats(p) / p.right_count;
  const auto body = [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const float* from = b + i / panels * p.right_stride;
      float* to = out + i / panels * floats;
      if (cells)
        pack_cell_panel(p, from, i % panels, reinterpret_cast<uint32_t*>(to));
      else
        pack_panel(simd, p, from, i % panels, to);
    }
  };
  if (threads)
    threads->parallel(p.right_count * panels, 1, body);
  else
    body(0, p.right_count * panels, 0);
}

int64_t product_scratch(const Product& p, bool packed, int threads) {
  if (p.precision != Precision::fp32)
    return cell_floats(p, *bf16_simd(level())) * threads * static_cast<int64_t>(sizeof(float));
  const GemmSimd& simd = gemm_simd(level());
  if (is_dots(p, packed)) return 0;
  int64_t floats = left_floats(simd) * threads;
  if (reads_right_directly(p, packed, simd))
    floats += tail_floats(simd) * threads;
  else if (!packed)
    floats += packed_floats(p);
  return floats * static_cast<int64_t>(sizeof(float));
}

void multiply_erased(const Product& p, const ProductData& data, const BatchOffsets& offsets, Threads& threads,
                     Pieces pieces, const void* object, FinishCall finish) {
  if (p.batch == 0 || p.m == 0 || p.n == 0) return;
  if (p.precision != Precision::fp32)
    CellMultiplier(p, data, offsets, pieces, object, finish).run(threads);
  else
    Multiplier(p, data, offsets, pieces, object, finish).run(threads);
}

}  // namespace tessera::cpu
