// Activations that exporters spell out: x * Sigmoid(x) is Swish; x/2 * (1 + Erf(x / sqrt 2)) is Gelu;
// (x + y) * (Sigmoid(x) - 1/2), SPAN's attention, is Gate. A number may be a constant of many axes, so the result's
// type is compared.

#include <cmath>

#include "optimizer/rewrites.h"

namespace tessera::optimizer {
namespace {

bool is_number(Edit& edit, ValueId id, double wanted) {
  double value;
  return scalar_of(edit.constant(id), &value) && std::abs(value - wanted) < 1e-4 * std::abs(wanted);
}

// If `node` is op(x, number) or, for a commutative op, op(number, x): x; else absent.
ValueId other_than(Edit& edit, const Node* node, Text op, double number) {
  if (!is(node, op) || node->in.size() != 2) return absent;
  if (is_number(edit, node->in[1], number)) return node->in[0];
  return op != "Div" && is_number(edit, node->in[0], number) ? node->in[1] : absent;
}

ValueId partner(const Node& node, ValueId id) { return node.in[0] == id ? node.in[1] : node.in[0]; }

bool become(Edit& edit, Node& node, Text op, int opset, ValueId x) {
  if (edit.value(node.out[0]).type != edit.value(x).type) return false;
  Node made = node;
  made.op = find_op("", op, opset);
  made.opset = opset;
  made.attrs = nullptr;
  made.in = {x};
  edit.replace(node, std::move(made));
  return true;
}

bool find_swish(Edit& edit, Node& mul) {
  if (mul.in.size() != 2 || !find_op("", "Swish", 24)) return false;
  for (int side = 0; side < 2; ++side) {
    const Node* sigmoid = edit.maker(mul.in[static_cast<size_t>(side)]);
    if (!is(sigmoid, "Sigmoid") || sigmoid->in[0] != mul.in[static_cast<size_t>(1 - side)]) continue;
    if (edit.only_user(sigmoid->out[0]) != &mul) continue;
    return become(edit, mul, "Swish", 24, sigmoid->in[0]);
  }
  return false;
}

bool find_gelu(Edit& edit, const Node& erf) {
  const Node* scaled = edit.maker(erf.in[0]);
  ValueId x = other_than(edit, scaled, "Div", std::sqrt(2.0));
  if (x == absent) x = other_than(edit, scaled, "Mul", std::sqrt(0.5));
  Node* plus = edit.only_user(erf.out[0]);
  if (x == absent || !find_op("", "Gelu", 20) || other_than(edit, plus, "Add", 1) == absent) return false;
  Node* product = edit.only_user(plus->out[0]);
  if (!is(product, "Mul")) return false;
  const ValueId other = partner(*product, plus->out[0]);
  Node* next = edit.only_user(product->out[0]);
  if (other == x && other_than(edit, next, "Mul", 0.5) == product->out[0])
    return become(edit, *next, "Gelu", 20, x);  // (x * (1 + erf)) * 0.5
  if (other_than(edit, edit.maker(other), "Mul", 0.5) == x)
    return become(edit, *product, "Gelu", 20, x);  // (x * 0.5) * (1 + erf)
  return is_number(edit, other, 0.5) && is(next, "Mul") && partner(*next, product->out[0]) == x &&
         become(edit, *next, "Gelu", 20, x);  // ((1 + erf) * 0.5) * x
}

bool find_gate(Edit& edit, Node& mul) {
  if (mul.in.size() != 2 || mul.opset < 7) return false;
  for (const size_t side : {0, 1}) {
    const Node *sum = edit.maker(mul.in[side]), *shifted = edit.maker(mul.in[1 - side]);
    if (!is(sum, "Add") || edit.only_user(sum->out[0]) != &mul || !shifted) continue;
    ValueId weight = is(shifted, "Sub") && is_number(edit, shifted->in[1], 0.5) ? shifted->in[0] : absent;
    if (weight == absent) weight = other_than(edit, shifted, "Add", -0.5);
    const Node* sigmoid = weight == absent ? nullptr : edit.maker(weight);
    if (!is(sigmoid, "Sigmoid") || edit.only_user(weight) != shifted) continue;
    if (edit.only_user(shifted->out[0]) != &mul) continue;
    const ValueId x = sigmoid->in[0];
    if (sum->in[0] != x && sum->in[1] != x) continue;
    const ValueId y = partner(*sum, x);
    if (edit.value(mul.out[0]).type != edit.value(sum->out[0]).type) continue;
    Node gate = mul;
    gate.op = find_op("tessera", "Gate", 1);
    gate.opset = 7;
    gate.attrs = nullptr;
    gate.in = {x, y};
    edit.replace(mul, std::move(gate));
    return true;
  }
  return false;
}

}  // namespace

bool find_activations(Graph& graph, const Fits&) {
  return edit_each(graph, [](Edit& edit, Node& node) {
    if (is(&node, "Mul")) return find_swish(edit, node) || find_gate(edit, node);
    return is(&node, "Erf") && find_gelu(edit, node);
  });
}

}  // namespace tessera::optimizer
