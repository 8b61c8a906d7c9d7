// Single operators through whole sessions with a device: what is rewritten for it, and what it leaves to the CPU, which
// tests/left_to_host.txt lists.
#include <map>
#include <sstream>

#include "tests/cases/device_case.h"
#include "tests/fake_device.h"
#include "tests/support.h"
#include "tests/vulkan_device.h"

namespace tessera::test {
namespace {

// Operators of the standard and of com.microsoft whose results' shapes are known before the run.
bool is_asked(const Case& c) {
  if (c.domain == internal_domain || !c.epilogue.empty() || !find_op(c.domain, c.op, c.opset)->infer) return false;
  const Question question(c);
  Graph graph = question.graph();
  for (const Type& type : question.out_types())
    if (type.dtype != DType::undefined && type.shape.elements() == 0) return false;
  return infer_types(graph).node == graph.nodes.size();
}

class VulkanSession : public VulkanDevice {
 protected:
  // The graph as it is planned for the device.
  Graph rewritten(const Case& c) const {
    Graph graph = Question(c).graph();
    optimizer::prepare(graph);
    infer_types(graph);
    const auto fits = [&](const Graph& whole, const Node& node) {
      const NodeTypes types(whole, node);
      std::vector<Offer> offers;
      device_->offers(types.problem(node), offers);
      return !offers.empty();
    };
    optimizer::specialize(graph, fits);
    infer_types(graph);
    return graph;
  }

  // Of a graph: how many nodes go to the CPU that are neither arithmetic on shapes nor move nothing, and whether any
  // goes to the device.
  std::pair<int, bool> cut_up(Graph graph) const {
    const auto backends = cut(graph, {device_, cpu::make_backend()}, false);
    int left = 0;
    for (size_t i = 0; i < graph.nodes.size(); ++i)
      left += backends[i] == 1 && !graph.nodes[i].op->view && !is_shape_arithmetic(graph, graph.nodes[i]);
    return {left, std::count(backends.begin(), backends.end(), 0) > 0};
  }
  bool is_left(const Case& c) const { return cut_up(rewritten(c)).first > 0; }
  bool is_brought(const Case& c) const { return cut_up(rewritten(c)) == std::pair(0, true); }

  // A line for each operator that has such cases: how many, of how many.
  std::string left() const {
    std::map<std::string, std::pair<int, int>> counts;
    const auto take = [&](const Case& c) {
      if (!is_asked(c)) return;
      auto& [some, all] = counts[cat(c.domain, c.domain.empty() ? "" : ".", c.op)];
      some += is_left(c);
      ++all;
    };
    for (const CaseList* list : all_case_lists()) list->give({take, false});
    std::ostringstream text;
    for (const auto& [name, count] : counts)
      if (count.first) text << name << ' ' << count.first << " of " << count.second << '\n';
    return text.str();
  }

