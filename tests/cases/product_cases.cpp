// Products of matrices.
#include <algorithm>

#include "ops/elementwise.h"
#include "tests/cases/case.h"

namespace tessera::test {
extern const CaseFile product_cases;
namespace {

void mat_mul(const Taker& check) {
  using namespace elementwise;
  const auto product = [&](const Shape& a, const Shape& b, bool constant, double tolerance = 1e-4) {
    Input right = random(b);
    right.constant = constant;
    const bool rounds = constant && b.size() >= 2 && b.back() > 1 && b[b.size() - 2] > 0;
    check({.op = "MatMul",
           .in = {random(a), right},
           .relative = 1e-4,
           .absolute = tolerance,
           .least_rounded = rounds ? 1 : 0});
  };
  for (const bool constant : {false, true}) {
    for (const int64_t m : {1, 2, 3, 7, 14, 15, 33})
      for (const int64_t n : {1, 2, 31, 32, 33, 97})
        for (const int64_t k : {0, 1, 5, 64}) product({m, k}, {k, n}, constant);
    product({190, 410}, {410, 805}, constant, 1e-3);
    product({2, 800}, {800, 70}, constant, 1e-3);
    product({5}, {5, 7}, constant);
    product({3, 5}, {5}, constant);
    product({5}, {5}, constant);
    product({2, 3, 4, 5}, {5, 6}, constant);
    product({2, 3, 4, 5}, {2, 3, 5, 6}, constant);
    product({2, 1, 4, 5}, {3, 5, 6}, constant);
    product({4, 5}, {2, 3, 5, 6}, constant);
    product({2, 40, 64}, {2, 64, 40}, constant);
    product({0, 5}, {5, 7}, constant);
    check({.op = "MatMul",
           .in = {random({2, 9, 33}), {random({33, 45}).tensor, constant}},
           .epilogue = {{Add, 0}, {Gelu}, {Mul, 1}, {Sub, 2, true}},
           .operands = {fixed(random({45})), random({2, 9, 45}), random({9, 1})},
           .relative = 1e-4,
           .absolute = 1e-3});
  }
}

void gemm(const Taker& check) {
  for (const int64_t trans_a : {0, 1})
    for (const int64_t trans_b : {0, 1})
      for (const bool constant : {false, true})
        for (const Shape& size : {Shape{1, 40, 30}, Shape{6, 1, 30}, Shape{20, 70, 30}, Shape{50, 33, 420}}) {
          const int64_t m = size[0], n = size[1], k = size[2];
          const Shape a = trans_a ? Shape{k, m} : Shape{m, k}, b = trans_b ? Shape{n, k} : Shape{k, n};
          for (const Shape& c : {Shape{n}, Shape{m, 1}, Shape{m, n}, Shape{}}) {
            Input right = random(b);
            right.constant = constant;
            check({.op = "Gemm",
                   .in = {random(a), right, random(c)},
                   .attrs = {attr("transA", trans_a), attr("transB", trans_b), attr("alpha", 0.5f), attr("beta", 2.0f)},
                   .epilogue = {{elementwise::Relu}},
                   .relative = 1e-4,
                   .absolute = 1e-4});
          }
          check({.op = "Gemm",
                 .in = {random(a), {random(b).tensor, constant}, random({n})},
                 .attrs = {attr("transA", trans_a), attr("transB", trans_b)},
                 .relative = 1e-4,
                 .absolute = 1e-4,
                 .least_rounded = constant && !trans_a && n > 1 ? 1 : 0});
        }
}

// Layers of transformers and classifiers, and squares.
void layers(const Taker& check) {
  const int64_t sizes[][3] = {{1024, 1024, 1024}, {2048, 2048, 2048}, {128, 768, 768},  {128, 3072, 768},
                              {128, 768, 3072},   {512, 512, 64},     {197, 2304, 768}, {1, 768, 768},
                              {4, 768, 768},      {64, 64, 64},       {65536, 180, 60}, {65536, 60, 120},
                              {1, 1000, 2048}};
  const auto extent = [&](int64_t full) {
    return check.timed || full < 64 ? full : std::min<int64_t>(full / 8 + 3, 515);
  };
  for (const bool constant : {true, false})
    for (const auto& [m, n, k] : sizes)
      check({.op = "MatMul",
             .in = {random({extent(m), extent(k)}), {random({extent(k), extent(n)}).tensor, constant}},
             .relative = 1e-4,
             .absolute = 1e-3});
}

// Columns of 4 and 8 bits, whose last block is not full.
void products_of_few_bits(const Taker& check) {
  for (const int64_t bits : {4, 8})
    for (const int64_t rows : {1, 4, 37})
      for (const int zeros : {0, 1, 2}) {
        const int64_t k = 83, n = 70, block = 32, blocks = 3;
        Case c{.op = "MatMulNBits",
               .opset = 1,
               .in = {random({rows, k}), random({n, blocks, block * bits / 8}, 0, 255, DType::uint8),
                      random({n * blocks}, 0.01, 0.1)},
               .attrs = {attr("K", k), attr("N", n), attr("bits", bits), attr("block_size", block)},
               .absolute = 1e-3,
               .domain = "com.microsoft"};
        if (zeros == 1) c.in.push_back(random({n * ((blocks * bits + 7) / 8)}, 0, 255, DType::uint8));
        if (zeros == 2) c.in.push_back(random({n * blocks}, 0, 15));
        if (zeros == 2) c.in.insert(c.in.end(), {{}, random({n})});
        check(c);
      }
}

void doubles(const Taker& check) {
  constexpr DType f64 = DType::float64;
  for (const auto& [a, b] : {std::pair(Shape{5, 7}, Shape{7, 3}), std::pair(Shape{2, 3, 33, 300}, Shape{300, 50}),
                             std::pair(Shape{2, 9, 17}, Shape{2, 17, 25}), std::pair(Shape{4, 0}, Shape{0, 3})})
    check({.op = "MatMul", .in = {random(a, -2, 2, f64), random(b, -2, 2, f64)}, .relative = 1e-9, .absolute = 1e-12});
}

constexpr CaseList lists[] = {
    {"MatMulOfDoubles", doubles},   {"ProductsOfFewBits", products_of_few_bits}, {"MatMul", mat_mul}, {"Gemm", gemm},
    {"MatMulLayers", layers, true},
};

}  // namespace
const CaseFile product_cases{lists};
}  // namespace tessera::test
