// Plans and executors: memory, determinism, cuts, cancelling.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/allocations.h"
#include "tests/graph_builder.h"
#include "tests/support.h"
#include "tests/tensors.h"

namespace tessera::test {
namespace {

// A network like the upscalers: convolutions with PRelu, a residual, a pixel shuffle, a base image.
Graph small_upscaler() {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 3, -1, -1}});
  const auto conv = [&](ValueId in, int64_t from, int64_t to, unsigned seed) {
    const ValueId w = b.constant(random_tensor({to, from, 3, 3}, seed, -0.1f, 0.1f));
    const ValueId bias = b.constant(random_tensor({to}, seed + 1));
    return b.node("Conv", {in, w, bias}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  };
  ValueId y = b.node("PRelu", {conv(x, 3, 32, 1), b.constant(random_tensor({32, 1, 1}, 3))});
  const ValueId skip = y;
  for (unsigned i = 0; i < 3; ++i)
    y = b.node("PRelu", {conv(y, 32, 32, 10 + 2 * i), b.constant(random_tensor({32, 1, 1}, 30 + i))});
  y = b.node("Add", {y, skip});
  y = b.node("DepthToSpace", {conv(y, 32, 12, 40)}, {{"blocksize", int64_t{2}}, {"mode", std::string("CRD")}});
  Tensor scales = Tensor::make({DType::float32, {4}});
  for (int i = 0; i < 4; ++i) scales.as<float>()[i] = i < 2 ? 1.0f : 2.0f;
  const ValueId base = b.node("Resize", {x, absent, b.constant(std::move(scales))},
                              {{"mode", std::string("nearest")},
                               {"coordinate_transformation_mode", std::string("asymmetric")},
                               {"nearest_mode", std::string("floor")}});
  const ValueId sum = b.node("Add", {y, base});
  b.output(
      b.node("Clip", {sum, b.constant(random_tensor({}, 1, 0, 1e-6f)), b.constant(random_tensor({}, 1, 1, 1.001f))}));
  return b.graph;
}

TEST(Executor, ASteadyRunAllocatesNothing) {
  Graph graph = small_upscaler();
  optimizer::prepare(graph);
  const auto engine = cpu_engine(true, 2);
  const Executor executor(graph, *engine);
  const Tensor in = random_tensor({1, 3, 33, 29}, 1, 0, 1);
  const Tensor out = Tensor::make({DType::float32, {1, 3, 66, 58}});
  const View in_view = in.view(), out_view = out.view();
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(executor.run_into({&in_view, 1}, {&out_view, 1}, {}));
  const int64_t before = allocations;
  for (int i = 0; i < 3; ++i) executor.run_into({&in_view, 1}, {&out_view, 1}, {});
  EXPECT_EQ(allocations - before, 0);
}

TEST(Executor, ResultsThatAreLetGoOfLendTheirMemory) {
  Graph graph = small_upscaler();
  optimizer::prepare(graph);
  const auto engine = cpu_engine(true, 2);
  const Tensor in = random_tensor({1, 3, 70, 60}, 1, 0, 1), other = random_tensor({1, 3, 70, 60}, 2, 0, 1);
  auto executor = std::make_unique<const Executor>(graph, *engine);
  const auto run = [&](const Tensor& x) {
    std::vector<Datum> data(1);
    data[0].tensor = x;
    return executor->run(std::move(data), {})[0].tensor;
  };
  Tensor first = run(in);
  const Tensor kept = first.clone();
  const std::byte* lent = first.bytes.get();
  EXPECT_NE(run(other).bytes.get(), lent) << "still in use";
  first = {};
  run(other);
  first = run(in);
  EXPECT_EQ(relative_difference(first, kept), 0);
  const std::byte* memory = first.bytes.get();
  first = {};
  EXPECT_EQ(run(other).bytes.get(), memory);
  first = run(in);
  executor.reset();
  EXPECT_EQ(relative_difference(first, kept), 0);
}

TEST(Executor, ThreadsAndRunsGiveTheSameBits) {
  const Tensor in = random_tensor({1, 3, 50, 47}, 2, 0, 1);
  const Tensor first = run_graph(small_upscaler(), {in}, true, 1)[0];
  for (const int threads : {1, 2, 3, 7}) {
    const Tensor again = run_graph(small_upscaler(), {in}, true, threads)[0];
    EXPECT_EQ(std::memcmp(first.bytes.get(), again.bytes.get(), static_cast<size_t>(first.type.bytes())), 0) << threads;
  }
}

