// Gradient of ai.onnx.preview.training: every derivative against differences of the function itself, in float64.
#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "runtime/onnx/derivatives.h"
#include "tests/subjects.h"
#include "tests/support.h"

namespace tessera::test {
namespace {

// As tests/cases/example_cases.cpp has them. Inputs of float64 are varied.
constexpr Text table[] = {
    "Abs 13 | d[2,3]",
    "Acos 7 | d[2,3]=0.1,-0.5,0.7,0.3,-0.8,0.2",
    "Acosh 9 | d[2,3]=1.1,1.5,2.7,3.3,1.8,1.2",
    "Asin 7 | d[2,3]=0.1,-0.5,0.7,0.3,-0.8,0.2",
    "Asinh 9 | d[2,3]",
    "Atan 7 | d[2,3]",
    "Atanh 9 | d[2,3]=0.1,-0.5,0.7,0.3,-0.8,0.2",
    "Cast 19 | d[2,3] | to=11",
    "CastLike 15 | d[2,3] d[1]",
    "Ceil 13 | d[2,3]",
    "Celu 12 | d[2,3] | alpha=0.5",
    "Clip 6 | d[2,3] | min=-0.5 max=0.5",
    "Clip 11 | d[2,3] d[]=-0.5 d[]=0.5",
    "Cos 7 | d[2,3]",
    "Cosh 9 | d[2,3]",
    "Elu 6 | d[2,3]",
    "Elu 6 | d[2,3] | alpha=0.5",
    "Erf 13 | d[2,3]",
    "Exp 13 | d[2,3]",
    "Floor 13 | d[2,3]",
    "Gelu 20 | d[2,3]",
    "Gelu 20 | d[2,3] | approximate=tanh",
    "HardSigmoid 6 | d[2,3]=0.1,-9,0.7,0.3,9,0.2 | alpha=0.25",
    "HardSwish 14 | d[2,3]=0.1,-9,0.7,0.3,9,-2",
    "Identity 13 | d[2,3]",
    "LeakyRelu 16 | d[2,3]",
    "Log 13 | d[2,3]=0.1,9,0.7,0.3,2,1",
    "Mish 18 | d[2,3]",
    "Neg 13 | d[2,3]",
    "Reciprocal 13 | d[2,3]=0.5,9,-0.7,0.3,-2,1",
    "Relu 14 | d[2,3]",
    "Round 11 | d[2,3]",
    "Selu 6 | d[2,3]",
    "Selu 6 | d[2,3] | alpha=2.5 gamma=0.5",
    "Shrink 9 | d[2,3] | lambd=0.75 bias=0.25",
    "Sigmoid 13 | d[2,3]",
    "Sign 13 | d[2,3]",
    "Sin 7 | d[2,3]",
    "Sinh 9 | d[2,3]",
    "Softplus 1 | d[2,3]",
    "Softsign 1 | d[2,3]",
    "Sqrt 13 | d[2,3]=0.5,9,0.7,0.3,2,1",
    "Swish 24 | d[2,3] | alpha=1.5",
    "Tan 7 | d[2,3]=0.1,-0.5,0.7,0.3,-0.8,0.2",
    "Tanh 13 | d[2,3]",
    "ThresholdedRelu 10 | d[2,3] | alpha=0.25",
    "Add 14 | d[2,3] d[3]",
    "Add 14 | d[1,3] d[2,1]",
    "Sub 14 | d[2,3] d[4,1,3]",
    "Mul 14 | d[2,3] d[]",
    "Div 14 | d[2,3] d[3]=0.5,-0.75,2",
    "Pow 15 | d[2,3]=0.5,9,0.7,0.3,2,1 d[3]=0.5,0,2",
    "Pow 15 | d[2,3]=-0.5,0.25,0.7,-0.3,2,1 i[]=3",
    "PRelu 16 | d[2,3] d[3]",
    "Where 16 | t[2,3]=1,0,1,1,0,0 d[3] d[2,1]",
    "Expand 13 | d[3,1] i[3]=2,1,4",
    "Sum 13 | d[2,3] d[3] d[2,1]",
    "Mean 13 | d[2,3] d[3] d[2,1] d[]",
    "Mean 13 | d[2,3] d[3]",
    "Max 13 | d[2,3] d[3] d[2,1]",
    "Min 13 | d[2,3] d[3]",
    "MatMul 13 | d[2,3] d[3,4]",
    "MatMul 13 | d[2,1,2,3] d[3,3,4]",
    "MatMul 13 | d[3] d[2,3,4]",
    "MatMul 13 | d[2,2,3] d[3]",
    "MatMul 13 | d[3] d[3]",
    "Gemm 13 | d[2,3] d[3,4] d[4] | alpha=0.5 beta=2.0",
    "Gemm 13 | d[3,2] d[3,4] d[2,1] | transA=1",
    "Gemm 13 | d[2,3] d[4,3] | transB=1 alpha=0.5",
    "Gemm 13 | d[3,2] d[4,3] d[] | transA=1 transB=1",
    "Conv 11 | d[1,2,5,4] d[3,2,3,2] d[3] | pads=[1,0,2,1] strides=[2,3]",
    "Conv 11 | d[2,2,7] d[3,2,2] | dilations=[2] strides=[2]",
    "ReduceSum 11 | d[2,3,2] | axes=[1]",
    "ReduceSum 13 | d[2,3,2] i[2]=0,-1 | keepdims=0",
    "ReduceSum 13 | d[2,3,2] - | noop_with_empty_axes=1",
    "ReduceMean 11 | d[2,3,2] | axes=[0,2] keepdims=0",
    "ReduceMean 18 | d[2,3,2]",
    "ReduceMax 11 | d[2,3,2] | axes=[1]",
    "ReduceMax 18 | d[2,3,2] i[1]=1 | keepdims=0",
    "ReduceMin 11 | d[2,3,2] | axes=[1]",
    "ReduceMin 18 | d[2,3,2] i[1]=1",
    "ReduceL1 11 | d[2,3,2] | axes=[1]",
    "ReduceL1 18 | d[2,3,2] i[1]=1",
    "ReduceL2 11 | d[2,3,2] | axes=[1]",
    "ReduceL2 18 | d[2,3,2] i[1]=1 | keepdims=0",
    "ReduceSumSquare 11 | d[2,3,2] | axes=[1]",
    "ReduceSumSquare 18 | d[2,3,2] i[1]=1",
    "ReduceLogSum 11 | d[2,3]=0.5,9,0.7,0.3,2,1 | axes=[1]",
    "ReduceLogSum 18 | d[2,3]=0.5,9,0.7,0.3,2,1 i[1]=1 | keepdims=0",
    "ReduceLogSumExp 11 | d[2,3,2] | axes=[1]",
    "ReduceLogSumExp 18 | d[2,3,2] i[1]=1",
    "ReduceProd 11 | d[2,3,2] | axes=[1]",
    "ReduceProd 18 | d[2,3,2] i[1]=1",
    "CumSum 14 | d[2,3] i[]=1",
    "CumSum 14 | d[2,3] i[]=0 | exclusive=1 reverse=1",
    "Softmax 11 | d[2,3,2]",
    "Softmax 13 | d[2,3,2] | axis=1",
    "Softmax 13 | d[2,3]",
    "LogSoftmax 11 | d[2,3,2] | axis=2",
    "LogSoftmax 13 | d[2,3,2] | axis=1",
    "LayerNormalization 17 | d[2,3,4] d[4] d[4]",
    "LayerNormalization 17 | d[2,3,4] d[3,4] | axis=1 epsilon=0.01",
    "BatchNormalization 15 | d[2,3,4] d[3] d[3] f[3] f[3]=1,2,0.5",
    "GlobalAveragePool 1 | d[2,3,4,2]",
    "GlobalMaxPool 1 | d[2,3,4,2]",
    "MaxPool 12 | d[1,2,5,4] | kernel_shape=[3,2] strides=[2,1] pads=[1,0,1,0]",
    "MaxPool 12>2 | d[1,2,5] | kernel_shape=[3]",
    "Reshape 1 | d[2,3] | shape=[3,2]",
    "Reshape 14 | d[2,3] i[2]=3,-1",
    "Flatten 13 | d[2,3,2] | axis=1",
    "Squeeze 11 | d[2,1,3] | axes=[1]",
    "Squeeze 13 | d[2,1,3] i[1]=1",
    "Unsqueeze 11 | d[2,3] | axes=[1]",
    "Unsqueeze 13 | d[2,3] i[2]=0,2",
    "Transpose 13 | d[2,3,4] | perm=[1,2,0]",
    "Transpose 13 | d[2,3,4]",
    "Trilu 14 | d[3,4] i[]=1",
    "Trilu 14 | d[3,4] | upper=0",
    "Concat 13 | d[2,1] d[2,3] d[2,2] | axis=-1",
    "Concat 13 | d[2,1] d[3,1] | axis=0",
    "Split 11>2 | d[2,5] | axis=1 split=[2,3]",
    "Split 13>3 | d[6,2] i[3]=1,3,2",
    "Slice 9 | d[3,4] | starts=[1] ends=[3] axes=[1]",
    "Slice 13 | d[3,4] i[1]=-1 i[1]=-9 i[1]=1 i[1]=-2",
    "Gather 13 | d[3,4] i[2,2]=1,0,1,-1 | axis=1",
    "GatherElements 13 | d[3,2] i[2,2]=2,0,2,1",
    "GatherND 13 | d[3,2] i[3,1]=2,0,2",
    "Tile 13 | d[2,3] i[2]=2,3",
    "DepthToSpace 13 | d[1,8,1,2] | blocksize=2 mode=CRD",
    "SpaceToDepth 13 | d[1,2,2,4] | blocksize=2",
    "TopK 11>2 | d[2,4] i[1]=2",
    "Pad 13 | d[2,3] i[4]=1,0,0,2 d[]=5",
    "Pad 18 | d[2,3] i[2]=1,2 - i[1]=1 | mode=reflect",
};

double element(const Tensor& tensor, int64_t i) { return element_as_double(tensor.view(), i); }

/// The sum of the squares of the node's real outputs as "total", and its derivatives by the operands in `varied`.
Subject with_gradient(Subject subject, const std::vector<std::string>& varied, size_t outputs) {
  GraphProto* graph = subject.model.mutable_graph();
  graph->clear_output();
  import(subject.model, "ai.onnx.preview.training", 1);
  // Of an opset of its own.
  ::onnx::FunctionProto* total_of = subject.model.add_functions();
  total_of->set_domain("local"), total_of->set_name("Total");
  total_of->add_input("y"), total_of->add_output("total");
  total_of->add_opset_import()->set_version(17);
  add_node(total_of->mutable_node(), "Mul", {"y", "y"}, {"squares"});
  add_attr(add_node(total_of->mutable_node(), "ReduceSum", {"squares"}, {"total"}), "keepdims", AttributeProto::INT)
      ->set_i(0);
  import(subject.model, "local", 1);
  for (size_t i = 0; i < outputs; ++i)
    add_node(graph->mutable_node(), "Total", {cat("y", i)}, {cat("total", i)})->set_domain("local");
  std::string total = "total0";
  for (size_t i = 1; i < outputs; ++i) {
    add_node(graph->mutable_node(), "Sum", {total, cat("total", i)}, {cat("all", i)});
    total = cat("all", i);
  }
  graph->add_output()->set_name(total);
  NodeProto* node = add_node(graph->mutable_node(), "Gradient", varied, {});
  node->set_domain("ai.onnx.preview.training");
  AttributeProto* xs = add_attr(node, "xs", AttributeProto::STRINGS);
  for (const std::string& name : varied) {
    xs->add_strings(name);
    node->add_output("d" + name);
    graph->add_output()->set_name("d" + name);
  }
  add_attr(node, "y", AttributeProto::STRING)->set_s(total);
  return subject;
}

bool has_real_output(const Case& c, size_t output) { return !(c.op == "TopK" || c.op == "MaxPool") || output == 0; }

void check(const Case& c) {
  Subject subject = subject_of(c);
  std::vector<std::string> varied;
  std::vector<size_t> places;
  for (size_t i = 0; i < subject.operands.size(); ++i) {
    Operand& operand = subject.operands[i];
    if (operand.tensor.type.dtype == DType::float32) {
      Tensor wide = Tensor::make({DType::float64, operand.tensor.type.shape});
      for (int64_t k = 0; k < wide.type.shape.elements(); ++k) set_element(wide.view(), k, element(operand.tensor, k));
      operand.tensor = wide;
    } else if (operand.tensor.type.dtype == DType::float64) {
      operand.constant = false;
      varied.push_back(operand.name);
      places.push_back(i);
    }
  }
  size_t outputs = 0;
  while (outputs < c.outputs && has_real_output(c, outputs)) ++outputs;
  const Subject whole = with_gradient(subject, varied, outputs);
  std::vector<Datum> got;
  try {
    got = run_subject(whole);
  } catch (const Error& error) {
    ADD_FAILURE() << subject.origin << ": " << error.what();
    return;
  }
  const double h = 1e-5;
  for (size_t v = 0; v < varied.size(); ++v) {
    const Tensor& found = got[1 + v].tensor;
    const Tensor at = subject.operands[places[v]].tensor;
    ASSERT_EQ(found.type, at.type) << subject.origin;
    for (int64_t i = 0; i < at.type.shape.elements(); ++i) {
      const auto total = [&](double step) {
        Subject moved = whole;
        Tensor other = Tensor::make(at.type);
        for (int64_t k = 0; k < at.type.shape.elements(); ++k)
          set_element(other.view(), k, element(at, k) + (k == i ? step : 0));
        moved.operands[places[v]].tensor = other;
        return element(run_subject(moved, false)[0].tensor, 0);
      };
      const double wanted = (total(h) - total(-h)) / (2 * h);
      EXPECT_NEAR(element(found, i), wanted, 1e-5 * (1 + std::abs(wanted)))
          << subject.origin << ", by element " << i << " of " << varied[v];
    }
  }
}

TEST(Gradient, EveryDerivativeIsTheSlope) {
  std::set<const onnx::Derivative*> left;
  for (const onnx::Derivative& row : onnx::derivatives()) left.insert(&row);
  for (const Text row : table) {
    const Case c = example_of(row);
    SCOPED_TRACE(std::string(row));
    check(c);
    const onnx::Derivative* used = nullptr;
    for (const onnx::Derivative& derivative : onnx::derivatives())
      if (derivative.op == c.op && derivative.since <= c.opset && (!used || used->since < derivative.since))
        used = &derivative;
    ASSERT_NE(used, nullptr);
    left.erase(used);
  }
  for (const onnx::Derivative* row : left) ADD_FAILURE() << row->op << ' ' << row->since << " has no row";
}

// --- Graphs ------------------------------------------------------------------------------------------

struct Model : Pen {
  Model() { import(model, "ai.onnx.preview.training", 1); }
  NodeProto* gradient(const std::vector<std::string>& in, const std::vector<std::string>& out,
                      const std::vector<std::string>& xs, const std::vector<std::string>& zs, const std::string& y) {
    NodeProto* made = node("Gradient", in, out);
    made->set_domain("ai.onnx.preview.training");
    for (const std::string& name : xs) {
      if (!made->attribute_size()) add_attr(made, "xs", AttributeProto::STRINGS);
      made->mutable_attribute(0)->add_strings(name);
    }
    if (!zs.empty()) {
      AttributeProto* attribute = add_attr(made, "zs", AttributeProto::STRINGS);
      for (const std::string& name : zs) attribute->add_strings(name);
    }
    add_attr(made, "y", AttributeProto::STRING)->set_s(y);
    return made;
  }
  std::vector<double> run(const std::vector<double>& x) const {
    const std::string file = model.SerializeAsString();
    SessionOptions options;
    options.threads = 1;
    options.device = "cpu";
    const Session session(List<std::byte>(reinterpret_cast<const std::byte*>(file.data()), file.size()), options);
    const std::vector<Tensor> in{tensor(DType::float32, {2}, x)};
    const Tensor result = session.run(List<Tensor>(in))[0];
    std::vector<double> values;
    for (int64_t i = 0; i < result.type.shape.elements(); ++i) values.push_back(element(result, i));
    return values;
  }
};

TEST(Gradient, OfAValueThatIsUsedTwice) {
  Model pen;
  pen.node("Mul", {"x", "x"}, {"s"});
  pen.node("Mul", {"s", "x"}, {"cube"});
  pen.gradient({"x"}, {"y"}, {"x"}, {}, "cube");
  EXPECT_THAT(pen.run({2, -3}), testing::ElementsAre(12, 27));
}

TEST(Gradient, OfAGradient) {
  Model pen;
  pen.node("Mul", {"x", "x"}, {"s"});
  pen.node("Mul", {"s", "x"}, {"cube"});
  pen.gradient({"x"}, {"once"}, {"x"}, {}, "cube");
  pen.gradient({"x"}, {"y"}, {"x"}, {}, "once");
  EXPECT_THAT(pen.run({2, -3}), testing::ElementsAre(12, -18));
}

// The node may stand before what it differentiates.
TEST(Gradient, ComesBeforeItsGraph) {
  Model pen;
  pen.gradient({"x"}, {"y"}, {"x"}, {}, "s");
  pen.node("Mul", {"x", "x"}, {"s"});
  EXPECT_THAT(pen.run({2, -3}), testing::ElementsAre(4, -6));
}

// Derivatives are taken where the inputs say, and what zs names is held.
TEST(Gradient, AtAnotherPlace) {
  Model pen;
  pen.node("Exp", {"x"}, {"e"});
  pen.node("Add", {"x", "x"}, {"h"});
  pen.node("Mul", {"h", "e"}, {"p"});
  pen.node("Mul", {"p", "p"}, {"q"});
  pen.node("Neg", {"x"}, {"place"});
  pen.node("Abs", {"x"}, {"held"});
  pen.gradient({"place", "held"}, {"y"}, {"h"}, {"e"}, "q");
  // q = (h e)^2, its derivative 2 h e^2 with h = -x, e = |x|.
  EXPECT_THAT(pen.run({2, -3}), testing::ElementsAre(-16, 54));
}

TEST(Gradient, OfWhatDoesNotDependOnIt) {
  Model pen;
  pen.node("Shape", {"x"}, {"shape"});
  pen.node("Cast", {"shape"}, {"s"});
  add_attr(pen.graph->mutable_node(1), "to", AttributeProto::INT)->set_i(1);
  pen.node("Neg", {"x"}, {"n"});
  pen.gradient({"n"}, {"y"}, {"n"}, {}, "s");
  EXPECT_THAT(pen.run({2, -3}), testing::ElementsAre(0, 0));
}

TEST(Gradient, NamesAnOperatorWithoutADerivative) {
  Model pen;
  pen.node("Det", {"x"}, {"det"});
  pen.gradient({"x"}, {"y"}, {"x"}, {}, "det");
  EXPECT_THAT(pen.error(),
              testing::HasSubstr("has to go through operator Det (\"det\"), of which no derivative is known"));
}

TEST(Gradient, SaysWhatADerivativeLacks) {
  Model pen;
  pen.node("Sum", {"x", "x", "x", "x", "x"}, {"sum"});
  pen.gradient({"x"}, {"y"}, {"x"}, {}, "sum");
  EXPECT_THAT(pen.error(), testing::HasSubstr("operator Sum (\"sum\"), whose derivative is known for 4 inputs"));
  Model other;
  add_attr(other.node("Conv", {"x", "w"}, {"c"}), "group", AttributeProto::INT)->set_i(2);
  *other.graph->add_initializer() = proto_of("w", tensor(DType::float32, {2, 1, 1}, {1, 2}));
  other.gradient({"w"}, {"y"}, {"w"}, {}, "c");
  EXPECT_THAT(other.error(), testing::HasSubstr("derivative of operator Conv (\"c\"): makes no \"dw\" with these"));
}

TEST(Gradient, CountsItsVariables) {
  Model pen;
  pen.node("Neg", {"x"}, {"n"});
  pen.gradient({"x"}, {"y"}, {"x"}, {"x"}, "n");
  EXPECT_THAT(pen.error(), testing::HasSubstr("has 1 inputs and 1 outputs, but names 1 variables and 1 others"));
  Model other;
  other.gradient({"x"}, {"y"}, {"x"}, {}, "nothing");
  EXPECT_THAT(other.error(), testing::HasSubstr("uses value \"nothing\", which nothing defines"));
}

}  // namespace
}  // namespace tessera::test
