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

// Attributes and inputs that the examples leave out. Of caches all rows are used: what the others hold is nobody's.
TEST(OrtOperators, GiveWhatOnnxRuntimeGivesInOtherForms) {
  const std::string library = peers::Ort::find(binary_dir() + "/ort");
  if (library.empty()) GTEST_SKIP() << "skipped: no ONNX Runtime (set TESSERA_ORT)";
  const peers::Ort ort(library);
  const TemporaryFolder folder;
  constexpr Text queries = "com.microsoft:GroupQueryAttention 1>", heads = "num_heads=4 kv_num_heads=2 ";
  const std::string fresh = "f[1,3,64] f[1,3,32] f[1,3,32] ", floats = "f[1,2,6,16] f[1,2,6,16] j[1]=5 j[]=6 ",
                    tables = "f[30,8] f[30,8] ",
                    sliding = cat(heads, "sliding_window_cache=1 local_window_size=4 do_rotary=1");
  const std::string rows[] = {
      cat(queries, "4 | ", fresh, floats, tables, "- - - | ", heads, "do_rotary=1 qk_output=1"),
      cat(queries, "4 | ", fresh, floats, tables, "- - - | ", heads, "do_rotary=1 qk_output=2"),
      cat(queries, "4 | ", fresh, "- - j[1]=2 j[]=3 ", tables, "i[1,3]=4,2,7 f[1,4,3,3] f[4] | ", heads,
          "do_rotary=1 qk_output=2 local_window_size=2 softcap=1.5"),
      cat(queries, "3 | ", fresh, "- - j[1]=2 j[]=3 ", tables, "i[1,3]=4,2,7 | ", heads, "do_rotary=1"),
      cat(queries, "3 | ", fresh, "- - j[1]=2 j[]=3 ", tables, "i[1,3]=4,2,7 | ", heads, "do_rotary=1 softcap=1.5"),
      cat(queries, "3 | f[1,3,64] f[1,0,32] f[1,0,32] ", floats, "| ", heads),
      cat(queries, "3 | ", fresh, "b[1,2,6,16] b[1,2,6,16] j[1]=5 j[]=6 - - - - - f[2,1,16] f[2,1,16] | ", heads,
          "k_quant_type=PER_CHANNEL v_quant_type=PER_CHANNEL kv_cache_bit_width=8"),
      cat(queries, "3 | ", fresh, "u[1,2,6,8] u[1,2,6,8] j[1]=5 j[]=6 ", tables, "- - - f[1]=0.3 f[1]=0.2 | ", heads,
          "k_quant_type=PER_TENSOR v_quant_type=PER_TENSOR kv_cache_bit_width=4 do_rotary=1"),
      cat(queries, "3 | f[2,1,64] f[2,1,32] f[2,1,32] f[2,2,4,16] f[2,2,4,16] j[2]=17,9 j[]=18 ", tables, "| ",
          sliding),
      cat(queries, "3 | f[1,1,64] f[1,1,32] f[1,1,32] f[1,2,6,16] f[1,2,6,16] j[1]=17 j[]=18 ", tables, "| ", sliding),
      cat(queries, "3 | f[1,9,64] f[1,9,32] f[1,9,32] ", "f[1,2,6,16] f[1,2,6,16] j[1]=8 j[]=9 ", tables, "| ",
          sliding),
      "com.microsoft:MultiHeadAttention 1>4 | f[2,3,12] f[2,5,12] f[2,5,12] f[36] j[2,5]=1,1,0,1,1,1,1,1,1,0 "
      "f[1,1,3,5] | "
      "num_heads=4",
      "com.microsoft:MultiHeadAttention 1 | f[2,3,12] f[2,5,12] f[2,5,12] - j[2,5]=1,-1,0,2,1,-3,1,1,1,0 | num_heads=4",
      "com.microsoft:MultiHeadAttention 1>3 | f[2,3,12] f[2,4,5,3] f[2,4,5,3] f[36] | num_heads=4",
      "com.microsoft:DecoderMaskedMultiHeadAttention 1>4 | f[4,1,8] f[4,1,8] f[4,1,8] "
      "j[4,4]=1,0,1,1,1,1,0,1,1,1,1,1,1,1,1,1 f[1,1,1,4] f[4,2,5,4] f[4,2,5,4] j[1]=3 j[1]=2 "
      "j[2,2,5]=0,1,0,0,0,1,1,0,0,0,0,0,1,0,0,0,1,1,0,0 f[24] | num_heads=2 past_present_share_buffer=1 output_qk=1",
      "com.microsoft:CausalConvWithState 1>2 | f[2,7,3,2] f[6,1,4] f[6] f[2,6,3,2] | channels_last=1 dilation=2",
      "com.microsoft:LinearAttention 1>2 | f[2,3,4] f[2,3,4] f[2,3,12] f[2,4,2,3] f[2,3,4] f[2,3,4] | q_num_heads=2 "
      "kv_num_heads=4",
      "com.microsoft:GatherBlockQuantized 1 | u[6,8] i[3]=1,4,-6 f[6,2] u[6,1] | block_size=16 bits=2",
      "com.microsoft:QLinearAveragePool 1 | u[1,1,4,4] f[]=0.02 u[]=3 f[]=0.01 u[]=5 | kernel_shape=[3,3] "
      "strides=[2,2] "
      "ceil_mode=1 count_include_pad=1 pads=[1,1,1,1]"};
  for (const std::string& row : rows)
    EXPECT_TRUE(compare(ort, example_of(row), (folder.path() / "model.onnx").string())) << row;
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