TEST(Executor, OptimizedAgreesWithTheReference) {
  const Tensor in = random_tensor({1, 3, 41, 38}, 5, 0, 1);
  const Tensor plain = run_graph(small_upscaler(), {in}, false)[0];
  const Tensor fast = run_graph(small_upscaler(), {in}, true, 2)[0];
  EXPECT_LT(relative_difference(plain, fast), 5e-6);
}

TEST(Executor, ManyThreadsShareOne) {
  Graph graph = small_upscaler();
  optimizer::prepare(graph);
  const auto engine = cpu_engine(true, 2);
  const Executor executor(graph, *engine);
  std::vector<std::thread> callers;
  for (unsigned c = 0; c < 8; ++c)
    callers.emplace_back([&, c] {
      // Two shapes, so that plans are made while others run.
      const Tensor in = random_tensor({1, 3, 16 + c % 2, 20}, c, 0, 1);
      std::vector<Tensor> results;
      for (int round = 0; round < 8; ++round) {
        std::vector<Datum> data(1);
        data[0].tensor = in;
        results.push_back(executor.run(std::move(data), {})[0].tensor);
        EXPECT_EQ(relative_difference(results[0], results.back()), 0);
      }
    });
  for (std::thread& caller : callers) caller.join();
}

TEST(Executor, LiveValuesNeverOverlap) {
  Graph graph = small_upscaler();
  optimizer::prepare(graph);
  const auto engine = cpu_engine(true);
  const Executor executor(graph, *engine);
  bool whole = false;
  const Type type{DType::float32, {1, 3, 30, 30}};
  const auto plan = executor.first_plan(List<Type>(&type, 1), &whole);
  ASSERT_TRUE(whole);
  const Graph& g = plan->graph();
  const auto& places = plan->storage().places;
  // What a node writes must not touch what is read by it (but for a declared in-place input) or later.
  std::vector<size_t> last(g.values.size());
  for (size_t i = 0; i < g.nodes.size(); ++i)
    for (const ValueId id : g.nodes[i].in)
      if (id != absent) last[id] = i;
  std::vector<ValueId> live;
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const ValueId out = g.nodes[i].out[0];
    for (const ValueId id : live) {
      const bool in_place = plan->choices()[i].offer.in_place && g.nodes[i].in[0] == id && last[id] == i;
      if (last[id] < i || in_place || places[id].where != places[out].where) continue;
      const bool apart = places[id].offset + g.values[id].type.bytes() <= places[out].offset ||
                         places[out].offset + g.values[out].type.bytes() <= places[id].offset;
      EXPECT_TRUE(apart) << g.values[id].name << " and " << g.values[out].name;
    }
    live.push_back(out);
  }
}

TEST(Executor, CutsWhereAShapeDependsOnAnInput) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {-1}});
  const ValueId shape = b.input("shape", {DType::int64, {2}});
  const ValueId twice = b.node("Add", {x, x});
  b.output(b.node("Neg", {b.node("Reshape", {twice, shape})}));
  const Tensor in = random_tensor({12}, 1);
  for (const std::vector<int64_t>& dims : {std::vector<int64_t>{3, 4}, {2, 6}, {3, 4}}) {
    const Tensor out = run_graph(b.graph, {in, Tensor::of(dims)}, true)[0];
    EXPECT_EQ(out.type.shape, Shape(List<int64_t>(dims)));
    for (int i = 0; i < 12; ++i) EXPECT_EQ(out.as<float>()[i], -2 * in.as<float>()[i]);
  }
}

TEST(Executor, CutsAtDataDependentShapes) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {-1}});
  const ValueId indices =
      b.node("Transpose", {b.node("NonZero", {b.node("Relu", {x})})}, {{"perm", std::vector<int64_t>{1, 0}}});
  b.output(b.node("GatherND", {x, indices}));
  const Tensor in = random_tensor({50}, 4);
  std::vector<float> expected;
  for (int i = 0; i < 50; ++i)
    if (in.as<float>()[i] > 0) expected.push_back(in.as<float>()[i]);
  const Tensor out = run_graph(b.graph, {in}, true)[0];
  EXPECT_EQ(std::vector<float>(out.as<float>(), out.as<float>() + out.type.shape.elements()), expected);
}

