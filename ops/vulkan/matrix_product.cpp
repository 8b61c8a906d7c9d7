// Products by matrix units; see shaders/product_matrix.comp.
#include <algorithm>
#include <cstring>

#include "ops/vulkan/matrix_tiles.h"
#include "ops/vulkan/product.h"

namespace tessera::vulkan {

#include "shaders/params/product_matrix.h"

namespace {

// What a Pack of columns is told.
struct Packing {
  int64_t columns;  // of a tile
  int64_t terms;    // of a step
  bool turned;      // it lies as [column][term]

  Packing(int64_t c, int64_t t, bool is_turned) : columns(c), terms(t), turned(is_turned) {}
  explicit Packing(int64_t code) : columns(code & 0xffff), terms(code >> 16 & 0xffff), turned(code >> 32 & 1) {}
  int64_t code() const { return columns | terms << 16 | int64_t{turned} << 32; }
};

// [..., k, n], or a vector, becomes [n / tile][k][column of the tile], filled up with zeros.
Tensor pack_columns(const Tensor& matrix, int64_t code) {
  const Packing packing(code);
  const Shape& shape = matrix.type.shape;
  const int64_t last = shape.size() > 1 ? shape.back() : 1, other = shape.elements() / last;
  const bool turned = packing.turned && shape.size() > 1;
  const int64_t n = turned ? other : last, k = shape.elements() / n;
  const int64_t tiles = ceil_div(n, packing.columns), padded_k = round_up(k, packing.terms);
  Tensor packed = Tensor::make_packed({DType::float16, {tiles, padded_k, packing.columns}});
  std::memset(packed.bytes.get(), 0, static_cast<size_t>(packed.type.bytes()));
  for (int64_t tile = 0; tile < tiles; ++tile)
    for (int64_t term = 0; term < k; ++term) {
      const int64_t first = tile * packing.columns, count = std::min(packing.columns, n - first);
      float16* to = packed.as<float16>() + (tile * padded_k + term) * packing.columns;
      const std::byte* from = matrix.bytes.get() + (turned ? first * k + term : term * n + first) * int64_t{4};
      for (int64_t column = 0; column < count; ++column, from += turned ? 4 * k : 4) {
        float value;
        std::memcpy(&value, from, sizeof value);
        to[column] = float16(value);
      }
    }
  return packed;
}

void copy(const std::array<int64_t, 3>& from, uint32_t (&to)[3]) {
  for (size_t i = 0; i < 3; ++i) to[i] = word(from[i]);
}

uint32_t width_of(const MatrixView& view, int64_t line, int64_t extent) {
  return common_width({line, extent, view.batch[0], view.batch[1], view.batch[2]});
}

}  // namespace

bool matrix_products_fit(const Products& p) {
  return (p.a.column == 1 || p.a.row == 1) && (p.b.column == 1 || p.b.row == 1);
}

void record_matrix_products(const Products& p, const Problem& problem, List<Fused> functions, const Loop& loop,
                            Recorder& recorder) {
  TileProblem tiles;
  tiles.count = p.count(), tiles.rows = p.m, tiles.columns = p.n, tiles.terms = p.k;
  const bool turned = p.b.column != 1;
  const bool packed = problem.constants[1] && p.b.batch == std::array<int64_t, 3>{};
  tiles.rows_turned = p.a.column != 1;
  tiles.columns_turned = turned && !packed;
  Finish finish = Finish::of_rows(problem, functions, loop, p.count() * p.m, p.n);
  const Tiling tiling = choose_tiling(tiles, recorder, finish.channel_rows);
  finish.order.padded = padded_columns(tiles, tiling, recorder.facts());

  MatrixProductParams params;
  params.finish = finish.params;
  params.m = word(p.m), params.n = word(p.n), params.k = word(p.k);
  copy(p.batch, params.batch), copy(p.a.batch, params.a_batch), copy(p.b.batch, params.b_batch);
  params.a_line = word(tiles.rows_turned ? p.a.column : p.a.row);
  params.b_line = word(turned ? p.b.column : p.b.row);
  params.part = tiling.part_steps;
  params.packed_k = word(round_up(p.k, tiling.step_terms()));
  const Packing packing(tiling.columns(recorder.facts().matrix), tiling.step_terms(), turned);
  if (packed) params.b_line = word(packing.columns);

  Dispatch& dispatch = recorder.dispatch("product_matrix", params);
  set_tiling(tiles, tiling, finish, dispatch, recorder);
  dispatch.set("a_width", width_of(p.a, params.a_line, tiles.rows_turned ? p.m : p.k));
  dispatch.set("b_width", packed ? 8 : width_of(p.b, params.b_line, turned ? p.k : p.n));
  dispatch.set("b_packed", packed);
  dispatch.bind("a", halves_of(0, problem, recorder));
  dispatch.bind("b", packed ? recorder.constant(1, pack_columns, packing.code()) : halves_of(1, problem, recorder));
}

}  // namespace tessera::vulkan
