// Models made of one node or few, whose operands a test may change before the model becomes a file.
#pragma once

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>

#include "runtime/session/session.h"
#include "tests/cases/example_cases.h"
#include "tests/onnx_pen.h"

namespace tessera::test {

struct Operand {
  std::string name;
  Tensor tensor;
  bool constant = false;
};

/// A model whose graph has neither inputs nor initializers: the operands become one or the other.
struct Subject {
  std::string origin;
  ModelProto model;
  std::vector<Operand> operands;
};

inline TensorProto proto_of(const std::string& name, const Tensor& tensor) {
  const Shape& shape = tensor.type.shape;
  TensorProto proto = raw_tensor(name, tensor.type.dtype, {shape.begin(), shape.end()}, "");
  if (tensor.type.dtype == DType::string) {
    proto.clear_raw_data();
    for (int64_t i = 0; i < shape.elements(); ++i) proto.add_string_data(std::string(tensor.as<String>()[i]));
  } else {
    proto.set_raw_data(tensor.bytes.get(), static_cast<size_t>(tensor.type.bytes()));
  }
  return proto;
}

inline void set_value(AttributeProto* to, const Attr& attr) {
  std::visit(
      [&]<class T>(const T& value) {
        if constexpr (std::is_same_v<T, int64_t>) {
          to->set_type(AttributeProto::INT);
          to->set_i(value);
        } else if constexpr (std::is_same_v<T, float>) {
          to->set_type(AttributeProto::FLOAT);
          to->set_f(value);
        } else if constexpr (std::is_same_v<T, std::string>) {
          to->set_type(AttributeProto::STRING);
          to->set_s(value);
        } else if constexpr (std::is_same_v<T, Tensor>) {
          to->set_type(AttributeProto::TENSOR);
          *to->mutable_t() = proto_of("", value);
        } else if constexpr (std::is_same_v<T, std::vector<int64_t>>) {
          to->set_type(AttributeProto::INTS);
          for (const int64_t v : value) to->add_ints(v);
        } else if constexpr (std::is_same_v<T, std::vector<float>>) {
          to->set_type(AttributeProto::FLOATS);
          for (const float v : value) to->add_floats(v);
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          to->set_type(AttributeProto::STRINGS);
          for (const std::string& v : value) to->add_strings(v);
        }
      },
      attr);
}

inline void import(ModelProto& model, const std::string& domain, int version) {
  auto* set = model.add_opset_import();
  set->set_domain(domain);
  set->set_version(version);
}

inline Subject subject_of(const Case& example) {
  Subject subject;
  subject.origin = cat(example.domain, example.domain.empty() ? "" : ".", example.op, " ", example.opset);
  subject.model.set_ir_version(10);
  import(subject.model, example.domain, example.opset);
  if (!example.domain.empty()) import(subject.model, "", 21);
  GraphProto* graph = subject.model.mutable_graph();
  NodeProto* node = add_node(graph->mutable_node(), example.op, {}, {});
  node->set_domain(example.domain);
  for (size_t i = 0; i < example.in.size(); ++i) {
    const bool given = example.in[i].tensor.bytes != nullptr;
    node->add_input(given ? cat("x", i) : "");
    if (given) subject.operands.push_back({cat("x", i), example.in[i].tensor, example.in[i].constant});
  }
  for (size_t i = 0; i < example.outputs; ++i) {
    node->add_output(cat("y", i));
    graph->add_output()->set_name(cat("y", i));
  }
  for (const auto& [name, attr] : example.attrs) {
    AttributeProto* made = node->add_attribute();
    made->set_name(name);
    set_value(made, attr);
  }
  return subject;
}

inline std::string file_of(const Subject& subject) {
  ModelProto model = subject.model;
  for (const Operand& operand : subject.operands) {
    if (operand.constant) {
      *model.mutable_graph()->add_initializer() = proto_of(operand.name, operand.tensor);
      continue;
    }
    auto* input = model.mutable_graph()->add_input();
    input->set_name(operand.name);
    input->mutable_type()->mutable_tensor_type()->set_elem_type(static_cast<int>(operand.tensor.type.dtype));
  }
  return model.SerializeAsString();
}

/// Of the operands that are no constants.
inline std::vector<Datum> inputs_of(const Subject& subject) {
  std::vector<Datum> in;
  for (const Operand& operand : subject.operands) {
    if (operand.constant) continue;
    in.emplace_back();
    in.back().tensor = operand.tensor;
  }
  return in;
}

/// What the model gives; throws Error.
inline std::vector<Datum> run_subject(const Subject& subject, bool optimize = true) {
  const std::string file = file_of(subject);
  SessionOptions options;
  options.threads = 1;
  options.device = "cpu";
  options.optimize = optimize;
  options.memory_limit = int64_t{256} << 20;
  const Session session(List<std::byte>(reinterpret_cast<const std::byte*>(file.data()), file.size()), options);
  return session.run(inputs_of(subject));
}

/// Whether set_element knows the type.
inline bool is_real_number(DType type) {
  return type != DType::string && type != DType::complex64 && type != DType::complex128 && type != DType::float8e8m0;
}

// A tensor of another shape: the same elements as far as they go, and from the start again.
inline Tensor reshaped(const Tensor& from, const Shape& shape) {
  Tensor tensor = Tensor::make({from.type.dtype, shape});
  const int64_t count = from.type.shape.elements();
  for (int64_t i = 0; count && i < shape.elements(); ++i) {
    if (from.type.dtype == DType::string)
      tensor.as<String>()[i] = from.as<String>()[i % count];
    else if (is_real_number(from.type.dtype))
      set_element(tensor.view(), i, element_as_double(from.view(), i % count));
  }
  return tensor;
}

// --- Apart from the test's own process ------------------------------------------------------------

/// What became of subjects; a child process writes it and its parent reads it.
struct Outcomes {
  std::atomic<int64_t> next{0}, answers{0}, errors{0}, slow{0};
};

constexpr int exit_slow = 77, exit_thrown = 78;
// Long steps have tests of their own. Sanitizers take more time and memory than they use.
#ifdef TESSERA_CHECKED
constexpr unsigned seconds_each = 60;
constexpr rlim_t most_memory = RLIM_INFINITY;
#else
constexpr unsigned seconds_each = 5;
constexpr rlim_t most_memory = rlim_t{4} << 30;
#endif

// Runs subjects until the last, or until one ends the process.
template <class Make>
[[noreturn]] void run_child(int64_t end, const Make& make, Outcomes& outcomes) {
  const rlimit limit{most_memory, most_memory};
  setrlimit(RLIMIT_AS, &limit);
  std::signal(SIGALRM, [](int) { _exit(exit_slow); });
  for (; outcomes.next < end; ++outcomes.next) {
    const Subject subject = make(outcomes.next);
    alarm(seconds_each);
    try {
      run_subject(subject, outcomes.next % 4 != 0);
      ++outcomes.answers;
    } catch (const Error&) {
      ++outcomes.errors;
    } catch (const std::bad_alloc&) {  // those who call a session report it as an Error
      ++outcomes.errors;
    } catch (const std::exception& other) {
      std::fprintf(stderr, "%s: %s\n", subject.origin.c_str(), other.what());
      _exit(exit_thrown);
    }
  }
  _exit(0);
}

/// Runs make(from) to make(end - 1), each as it is or, one in four, without rewrites. What ends with anything but an
/// answer or an Error is a failure, and the next one follows; TESSERA_KEEP=FOLDER keeps its model.
template <class Make>
void run_apart(int64_t from, int64_t end, const Make& make, const std::function<void(const Outcomes&)>& judge) {
  void* shared = mmap(nullptr, sizeof(Outcomes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  Outcomes& outcomes = *new (shared) Outcomes;
  outcomes.next = from;
  while (outcomes.next < end) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) run_child(end, make, outcomes);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) break;
    const int64_t index = outcomes.next++;
    if (WIFEXITED(status) && WEXITSTATUS(status) == exit_slow) {
      ++outcomes.slow;
      continue;
    }
    const Subject subject = make(index);
    std::string kept = "not kept";
    if (const char* folder = std::getenv("TESSERA_KEEP")) {
      kept = (std::filesystem::path(folder) / cat("subject_", index, ".onnx")).string();
      const std::string file = file_of(subject);
      std::ofstream(kept, std::ios::binary).write(file.data(), static_cast<std::streamsize>(file.size()));
    }
    ADD_FAILURE() << index << ": " << subject.origin << " ended with "
                  << (WIFSIGNALED(status) ? cat("signal ", WTERMSIG(status)) : cat("status ", WEXITSTATUS(status)))
                  << "; " << kept << "\n"
                  << subject.model.graph().node(0).ShortDebugString();
  }
  std::printf("%lld answers, %lld errors, %lld stopped after %u s\n", static_cast<long long>(outcomes.answers),
              static_cast<long long>(outcomes.errors), static_cast<long long>(outcomes.slow), seconds_each);
  judge(outcomes);
  munmap(shared, sizeof(Outcomes));
}

}  // namespace tessera::test