// The k-th cut: how many elements of the last value are not zero decides the next shape.
Graph many_cuts(int cuts) {
  GraphBuilder b;
  ValueId x = b.input("x", {DType::float32, {-1}});
  const ValueId kept = b.node("Neg", {x});
  for (int i = 0; i < cuts; ++i) {
    const ValueId indices = b.node("Cast", {b.node("NonZero", {x})}, {{"to", int64_t{1}}});
    x = b.node("Reshape", {b.node("Add", {indices, indices}), b.constant({-1})});
  }
  b.output(x);
  b.output(kept);
  return b.graph;
}

TEST(Executor, SegmentsTakeMemoryInProportionToTheirNodes) {
  const auto kept_by = [](int cuts) {
    const Graph graph = many_cuts(cuts);
    const auto engine = cpu_engine(true);
    const int64_t before = living_allocations;
    const Executor executor(graph, *engine);
    const Tensor in = floats({5}, {1, 2, 3, 4, 5});
    for (int round = 0; round < 2; ++round) {
      std::vector<Datum> data(1);
      data[0].tensor = in;
      const auto out = executor.run(std::move(data), {});
      EXPECT_EQ(out[0].tensor.type.shape[0], std::max<int64_t>(0, 6 - cuts));
      EXPECT_EQ(out[1].tensor.as<float>()[4], -5);
    }
    return living_allocations - before;
  };
  const int64_t few = kept_by(50), many = kept_by(200);
  EXPECT_LT(many, 5 * few);
}

// Each run has shapes of its own, after two cuts, and a constant of its own that is packed for a product.
TEST(Executor, ForgetsThePlansOfShapesThatDoNotComeAgain) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {-1}});
  const ValueId first = b.input("first", {DType::int64, {1}}), second = b.input("second", {DType::int64, {2}});
  const ValueId sum = b.node("Add", {b.node("ConstantOfShape", {first}), x});
  const ValueId row = b.node("Unsqueeze", {b.node("Add", {sum, x}), b.constant({0})});
  b.output(b.node("MatMul", {row, b.node("ConstantOfShape", {second})}));
  Graph graph = b.graph;
  optimizer::prepare(graph);
  const auto engine = cpu_engine(true);
  const Executor executor(graph, *engine);
  const auto run = [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      const int64_t rows = 1 + i % 40, columns = 1 + i / 40;
      std::vector<Datum> data(3);
      data[0].tensor = Tensor::make({DType::float32, {rows}});
      data[1].tensor = Tensor::of(std::array{rows});
      data[2].tensor = Tensor::of(std::array{rows, columns});
      EXPECT_EQ(executor.run(std::move(data), {})[0].tensor.type.shape, (Shape{1, columns}));
    }
    return living_allocations.load();
  };
  const int64_t early = run(0, 2000), late = run(2000, 4000);
  EXPECT_LT(late - early, early / 4);
}

// Packed weights are shared by what they are made of. Attributes that are made for a plan end with it, and others come
// to lie where they were.
TEST(Executor, PackedWeightsAreThoseOfTheirAttributes) {
  const auto engine = cpu_engine(true);
  const Tensor x = random_tensor({4, 8}, 1);
  const auto weights = std::make_shared<const Tensor>(random_tensor({8, 8}, 2));
  Attrs place;
  const auto run = [&](int64_t transposed, const Engine& on, std::shared_ptr<const Attrs> attrs) {
    place = {{"transB", transposed}};
    GraphBuilder b;
    const ValueId in = b.input("x", x.type), w = b.constant(*weights);
    b.graph.values[w].constant = weights;
    b.output(b.node("Gemm", {in, w}));
    b.graph.nodes[0].attrs = attrs ? attrs : std::make_shared<const Attrs>(place);
    return run_on(on, b.graph, {x})[0];
  };
  const std::shared_ptr<const Attrs> there(&place, [](const Attrs*) {});
  for (const int64_t transposed : {0, 1, 0})
    EXPECT_EQ(relative_difference(run(transposed, *cpu_engine(true), nullptr), run(transposed, *engine, there)), 0)
        << transposed;
  const int64_t bytes = engine->packs.bytes();
  run(1, *engine, nullptr);
  EXPECT_EQ(engine->packs.bytes(), bytes) << "attributes of the same content are the same";
}

