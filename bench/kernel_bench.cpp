// Every CPU kernel that takes a layer of tests/cases/, beside OpenBLAS for products and what the multipliers of one
// core can do. GFLOPS counts the multiply-adds of the definition, whatever the algorithm, so Winograd may pass the
// peak, which is a loop of independent multiply-adds in registers.
#include <benchmark/benchmark.h>

#include <memory>

#include "ops/cpu/backend.h"
#include "runtime/base/threads.h"
#include "tests/cases/case.h"
#include "tests/tensors.h"

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

namespace tessera::test {
namespace {

void count_work(benchmark::State& state, double work) {
  state.counters["GFLOPS"] = benchmark::Counter(work * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

double work_of(const Question& question) {
  const auto& work = question.node().op->work;
  const AttrReader attrs(question.node());
  return work ? work(attrs, List<Type>(question.types()).first(question.node().op_inputs()), question.out_types()) : 0;
}

void run(benchmark::State& state, const Case& layer, const HostBackend& cpu, const Offer& offer, int threads) {
  const Question question(layer);
  const Node& node = question.node();
  std::vector<Tensor> in;
  std::vector<View> in_views, out_views;
  for (size_t i = 0; i < node.in.size(); ++i) {
    const Input& input = question.inputs()[i];
    Type type = input.tensor.type;
    const Layout wanted = input.constant ? Layout::row_major : i < node.op_inputs() ? offer.in : offer.out;
    type.layout = wanted.of(type.dtype, type.shape.rank());
    // Blocked values are numbers of no meaning, but numbers.
    const bool as_it_is = type.layout == Layout::row_major || node.in[i] == absent;
    in.push_back(as_it_is ? input.tensor : random_tensor(type.dtype, {type.stored_elements()}, 1));
    in_views.push_back(node.in[i] == absent ? View{} : View{type, in.back().bytes.get()});
  }
  std::vector<Tensor> out;
  for (Type type : question.out_types()) {
    type.layout = offer.out.of(type.dtype, type.shape.rank());
    out.push_back(Tensor::make(type));
    out_views.push_back(out.back().view());
  }
  const Problem problem = question.problem();
  const auto packed = cpu.pack(offer, problem);
  const Tensor scratch = Tensor::make({DType::uint8, {cpu.scratch_bytes(offer, problem, threads)}});
  const Tensor kept = Tensor::make({DType::uint8, {cpu.kept_bytes(offer, problem)}});
  Args args(node, in_views, out_views);
  args.packed = packed.get();
  args.scratch = scratch.bytes.get();
  args.kept = kept.bytes.get();
  Threads pool(threads);
  for (auto _ : state) cpu.run(offer, args, pool);
  count_work(state, work_of(question));
}

#ifdef TESSERA_BENCH_OPENBLAS
void openblas(benchmark::State& state, const Case& layer, int threads) {
  const Tensor &a = layer.in[0].tensor, &b = layer.in[1].tensor;
  const int64_t m = a.type.shape[0], k = a.type.shape[1], n = b.type.shape[1];
  const Tensor c = Tensor::make({DType::float32, {m, n}});
  openblas_set_num_threads(threads);
  for (auto _ : state)
    cblas_sgemm(101, 111, 111, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), 1, a.as<float>(),
                static_cast<int>(k), b.as<float>(), static_cast<int>(n), 0, c.as<float>(), static_cast<int>(n));
  count_work(state, 2.0 * static_cast<double>(m * n * k));
}
#endif

// One thread is timed by what it ran, whatever else the machine does.
template <class F>
void add(const std::string& name, int threads, F&& f) {
  auto* made = benchmark::RegisterBenchmark(cat(name, "/", threads).c_str(), std::forward<F>(f));
  made->Unit(benchmark::kMillisecond);
  if (threads > 1) made->UseRealTime();
}

// One benchmark per layer, offered kernel and number of threads.
void add_layer(const Case& layer, const std::shared_ptr<HostBackend>& cpu) {
  const auto kept = std::make_shared<const Case>(layer);
  const Question question(layer);
  std::vector<Offer> offers;
  cpu->offers(question.problem(), offers);
  for (const int threads : {1, 2}) {
    for (const Offer& offer : offers)
      if (offer.kernel)
        add(cat(question.title(), "/", offer.name), threads,
            [=](benchmark::State& s) { run(s, *kept, *cpu, offer, threads); });
#ifdef TESSERA_BENCH_OPENBLAS
    if (layer.op == "MatMul" && question.types()[0].shape.rank() == 2)
      add(cat(question.title(), "/OpenBLAS"), threads, [=](benchmark::State& s) { openblas(s, *kept, threads); });
#endif
  }
}

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
  count_work(state, 2.0 * 16 * chains * rounds);
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
  count_work(state, 2.0 * 8 * chains * rounds);
}
BENCHMARK(peak_avx512);
BENCHMARK(peak_avx2);
#endif

}  // namespace
}  // namespace tessera::test

int main(int count, char** words) {
  using namespace tessera;
  benchmark::Initialize(&count, words);
  const std::shared_ptr<HostBackend> cpu = cpu::make_backend();
  for (const test::CaseList* list : test::all_case_lists())
    if (list->layers) list->give({[&](const test::Case& layer) { test::add_layer(layer, cpu); }, true});
  benchmark::RunSpecifiedBenchmarks();
}
