#include "tests/fuzz/models.h"

#include <google/protobuf/text_format.h>

namespace tessera::test {
namespace {

struct Row {
  const char* origin;
  const char* graph;  // a GraphProto as text, without its operands; types of attributes are numbers
  std::vector<Operand> operands;
};

Tensor whole(int64_t value) { return Tensor::scalar(value); }
Tensor some(const Shape& shape) { return random_tensor(DType::float32, shape, 7, -2, 2); }
Tensor truth(bool value) { return tensor(DType::boolean, {}, {value ? 1.0 : 0.0}); }

const std::vector<Row>& rows() {
  static const std::vector<Row> all = {
      {"sequences",
       R"(node { op_type: "SequenceConstruct" input: "a" input: "b" output: "s" }
          node { op_type: "SequenceInsert" input: "s" input: "a" input: "i" output: "t" }
          node { op_type: "SequenceErase" input: "t" input: "i" output: "u" }
          node { op_type: "SequenceAt" input: "u" input: "i" output: "v" }
          node { op_type: "SequenceLength" input: "u" output: "n" }
          output { name: "v" } output { name: "n" } output { name: "u" })",
       {{"a", some({2, 3})}, {"b", some({2, 3})}, {"i", whole(1)}}},
      {"joined sequences",
       R"(node { op_type: "SequenceConstruct" input: "a" input: "b" output: "s" }
          node { op_type: "ConcatFromSequence" input: "s" output: "y" attribute { name: "axis" type: 2 i: 1 }
                 attribute { name: "new_axis" type: 2 i: 0 } }
          output { name: "y" })",
       {{"a", some({2, 3})}, {"b", some({2, 5})}}},
      {"split sequences",
       R"(node { op_type: "SplitToSequence" input: "a" input: "k" output: "s" attribute { name: "axis" type: 2 i: 1 }
                 attribute { name: "keepdims" type: 2 i: 1 } }
          node { op_type: "SequenceAt" input: "s" input: "i" output: "y" }
          output { name: "y" } output { name: "s" })",
       {{"a", some({2, 6})}, {"k", whole(2)}, {"i", whole(-1)}}},
      {"an empty sequence",
       R"(node { op_type: "SequenceEmpty" output: "s" attribute { name: "dtype" type: 2 i: 1 } }
          node { op_type: "SequenceInsert" input: "s" input: "a" output: "t" }
          node { op_type: "Identity" input: "t" output: "u" }
          output { name: "u" })",
       {{"a", some({2, 3})}}},
      {"a mapped sequence",
       R"(node { op_type: "SequenceConstruct" input: "a" input: "b" output: "s" }
          node { op_type: "SequenceMap" input: "s" input: "c" output: "t"
                 attribute { name: "body" type: 5 g { name: "body"
                   node { op_type: "Add" input: "p" input: "q" output: "r" }
                   input { name: "p" type { tensor_type { elem_type: 1 } } }
                   input { name: "q" type { tensor_type { elem_type: 1 } } }
                   output { name: "r" type { tensor_type { elem_type: 1 } } } } } }
          output { name: "t" })",
       {{"a", some({2, 3})}, {"b", some({4})}, {"c", some({1})}}},
      {"optionals",
       R"(node { op_type: "Optional" input: "a" output: "o" }
          node { op_type: "OptionalHasElement" input: "o" output: "h" }
          node { op_type: "OptionalGetElement" input: "o" output: "y" }
          output { name: "y" } output { name: "h" } output { name: "o" })",
       {{"a", some({2, 3})}}},
      {"If",
       R"(node { op_type: "If" input: "c" output: "y"
                 attribute { name: "then_branch" type: 5 g { name: "then"
                   node { op_type: "Relu" input: "a" output: "p" } output { name: "p" } } }
                 attribute { name: "else_branch" type: 5 g { name: "else"
                   node { op_type: "ReduceSum" input: "a" output: "q" } output { name: "q" } } } }
          node { op_type: "Neg" input: "y" output: "z" }
          output { name: "z" })",
       {{"a", some({2, 3})}, {"c", truth(true)}}},
      {"Loop",
       R"(node { op_type: "Loop" input: "n" input: "c" input: "a" output: "y" output: "z"
                 attribute { name: "body" type: 5 g { name: "body"
                   node { op_type: "Add" input: "p" input: "b" output: "q" }
                   node { op_type: "ReduceSum" input: "q" output: "r" }
                   node { op_type: "Identity" input: "go" output: "on" }
                   input { name: "k" type { tensor_type { elem_type: 7 shape { } } } }
                   input { name: "go" type { tensor_type { elem_type: 9 shape { } } } }
                   input { name: "p" type { tensor_type { elem_type: 1 } } }
                   output { name: "on" } output { name: "q" } output { name: "r" } } } }
          output { name: "y" } output { name: "z" })",
       {{"n", whole(3)}, {"c", truth(true)}, {"a", some({2, 3})}, {"b", some({3})}}},
      {"Scan",
       R"(node { op_type: "Scan" input: "a" input: "b" output: "y" output: "z"
                 attribute { name: "num_scan_inputs" type: 2 i: 1 }
                 attribute { name: "scan_input_axes" type: 7 ints: 0 }
                 attribute { name: "scan_output_directions" type: 7 ints: 1 }
                 attribute { name: "body" type: 5 g { name: "body"
                   node { op_type: "Add" input: "p" input: "q" output: "r" }
                   node { op_type: "Relu" input: "r" output: "t" }
                   input { name: "p" type { tensor_type { elem_type: 1 } } }
                   input { name: "q" type { tensor_type { elem_type: 1 } } }
                   output { name: "r" } output { name: "t" } } } }
          output { name: "y" } output { name: "z" })",
       {{"a", some({3})}, {"b", some({4, 3})}}},
      {"maps",
       R"(node { op_type: "ZipMap" domain: "ai.onnx.ml" input: "a" output: "m"
                 attribute { name: "classlabels_int64s" type: 7 ints: 4 ints: 5 ints: 6 } }
          output { name: "m" })",
       {{"a", some({2, 3})}}},
      {"named maps",
       R"(node { op_type: "ZipMap" domain: "ai.onnx.ml" input: "a" output: "m"
                 attribute { name: "classlabels_strings" type: 8 strings: "x" strings: "y" } }
          node { op_type: "SequenceAt" input: "m" input: "i" output: "e" }
          node { op_type: "DictVectorizer" domain: "ai.onnx.ml" input: "e" output: "v"
                 attribute { name: "string_vocabulary" type: 8 strings: "y" strings: "z" strings: "x" } }
          output { name: "v" })",
       {{"a", some({3, 2})}, {"i", whole(0)}}},
      {"a map, cast",
       R"(node { op_type: "ZipMap" domain: "ai.onnx.ml" input: "a" output: "m"
                 attribute { name: "classlabels_int64s" type: 7 ints: 4 ints: 1 } }
          node { op_type: "SequenceAt" input: "m" input: "i" output: "e" }
          node { op_type: "CastMap" domain: "ai.onnx.ml" input: "e" output: "v"
                 attribute { name: "cast_to" type: 3 s: "TO_FLOAT" }
                 attribute { name: "map_form" type: 3 s: "SPARSE" }
                 attribute { name: "max_map" type: 2 i: 6 } }
          output { name: "v" })",
       {{"a", some({3, 2})}, {"i", whole(0)}}},
      {"attention with words of its own",
       R"(node { op_type: "FlexAttention" domain: "ai.onnx.preview" input: "q" input: "k" input: "v" output: "y"
                 attribute { name: "score_mod" type: 5 g { name: "mod"
                   node { op_type: "Mul" input: "s" input: "half" output: "r" }
                   input { name: "s" type { tensor_type { elem_type: 1 } } } output { name: "r" } } } }
          output { name: "y" })",
       {{"q", some({2, 4, 3, 8})}, {"k", some({2, 2, 5, 8})}, {"v", some({2, 2, 5, 6})}, {"half", some({1})}}},
      {"shapes that depend on data",
       R"(node { op_type: "NonZero" input: "a" output: "p" }
          node { op_type: "Transpose" input: "p" output: "q" }
          node { op_type: "GatherND" input: "a" input: "q" output: "r" }
          node { op_type: "Reshape" input: "r" input: "t" output: "y" }
          output { name: "y" } output { name: "q" })",
       {{"a", some({2, 3})}, {"t", tensor(DType::int64, {2}, {3, -1})}}},
      {"a convolution with its neighbors",
       R"(node { op_type: "Pad" input: "a" input: "e" output: "p" }
          node { op_type: "Conv" input: "p" input: "w" input: "b" output: "c" }
          node { op_type: "Relu" input: "c" output: "r" }
          node { op_type: "DepthToSpace" input: "r" output: "d" attribute { name: "blocksize" type: 2 i: 2 } }
          node { op_type: "Concat" input: "d" input: "d" output: "y" attribute { name: "axis" type: 2 i: 1 } }
          output { name: "y" })",
       {{"a", some({1, 3, 6, 7})},
        {"e", tensor(DType::int64, {8}, {0, 0, 1, 1, 0, 0, 1, 1}), true},
        {"w", some({8, 3, 3, 3}), true},
        {"b", some({8}), true}}},
      {"a quantized product with its neighbors",
       R"(node { op_type: "QuantizeLinear" input: "a" input: "s" input: "z" output: "p" }
          node { op_type: "DequantizeLinear" input: "p" input: "s" input: "z" output: "q" }
          node { op_type: "DequantizeLinear" input: "w" input: "s" output: "v" }
          node { op_type: "MatMul" input: "q" input: "v" output: "m" }
          node { op_type: "Relu" input: "m" output: "r" }
          node { op_type: "QuantizeLinear" input: "r" input: "s" input: "z" output: "y" }
          output { name: "y" })",
       {{"a", some({2, 3, 8})},
        {"s", tensor(DType::float32, {}, {0.5}), true},
        {"z", tensor(DType::uint8, {}, {3}), true},
        {"w", random_tensor(DType::int8, {8, 5}, 3, -64, 64), true}}},
      {"attention as exporters write it",
       R"(node { op_type: "MatMul" input: "a" input: "w" output: "m" }
          node { op_type: "Reshape" input: "m" input: "t" output: "r" }
          node { op_type: "Transpose" input: "r" output: "p" attribute { name: "perm" type: 7
                 ints: 2 ints: 0 ints: 3 ints: 1 ints: 4 } }
          node { op_type: "Split" input: "p" output: "q" output: "k" output: "v"
                 attribute { name: "axis" type: 2 i: 0 } attribute { name: "num_outputs" type: 2 i: 3 } }
          node { op_type: "Transpose" input: "k" output: "kt" attribute { name: "perm" type: 7
                 ints: 0 ints: 1 ints: 2 ints: 4 ints: 3 } }
          node { op_type: "MatMul" input: "q" input: "kt" output: "s" }
          node { op_type: "Softmax" input: "s" output: "f" }
          node { op_type: "MatMul" input: "f" input: "v" output: "o" }
          node { op_type: "Transpose" input: "o" output: "y" attribute { name: "perm" type: 7
                 ints: 0 ints: 1 ints: 3 ints: 2 ints: 4 } }
          output { name: "y" })",
       {{"a", some({2, 5, 8})}, {"w", some({8, 24}), true}, {"t", tensor(DType::int64, {5}, {2, 5, 3, 2, 4}), true}}},
  };
  return all;
}

Subject subject_of(const Row& row) {
  Subject subject;
  subject.origin = row.origin;
  subject.model.set_ir_version(10);
  import(subject.model, "", 21);
  import(subject.model, "ai.onnx.ml", 3);
  import(subject.model, "ai.onnx.preview", 1);
  subject.operands = row.operands;
  if (!google::protobuf::TextFormat::ParseFromString(row.graph, subject.model.mutable_graph()))
    throw std::runtime_error(cat("not a graph: ", row.origin));
  return subject;
}

}  // namespace

std::vector<Subject> model_subjects() {
  std::vector<Subject> subjects;
  for (const Row& row : rows()) subjects.push_back(subject_of(row));
  for (const Case& example : file_examples()) subjects.push_back(test::subject_of(example));
  return subjects;
}

}  // namespace tessera::test