// A convolution's third input is its bias, or the slope of what follows it.
TEST(Executor, PackedWeightsAreThoseOfTheirBias) {
  const auto engine = cpu_engine(true);
  const Tensor x = random_tensor({1, 16, 8, 16}, 1);
  const auto weights = std::make_shared<const Tensor>(random_tensor({16, 16, 1, 1}, 2));
  const Tensor third = random_tensor({16}, 3);
  const auto none = std::make_shared<const Attrs>();
  const auto run = [&](bool bias, const Engine& on) {
    GraphBuilder b;
    Tensor shaped = third;
    if (!bias) shaped.type.shape = {16, 1, 1};
    const ValueId in = b.input("x", x.type), w = b.constant(*weights), c = b.constant(shaped);
    b.graph.values[w].constant = weights;
    const std::vector<ValueId> with{in, w, c}, without{in, w};
    const ValueId y = b.node("Conv", bias ? with : without);
    b.graph.nodes[0].attrs = none;
    b.output(bias ? y : b.node("PRelu", {y, c}));
    return run_on(on, b.graph, {x})[0];
  };
  for (const bool bias : {false, true, false})
    EXPECT_EQ(relative_difference(run(bias, *cpu_engine(true)), run(bias, *engine)), 0) << bias;
}

// The same bytes under two shapes are two matrices.
TEST(Executor, PackedWeightsAreThoseOfTheirShape) {
  const auto engine = cpu_engine(true);
  const Tensor bytes = random_tensor({8, 4}, 2);
  const auto none = std::make_shared<const Attrs>();
  const auto run = [&](int64_t rows, const Engine& on) {
    Tensor weights = bytes;
    weights.type.shape = {rows, 32 / rows};
    GraphBuilder b;
    const Tensor x = random_tensor({3, rows}, 1);
    b.output(b.node("MatMul", {b.input("x", x.type), b.constant(weights)}));
    b.graph.nodes[0].attrs = none;
    return run_on(on, b.graph, {x})[0];
  };
  for (const int64_t rows : {8, 4, 8})
    EXPECT_EQ(relative_difference(run(rows, *cpu_engine(true)), run(rows, *engine)), 0) << rows;
}

TEST(Executor, PlansTakeTurnsInOneArena) {
  Arenas arenas;
  const std::byte* memory = nullptr;
  {
    const Arenas::Loan first(arenas, 1 << 20);
    memory = first.data();
    const Arenas::Loan second(arenas, 1 << 20);
    EXPECT_NE(second.data(), memory);
  }
  {
    const Arenas::Loan small(arenas, 1 << 10);
    EXPECT_EQ(small.data(), memory) << "the one used last";
  }
  const Arenas::Loan large(arenas, 8 << 20), rest(arenas, 1 << 20);
  std::fill_n(large.data(), 8 << 20, std::byte(1));
}

TEST(Executor, LoopsRunTheirBodyWithCapturedValues) {
  // Sums `step`, which the body captures, ten times, and collects every partial sum.
  GraphBuilder outer;
  const ValueId step = outer.input("step", {DType::float32, {2}});
  GraphBuilder body;
  body.input("i", {DType::int64, {}});
  const ValueId go = body.input("go", {DType::boolean, {}});
  const ValueId sum = body.input("sum", {DType::float32, {2}});
  const ValueId captured = body.graph.add_value({"step", {}, false, Kind::tensor, {}, nullptr});
  body.graph.captures.push_back({step, captured});
  const ValueId next = body.node("Add", {sum, captured});
  body.output(body.node("Identity", {go}));
  body.output(next);
  body.output(body.node("Neg", {next}));

  Tensor yes = Tensor::make({DType::boolean, {}});
  *yes.as<bool>() = true;
  const ValueId start = outer.constant(Tensor::make({DType::float32, {2}}));
  const auto out = outer.nodes("Loop", {outer.constant(Tensor::scalar(10)), outer.constant(std::move(yes)), start}, 2,
                               {{"body", std::make_shared<Graph>(body.graph)}});
  outer.output(out[0]);
  outer.output(out[1]);
  const Tensor in = random_tensor({2}, 6);
  const auto results = run_graph(outer.graph, {in}, true);
  EXPECT_NEAR(results[0].as<float>()[1], 10 * in.as<float>()[1], 1e-5);
  EXPECT_EQ(results[1].type.shape, (Shape{10, 2}));
  EXPECT_NEAR(results[1].as<float>()[2 * 3], -4 * in.as<float>()[0], 1e-5);
}

