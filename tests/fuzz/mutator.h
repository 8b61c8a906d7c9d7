// Changes models of a node or few so that they stay models: attributes at the edges of their types, extents, ranks,
// elements, operands, types, versions, neighbors.
#pragma once

#include "tests/fuzz/choices.h"
#include "tests/subjects.h"

namespace tessera::test {

class Mutator {
 public:
  explicit Mutator(Choices& choices) : choices_(choices) {}

  void change(Subject& subject) {
    GraphProto* graph = subject.model.mutable_graph();
    if (!graph->node_size()) return;
    NodeProto* node = graph->mutable_node(any_of(graph->node_size()));
    Operand* operand = subject.operands.empty() ? nullptr : &choices_.pick(subject.operands);
    switch (choices_.below(24)) {
      case 0:
      case 1:
      case 2:
      case 3:
        if (node->attribute_size()) set_edge(node->mutable_attribute(any_of(node->attribute_size())));
        break;
      case 4:
        if (node->attribute_size()) node->mutable_attribute()->DeleteSubrange(any_of(node->attribute_size()), 1);
        break;
      case 5: return stray(node);
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
        if (node->input_size()) *node->mutable_input(any_of(node->input_size())) = "";
        break;
      case 12:
        if (operand) node->add_input(choices_.below(3) ? operand->name : "");
        break;
      case 13:
        if (operand) operand->tensor = retyped(operand->tensor, dtype());
        break;
      case 14:
      case 15: return change_type(subject, operand);
      case 16:
        if (operand) operand->constant = !operand->constant;
        break;
      case 17:
        for (Operand& each : subject.operands) each.constant = choices_.below(2) != 0;
        break;
      case 18:
      case 19: return change_extent(subject, operand);
      case 20: return change_outputs(graph, node);
      case 21: return follow(graph, node);
      case 22: return precede(graph, node);
      default:
        if (subject.model.opset_import_size())
          subject.model.mutable_opset_import(any_of(subject.model.opset_import_size()))
              ->set_version(choices_.roll(1, 28));
    }
  }

 private:
  int any_of(int count) { return static_cast<int>(choices_.below(count)); }