  void check(const Case& c, bool on_device) const {
    const Question question(c);
    SCOPED_TRACE(cat(question.title(), on_device ? " on the device" : " on the CPU"));
    std::vector<Tensor> inputs;
    for (const Input& input : question.inputs())
      if (input.tensor.bytes && !input.constant) inputs.push_back(input.tensor);
    const auto engine = on_device ? engine_with(device_, true) : cpu_engine(true);
    const bool halves = on_device && device_->precision() == Precision::fp16;
    const std::vector<Tensor> given = run_on(*engine, question.graph(), inputs), wanted = question.expected();
    for (size_t i = 0; i < given.size(); ++i) {
      if (!question.node().out[i] || !given[i].bytes) continue;
      double largest = 0;
      for (const double value : elements(wanted[i]))
        if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
      const double of_range = halves ? half_of_range : 1e-5 + c.of_range;
      // Between two numbers of quanta, sums of floats may round otherwise than sums of integers.
      const double quantum = bits_of(given[i].type.dtype) == 8 && given[i].type.dtype != DType::boolean ? 1 : 0;
      const Tensor expected = tensor(given[i].type.dtype, given[i].type.shape, elements(wanted[i]));
      EXPECT_TRUE(close(given[i], expected, c.relative, std::max({c.absolute, of_range * largest, quantum})));
    }
  }
};

TEST_F(VulkanSession, LeavesToTheHostWhatIsListed) {
  const std::string path = source_dir() + "/tests/left_to_host.txt";
  std::ifstream file(path);
  std::stringstream listed;
  listed << file.rdbuf();
  const std::string found = left();
  EXPECT_EQ(found, listed.str()) << "tests/left_to_host.txt is out of date: it lists how many cases of each operator "
                                    "a device leaves to the CPU";
  open(Precision::fp16);
  if (device_->precision() != Precision::fp16) return;
  EXPECT_EQ(left(), found);
}

// What no kernel of the device takes as it is, but the rewrites bring there: a case of each operator there, of each
// third in half precision, and some on the CPU.
TEST_F(VulkanSession, RewritesGiveWhatReferencesGive) {
  constexpr int most = 4;
  for (const Precision precision : {Precision::fp32, Precision::fp16}) {
    open(precision);
    if (device_->precision() != precision) continue;
    std::map<std::string, int> taken;
    const auto take = [&](const Case& c) {
      if (!is_asked(c) || !offers_of(*device_, c).empty() || !is_brought(c)) return;
      const int count = ++taken[cat(c.domain, c.op)];
      const bool asked = count == 1 && (precision == Precision::fp32 || taken.size() % 3 == 0);
      if (asked) check(precision == Precision::fp16 ? in_half_precision(c) : c, true);
      if (count <= most && precision == Precision::fp32) check(c, false);
    };
    for (const CaseList* list : all_case_lists()) list->give({take, false});
    EXPECT_GT(taken.size(), 20u);
  }
}

// Where nobody names a device, it is for graphs that it runs from end to end, as they are rewritten for it.
TEST_F(VulkanSession, IsForWholeGraphsAsTheyAreRewritten) {
  for (const char* op : {"Mean", "Det"}) {
    GraphBuilder b;
    const Type type{DType::float32, {4, 4}};
    const ValueId x = b.input("x", type);
    b.output(b.node("Sigmoid", {b.node(op, {x})}));
    const auto engine = engine_with(device_, true);
    engine->whole_on_device = true;
    optimizer::prepare(b.graph);
    const Executor executor(b.graph, *engine);
    bool whole = false;
    EXPECT_EQ(executor.first_plan({&type, 1}, &whole)->uses_device(), op == std::string("Mean")) << op;
  }
}

// Products as dynamic quantization writes them, whose sums of integers are beyond half precision.
TEST_F(VulkanSession, ScaledSumsOfIntegersAreProductsOfFloats) {
  for (const bool convolution : {false, true}) {
    GraphBuilder b;
    const Shape in = convolution ? Shape{1, 64, 6, 7} : Shape{2, 5, 300},
                by = convolution ? Shape{20, 64, 3, 3} : Shape{300, 20};
    const ValueId x = b.input("x", {DType::float32, in});
    const auto quantized = b.nodes("DynamicQuantizeLinear", {x}, 3);
    Tensor weights = Tensor::make({DType::int8, by}), scales = Tensor::make({DType::float32, {20}});
    for (int64_t i = 0; i < by.elements(); ++i) weights.as<int8_t>()[i] = static_cast<int8_t>(i * 37 % 251 - 60);
    for (int64_t i = 0; i < 20; ++i) scales.as<float>()[i] = 0.001f + 0.0001f * static_cast<float>(i);
    if (convolution) scales.type.shape = {1, 20, 1, 1};
    const ValueId sums = b.node(convolution ? "ConvInteger" : "MatMulInteger",
                                {quantized[0], b.constant(std::move(weights)), quantized[2]}, {}, 10);
    const ValueId scale = b.node("Mul", {quantized[1], b.constant(std::move(scales))});
    b.output(b.node("Mul", {b.node("Cast", {sums}, {attr("to", int64_t{1})}), scale}));
    const std::vector<Tensor> inputs{random_tensor(in, 3, 0, 9)};
    const Tensor wanted = run_graph(b.graph, inputs, false)[0];
    for (const Precision precision : {Precision::fp32, Precision::fp16}) {
      open(precision);
      const Tensor given = run_on(*engine_with(device_, true), b.graph, inputs)[0];
      EXPECT_LT(relative_difference(wanted, given), device_->precision() == Precision::fp16 ? 5e-3 : 1e-5);
    }
  }
}

}  // namespace
}  // namespace tessera::test
