#include "tests/cases/case.h"

#include "ops/cpu/backend.h"
#include "runtime/base/threads.h"
#include "tests/tensors.h"

namespace tessera::test {

extern const CaseFile* const case_files[];
extern const int case_file_count;

const std::vector<const CaseList*>& all_case_lists() {
  static const std::vector<const CaseList*> all = [] {
    std::vector<const CaseList*> lists;
    for (int i = 0; i < case_file_count; ++i)
      for (const CaseList& list : case_files[i]->lists) lists.push_back(&list);
    return lists;
  }();
  return all;
}

Question::Question(const Case& c) : of_range_(c.of_range) {
  node_.op = find_op(c.domain, c.op, c.opset);
  if (!node_.op) fail(Error::Kind::unsupported, "no operator ", c.op);
  node_.opset = c.opset;
  node_.attrs = std::make_shared<const Attrs>(c.attrs);
  inputs_.reserve(c.in.size() + c.operands.size());
  for (const Input& input : c.in) add(input);
  const auto own = static_cast<int16_t>(inputs_.size());
  if (!c.operands.empty()) node_.own_inputs = own;
  for (const Input& input : c.operands) add(input);
  for (size_t i = 0; i < c.outputs; ++i) node_.out.push_back(static_cast<ValueId>(inputs_.size() + i));
  Infer frame(node_, List<Type>(types_).first(c.in.size()), List<const Tensor*>(values_).first(c.in.size()));
  infer(frame);
  for (const auto& out : frame.out) out_types_.push_back(out.type);
  if (c.out_type != DType::undefined) out_types_[0].dtype = c.out_type;
  node_.epilogue = c.epilogue;
  for (Fused& fused : node_.epilogue) {
    if (fused.operand >= 0) fused.operand = static_cast<int16_t>(fused.operand + own);
    if (fused.kind != Fused::Kind::depth_to_space) continue;
    const auto block = static_cast<int64_t>(fused.a);
    const Shape& s = out_types_[0].shape;
    out_types_[0].shape = Shape{s[0], s[1] / block / block, s[2] * block, s[3] * block};
  }
}

void Question::add(const Input& input) {
  const bool given = input.tensor.type.dtype != DType::undefined;
  node_.in.push_back(given ? static_cast<ValueId>(inputs_.size()) : absent);
  inputs_.push_back(input);
  types_.push_back(input.tensor.type);
  values_.push_back(given ? &inputs_.back().tensor : nullptr);
  constants_.push_back(input.constant ? values_.back() : nullptr);
}

Graph Question::graph() const {
  Graph graph;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    Value value;
    value.name = cat("x", i);
    value.type = types_[i];
    value.ranked = true;
    if (inputs_[i].constant) value.constant = std::make_shared<const Tensor>(inputs_[i].tensor);
    const ValueId id = graph.add_value(std::move(value));
    if (node_.in[i] != absent && !inputs_[i].constant) graph.inputs.push_back(id);
  }
  for (size_t i = 0; i < out_types_.size(); ++i) {
    Value value;
    value.name = cat("y", i);
    value.type = out_types_[i];
    value.ranked = true;
    graph.outputs.push_back(graph.add_value(std::move(value)));
  }
  graph.nodes.push_back(node_);
  return graph;
}

std::vector<Tensor> Question::expected() const {
  // A fused DepthToSpace moves floats only.
  const bool moves = std::any_of(node_.epilogue.begin(), node_.epilogue.end(),
                                 [](const Fused& fused) { return fused.kind == Fused::Kind::depth_to_space; });
  const bool wide = of_range_ > 0 && !moves;
  const auto widened = [&](const Tensor& tensor) {
    if (!wide || tensor.type.dtype != DType::float32) return tensor;
    Tensor out = Tensor::make({DType::float64, tensor.type.shape});
    for (int64_t i = 0; i < tensor.type.shape.elements(); ++i) out.as<double>()[i] = double{tensor.as<float>()[i]};
    return out;
  };
  std::vector<Tensor> in, out;
  std::vector<View> in_views, out_views;
  for (const Input& input : inputs_) in.push_back(input.tensor.bytes ? widened(input.tensor) : Tensor{});
  for (Type type : out_types_) {
    if (wide && type.dtype == DType::float32) type.dtype = DType::float64;
    out.push_back(Tensor::make(type));
  }
  for (const Tensor& tensor : in) in_views.push_back(tensor.bytes ? tensor.view() : View{});
  for (const Tensor& tensor : out) out_views.push_back(tensor.view());
  static const auto cpu = cpu::make_backend();
  const auto packed = cpu->pack(Offer{}, problem());
  Args args(node_, in_views, out_views);
  args.packed = packed.get();
  Threads alone(1);
  cpu->run(Offer{}, args, alone);
  return out;
}

std::string Question::title() const {
  std::string text(node_.op->name);
  for (const Type& type : types_) text += type.dtype == DType::undefined ? " -" : cat(" ", type);
  for (const auto& [name, attr] : *node_.attrs) {
    if (const auto* text_value = std::get_if<std::string>(&attr)) text += cat(" ", name, "=", *text_value);
    if (const auto* number = std::get_if<int64_t>(&attr)) text += cat(" ", name, "=", *number);
  }
  if (!node_.epilogue.empty()) text += cat(" with ", node_.epilogue.size(), " steps");
  return text;
}

std::vector<Offer> offers_of(const Backend& backend, const Case& c) {
  std::vector<Offer> offers;
  const OpDef* op = find_op(c.domain, c.op, c.opset);
  if (!op || op->reference) backend.offers(Question(c).problem(), offers);  // a Question says which operator is missing
  return offers;
}

Input random(const Shape& shape, double low, double high, DType dtype) {
  static uint32_t seed = 1;
  return {random_tensor(dtype, shape, seed++, low, high)};
}

Input fixed(Input input) {
  input.constant = true;
  return input;
}

Input integers(std::initializer_list<int64_t> values) {
  return {Tensor::of(List<int64_t>(values.begin(), values.size())), true};
}

Input integer(int64_t value) { return {Tensor::scalar(value), true}; }

Input number(float value) { return {floats({}, {static_cast<double>(value)}), true}; }

const std::vector<Shape> pictures = {{1, 16, 5, 7},  {2, 3, 4, 5}, {1, 20, 1, 1},
                                     {1, 33, 3, 40}, {1, 1, 8, 8}, {0, 4, 3, 3}};

}  // namespace tessera::test
