// A case: one problem for one operator, with what its result may be off by. The lists in tests/cases/ drive whatever
// holds one way to run an operator against another: every CPU kernel at every level and layout, every device kernel,
// the benchmarks, and the table of what is supported.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/graph/backend.h"

namespace tessera::test {

struct Input {
  Tensor tensor = {};     ///< without bytes: left out
  bool constant = false;  ///< known before the run
};

struct Case {
  std::string op = {};
  int opset = 18;
  std::vector<Input> in = {};
  Attrs attrs = {};
  std::vector<Fused> epilogue = {};  ///< operands count from the first input in `operands`
  std::vector<Input> operands = {};
  size_t outputs = 1;
  double relative = 2e-5, absolute = 2e-6;
  /// Beside these, of the range of the expected values, which are then computed in float64 where the operator can.
  double of_range = 0;
  double of_range_exact = 0;  ///< the same for kernels of an exact session; 0: no other
  int least = 1;              ///< CPU kernels that must be offered at every level
  int least_rounded = 0;      ///< those of bf16, and those of bf16x3, where the machine has them
  std::string domain = {};
  DType out_type = DType::undefined;  ///< where the epilogue changes it
};

/// What a list gives its cases to.
struct Taker {
  std::function<void(const Case&)> take;
  bool timed = false;  ///< cases are to be as large as in real models; else as small as shows a fault
  void operator()(const Case& c) const { take(c); }
};

struct CaseList {
  Text name;
  void (*give)(const Taker&);
  bool layers = false;  ///< layers of real models: what benchmarks time
};

/// One family of operators. CMake collects every `extern const CaseFile` named after a file in tests/cases/ that
/// ends in _cases.cpp into one list.
struct CaseFile {
  List<CaseList> lists;
};

const std::vector<const CaseList*>& all_case_lists();

/// A case as a graph of one node: its constant inputs are constants, the others inputs in their order.
class Question {
 public:
  explicit Question(const Case& c);
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;
  const Node& node() const { return node_; }
  const std::vector<Input>& inputs() const { return inputs_; }  ///< the operator's, then the epilogue's operands
  const std::vector<Type>& types() const { return types_; }
  const std::vector<Type>& out_types() const { return out_types_; }
  Problem problem() const { return {node_, types_, out_types_, constants_}; }
  Graph graph() const;
  /// By the operator's reference, in row-major order.
  std::vector<Tensor> expected() const;
  /// "Conv f32[1,3,8,8] f32[4,3,3,3] with 2 steps"
  std::string title() const;

 private:
  void add(const Input& input);
  Node node_;
  std::vector<Input> inputs_;
  std::vector<Type> types_, out_types_;
  std::vector<const Tensor*> values_, constants_;
  double of_range_;
};

/// What a backend offers for a case. Nothing for operators without a reference: there is one way to run them.
std::vector<Offer> offers_of(const Backend& backend, const Case& c);

// --- Short ways to write cases -----------------------------------------------------------------------

/// Random elements; every call gives others, the same in every run.
Input random(const Shape& shape, double low = -2, double high = 2, DType dtype = DType::float32);
/// The input as a constant.
Input fixed(Input input);
Input integers(std::initializer_list<int64_t> values);
Input integer(int64_t value);
Input number(float value);
inline std::pair<std::string, Attr> attr(const char* name, Attr value) { return {name, std::move(value)}; }
inline std::vector<int64_t> list(std::initializer_list<int64_t> values) { return values; }

/// Pictures that fill no block of channels, one that is empty among them.
extern const std::vector<Shape> pictures;

}  // namespace tessera::test
