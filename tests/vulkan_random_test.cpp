// Random graphs on the Vulkan device, in parts or whole, against the CPU: see random_graph_test.cpp.
#include "ops/vulkan/backend.h"
#include "tests/fake_device.h"
#include "tests/random_graph.h"

namespace tessera::test {
namespace {

std::vector<Tensor> run_with(const std::shared_ptr<DeviceBackend>& device, const Graph& graph,
                             const std::vector<Tensor>& inputs) {
  return run_on(*engine_with(device, true), graph, inputs);
}

// Numbers may differ by as much, times the largest of them.
void compare(Numbers numbers, double limit) {
  std::string why;
  if (vulkan::devices(&why).empty()) GTEST_SKIP() << "skipped: " << why;
  const std::shared_ptr<DeviceBackend> device = vulkan::make_backend(0, &why);
  ASSERT_TRUE(device) << why;
  const char* wanted = std::getenv("TESSERA_RANDOM_GRAPHS");
  const int count = wanted ? std::atoi(wanted) : 12;
  for (int seed = 0; seed < count && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(cat("seed ", seed));
    const RandomGraph random(static_cast<uint32_t>(seed), numbers);
    const auto expected = run_graph(random.graph, random.inputs, false);
    const auto actual = run_with(device, random.graph, random.inputs);
    for (size_t i = 0; i < expected.size(); ++i) {
      double most = 1;
      for (const double value : elements(expected[i])) most = std::max(most, std::abs(value));
      EXPECT_TRUE(close(actual[i], expected[i], 0, limit * most)) << "output " << i;
    }
  }
}

TEST(RandomGraphsByVulkan, Float32) { compare(Numbers::float32, 1e-4); }
TEST(RandomGraphsByVulkan, ExactQuantizedOnes) { compare(Numbers::exact, 0); }

}  // namespace
}  // namespace tessera::test