// Outputs are written into the memory that is given for them, whatever makes them: an input, a constant, a view of
// either, each other, parts of a concatenation.
TEST(Executor, OutputsAliasNothing) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {2, 3}});
  const Tensor kept = random_tensor({6}, 3), in = random_tensor({2, 3}, 1);
  const auto given = elements(in), constants = elements(kept);
  auto positive = given, both = constants;
  for (double& v : positive) v = std::max(v, 0.0);
  both.insert(both.begin(), positive.begin(), positive.end());
  std::vector<std::pair<Shape, std::vector<double>>> expected;
  const auto output = [&](ValueId id, const Shape& shape, const std::vector<double>& values) {
    b.output(id);
    expected.emplace_back(shape, values);
  };
  const ValueId constant = b.constant(kept.clone()), relu = b.node("Relu", {x});
  const ValueId rows = b.node("Reshape", {constant, b.constant({2, 3})});
  output(x, {2, 3}, given);
  output(constant, {6}, constants);
  output(rows, {2, 3}, constants);
  output(b.node("Reshape", {x, b.constant({3, 2})}), {3, 2}, given);
  output(relu, {2, 3}, positive);
  output(relu, {2, 3}, positive);
  output(b.node("Flatten", {relu}, {{"axis", int64_t{0}}}), {1, 6}, positive);
  output(b.node("Concat", {relu, rows}, {{"axis", int64_t{0}}}), {4, 3}, both);
  for (const bool optimize : {false, true}) {
    Graph graph = b.graph;
    if (optimize) optimizer::prepare(graph);
    const auto engine = cpu_engine(optimize);
    const Executor executor(graph, *engine);
    for (int run = 0; run < 2; ++run) {
      std::vector<Tensor> results;
      std::vector<View> out;
      for (const auto& [shape, values] : expected) {
        results.push_back(random_tensor(shape, 9));
        out.push_back(results.back().view());
      }
      const View view = in.view();
      ASSERT_TRUE(executor.run_into({&view, 1}, out, {}));
      for (size_t i = 0; i < out.size(); ++i) EXPECT_EQ(elements(results[i]), expected[i].second) << "output " << i;
      EXPECT_EQ(elements(in), given);
    }
  }
}

// Between two convolutions in blocks of channels nothing is brought into rows and back.
TEST(Executor, ValuesStayInTheLayoutOfTheirNeighbours) {
  GraphBuilder b;
  ValueId y = b.input("x", {DType::float32, {1, 32, 20, 20}});
  for (unsigned i = 0; i < 3; ++i) {
    y = b.node("Conv", {y, b.constant(random_tensor({32, 32, 3, 3}, i, -0.1f, 0.1f))},
               {{"pads", std::vector<int64_t>(4, 1)}});
    y = b.node(i ? "Softsign" : "Sin", {y});
  }
  b.output(y);
  const auto engine = cpu_engine(false);
  const Executor executor(b.graph, *engine);
  const Type type{DType::float32, {1, 32, 20, 20}};
  bool whole = false;
  const auto plan = executor.first_plan({&type, 1}, &whole);
  size_t reorders = 0;
  for (const Step& step : plan->steps()) reorders += step.node->op->name == "Reorder";
  EXPECT_LE(reorders, 2u);
}

// A constant that is much larger than what it is made of is made in each run.
TEST(Executor, SmallFilesDoNotBecomeLargeConstants) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1}});
  const ValueId large =
      b.node("Div", {b.constant(random_tensor({1024, 1}, 1)), b.constant(random_tensor({1, 1024}, 2, 1, 2))});
  b.output(b.node("ReduceSum", {b.node("Mul", {large, x})}, {{"keepdims", int64_t{0}}}));
  const Type type{DType::float32, {1}};
  for (const bool optimize : {false, true}) {
    Graph graph = b.graph;
    if (optimize) optimizer::prepare(graph);
    const auto engine = cpu_engine(optimize);
    const Executor executor(graph, *engine);
    bool whole = false;
    const auto plan = executor.first_plan({&type, 1}, &whole);
    for (const Value& value : plan->graph().values)
      EXPECT_LE(value.constant ? value.constant->type.bytes() : 0, 4096) << value.name;
  }
}

