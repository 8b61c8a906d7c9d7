// The packed matrix product that MatMul, Gemm and the recurrent operators share.
#pragma once

#include "ops/cpu/chain.h"
#include "runtime/base/threads.h"
#include "runtime/graph/backend.h"

namespace tessera::cpu {

/// `batch` products of [m,k] by [k,n], by strides. The output is dense.
struct Product {
  int64_t batch = 1, m = 0, n = 0, k = 0;
  int64_t a_row = 0, a_depth = 1, b_depth = 0, b_column = 1;
  int64_t right_count = 1;   ///< distinct right matrices
  int64_t right_stride = 0;  ///< elements between them
  float alpha = 1;
  /// Beyond fp32 right matrices must be packed, left ones have rows of contiguous depth, and alpha is 1.
  Precision precision = Precision::fp32;
};

/// What the product needs at run time besides its dimensions.
struct ProductData {
  const float* a = nullptr;
  const float* b = nullptr;
  const float* packed = nullptr;  ///< all right matrices, from pack_right; b is not read then
  const float* bias = nullptr;    ///< added to every row of the output; may be null
  float* out = nullptr;
  std::byte* scratch = nullptr;
};

/// Where batch item `i` begins: `left` in elements of a, `right` counts right matrices.
struct BatchOffsets {
  const Space* space = nullptr;  ///< of the batch axes plus a last axis of one; null: a single matrix
  int left = 0, right = 1;
  int64_t left_of(int64_t i) const { return space ? space->offset(left, i) : 0; }
  int64_t right_of(int64_t i) const { return space ? space->offset(right, i) : 0; }
};

/// Floats (or cells) that the packed right matrices take.
int64_t packed_floats(const Product& product);
void pack_right(const Product& product, const float* b, float* out, Threads* threads);
int64_t product_scratch(const Product& product, bool packed, int threads);

enum class Pieces : uint8_t { none, of_rows, joined };

using FinishCall = void (*)(const void*, int64_t row, int64_t column, float* values, int64_t count);
void multiply_erased(const Product& product, const ProductData& data, const BatchOffsets& offsets, Threads& threads,
                     Pieces pieces, const void* object, FinishCall finish);

/// finish(row, column, values, count) is called for every finished piece of the output, where row counts over all
/// batches. A piece is of one row unless they may be joined: then some begin a row and hold more than one.
template <class Finish>
void multiply(const Product& product, const ProductData& data, const BatchOffsets& offsets, Threads& threads,
              Pieces pieces, const Finish& finish) {
  multiply_erased(product, data, offsets, threads, pieces, &finish,
                  [](const void* object, int64_t row, int64_t column, float* values, int64_t count) {
                    (*static_cast<const Finish*>(object))(row, column, values, count);
                  });
}

/// The same where nothing is left to do.
inline void multiply(const Product& product, const ProductData& data, const BatchOffsets& offsets, Threads& threads) {
  multiply_erased(product, data, offsets, threads, Pieces::none, nullptr, nullptr);
}

}  // namespace tessera::cpu
