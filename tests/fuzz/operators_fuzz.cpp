// Fuzzes operators: a small model of any operator of any domain, changed a few times. It must give results or one
// Error, within its memory and soon after it is asked to stop; and the same, computed as it is optimized, as it is
// written, and by the operators' references alone.
#include "ops/cpu/level.h"
#include "runtime/base/run_scope.h"
#include "tests/fake_device.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/models.h"
#include "tests/fuzz/mutator.h"

namespace tessera::test {
namespace {

constexpr int64_t memory_limit = int64_t{64} << 20;

const std::vector<Subject>& subjects() {
  static const std::vector<Subject> all = model_subjects();
  return all;
}

struct Outcome {
  std::vector<Datum> results;
  std::string error;     // empty: there are results
  bool gave_up = false;  // it had no more time or memory: says nothing of the model
};

template <class Run>
Outcome outcome_of(const Run& run) {
  Outcome outcome;
  try {
    outcome.results = run();
  } catch (const Error& error) {
    outcome.error = error.what();
    outcome.gave_up = error.is_stop() || error.kind() == Error::Kind::memory;
    if (outcome.error.empty()) finding("an error without a text");
    if (outcome.error.find("rewrite ") != std::string::npos) finding(outcome.error);
  } catch (const std::bad_alloc&) {  // those who call a session report it as an Error
    outcome.error = "no memory";
    outcome.gave_up = true;
  }
  return outcome;
}

// From the request to stop on, processor time counts: other programs may have the processor.
template <class Run>
Outcome in_time(const Subject& subject, const char* how, const Run& run) {
  const auto seconds = [] {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  };
  const double begin = seconds();
  const std::atomic<bool>* cancel = Patience::instance().begin();
  Outcome outcome = outcome_of([&] {
    const RunScope scope({cancel, memory_limit});
    return run(cancel);
  });
  Patience::instance().end();
  if (const double took = seconds() - begin; took > (is_slow_build ? 20 : 3))
    finding(
        cat(subject.origin, ' ', how, " went on for ", took, " s, long after it was asked to stop: ", outcome.error));
  return outcome;
}

std::vector<Datum> run_session(List<std::byte> file, const Subject& subject, bool optimize,
                               const std::atomic<bool>* cancel) {
  SessionOptions options;
  options.threads = 1;
  options.device = "cpu";
  options.optimize = optimize;
  options.memory_limit = memory_limit;
  const Session session(file, options);
  return session.run(inputs_of(subject), {nullptr, cancel});
}

// The scope around it has the wish to stop.
std::vector<Datum> run_by_references(List<std::byte> file, const Subject& subject) {
  const auto bytes = std::make_shared<std::vector<std::byte>>(file.begin(), file.end());
  const onnx::Loaded loaded = onnx::load(*bytes, bytes, "model");
  if (!loaded.unsupported.empty()) fail(Error::Kind::unsupported, loaded.unsupported[0]);
  const auto engine = references_engine();
  engine->plan.memory_limit = memory_limit;
  return Executor(loaded.model.graph, *engine).run(inputs_of(subject), {});
}

// --- Whether results agree ------------------------------------------------------------------------

// Numbers that sums and functions of them can be compared by.
bool is_tame(double value) { return std::abs(value) <= 100 && (value == 0 || std::abs(value) >= 1e-4); }

bool is_tame(const Tensor& tensor) {
  const int64_t count = tensor.type.shape.elements();
  if (!is_real_number(tensor.type.dtype)) return true;
  for (int64_t i = 0; i < count; ++i)
    if (!is_tame(element_as_double(tensor.view(), i))) return false;
  return true;
}

bool is_chance(const NodeProto& node) {
  for (const Text random :
       {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"})
    if (node.op_type() == random) return true;
  return node.op_type().ends_with("Dropout");
}

// Results of what is discontinuous behind what rounds may differ by more than any tolerance; what a NaN is as an
// integer is nowhere defined, nor is a product that overflows in one order and vanishes in another.
bool is_comparable(const Subject& subject) {
  for (const NodeProto& node : subject.model.graph().node()) {
    for (const Text jump : {"BitCast", "Cast", "ReduceProd", "Resize", "Upsample"})
      if (node.op_type() == jump && subject.model.graph().node_size() > 1) return false;
    for (const AttributeProto& attribute : node.attribute()) {
      if (!is_tame(static_cast<double>(attribute.f()))) return false;
      for (const float value : attribute.floats())
        if (!is_tame(static_cast<double>(value))) return false;
    }
  }
  return std::all_of(subject.operands.begin(), subject.operands.end(),
                     [](const Operand& operand) { return is_tame(operand.tensor); });
}

std::string difference(const Tensor& a, const Tensor& b, bool values) {
  if (a.type != b.type) return cat("it is ", a.type, ", not ", b.type);
  const DType type = a.type.dtype;
  const int64_t count = a.type.shape.elements();
  if (type == DType::string) {
    for (int64_t i = 0; i < count; ++i)
      if (a.as<String>()[i] != b.as<String>()[i]) return "texts differ";
    return "";
  }
  if (!values || !is_real_number(type)) return "";
  double most = 1;
  for (int64_t i = 0; i < count; ++i)
    if (const double v = std::abs(element_as_double(b.view(), i)); v > most && std::isfinite(v)) most = v;
  const bool exact = type == DType::float32 || type == DType::float64;
  const double limit = is_float(type) ? (exact ? 1e-3 : 3e-2) * most : 1;
  for (int64_t i = 0; i < count; ++i) {
    const double x = element_as_double(a.view(), i), y = element_as_double(b.view(), i);
    if (x == y || (std::isnan(x) && std::isnan(y)) || std::abs(x - y) <= limit) continue;
    if (!std::isfinite(y) && !std::isfinite(x)) continue;  // an overflow, one way or the other
    return cat("element ", i, " is ", x, ", not ", y);
  }
  return "";
}

std::string difference(const Datum& a, const Datum& b, bool values) {
  if (a.kind != b.kind || a.items.size() != b.items.size()) return "containers differ";
  if (a.kind == Kind::tensor) return a.tensor.bytes && b.tensor.bytes ? difference(a.tensor, b.tensor, values) : "";
  for (size_t i = 0; i < a.items.size(); ++i)
    if (const std::string text = difference(a.items[i], b.items[i], values); !text.empty()) return text;
  return "";
}

// Whether the loader may write several nodes down for it.
bool is_formula(const NodeProto& node) {
  return std::any_of(all_ops().begin(), all_ops().end(), [&](const OpDef* op) {
    return op->name == node.op_type() && op->domain == node.domain() && !op->formula.empty();
  });
}

void compare(const Subject& subject, const char* how, const Outcome& a, const Outcome& b) {
  if (a.gave_up || b.gave_up) return;
  const auto tell = [&](const std::string& text) {
    std::string nodes;
    for (const NodeProto& node : subject.model.graph().node()) nodes += "\n  " + node.ShortDebugString();
    for (const Operand& operand : subject.operands)
      nodes += cat("\n  ", operand.name, " is ", operand.tensor.type, operand.constant ? ", constant" : "");
    finding(cat(subject.origin, ' ', how, ": ", text, nodes));
  };
  // What nobody reads is dropped where the graph is optimized, and its errors with it.
  const auto& nodes = subject.model.graph().node();
  const bool is_random = std::any_of(nodes.begin(), nodes.end(), is_chance);
  if (is_random && nodes.size() > 1) return;  // not even shapes are the same
  const bool may_drop = nodes.size() > 1 || std::any_of(nodes.begin(), nodes.end(), is_formula);
  if (a.error.empty() && !b.error.empty() && may_drop) return;
  if (a.error.empty() != b.error.empty()) tell(cat('"', a.error, "\" and \"", b.error, "\" (empty: it gave results)"));
  if (!a.error.empty()) return;
  const bool values = !is_random && is_comparable(subject);
  for (size_t i = 0; i < a.results.size(); ++i)
    if (const std::string text = difference(a.results[i], b.results[i], values); !text.empty())
      tell(cat("result ", i, ": ", text));
}

}  // namespace

std::vector<std::string> seeds() {
  // The number of the model and no changes; then zeros, which change a little.
  std::vector<std::string> made;
  for (size_t i = 0; i < subjects().size(); ++i) {
    const std::string which{static_cast<char>(i >> 8), static_cast<char>(i & 255)};
    made.push_back(which + std::string(1, '\0'));
    made.push_back(which + std::string("\3") + std::string(24, static_cast<char>(i % 24)));
  }
  return made;
}

// What the fuzzer does with its bytes.
void change_and_run(Choices choices) {
  // Two bytes always: seeds name a model by them.
  const auto high = choices.below(256), low = choices.below(256);
  Subject subject = subjects()[static_cast<size_t>(high << 8 | low) % subjects().size()];
  Mutator mutator(choices);
  const int64_t changes = choices.below(6);
  for (int64_t n = changes; n > 0; --n) mutator.change(subject);
  cpu::pin_level(cpu::all_levels[choices.below(static_cast<int64_t>(cpu::best_level()) + 1)]);
  const std::string text = file_of(subject);
  const List<std::byte> file(reinterpret_cast<const std::byte*>(text.data()), text.size());
  const Outcome fast =
      in_time(subject, "optimized", [&](const auto* cancel) { return run_session(file, subject, true, cancel); });
  const Outcome plain =
      in_time(subject, "as written", [&](const auto* cancel) { return run_session(file, subject, false, cancel); });
  const Outcome right =
      in_time(subject, "by references", [&](const auto*) { return run_by_references(file, subject); });
  if (changes == 0 && !right.error.empty() && !right.gave_up)
    finding(cat(subject.origin, ", unchanged: ", right.error));
  compare(subject, "as written, and by references", plain, right);
  compare(subject, "optimized, and by references", fast, right);
}

}  // namespace tessera::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  [[maybe_unused]] static const bool checked = (tessera::optimizer::check_rewrites(true), true);
  tessera::test::change_and_run(tessera::test::Choices(tessera::List<uint8_t>(data, size)));
  return 0;
}
