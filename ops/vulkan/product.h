// Products of matrices as dispatches of shaders/product.comp, for all kernels that have some.
#pragma once

#include <optional>

#include "ops/vulkan/epilogue.h"

namespace tessera::vulkan {

/// A matrix by its strides, in elements.
struct MatrixView {
  int64_t row = 0, column = 1;
  std::array<int64_t, 3> batch{};  ///< from one to the next, along each axis of Products::batch
};

/// a (m x k) times b (k x n), for every element of `batch`; results lie one behind the other.
struct Products {
  int64_t m = 1, n = 1, k = 1;
  std::array<int64_t, 3> batch{1, 1, 1};
  MatrixView a, b;

  int64_t count() const { return batch[0] * batch[1] * batch[2]; }
  int64_t results() const { return count() * m * n; }
};

/// What MatMul makes of operands of these shapes, each matrix turned or not; nothing if their batches have too many
/// axes.
std::optional<Products> products_of(const Shape& a, bool turn_a, const Shape& b, bool turn_b);

/// Results go through `functions` to output 0.
void record_products(const Products& products, const Slot& a, const Slot& b, const Problem& problem,
                     List<Fused> functions, const Loop& loop, Recorder& recorder);
/// Whether matrix units can multiply the node's inputs 0 and 1 so: rows or columns of both lie one behind the other.
bool matrix_products_fit(const Products& products);
/// The same of the node's inputs 0 and 1, by matrix units.
void record_matrix_products(const Products& products, const Problem& problem, List<Fused> functions, const Loop& loop,
                            Recorder& recorder);
/// Results go as float32 to `sums`.
void record_products(const Products& products, const Slot& a, const Slot& b, const Slot& sums, Recorder& recorder);

}  // namespace tessera::vulkan
