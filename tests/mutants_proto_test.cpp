// Random mutants of every operator's example, and of ONNX's node tests where they are: attributes, shapes, elements,
// operands, types and versions are changed. Each gives an answer or an Error, and nothing else.
//
// TESSERA_MUTANTS=N tries N of them instead of a few, and TESSERA_MUTANTS_FROM=M begins behind the first M.
#include "tests/fuzz/mutator.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;

// ONNX's node tests whose operands are tensors.
std::vector<Subject> node_tests(const fs::path& folder) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(folder))
    if (fs::exists(entry.path() / "model.onnx")) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Subject> subjects;
  for (const fs::path& path : paths) {
    Subject subject;
    subject.origin = path.filename().string();
    const auto bytes = read_bytes(path / "model.onnx");
    if (bytes.size() > 1 << 18 || !subject.model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) continue;
    GraphProto* graph = subject.model.mutable_graph();
    try {
      for (const TensorProto& initializer : graph->initializer()) {
        const std::string text = initializer.SerializeAsString();
        const auto* data = reinterpret_cast<const std::byte*>(text.data());
        subject.operands.push_back(
            {initializer.name(), onnx::load_tensor({data, text.size()}, initializer.name()).clone(), true});
      }
      for (int i = 0; i < graph->input_size(); ++i) {
        const fs::path file = path / "test_data_set_0" / cat("input_", i, ".pb");
        if (!graph->input(i).type().has_tensor_type() || !fs::exists(file)) throw Error(Error::Kind::file, "no tensor");
        const auto content = read_bytes(file);
        subject.operands.push_back({graph->input(i).name(), onnx::load_tensor(content, "input").clone(), false});
        if (subject.operands.back().tensor.type.bytes() > 1 << 20) throw Error(Error::Kind::file, "too large");
      }
    } catch (const Error&) {
      continue;
    }
    graph->clear_input();
    graph->clear_initializer();
    subjects.push_back(std::move(subject));
  }
  return subjects;
}

int64_t number_from(const char* variable, int64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::stoll(text) : otherwise;
}

Subject mutant(const std::vector<Subject>& subjects, int64_t index) {
  Choices choices(static_cast<uint32_t>(index));
  Subject subject = subjects[static_cast<size_t>(index) % subjects.size()];
  Mutator mutator(choices);
  for (int64_t n = choices.roll(1, 3); n > 0; --n) mutator.change(subject);
  return subject;
}

TEST(Mutants, GiveAnAnswerOrAnError) {
  std::vector<Subject> subjects;
  for (const Case& example : file_examples()) subjects.push_back(subject_of(example));
  if (const auto data = shared_data())
    for (Subject& subject : node_tests(*data / "onnx-tests/node")) subjects.push_back(std::move(subject));
  const int64_t from = number_from("TESSERA_MUTANTS_FROM", 0), count = number_from("TESSERA_MUTANTS", 4000);
  run_apart(
      from, from + count, [&](int64_t index) { return mutant(subjects, index); },
      [&](const Outcomes& outcomes) {
        EXPECT_GT(outcomes.answers, count / 10) << "the mutants are so wild that nothing gets through";
      });
}

}  // namespace
}  // namespace tessera::test
