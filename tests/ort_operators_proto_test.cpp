// The example of every operator, by tessera and by ONNX Runtime, where that has it (TESSERA_ORT).
#include <gmock/gmock.h>

#include "bench/peers/ort.h"
#include "runtime/onnx/load.h"
#include "tests/cases/example_cases.h"
#include "tests/subjects.h"
#include "tests/support.h"

namespace tessera::test {
namespace {

// Where ONNX Runtime gives another answer than ONNX's own words or reference.
struct Difference {
  Text op, why;
  double within = 0;  // 0: not compared at all
};
constexpr Difference known[] = {
    {"Dropout", "before opset 12 ONNX leaves the mask open of one that drops nothing: here it is true"},
    {"TreeEnsembleClassifier", "of two classes with a weight each, theirs gives a label that is none of the labels"},
    {"DynamicQuantizeLSTM", "theirs rounds what it multiplies the weights by to 8 bits in each step", 5e-3},
};

const Difference* difference_of(const Case& example) {
  const auto* found =
      std::find_if(std::begin(known), std::end(known), [&](const auto& row) { return row.op == example.op; });
  return found == std::end(known) ? nullptr : found;
}

std::string with_types(const Subject& subject, const std::vector<Datum>& results) {
  ModelProto model;
  model.ParseFromString(file_of(subject));
  for (size_t i = 0; i < results.size(); ++i)
    model.mutable_graph()
        ->mutable_output(static_cast<int>(i))
        ->mutable_type()
        ->mutable_tensor_type()
        ->set_elem_type(static_cast<int>(results[i].tensor.type.dtype));
  return model.SerializeAsString();
}

double tolerance_of(const Type& type, const OpDef& op, const Difference* difference) {
  if (difference && difference->within > 0) return difference->within;
  const bool quantized = op.quantized;
  if (!is_float(type.dtype)) return quantized ? 1 : 0;
  return type.dtype == DType::float16 || type.dtype == DType::bfloat16 ? 1e-2 : 2e-4;
}

void expect_same(const Tensor& actual, const Tensor& expected, double tolerance) {
  ASSERT_EQ(cat(actual.type), cat(expected.type));
  for (int64_t i = 0; i < expected.type.shape.elements(); ++i) {
    if (expected.type.dtype == DType::string) {
      EXPECT_EQ(actual.as<String>()[i], expected.as<String>()[i]);
      continue;
    }
    const double a = element_as_double(actual.view(), i), b = element_as_double(expected.view(), i);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    const double scale = is_float(expected.type.dtype) ? std::max(1.0, std::abs(b)) : 1;
    ASSERT_LE(std::abs(a - b), tolerance * scale) << "element " << i;
  }
}

// False where ONNX Runtime does not have the operator, or not for these types.
bool compare(const peers::Ort& ort, const Case& example, const std::string& path, size_t results = 100) {
  const OpDef& op = *find_op(example.domain, example.op, example.opset);
  const Subject subject = subject_of(example);
  const std::vector<Datum> actual = run_subject(subject);
  std::ofstream(path, std::ios::binary) << with_types(subject, actual);
  std::vector<Tensor> in, expected;
  for (const Operand& operand : subject.operands)
    if (!operand.constant) in.push_back(operand.tensor);
  try {
    expected = peers::OrtSession(ort, path, 1).run(in);
  } catch (const Error&) {
    return false;
  }
  SCOPED_TRACE(cat(example.domain, ' ', example.op, ' ', example.opset));
  for (size_t i = 0; i < std::min(results, expected.size()); ++i)
    if (expected[i].bytes)
      expect_same(actual[i].tensor, expected[i], tolerance_of(expected[i].type, op, difference_of(example)));
  return true;
}

TEST(OrtOperators, GiveWhatOnnxRuntimeGives) {
  const std::string library = peers::Ort::find(binary_dir() + "/ort");
  if (library.empty()) GTEST_SKIP() << "skipped: no ONNX Runtime (set TESSERA_ORT)";
  const peers::Ort ort(library);
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "model.onnx").string();
  int compared = 0;
  std::string without;
  for (const Case& example : file_examples()) {
    const OpDef& op = *find_op(example.domain, example.op, example.opset);
    const Difference* difference = difference_of(example);
    if (!op.folds || (difference && difference->within == 0)) continue;
    if (compare(ort, example, path))
      ++compared;
    else
      without += cat(' ', example.op, '-', example.opset);
  }
  std::printf("compared %d examples; ONNX Runtime does not run%s\n", compared, without.c_str());
  EXPECT_GT(compared, 250);
}

// One class has weights, as converters write it; of any signs, with what is added to them. Where that is the first,
// theirs writes one of two scores after PROBIT.
TEST(OrtOperators, TreesOfTwoClasses) {
  const std::string library = peers::Ort::find(binary_dir() + "/ort");
  if (library.empty()) GTEST_SKIP() << "skipped: no ONNX Runtime (set TESSERA_ORT)";
  const peers::Ort ort(library);
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "model.onnx").string();
  for (const Text transform : {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"})
    for (const Text ids : {"[0,0]", "[1,1]"})
      for (const Text weights : {"[0.25,0.75]", "[-0.25,0.75]", "[0.625,0.5]"})
        for (const Text base : {"", " base_values=[0.125]"}) {
          if (transform == "PROBIT" && ids == "[0,0]") continue;
          const std::string row = cat(
              "ai.onnx.ml:TreeEnsembleClassifier 3>2 | f[4,2]=0.2,1,0.7,-1,0.4,0.5,0.9,0.1 | classlabels_int64s=[0,1] "
              "nodes_treeids=[0,0,0] nodes_nodeids=[0,1,2] nodes_featureids=[1,0,0] "
              "nodes_modes=[BRANCH_LEQ,LEAF,LEAF] nodes_values=[0.3,0.0,0.0] nodes_truenodeids=[1,0,0] "
              "nodes_falsenodeids=[2,0,0] class_treeids=[0,0] class_nodeids=[1,2] class_ids=",
              ids, " class_weights=", weights, " post_transform=", transform, base);
          SCOPED_TRACE(row.substr(row.find("class_ids")));
          compare(ort, example_of(row), path);
        }
}

// What no query is to see spreads all the same where it is no number: masks add to scores, and hidden values are
// multiplied by zero.
std::vector<Case> attentions_of_nan() {
  const auto spoiled = [](Input input, int64_t at) {
    set_element(input.tensor.view(), at, std::nan(""));
    return input;
  };
  const auto lengths = [](std::vector<double> values) {
    return Input{tensor(DType::int32, {static_cast<int64_t>(values.size())}, values)};
  };
  std::vector<Case> cases;
  const auto heads = attr("num_heads", int64_t{2});
  for (const int64_t spoilt : {1, 2}) {
    Case mask{.op = "MultiHeadAttention",
              .opset = 1,
              .in = {random({1, 6, 8}), random({1, 6, 8}), random({1, 6, 8}), {}, lengths({4})},
              .attrs = {heads},
              .domain = "com.microsoft"};
    mask.in[static_cast<size_t>(spoilt)] = spoiled(mask.in[static_cast<size_t>(spoilt)], 5 * 8 + 1);
    cases.push_back(mask);
    mask.in.resize(3);
    mask.attrs.push_back(attr("unidirectional", int64_t{1}));
    cases.push_back(mask);
    Case truths{.op = "Attention",
                .opset = 23,
                .in = {random({1, 2, 5, 4}),
                       random({1, 2, 6, 4}),
                       random({1, 2, 6, 4}),
                       {tensor(DType::boolean, {5, 6}, std::vector<double>(30, 1))}}};
    for (int64_t i = 0; i < 5; ++i) set_element(truths.in[3].tensor.view(), i * 6 + 5, 0);
    truths.in[static_cast<size_t>(spoilt)] = spoiled(truths.in[static_cast<size_t>(spoilt)], 5 * 4 + 1);
    cases.push_back(truths);
    // Behind the last key the cache may be anything.
    Case cache{.op = "GroupQueryAttention",
               .opset = 1,
               .in = {random({1, 1, 32}),
                      random({1, 1, 16}),
                      random({1, 1, 16}),
                      random({1, 2, 6, 8}),
                      random({1, 2, 6, 8}),
                      lengths({3}),
                      {tensor(DType::int32, {}, {6}), true}},
               .attrs = {attr("num_heads", int64_t{4}), attr("kv_num_heads", int64_t{2})},
               .outputs = 3,
               .domain = "com.microsoft"};
    cache.in[static_cast<size_t>(spoilt) + 2] = spoiled(cache.in[static_cast<size_t>(spoilt) + 2], 5 * 8 + 1);
    cases.push_back(cache);
  }
  return cases;
}

TEST(OrtOperators, SpreadWhatIsNoNumberAsOnnxRuntimeDoes) {
  const std::string library = peers::Ort::find(binary_dir() + "/ort");
  if (library.empty()) GTEST_SKIP() << "skipped: no ONNX Runtime (set TESSERA_ORT)";
  const peers::Ort ort(library);
  const TemporaryFolder folder;
  for (const Case& c : attentions_of_nan())
    EXPECT_TRUE(compare(ort, c, (folder.path() / "model.onnx").string(), 1)) << Question(c).title();
}

}  // namespace
}  // namespace tessera::test
