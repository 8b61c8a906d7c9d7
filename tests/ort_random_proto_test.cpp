// Random graphs, run by ONNX Runtime as well: see random_graph_test.cpp.
#include "bench/peers/ort.h"
#include "runtime/session/session.h"
#include "tests/onnx_pen.h"
#include "tests/random_graph.h"

namespace tessera::test {
namespace {

void write_type(const Value& value, ::onnx::ValueInfoProto* info) {
  info->set_name(value.name);
  auto* type = info->mutable_type()->mutable_tensor_type();
  type->set_elem_type(static_cast<int>(value.type.dtype));
  for (const int64_t dim : value.type.shape) type->mutable_shape()->add_dim()->set_dim_value(dim);
}

void write_attribute(NodeProto* node, const std::string& name, const Attr& attr) {
  if (const auto* number = std::get_if<int64_t>(&attr)) {
    add_attr(node, name, AttributeProto::INT)->set_i(*number);
  } else if (const auto* real = std::get_if<float>(&attr)) {
    add_attr(node, name, AttributeProto::FLOAT)->set_f(*real);
  } else if (const auto* text = std::get_if<std::string>(&attr)) {
    add_attr(node, name, AttributeProto::STRING)->set_s(*text);
  } else {
    auto* made = add_attr(node, name, AttributeProto::INTS);
    for (const int64_t number : std::get<std::vector<int64_t>>(attr)) made->add_ints(number);
  }
}

// As a file: values are named by their numbers.
ModelProto written(Graph graph) {
  for (ValueId id = 0; id < graph.values.size(); ++id) graph.values[id].name = cat('v', id);
  ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(18);
  auto* contrib = model.add_opset_import();
  contrib->set_domain("com.microsoft");
  contrib->set_version(1);
  GraphProto* to = model.mutable_graph();
  to->set_name("random");
  for (const Value& value : graph.values) {
    if (!value.constant) continue;
    const Tensor& tensor = *value.constant;
    const std::string bytes(reinterpret_cast<const char*>(tensor.bytes.get()),
                            static_cast<size_t>(tensor.type.bytes()));
    *to->add_initializer() =
        raw_tensor(value.name, tensor.type.dtype, {tensor.type.shape.begin(), tensor.type.shape.end()}, bytes);
  }
  for (const Node& node : graph.nodes) {
    std::vector<std::string> in, out;
    for (const ValueId id : node.in) in.push_back(id == absent ? "" : graph.values[id].name);
    for (const ValueId id : node.out) out.push_back(graph.values[id].name);
    NodeProto* made = add_node(to->mutable_node(), std::string(node.op->name), in, out);
    made->set_domain(std::string(node.op->domain));
    for (const auto& [name, attr] : *node.attrs) write_attribute(made, name, attr);
  }
  for (const ValueId id : graph.inputs) write_type(graph.values[id], to->add_input());
  infer_types(graph);
  for (const ValueId id : graph.outputs) write_type(graph.values[id], to->add_output());
  return model;
}

void expect_near(const Tensor& actual, const Tensor& expected, double limit, double share) {
  ASSERT_EQ(cat(actual.type), cat(expected.type));
  const int64_t count = expected.type.shape.elements();
  int64_t beyond = 0;
  for (int64_t i = 0; i < count; ++i)
    beyond += !(std::abs(element_as_double(actual.view(), i) - element_as_double(expected.view(), i)) <= limit);
  EXPECT_LE(beyond, share > 0 ? 3 + static_cast<int64_t>(share * static_cast<double>(count)) : 0) << "of " << count;
}

// Returns whether ONNX Runtime has kernels for the graph. Its own rewrites are off: they round otherwise.
bool compare(const peers::Ort& ort, uint32_t seed, Numbers numbers, double quanta, double share) {
  SCOPED_TRACE(cat("seed ", seed));
  const RandomGraph random(seed, numbers);
  // The middle of two quanta, which is met often in these, goes elsewhere in operators that no standard defines.
  const auto foreign = [](const Node& node) { return !node.op->domain.empty(); };
  if (numbers == Numbers::exact && std::any_of(random.graph.nodes.begin(), random.graph.nodes.end(), foreign))
    return false;
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "random.onnx").string(), text = written(random.graph).SerializeAsString();
  std::ofstream(path, std::ios::binary) << text;
  std::vector<Tensor> expected;
  try {
    expected = peers::OrtSession(ort, path, 1, false).run(random.inputs);
  } catch (const Error& error) {
    return false;
  }
  SessionOptions options;
  options.device = "cpu";
  options.threads = 2;
  const auto actual = Session(path, options).run(List<Tensor>(random.inputs));
  for (size_t i = 0; i < expected.size(); ++i) expect_near(actual[i], expected[i], quanta * random.quanta[i], share);
  return true;
}

void compare_all(Numbers numbers, int usual, double quanta, double share) {
  const std::string library = peers::Ort::find(binary_dir() + "/ort");
  if (library.empty()) GTEST_SKIP() << "skipped: no ONNX Runtime (set TESSERA_ORT)";
  static const peers::Ort ort(library);
  const char* wanted = std::getenv("TESSERA_RANDOM_GRAPHS");
  const int count = wanted ? std::atoi(wanted) : usual;
  int compared = 0;
  for (int seed = 0; seed < count && !testing::Test::HasFailure(); ++seed)
    compared += compare(ort, static_cast<uint32_t>(seed), numbers, quanta, share);
  EXPECT_GT(compared, count / 2) << "ONNX Runtime takes too few of these graphs to tell";
}

TEST(RandomGraphsByOnnxRuntime, Exact) { compare_all(Numbers::exact, 150, 1.001, 0.001); }
TEST(RandomGraphsByOnnxRuntime, Rough) { compare_all(Numbers::rough, 100, 1.001, 0.1); }
TEST(RandomGraphsByOnnxRuntime, Float32) { compare_all(Numbers::float32, 50, 1e-4, 0); }

}  // namespace
}  // namespace tessera::test
