// Elementwise nodes, and DepthToSpace, move into the epilogue of the node that makes their input:
// applied to its output while that is at hand. Only where a backend has a kernel for the result.

#include <algorithm>

#include "ops/elementwise.h"
#include "optimizer/quantized.h"

namespace tessera::optimizer {
namespace {

// The parameters of a unary function, as its node gives them.
bool read_parameters(Edit& edit, const Node& node, Fused* fused) {
  const auto number = [&](size_t input, float* bound) {
    if (node.in.size() <= input || node.in[input] == absent) return true;
    double value;
    if (!scalar_of(edit.constant(node.in[input]), &value)) return false;
    *bound = static_cast<float>(value);
    return true;
  };
  elementwise::UnaryFunction unary;
  if (!elementwise::read_unary(AttrReader(node), fused->function, number, &unary)) return false;
  fused->function = unary.function, fused->a = unary.a, fused->b = unary.b;
  return true;
}

bool is_quantized_product(const Node& node) {
  return node.op->domain == "tessera" && (node.op->name == "QuantizedConv" || node.op->name == "QuantizedGemm");
}

// QuantizeLinear right behind a product of integers: the product's own quantization, so that its scale
// and that of the result are one factor.
bool quantize_product(Edit& edit, const Node& maker, const Node& user, Node* result) {
  PerTensor to;
  if (!is_quantized_product(maker) || !maker.epilogue.empty() || maker.in.size() != 9 || maker.in[7] != absent)
    return false;
  if (!read_quantize(edit, &user, &to) || to.zero_id == absent) return false;
  if (maker.in[8] != absent && edit.value(maker.in[8]).type.dtype != DType::int32) return false;
  *result = maker;
  result->in[6] = to.scale_id;
  result->in[7] = to.zero_id;
  result->out = {user.out[0]};
  return true;
}

// Entries between a step from integers and the next one to integers, as far as they scale with their
// input, work in units of the result: then the step to integers has no factor of its own.
void scale_to_unit(Edit& edit, Node& node) {
  using namespace elementwise;
  Fused& last = node.epilogue.back();
  if (!last.quantizes() || last.a == 1.0f) return;
  const float factor = 1.0f / last.a;
  std::vector<Fused> scaled = node.epilogue;
  for (size_t i = scaled.size() - 1; i-- > 0;) {
    Fused& fused = scaled[i];
    const bool integers =
        fused.operand >= 0 && is_byte(edit.value(node.in[static_cast<size_t>(fused.operand)]).type.dtype);
    if (fused.is(Clip))
      fused.b *= factor;
    else if (!fused.dequantizes() && !(fused.is(Add) && integers) && !fused.is(Relu) && !fused.is(LeakyRelu) &&
             !(fused.is(PRelu) && !fused.swapped))
      return;
    if (fused.is(Clip) || fused.is(Add) || fused.dequantizes()) fused.a *= factor;
    if (!fused.dequantizes()) continue;
    scaled.back().a = 1.0f;
    node.epilogue = std::move(scaled);
    return;
  }
}

// A step to or from integers.
bool read_step(Edit& edit, const Node& user, Fused* fused) {
  PerTensor step;
  if (read_quantize(edit, &user, &step))
    fused->kind = step.type == DType::int8 ? Fused::Kind::quantize_s8 : Fused::Kind::quantize_u8;
  else if (read_dequantize(edit, &user, &step))
    fused->kind = Fused::Kind::dequantize;
  else
    return false;
  fused->a = step.scale;
  fused->b = step.zero;
  return true;
}

// The node as it would be with `user` as its next epilogue entry; false if `user` is no such entry. An
// operand that is dequantized is taken as integers if `integers` says so.
bool extend(Edit& edit, const Node& maker, const Node& user, bool integers, Node* result) {
  Fused fused;
  ValueId operand = absent;
  if (integers && quantize_product(edit, maker, user, result)) return true;
  if (is(&user, "DepthToSpace")) {
    const AttrReader attrs(user);
    fused = Fused::depth_to_space(attrs.integer("blocksize"), attrs.text("mode") == "CRD");
  } else if (!read_step(edit, user, &fused)) {
    const auto function = elementwise::function_of(*user.op);
    if (!function || !user.epilogue.empty()) return false;
    fused.function = *function;
    if (elementwise::is_binary(*function)) {
      if (user.in.size() != 2 || user.opset < 7 || user.in[0] == user.in[1]) return false;
      fused.swapped = user.in[1] == maker.out[0];
      operand = user.in[fused.swapped ? 0 : 1];
      PerTensor from;
      if (integers) {
        if (!is_quantized_product(maker) || !read_dequantize(edit, edit.maker(operand), &from)) return false;
        operand = from.values;
        fused.a = from.scale;
        fused.b = from.zero;
      } else if (edit.value(operand).type.dtype != edit.value(maker.out[0]).type.dtype) {
        return false;
      }
    } else if (!read_parameters(edit, user, &fused)) {
      return false;
    }
    if (edit.value(user.out[0]).type != edit.value(maker.out[0]).type) return false;
  }
  *result = maker;
  if (operand != absent) {
    if (result->own_inputs < 0) {
      if (maker.op->in.max == many) return false;
      result->in.resize(static_cast<size_t>(std::max<int>(maker.op->in.max, static_cast<int>(maker.in.size()))),
                        absent);
      result->own_inputs = static_cast<int>(result->in.size());
    }
    fused.operand = static_cast<int16_t>(result->in.size());
    result->in.push_back(operand);
  }
  result->epilogue.push_back(fused);
  scale_to_unit(edit, *result);
  result->out = {user.out[0]};
  return true;
}

bool single_output(Edit& edit, const Node& node) {
  return std::all_of(node.out.begin() + 1, node.out.end(),
                     [&](ValueId id) { return id == absent || edit.uses(id) == 0; });
}

// Of the two sides of a sum of dequantized numbers, one stays as it is when the other has joined
// the product that makes it: that product reads its integers.
bool is_second_operand(Edit& edit, const Node& user) {
  if (!is(&user, "DequantizeLinear")) return false;
  const Node* sum = edit.only_user(user.out[0]);
  if (!is(sum, "Add") || sum->in[0] == sum->in[1]) return false;
  const Node* other = edit.maker(sum->in[sum->in[0] == user.out[0] ? 1 : 0]);
  return other && is_quantized_product(*other) && edit.only_user(other->out[0]) == sum;
}

bool fuse(Edit& edit, Node& user, const Fits& fits, bool heavy) {
  if (is_second_operand(edit, user)) return false;
  for (size_t i = 0; i < std::min<size_t>(user.in.size(), 2); ++i) {
    Node* maker = edit.maker(user.in[i]);
    if (!maker || (maker->op->work != nullptr) != heavy || edit.only_user(user.in[i]) != &user) continue;
    if (maker->out[0] != user.in[i] || maker->op->view || !single_output(edit, *maker)) continue;
    if (edit.value(maker->out[0]).type.dtype != DType::float32 && !is(&user, "DequantizeLinear")) continue;
    Node extended;
    const auto extends = [&](bool integers) {
      return extend(edit, *maker, user, integers, &extended) && fits(edit.graph(), extended);
    };
    if (!extends(true) && !extends(false)) continue;
    // At the user's place: there the other operand is known to be made.
    edit.remove(*maker);
    edit.replace(user, std::move(extended));
    return true;
  }
  return false;
}

}  // namespace

bool fuse_epilogue(Graph& graph, const Fits& fits) {
  Edit edit(graph);
  bool changed = false;
  // Heavy makers first: an elementwise result is better applied where the time is spent anyway.
  for (const bool heavy : {true, false})
    for (Node& node : graph.nodes)
      if (node.op && !node.in.empty()) changed |= fuse(edit, node, fits, heavy);
  if (changed) edit.finish();
  return changed;
}

}  // namespace tessera::optimizer