  int64_t edge() {
    constexpr int64_t far[] = {127,
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
    return choices_.below(3) ? choices_.roll(-4, 26) : choices_.pick(far);
  }
  float real_edge() {
    constexpr float edges[] = {0, 1, -1, 0.5f, 2, NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 1e-30f, 3.5f};
    return choices_.pick(edges);
  }
  std::string word() {
    constexpr const char* words[] = {"",
                                     "x",
                                     "reverse",
                                     "bidirectional",
                                     "SAME_UPPER",
                                     "SAME_LOWER",
                                     "VALID",
                                     "NOTSET",
                                     "edge",
                                     "reflect",
                                     "wrap",
                                     "cubic",
                                     "linear",
                                     "nearest",
                                     "CRD",
                                     "DCR",
                                     "mean",
                                     "sum",
                                     "none",
                                     "circular",
                                     "add",
                                     "mul",
                                     "max",
                                     "min",
                                     "SOFTMAX",
                                     "PROBIT",
                                     "tanh",
                                     "LeakyRelu",
                                     "asymmetric",
                                     "floor",
                                     "LEFT",
                                     "border",
                                     "zeros",
                                     "pytorch_half_pixel",
                                     "ij,jk",
                                     "...i->...",
                                     "ii->i",
                                     "constant",
                                     "round_prefer_ceil",
                                     "tf_crop_and_resize"};
    return choices_.pick(words);
  }
  DType dtype() { return static_cast<DType>(choices_.roll(1, dtype_count - 1)); }

  // --- Attributes ---

  void set_edge(AttributeProto* attribute) {
    switch (attribute->type()) {
      case AttributeProto::INT: attribute->set_i(edge()); break;
      case AttributeProto::FLOAT: attribute->set_f(real_edge()); break;
      case AttributeProto::STRING: attribute->set_s(word()); break;
      case AttributeProto::INTS: change_list(attribute->mutable_ints(), [&] { return edge(); }); break;
      case AttributeProto::FLOATS: change_list(attribute->mutable_floats(), [&] { return real_edge(); }); break;
      case AttributeProto::STRINGS:
        if (attribute->strings_size() && choices_.below(2))
          attribute->mutable_strings()->RemoveLast();
        else
          attribute->add_strings(word());
        break;
      case AttributeProto::TENSOR:
        *attribute->mutable_t() =
            proto_of("", reshaped(retyped(tensor(DType::float32, {3}, {1, 2, 3}), dtype()), {choices_.below(5)}));
        break;
      default: break;
    }
  }

  template <class Numbers, class Next>
  void change_list(Numbers* list, const Next& next) {
    const auto kind = choices_.below(6);
    if (kind == 0) return list->Clear();
    if (kind == 1 || list->empty()) return list->Add(next());
    if (kind == 2) return list->RemoveLast();
    list->Set(any_of(list->size()), next());
  }

  // One that the node does not have: an operator's, mostly its own.
  void stray(NodeProto* node) {
    const OpDef* op = choices_.below(3) ? find_op(node->domain(), node->op_type(), 28) : choices_.pick(all_ops());
    if (!op || op->attrs.empty()) return;
    const std::string name(choices_.pick(op->attrs).name);
    for (const AttributeProto& attribute : node->attribute())
      if (attribute.name() == name) return;
    AttributeProto* attribute = node->add_attribute();
    attribute->set_name(name);
    constexpr AttributeProto::AttributeType types[] = {
        AttributeProto::INT,    AttributeProto::INT,    AttributeProto::INTS,   AttributeProto::FLOAT,
        AttributeProto::FLOATS, AttributeProto::STRING, AttributeProto::TENSOR, AttributeProto::STRINGS};
    attribute->set_type(choices_.pick(types));
    for (int64_t n = choices_.roll(1, 4); n > 0; --n) set_edge(attribute);
  }

  // --- Operands ---

  static bool is_small(const Shape& shape) {
    int64_t product = 1;
    for (const int64_t extent : shape)
      if (__builtin_mul_overflow(product, extent, &product) || product > 1 << 16) return false;
    return true;
  }

  void reshape(Tensor& tensor, const Shape& shape) {
    if (!is_small(shape)) return;
    try {
      tensor = reshaped(tensor, shape);
    } catch (const Error&) {  // too huge to be asked for
    }
  }

  int64_t extent() {
    constexpr int64_t extents[] = {0, 0, 1, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 130};
    return choices_.pick(extents);
  }

  void change_shape(Tensor& tensor) {
    Shape shape = tensor.type.shape;
    const auto kind = choices_.below(8);
    if (kind == 0 && shape.size() > 0) {
      Shape shorter;
      for (size_t i = 1; i < shape.size(); ++i) shorter.push_back(shape[i]);
      shape = shorter;
    } else if (kind == 1) {
      for (int64_t n = choices_.below(2) ? 1 : 8 - shape.rank(); n > 0; --n)
        shape.insert(static_cast<size_t>(choices_.roll(0, shape.rank())), n == 1 ? choices_.roll(0, 2) : 1);
    } else if (kind == 2 && shape.size() > 1) {  // huge, but empty
      shape[0] = 0;
      shape[1] = int64_t{1} << choices_.roll(20, 60);
    } else if (shape.size() > 0) {
      choices_.pick(shape) = extent();
    }
    reshape(tensor, shape);
  }

  // Wherever it is: the examples' extents differ by what they mean.
  void change_extent(Subject& subject, const Operand* operand) {
    if (!operand || operand->tensor.type.shape.size() == 0) return;
    const Shape shape = operand->tensor.type.shape;
    const int64_t before = choices_.pick(shape), after = extent();
    for (Operand& each : subject.operands) {
      Shape changed = each.tensor.type.shape;
      for (int64_t& e : changed)
        if (e == before) e = after;
      if (changed != each.tensor.type.shape) reshape(each.tensor, changed);
    }
  }

  static Tensor retyped(const Tensor& from, DType to) {
    Tensor made = Tensor::make({to, from.type.shape});
    if (!is_real_number(from.type.dtype) || !is_real_number(to)) return made;
    for (int64_t i = 0; i < from.type.shape.elements(); ++i)
      set_element(made.view(), i, element_as_double(from.view(), i));
    return made;
  }

  // All operands of that type get another.
  void change_type(Subject& subject, const Operand* operand) {
    if (!operand) return;
    constexpr DType usual[] = {DType::float16, DType::float64, DType::bfloat16, DType::int32,  DType::int64,
                               DType::int8,    DType::uint8,   DType::float32,  DType::uint64, DType::int16};
    const DType before = operand->tensor.type.dtype, after = choices_.below(3) ? choices_.pick(usual) : dtype();
    for (Operand& each : subject.operands)
      if (each.tensor.type.dtype == before) each.tensor = retyped(each.tensor, after);
  }

  void change_elements(const Tensor& tensor) {
    const int64_t count = tensor.type.shape.elements();
    const DType type = tensor.type.dtype;
    if (!count) return;
    for (int64_t n = choices_.roll(1, 3); n > 0; --n) {
      const int64_t i = choices_.below(count);
      if (type == DType::string)
        tensor.as<String>()[i] = word();
      else if (type == DType::int64)
        tensor.as<int64_t>()[i] = edge();
      else if (is_real_number(type))
        set_element(tensor.view(), i, is_float(type) ? static_cast<double>(real_edge()) : static_cast<double>(edge()));
      else if (type != DType::float8e8m0)
        continue;
      else
        tensor.as<uint8_t>()[i] = static_cast<uint8_t>(choices_.below(256));
    }
  }

  // --- Nodes ---

  void change_outputs(GraphProto* graph, NodeProto* node) {
    const auto kind = choices_.below(3);
    if (kind == 0) {
      node->add_output(cat("more", node->output_size()));
      if (choices_.below(2)) graph->add_output()->set_name(node->output(node->output_size() - 1));
    } else if (node->output_size() > 1) {
      std::string* name = node->mutable_output(any_of(node->output_size()));
      for (int i = graph->output_size() - 1; i >= 0 && graph->output_size() > 1; --i)
        if (graph->output(i).name() == *name) graph->mutable_output()->DeleteSubrange(i, 1);
      if (kind == 1) *name = "";
    }
  }

  // An operator of one operand.
  const OpDef* simple_operator() {
    static const std::vector<const OpDef*> operators = [] {
      std::vector<const OpDef*> found;
      for (const OpDef* op : all_ops())
        if (op->domain.empty() && op->in.min <= 1 && op->in.max != 0 && op->infer && op->reference)
          if (std::none_of(op->attrs.begin(), op->attrs.end(), [](const AttrDef& attr) { return attr.required; }))
            found.push_back(op);
      return found;
    }();
    return choices_.pick(operators);
  }

  void follow(GraphProto* graph, const NodeProto* node) {
    if (!node->output_size() || node->output(0).empty() || graph->node_size() > 5) return;
    const std::string from = node->output(0), to = cat("then", graph->node_size());
    add_node(graph->mutable_node(), std::string(simple_operator()->name), {from}, {to});
    graph->add_output()->set_name(to);
    if (choices_.below(2)) graph->mutable_output(0)->set_name(to), graph->mutable_output()->RemoveLast();
  }

  void precede(GraphProto* graph, NodeProto* node) {
    if (!node->input_size() || graph->node_size() > 5) return;
    std::string* name = node->mutable_input(any_of(node->input_size()));
    if (name->empty()) return;
    const std::string from = *name, to = cat("before", graph->node_size());
    *name = to;
    add_node(graph->mutable_node(), std::string(simple_operator()->name), {from}, {to});
    for (int i = graph->node_size() - 1; i > 0; --i) graph->mutable_node()->SwapElements(i, i - 1);
  }

  Choices& choices_;
};

}  // namespace tessera::test
