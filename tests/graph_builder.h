// Small graphs by hand, and a way to run them without a model file.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>

#include "ops/cpu/backend.h"
#include "runtime/session/executor.h"

namespace tessera::test {

struct GraphBuilder {
  Graph graph;

  ValueId input(const std::string& name, const Type& type) {
    const ValueId id = graph.add_value({name, type, true, Kind::tensor, {}, nullptr});
    graph.inputs.push_back(id);
    return id;
  }

  ValueId constant(Tensor tensor) {
    const Type type = tensor.type;
    return graph.add_value(
        {"constant", type, true, Kind::tensor, {}, std::make_shared<const Tensor>(std::move(tensor))});
  }
  ValueId constant(List<int64_t> values) { return constant(Tensor::of(values)); }
  ValueId constant(std::initializer_list<int64_t> values) {
    return constant(List<int64_t>(values.begin(), values.size()));
  }

  /// A node with one output; returns that output.
  ValueId node(Text op, std::vector<ValueId> in, Attrs attrs = {}, int opset = 18, Text domain = "") {
    return nodes(op, std::move(in), 1, std::move(attrs), opset, domain)[0];
  }
  std::vector<ValueId> nodes(Text op, std::vector<ValueId> in, size_t outputs, Attrs attrs = {}, int opset = 18,
                             Text domain = "") {
    Node node;
    node.op = find_op(domain, op, opset);
    if (!node.op) fail(Error::Kind::unsupported, "no operator ", op);
    node.name = cat(op, graph.nodes.size());
    node.opset = opset;
    node.in = std::move(in);
    for (size_t i = 0; i < outputs; ++i)
      node.out.push_back(graph.add_value({cat(node.name, ":", i), {}, false, Kind::tensor, {}, nullptr}));
    node.attrs = std::make_shared<const Attrs>(std::move(attrs));
    graph.nodes.push_back(node);
    return node.out;
  }

  void output(ValueId id) { graph.outputs.push_back(id); }
};

/// Uniform values in [low, high), the same for the same seed.
inline Tensor random_tensor(const Shape& shape, unsigned seed, float low = -1, float high = 1) {
  Tensor tensor = Tensor::make({DType::float32, shape});
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(low, high);
  for (int64_t i = 0; i < shape.elements(); ++i) tensor.as<float>()[i] = uniform(engine);
  return tensor;
}

inline std::unique_ptr<Engine> cpu_engine(bool optimize, int threads = 1, Precision precision = Precision::fp32) {
  auto engine = std::make_unique<Engine>();
  engine->backends.push_back(cpu::make_backend(precision));
  engine->threads = std::make_unique<Threads>(threads);
  engine->plan.threads = threads;
  engine->plan.poison = true;
  engine->optimize = optimize;
  return engine;
}

/// Runs a graph. Where the engine optimizes, all rewrites are made first.
inline std::vector<Tensor> run_on(const Engine& engine, Graph graph, const std::vector<Tensor>& inputs) {
  if (engine.optimize) optimizer::prepare(graph);
  const Executor executor(graph, engine);
  std::vector<Datum> in(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) in[i].tensor = inputs[i];
  std::vector<Tensor> out;
  for (Datum& datum : executor.run(std::move(in), {})) out.push_back(std::move(datum.tensor));
  return out;
}

inline std::vector<Tensor> run_graph(Graph graph, const std::vector<Tensor>& inputs, bool optimize, int threads = 1) {
  return run_on(*cpu_engine(optimize, threads), std::move(graph), inputs);
}

/// The largest |a - b| over the range of a.
inline double relative_difference(const Tensor& a, const Tensor& b) {
  if (a.type != b.type) return INFINITY;
  double low = 0, high = 0, worst = 0;
  for (int64_t i = 0; i < a.type.shape.elements(); ++i) {
    const double x = element_as_double(a.view(), i), y = element_as_double(b.view(), i);
    low = std::min(low, x), high = std::max(high, x);
    worst = std::isnan(x) == std::isnan(y) ? std::max(worst, std::abs(x - y)) : INFINITY;
  }
  return worst / std::max(high - low, 1e-30);
}

}  // namespace tessera::test
