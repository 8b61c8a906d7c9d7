// Fuzzes graphs: optimized, as they are written, and by references they give the same, at any instruction level and,
// where TESSERA_FUZZ_DEVICE names a device of Vulkan by its number, there.
#include "ops/cpu/level.h"
#include "optimizer/optimizer.h"
#ifdef TESSERA_VULKAN
#include "ops/vulkan/backend.h"
#endif
#include "tests/fake_device.h"
#include "tests/fuzz/any_graph.h"
#include "tests/fuzz/fuzz.h"
#include "tests/random_graph.h"

namespace tessera::test {
namespace {

struct Question {
  Graph graph;
  std::vector<Tensor> inputs;
  std::vector<double> limits;  // of each output: how far it may be off
  double share = 0;            // of elements that may be further off
  std::string kind;
};

std::string text_of(const Graph& graph) {
  std::string text;
  for (const Node& node : graph.nodes) {
    text += cat("\n  ", node.op->name, '(');
    for (const ValueId id : node.in) {
      if (id == absent) {
        text += "- ";
        continue;
      }
      text += cat(id, ' ', graph.values[id].type, graph.values[id].constant ? " constant; " : "; ");
    }
    text += ") ->";
    for (const ValueId id : node.out) text += cat(' ', id);
  }
  return text + "\n";
}

void compare(const Question& q, const std::string& how, const std::vector<Tensor>& expected,
             const std::vector<Tensor>& actual) {
  for (size_t i = 0; i < expected.size(); ++i) {
    const Tensor &a = actual[i], &b = expected[i];
    if (a.type != b.type)
      finding(cat(q.kind, ' ', how, ": output ", i, " is ", a.type, ", not ", b.type, text_of(q.graph)));
    const int64_t count = b.type.shape.elements();
    double most = 1;
    for (int64_t e = 0; e < count; ++e)
      if (const double v = std::abs(element_as_double(b.view(), e)); std::isfinite(v)) most = std::max(most, v);
    // Numbers that grew are not told from overflow.
    if (most > 1e4 && (b.type.dtype == DType::float16 || most > 1e9)) return;
    int64_t beyond = 0, first = -1;
    for (int64_t e = 0; e < count; ++e) {
      const double x = element_as_double(a.view(), e), y = element_as_double(b.view(), e);
      if (x == y || (std::isnan(x) && std::isnan(y)) || std::abs(x - y) <= q.limits[i] * most) continue;
      if (beyond++ == 0) first = e;
    }
    if (static_cast<double>(beyond) <= q.share * static_cast<double>(count) + (q.share > 0 ? 3 : 0)) continue;
    finding(cat(q.kind, ' ', how, ": ", beyond, " of ", count, " elements of output ", i, " differ; element ", first,
                " is ", element_as_double(a.view(), first), ", not ", element_as_double(b.view(), first),
                text_of(q.graph)));
  }
}

Question random_question(Choices& choices) {
  const auto kind = choices.below(8);
  if (kind >= 4) {
    const AnyGraph any(choices);
    Question q{any.graph, any.inputs, {}, 0, "any graph"};
    bool narrow = false;
    for (const Value& value : q.graph.values)
      narrow |= value.type.dtype == DType::float16 || value.type.dtype == DType::bfloat16;
    q.limits.assign(q.graph.outputs.size(), narrow ? 0.1 : 1e-3);
    if (narrow) q.share = 0.05;
    return q;
  }
  constexpr Numbers numbers[] = {Numbers::exact, Numbers::rough, Numbers::float32, Numbers::float16};
  constexpr const char* names[] = {"exact quantized graph", "quantized graph", "float32 graph", "float16 graph"};
  const RandomGraph random(choices, numbers[kind], 1);
  Question q{random.graph, random.inputs, random.quanta, 0, names[kind]};
  for (double& limit : q.limits) limit *= kind == 0 ? 0 : kind == 1 ? 1.001 : kind == 2 ? 1e-3 : 0.1;
  q.share = kind == 1 ? 0.25 : kind == 3 ? 0.02 : 0;
  return q;
}

std::shared_ptr<DeviceBackend> device() {
#ifdef TESSERA_VULKAN
  static const std::shared_ptr<DeviceBackend> opened = [] {
    std::string why;
    const char* number = std::getenv("TESSERA_FUZZ_DEVICE");
    std::shared_ptr<DeviceBackend> made = number ? vulkan::make_backend(std::atoi(number), &why) : nullptr;
    if (number && !made) finding(cat("no device: ", why));
    return made;
  }();
  return opened;
#else
  return nullptr;
#endif
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> made;
  for (int i = 0; i < 64; ++i)
    made.push_back({static_cast<char>(i), static_cast<char>(i * 37), static_cast<char>(i * 11)});
  return made;
}

// What the fuzzer does with its bytes.
void run_in_all_ways(Choices choices) {
  cpu::pin_level(cpu::all_levels[choices.below(static_cast<int64_t>(cpu::best_level()) + 1)]);
  const int threads = 1 + static_cast<int>(choices.below(2));
  Question q = random_question(choices);
  try {
    const auto expected = run_references(q.graph, q.inputs);
    const std::string level(cpu::name_of(cpu::level()));
    compare(q, "optimized, " + level, expected, run_graph(q.graph, q.inputs, true, threads));
    // Convolutions of numbers as they are written are not known to be exact, and round.
    if (q.kind.starts_with("exact")) {
      q.limits.assign(q.limits.size(), 0);
      for (size_t i = 0; i < q.limits.size(); ++i) q.limits[i] = 1.001;
      q.share = 0.05;
    }
    compare(q, "as written, " + level, expected, run_graph(q.graph, q.inputs, false, threads));
    if (const auto gpu = device())
      compare(q, "on the device", expected, run_on(*engine_with(gpu, true), q.graph, q.inputs));
  } catch (const Error& error) {
    if (error.kind() != Error::Kind::memory) finding(cat(q.kind, ": ", error.what(), text_of(q.graph)));
  }
}

}  // namespace tessera::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  [[maybe_unused]] static const bool checked = (tessera::optimizer::check_rewrites(true), true);
  tessera::test::run_in_all_ways(tessera::test::Choices(tessera::List<uint8_t>(data, size)));
  return 0;
}
