// Weights too large to be copied while loading, at every alignment: packed by a kernel, read in place
// and folded, they give the same results.
#include <algorithm>
#include <set>

#include "runtime/session/session.h"
#include "tests/onnx_pen.h"

namespace tessera::test {
namespace {

constexpr int64_t rows = 160, columns = 160;  // 100 KiB

std::vector<float> weights() {
  std::vector<float> values(rows * columns);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 97) / 16 - 3;
  return values;
}

/// y = [1,..] x W, z = row 3 of W, t = relu of W (folded).
std::vector<Tensor> run_behind(const std::string& graph_name, size_t* address) {
  const TemporaryFolder folder;
  const std::vector<float> values = weights();
  Pen pen;
  const std::string name = "w";
  pen.graph->set_name(graph_name);  // written before the weights: its length shifts them
  auto* shape = pen.graph->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  shape->mutable_dim(0)->set_dim_value(1);
  shape->add_dim()->set_dim_value(rows);
  *pen.graph->add_initializer() = raw_tensor(name, DType::float32, {rows, columns},
                                             {reinterpret_cast<const char*>(values.data()), values.size() * 4});
  *pen.graph->add_initializer() = raw_tensor("three", DType::int64, {1}, std::string("\3\0\0\0\0\0\0\0", 8));
  pen.node("MatMul", {"x", name}, {"y"});
  pen.node("Gather", {name, "three"}, {"z"});
  pen.node("Relu", {name}, {"t"});
  pen.graph->add_output()->set_name("z");
  pen.graph->add_output()->set_name("t");
  const std::string path = (folder.path() / "m.onnx").string();
  std::ofstream(path, std::ios::binary) << pen.model.SerializeAsString();
  *address = reinterpret_cast<size_t>(value_named(onnx::load(path).model.graph, name).constant->bytes.get());
  SessionOptions options;
  options.device = "cpu";
  options.threads = 1;
  const Session session(path, options);
  const Tensor x = tensor(DType::float32, {1, rows}, {1});
  return session.run(List<Tensor>(&x, 1));
}

TEST(OnnxAskew, EveryAlignmentGivesTheSameResults) {
  const std::vector<float> values = weights();
  std::vector<double> sums(columns), third(values.begin() + 3 * columns, values.begin() + 4 * columns), relu;
  for (size_t i = 0; i < values.size(); ++i) {
    sums[i % columns] += values[i];
    relu.push_back(std::max(values[i], 0.0f));
  }
  std::set<size_t> alignments;
  for (const char* name : {"g", "gg", "ggg", "gggg"}) {
    size_t address = 0;
    const std::vector<Tensor> results = run_behind(name, &address);
    alignments.insert(address % 4);
    ASSERT_EQ(results.size(), 3u);
    EXPECT_TRUE(close(results[0], floats({1, columns}, sums)));
    EXPECT_TRUE(close(results[1], floats({1, columns}, third)));
    EXPECT_TRUE(close(results[2], floats({rows, columns}, relu)));
  }
  EXPECT_EQ(alignments.size(), 4u);
}

}  // namespace
}  // namespace tessera::test
