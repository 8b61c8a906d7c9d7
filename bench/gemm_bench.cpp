// The packed matrix product against OpenBLAS and against what the multipliers of one core can do.
// GFLOPS is the figure to read; Peak is a loop of independent multiply-adds in registers.
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "ops/cpu/product.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#ifdef TESSERA_BENCH_OPENBLAS
extern "C" {
void cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float* a, int lda,
                 const float* b, int ldb, float beta, float* c, int ldc);
void openblas_set_num_threads(int count);
}
#endif

namespace tessera::cpu {
namespace {

std::vector<float> numbers(int64_t count) {
  std::mt19937 engine(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = uniform(engine);
  return values;
}

struct Operands {
  int64_t m, n, k;
  std::vector<float> a, b, c;

  explicit Operands(const benchmark::State& state)
      : m(state.range(0)),
        n(state.range(1)),
        k(state.range(2)),
        a(numbers(m * k)),
        b(numbers(k * n)),
        c(static_cast<size_t>(m * n)) {}

  void report(benchmark::State& state) const {
    state.counters["GFLOPS"] =
        benchmark::Counter(2e-9 * static_cast<double>(m * n * k), benchmark::Counter::kIsIterationInvariantRate);
  }
};

void run_product(benchmark::State& state, bool constant) {
  Operands o(state);
  Product p;
  p.m = o.m, p.n = o.n, p.k = o.k;
  p.a_row = o.k, p.b_depth = o.n, p.right_stride = o.n * o.k;
  Threads threads(static_cast<int>(state.range(3)));
  std::vector<float> packed(constant ? static_cast<size_t>(packed_floats(p)) : 0);
  if (constant) pack_right(p, o.b.data(), packed.data(), nullptr);
  std::vector<std::byte> scratch(static_cast<size_t>(product_scratch(p, constant, threads.count())) + 64);
  auto* aligned = scratch.data() + (64 - reinterpret_cast<uintptr_t>(scratch.data()) % 64);
  const ProductData data{.a = o.a.data(),
                         .b = o.b.data(),
                         .packed = constant ? packed.data() : nullptr,
                         .out = o.c.data(),
                         .scratch = aligned};
  for (auto _ : state) multiply(p, data, {}, threads);
  o.report(state);
}

void constant_right(benchmark::State& state) { run_product(state, true); }
void variable_right(benchmark::State& state) { run_product(state, false); }

#ifdef TESSERA_BENCH_OPENBLAS
void openblas(benchmark::State& state) {
  Operands o(state);
  openblas_set_num_threads(static_cast<int>(state.range(3)));
  const auto m = static_cast<int>(o.m), n = static_cast<int>(o.n), k = static_cast<int>(o.k);
  for (auto _ : state) cblas_sgemm(101, 111, 111, m, n, k, 1, o.a.data(), k, o.b.data(), n, 0, o.c.data(), n);
  o.report(state);
}
#endif

#if defined(__x86_64__)
constexpr int chains = 12, rounds = 1000;

__attribute__((target("avx512f"))) void peak_avx512(benchmark::State& state) {
  if (!__builtin_cpu_supports("avx512f")) return state.SkipWithError("no AVX-512");
  __m512 sum[chains], x = _mm512_set1_ps(0.5f);
  for (auto& s : sum) s = _mm512_setzero_ps();
  for (auto _ : state) {
    for (int i = 0; i < rounds; ++i)
      for (auto& s : sum) s = _mm512_fmadd_ps(s, x, x);
    benchmark::DoNotOptimize(sum);
  }
  state.counters["GFLOPS"] =
      benchmark::Counter(2e-9 * 16 * chains * rounds, benchmark::Counter::kIsIterationInvariantRate);
}

__attribute__((target("avx2,fma"))) void peak_avx2(benchmark::State& state) {
  if (!__builtin_cpu_supports("fma")) return state.SkipWithError("no FMA");
  __m256 sum[chains], x = _mm256_set1_ps(0.5f);
  for (auto& s : sum) s = _mm256_setzero_ps();
  for (auto _ : state) {
    for (int i = 0; i < rounds; ++i)
      for (auto& s : sum) s = _mm256_fmadd_ps(s, x, x);
    benchmark::DoNotOptimize(sum);
  }
  state.counters["GFLOPS"] =
      benchmark::Counter(2e-9 * 8 * chains * rounds, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(peak_avx512);
BENCHMARK(peak_avx2);
#endif

void sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"m", "n", "k", "threads"})->UseRealTime();
  for (const int64_t threads : {1, 2})
    for (const auto& [m, n, k] : std::initializer_list<std::array<int64_t, 3>>{{1024, 1024, 1024},
                                                                               {2048, 2048, 2048},
                                                                               {128, 768, 768},
                                                                               {128, 3072, 768},
                                                                               {128, 768, 3072},
                                                                               {512, 512, 64},
                                                                               {197, 2304, 768},
                                                                               {1, 768, 768},
                                                                               {4, 768, 768},
                                                                               {64, 64, 64}})
      bench->Args({m, n, k, threads});
}
BENCHMARK(constant_right)->Apply(sizes);
BENCHMARK(variable_right)->Apply(sizes);
#ifdef TESSERA_BENCH_OPENBLAS
BENCHMARK(openblas)->Apply(sizes);
#endif

}  // namespace
}  // namespace tessera::cpu

BENCHMARK_MAIN();
