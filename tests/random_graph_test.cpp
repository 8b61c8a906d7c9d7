// Random graphs give the same by the references, by kernels, and optimized. TESSERA_RANDOM_GRAPHS says how many of each
// kind; a failure names its seed.
#include "tests/random_graph.h"
#include "tests/fake_device.h"

namespace tessera::test {
namespace {

int graphs(int usual) {
  const char* wanted = std::getenv("TESSERA_RANDOM_GRAPHS");
  return wanted ? std::atoi(wanted) : usual;
}

// The share of elements that differ by more than `limit` (times the largest number, if that is more than 1), but for
// three; all of them if the types differ.
double share_beyond(const Tensor& a, const Tensor& b, double limit) {
  if (a.type != b.type) return 1;
  double most = 1;
  const int64_t count = a.type.shape.elements();
  if (is_float(a.type.dtype))
    for (const double value : elements(a)) most = std::max(most, std::abs(value));
  int64_t beyond = 0;
  for (int64_t i = 0; i < count; ++i)
    beyond += !(std::abs(element_as_double(a.view(), i) - element_as_double(b.view(), i)) <= limit * most);
  return static_cast<double>(limit > 0 ? std::max<int64_t>(beyond - 3, 0) : beyond) /
         static_cast<double>(std::max<int64_t>(count, 1));
}

std::string text_of(const Graph& graph) {
  std::string text;
  for (const Node& node : graph.nodes) {
    text += cat("\n  ", node.op->name, '(');
    for (const ValueId id : node.in) text += id == absent ? "-" : cat(id, graph.values[id].constant ? "c " : " ");
    text += ") ->";
    for (const ValueId id : node.out) text += cat(' ', id);
  }
  return text;
}

// `quanta` and `share` bound how many elements may be further away than a number of steps of the output.
void expect_same(uint32_t seed, Numbers numbers, double quanta, double share) {
  SCOPED_TRACE(cat("seed ", seed));
  try {
    const RandomGraph random(seed, numbers);
    const int threads = 1 + static_cast<int>(seed % 2);
    const auto expected = run_references(random.graph, random.inputs);
    const auto plain = run_graph(random.graph, random.inputs, false, threads);
    const auto fast = run_graph(random.graph, random.inputs, true, threads);
    ASSERT_EQ(expected.size(), plain.size());
    ASSERT_EQ(expected.size(), fast.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      const double quantum = random.quanta[i];
      // Convolutions of numbers as they are written are not known to be exact, and round.
      const double more = numbers == Numbers::exact ? 1.001 : quanta, some = numbers == Numbers::exact ? 0.02 : share;
      EXPECT_LE(share_beyond(expected[i], plain[i], more * quantum), some) << "written " << i << text_of(random.graph);
      EXPECT_LE(share_beyond(expected[i], fast[i], quanta * quantum), share) << "output " << i << text_of(random.graph);
    }
  } catch (const Error& error) {
    ADD_FAILURE() << error.what();
  }
}

void expect_same(int count, Numbers numbers, double quanta, double share) {
  for (int seed = 0; seed < count && !testing::Test::HasFailure(); ++seed)
    expect_same(static_cast<uint32_t>(seed), numbers, quanta, share);
}

TEST(RandomGraphs, ExactQuantizedOnesAreTheSameBits) { expect_same(graphs(600), Numbers::exact, 0, 0); }

// A sum next to the middle of two quanta goes either way, and what follows magnifies it.
TEST(RandomGraphs, QuantizedOnesAreNear) { expect_same(graphs(400), Numbers::rough, 1.001, 0.1); }

TEST(RandomGraphs, Float32) { expect_same(graphs(200), Numbers::float32, 1e-4, 0); }

TEST(RandomGraphs, Float16) { expect_same(graphs(200), Numbers::float16, 0.05, 0); }

}  // namespace
}  // namespace tessera::test