TEST(Executor, StopsWhenAsked) {
  Graph graph = small_upscaler();
  const auto engine = cpu_engine(true);
  const Executor executor(graph, *engine);
  const std::atomic<bool> cancel{true};
  std::vector<Datum> data(1);
  data[0].tensor = random_tensor({1, 3, 16, 16}, 1);
  try {
    const RunScope scope({&cancel});
    executor.run(std::move(data), {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::cancelled);
  }
}

TEST(Executor, KeepsToItsMemoryLimit) {
  Graph graph = small_upscaler();
  const auto engine = cpu_engine(true);
  engine->plan.memory_limit = 1 << 20;
  const Executor executor(graph, *engine);
  std::vector<Datum> data(1);
  data[0].tensor = random_tensor({1, 3, 256, 256}, 1);
  try {
    executor.run(std::move(data), {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::memory);
    EXPECT_THAT(error.what(), testing::HasSubstr("the limit is 1 MiB"));
  }
}

TEST(Executor, ErrorsNameTheNodeAndItsInputs) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 3, 8, 8}});
  b.output(b.node("Conv", {x, b.constant(random_tensor({4, 5, 3, 3}, 1))}));
  try {
    run_graph(b.graph, {random_tensor({1, 3, 8, 8}, 2)}, true);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("node \"Conv0\" (Conv, opset 18): "));
    EXPECT_THAT(error.what(), testing::HasSubstr("inputs: x float32[1,3,8,8], constant float32[4,5,3,3]"));
  }
}

// A kernel that does not take a run's numbers leaves them to the reference, which says what is wrong; others go on.
TEST(Executor, KernelsLookAtTheNumbersThatTheyAreGiven) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 2, 5, 8}}), places = b.input("places", {DType::int64, {1, 5}});
  const ValueId tables[] = {b.constant(random_tensor({9, 4}, 1)), b.constant(random_tensor({9, 4}, 2))};
  b.output(b.nodes("RotaryEmbedding", {x, tables[0], tables[1], places}, 1, {}, 23, "")[0]);
  const auto run = [&](const std::vector<double>& at, bool optimize) {
    return run_graph(b.graph, {random_tensor({1, 2, 5, 8}, 3), tensor(DType::int64, {1, 5}, at)}, optimize)[0];
  };
  EXPECT_LE(relative_difference(run({0, 8, 3, 3, 1}, false), run({0, 8, 3, 3, 1}, true)), 1e-6);
  for (const double wrong : {9.0, -1.0, 1e12}) {
    try {
      run({0, 8, wrong, 3, 1}, true);
      FAIL() << wrong;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("position"));
    }
  }
}

TEST(Executor, ACacheHoldsItsSequences) {
  GraphBuilder b;
  const ValueId q = b.input("q", {DType::float32, {2, 3, 16}}), k = b.input("k", {DType::float32, {2, 3, 8}});
  const ValueId past = b.input("past", {DType::float32, {2, 2, 6, 4}}), ends = b.input("ends", {DType::int32, {2}});
  const ValueId total = b.constant(tensor(DType::int32, {}, {9}));
  const Attrs heads{{"num_heads", int64_t{4}}, {"kv_num_heads", int64_t{2}}};
  for (const ValueId id :
       b.nodes("GroupQueryAttention", {q, k, k, past, past, ends, total}, 3, heads, 1, "com.microsoft"))
    b.output(id);
  const auto run = [&](const std::vector<double>& at, bool optimize) {
    return run_graph(b.graph,
                     {random_tensor({2, 3, 16}, 1), random_tensor({2, 3, 8}, 2), random_tensor({2, 2, 6, 4}, 3),
                      tensor(DType::int32, {2}, at)},
                     optimize);
  };
  const auto plain = run({8, 5}, false), fast = run({8, 5}, true);
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_LE(relative_difference(plain[i], fast[i]), 1e-6) << i;
  EXPECT_THROW(run({8, 9}, true), Error);
  EXPECT_THROW(run({2147483647, 8}, true), Error);
}

// A plan is for one signature: inputs that differ in any extent, or in their rank, do not share one.
TEST(Executor, EveryExtentHasAPlanOfItsOwn) {
  GraphBuilder b;
  b.output(b.node("Relu", {b.input("x", {DType::float32, {-1, -1, -1}})}));
  const auto engine = cpu_engine(true);
  const Executor executor(b.graph, *engine);
  for (const Shape& shape :
       {Shape{2, 3, 4}, Shape{2, 3, 5}, Shape{2, 4, 4}, Shape{3, 3, 4}, Shape{2, 3}, Shape{2, 3, 4}}) {
    std::vector<Datum> in(1);
    in[0].tensor = random_tensor(shape, 1);
    EXPECT_EQ(executor.run(in, {})[0].tensor.type.shape, shape);
  }
}

}  // namespace
}  // namespace tessera::test
