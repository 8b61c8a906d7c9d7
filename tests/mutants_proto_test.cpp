// Random mutants of every operator's example, and of ONNX's node tests where they are: attributes, shapes, elements,
// operands, types and versions are changed. Each gives an answer or an Error, and nothing else.
//
// TESSERA_MUTANTS=N tries N of them instead of a few, and TESSERA_MUTANTS_FROM=M begins behind the first M.
#include "tests/subjects.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : engine_(seed) {}

  Subject operator()(Subject subject) {
    for (int64_t n = roll(1, 3); n > 0; --n) change(subject);
    return subject;
  }

 private:
  int64_t roll(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine_); }
  template <class Items>
  decltype(auto) pick(Items& items) {
    return items[static_cast<size_t>(roll(0, static_cast<int64_t>(std::size(items)) - 1))];
  }

  int64_t edge() {
    constexpr int64_t edges[] = {0,
                                 0,
                                 1,
                                 1,
                                 -1,
                                 -1,
                                 2,
                                 -2,
                                 3,
                                 4,
                                 5,
                                 7,
                                 8,
                                 16,
                                 17,
                                 127,
                                 -128,
                                 255,
                                 65536,
                                 int64_t{1} << 31,
                                 -(int64_t{1} << 31),
                                 (int64_t{1} << 32) + 1,
                                 int64_t{1} << 40,
                                 int64_t{1} << 55,
                                 int64_t{1} << 62,
                                 std::numeric_limits<int64_t>::max(),
                                 std::numeric_limits<int64_t>::min()};
    return pick(edges);
  }
  float real_edge() {
    constexpr float edges[] = {0, 1, -1, 0.5f, 2, NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 1e-30f, 3.5f};
    return pick(edges);
  }
  std::string word() {
    constexpr const char* words[] = {"",     "x",        "reverse", "bidirectional", "SAME_UPPER", "VALID", "NOTSET",
                                     "edge", "reflect",  "wrap",    "cubic",         "linear",     "CRD",   "mean",
                                     "none", "circular", "add",     "SOFTMAX",       "PROBIT",     "max"};
    return pick(words);
  }
  DType dtype() {
    constexpr DType types[] = {DType::float32, DType::float16, DType::float64, DType::bfloat16, DType::int64,
                               DType::int32,   DType::uint8,   DType::int8,    DType::boolean,  DType::string,
                               DType::uint64,  DType::int4,    DType::int16,   DType::complex64};
    return pick(types);
  }

  void set_edge(AttributeProto* attribute) {
    switch (attribute->type()) {
      case AttributeProto::INT: attribute->set_i(edge()); break;
      case AttributeProto::FLOAT: attribute->set_f(real_edge()); break;
      case AttributeProto::STRING: attribute->set_s(word()); break;
      case AttributeProto::INTS: change_list(attribute->mutable_ints(), [&] { return edge(); }); break;
      case AttributeProto::FLOATS: change_list(attribute->mutable_floats(), [&] { return real_edge(); }); break;
      case AttributeProto::STRINGS:
        if (attribute->strings_size() && roll(0, 1))
          attribute->mutable_strings()->RemoveLast();
        else
          attribute->add_strings(word());
        break;
      case AttributeProto::TENSOR:
        *attribute->mutable_t() = proto_of("", reshaped(tensor(DType::float32, {3}, {1, 2, 3}), {roll(0, 4)}));
        break;
      default: break;
    }
  }

  template <class Numbers, class Next>
  void change_list(Numbers* list, const Next& next) {
    const auto kind = roll(0, 5);
    if (kind == 0) return list->Clear();
    if (kind == 1 || list->empty()) return list->Add(next());
    if (kind == 2) return list->RemoveLast();
    list->Set(static_cast<int>(roll(0, list->size() - 1)), next());
  }

  void stray(NodeProto* node) {
    const OpDef* op = pick(all_ops());
    if (op->attrs.empty()) return;
    const std::string name(pick(op->attrs).name);
    for (const AttributeProto& attribute : node->attribute())
      if (attribute.name() == name) return;
    AttributeProto* attribute = node->add_attribute();
    attribute->set_name(name);
    constexpr AttributeProto::AttributeType types[] = {AttributeProto::INT,    AttributeProto::INT,
                                                       AttributeProto::INTS,   AttributeProto::FLOAT,
                                                       AttributeProto::FLOATS, AttributeProto::STRING};
    attribute->set_type(pick(types));
    for (int64_t n = roll(1, 4); n > 0; --n) set_edge(attribute);
  }

  void change_shape(Tensor& tensor) {
    Shape shape = tensor.type.shape;
    const auto kind = roll(0, 7);
    if (kind == 0 && shape.size() > 0) {
      Shape shorter;
      for (size_t i = 1; i < shape.size(); ++i) shorter.push_back(shape[i]);
      shape = shorter;
    } else if (kind == 1) {
      shape.insert(static_cast<size_t>(roll(0, shape.rank())), roll(0, 2));
    } else if (kind == 2 && shape.size() > 1) {  // huge, but empty
      shape[0] = 0;
      shape[1] = int64_t{1} << roll(20, 60);
    } else if (shape.size() > 0) {
      constexpr int64_t extents[] = {0, 0, 1, 2, 3, 5, 8, 15, 16, 17, 33, 64};
      pick(shape) = pick(extents);
    }
    int64_t product = 1;
    for (const int64_t extent : shape)
      if (__builtin_mul_overflow(product, extent, &product) || product > 1 << 16) return;
    try {
      tensor = reshaped(tensor, shape);
    } catch (const Error&) {  // too huge to be asked for
    }
  }

  void change_elements(const Tensor& tensor) {
    const int64_t count = tensor.type.shape.elements();
    if (!count || tensor.type.dtype == DType::complex64 || tensor.type.dtype == DType::complex128 ||
        tensor.type.dtype == DType::float8e8m0)
      return;
    for (int64_t n = roll(1, 3); n > 0; --n) {
      const int64_t i = roll(0, count - 1);
      if (tensor.type.dtype == DType::string)
        tensor.as<std::string>()[i] = word();
      else if (tensor.type.dtype == DType::int64)
        tensor.as<int64_t>()[i] = edge();
      else
        set_element(tensor.view(), i,
                    is_float(tensor.type.dtype) ? static_cast<double>(real_edge()) : static_cast<double>(edge()));
    }
  }

  void change(Subject& subject) {
    GraphProto* graph = subject.model.mutable_graph();
    if (!graph->node_size()) return;
    NodeProto* node = graph->mutable_node(static_cast<int>(roll(0, graph->node_size() - 1)));
    Operand* operand = subject.operands.empty() ? nullptr : &pick(subject.operands);
    switch (roll(0, 15)) {
      case 0:
      case 1:
      case 2:
      case 3:
        if (node->attribute_size())
          set_edge(node->mutable_attribute(static_cast<int>(roll(0, node->attribute_size() - 1))));
        break;
      case 4:
        if (node->attribute_size())
          node->mutable_attribute()->DeleteSubrange(static_cast<int>(roll(0, node->attribute_size() - 1)), 1);
        break;
      case 5: stray(node); break;
      case 6:
      case 7:
      case 8:
        if (operand) change_shape(operand->tensor);
        break;
      case 9:
      case 10:
        if (operand) {
          operand->tensor = operand->tensor.clone();
          change_elements(operand->tensor);
        }
        break;
      case 11:
        if (node->input_size()) *node->mutable_input(static_cast<int>(roll(0, node->input_size() - 1))) = "";
        break;
      case 12:
        if (operand) node->add_input(roll(0, 2) ? operand->name : "");
        break;
      case 13:
        if (operand) {
          Tensor other = Tensor::make({dtype(), operand->tensor.type.shape});
          operand->tensor = std::move(other);
        }
        break;
      case 14:
        if (operand) operand->constant = !operand->constant;
        break;
      default:
        subject.model.mutable_opset_import(static_cast<int>(roll(0, subject.model.opset_import_size() - 1)))
            ->set_version(roll(1, 28));
    }
  }

  std::mt19937_64 engine_;
};

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
  Mutator mutate(static_cast<uint64_t>(index) * 2654435761u + 1);
  return mutate(subjects[static_cast<size_t>(index) % subjects.size()]);
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
