// Every kernel that the CPU offers for typical layers of upscalers and classifiers. GFLOPS counts the
// multiply-adds of the definition, whatever the algorithm, so Winograd may pass the machine's peak.
#include <benchmark/benchmark.h>

#include <random>

#include "ops/cpu/kernel.h"
#include "ops/elementwise.h"

namespace tessera::cpu {
namespace {

struct Layer {
  const char* name;
  const char* op;
  Shape x, w;
  int64_t stride, pad, group;
  int64_t shuffle;  ///< block size of a fused DepthToSpace; 0: none, then a PRelu is fused
};

const Layer layers[] = {
    {"64to64_256", "Conv", {1, 64, 256, 256}, {64, 64, 3, 3}, 1, 1, 1, 0},
    {"64to64_64", "Conv", {1, 64, 64, 64}, {64, 64, 3, 3}, 1, 1, 1, 0},
    {"192to64_128", "Conv", {1, 192, 128, 128}, {64, 192, 3, 3}, 1, 1, 1, 0},
    {"16to16_256", "Conv", {1, 16, 256, 256}, {16, 16, 3, 3}, 1, 1, 1, 0},
    {"8to8_256", "Conv", {1, 8, 256, 256}, {8, 8, 3, 3}, 1, 1, 1, 0},
    {"512to512_7", "Conv", {1, 512, 7, 7}, {512, 512, 3, 3}, 1, 1, 1, 0},
    {"first_3to64_256", "Conv", {1, 3, 256, 256}, {64, 3, 3, 3}, 1, 1, 1, 0},
    {"last_64to48_shuffle4_256", "Conv", {1, 64, 256, 256}, {48, 64, 3, 3}, 1, 1, 1, 4},
    {"last_64to3_256", "Conv", {1, 64, 256, 256}, {3, 64, 3, 3}, 1, 1, 1, 0},
    {"1x1_256to64_56", "Conv", {1, 256, 56, 56}, {64, 256, 1, 1}, 1, 0, 1, 0},
    {"stride2_64to64_256", "Conv", {1, 64, 256, 256}, {64, 64, 3, 3}, 2, 1, 1, 0},
    {"depthwise_96_112", "Conv", {1, 96, 112, 112}, {96, 1, 3, 3}, 1, 1, 96, 0},
    {"transposed_256to3_128", "ConvTranspose", {1, 256, 128, 128}, {256, 3, 4, 4}, 2, 3, 1, 0},
    {"transposed_56to1_256", "ConvTranspose", {1, 56, 256, 256}, {56, 1, 9, 9}, 2, 4, 1, 0},
};

Tensor random_tensor(const Type& type) {
  Tensor tensor = Tensor::make(type);
  std::mt19937 engine(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (int64_t i = 0; i < type.stored_elements(); ++i) tensor.as<float>()[i] = uniform(engine);
  return tensor;
}

/// A layer as the planner would show it to the backend.
struct Bench {
  Node node;
  std::vector<Tensor> tensors;
  std::vector<Type> types;
  Type out;
  double flops = 0;

  explicit Bench(const Layer& layer) {
    node.op = find_op("", layer.op, 18);
    node.opset = 18;
    node.in = {0, 1, absent, 2};
    node.out = {3};
    node.own_inputs = 3;
    node.attrs = std::make_shared<const Attrs>(Attrs{{"strides", std::vector<int64_t>(2, layer.stride)},
                                                     {"pads", std::vector<int64_t>(4, layer.pad)},
                                                     {"group", layer.group}});
    for (const Shape& shape : {layer.x, layer.w}) add({DType::float32, shape});
    types.emplace_back(), tensors.emplace_back();
    Infer inference(node, types, std::vector<const Tensor*>(3, nullptr));
    infer(inference);
    out = inference.out[0].type;
    const bool transposed = node.op->name == "ConvTranspose";
    flops = 2.0 * static_cast<double>((transposed ? layer.x : out.shape).elements()) *
            static_cast<double>(layer.w.elements(1, 4));
    add({DType::float32, {out.shape[1], 1, 1}});
    if (layer.shuffle == 0) {
      node.epilogue = {{elementwise::PRelu, 3}};
      return;
    }
    const int64_t block = layer.shuffle;
    node.epilogue = {{elementwise::PRelu, 3}, Fused::depth_to_space(block, true)};
    out.shape = Shape{1, out.shape[1] / block / block, out.shape[2] * block, out.shape[3] * block};
  }

  void add(const Type& type) {
    types.push_back(type);
    tensors.push_back(random_tensor(type));
  }
};

void run(benchmark::State& state, const Layer& layer, const Offer& offer, int threads) {
  static const auto cpu = make_backend();
  Bench bench(layer);
  const std::vector<const Tensor*> constants{nullptr, &bench.tensors[1], nullptr, &bench.tensors[3]};
  const Problem problem{bench.node, bench.types, List<Type>(&bench.out, 1), constants};
  bench.tensors[0] = random_tensor({DType::float32, layer.x, offer.in});
  const Tensor result = Tensor::make({DType::float32, bench.out.shape, offer.out});
  std::vector<View> in;
  for (const Tensor& tensor : bench.tensors) in.push_back(tensor.view());
  const View out = result.view();
  Args args(bench.node, in, List<View>(&out, 1));
  const auto packed = cpu->pack(offer, problem);
  const Tensor scratch = Tensor::make({DType::uint8, {cpu->scratch_bytes(offer, problem, threads)}});
  args.packed = packed.get();
  args.scratch = scratch.bytes.get();
  Threads pool(threads);
  for (auto _ : state) cpu->run(offer, args, pool);
  state.counters["GFLOPS"] = benchmark::Counter(bench.flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

// One benchmark per layer, offered kernel and number of threads.
void add_benchmarks() {
  const auto cpu = make_backend();
  for (const Layer& layer : layers) {
    const Bench bench(layer);
    const std::vector<const Tensor*> constants{nullptr, &bench.tensors[1], nullptr, &bench.tensors[3]};
    std::vector<Offer> offers;
    cpu->offers({bench.node, bench.types, List<Type>(&bench.out, 1), constants}, offers);
    for (const Offer& offer : offers)
      for (const int threads : {1, 2})
        if (offer.kernel) {
          auto* made = benchmark::RegisterBenchmark(
              cat(layer.name, "/", offer.name, "/", threads).c_str(),
              [&layer, offer, threads](benchmark::State& s) { run(s, layer, offer, threads); });
          made->Unit(benchmark::kMillisecond);
          // One thread is timed by what it ran, whatever else the machine does.
          if (threads > 1) made->UseRealTime();
        }
  }
}

}  // namespace
}  // namespace tessera::cpu

int main(int count, char** words) {
  benchmark::Initialize(&count, words);
  tessera::cpu::add_benchmarks();
  benchmark::RunSpecifiedBenchmarks();
}
