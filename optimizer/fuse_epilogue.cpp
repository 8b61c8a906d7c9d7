// Elementwise nodes, and DepthToSpace, move into the epilogue of the node that makes their input:
// applied to its output while that is at hand. Only where a backend has a kernel for the result.

#include <algorithm>
#include <limits>

#include "ops/elementwise.h"
#include "optimizer/rewrites.h"

namespace tessera::optimizer {
namespace {

struct RowName {
  Text op;
  uint16_t row;
  bool binary;
};
constexpr RowName rows[] = {
#define TESSERA_UNARY(id, Op, CLASS, expression) {#Op, id, false},
#define TESSERA_BINARY(id, Op, CLASS, expression) {#Op, id, true},
#include "ops/elementwise.def"
#undef TESSERA_UNARY
#undef TESSERA_BINARY
};

const RowName* row_of(const Node& node) {
  if (!node.op->domain.empty() && node.op->domain != "tessera") return nullptr;
  for (const RowName& row : rows)
    if (row.op == node.op->name) return &row;
  return nullptr;
}

bool read_bound(Edit& edit, const Node& node, size_t input, Text attr, float missing, float* bound) {
  if (node.opset < 11) {
    const AttrReader attrs(node);
    *bound = attrs.has(attr) ? attrs.real(attr) : missing;
    return true;
  }
  *bound = missing;
  if (node.in.size() <= input || node.in[input] == absent) return true;
  double value;
  if (!scalar_of(edit.constant(node.in[input]), &value)) return false;
  *bound = static_cast<float>(value);
  return true;
}

// The parameters of a unary row, as its operator's attributes give them.
bool read_parameters(Edit& edit, const Node& node, Fused* fused) {
  using namespace elementwise;
  const AttrReader attrs(node);
  switch (fused->row) {
    case Clip:
      return read_bound(edit, node, 1, "min", -std::numeric_limits<float>::infinity(), &fused->a) &&
             read_bound(edit, node, 2, "max", std::numeric_limits<float>::infinity(), &fused->b);
    case Gelu:
      if (attrs.text("approximate") == "tanh") fused->row = GeluTanh;
      return true;
    default: elementwise::read_parameters(attrs, fused->row, &fused->a, &fused->b); return true;
  }
}

// The node as it would be with `user` as its next epilogue row; false if `user` is no such row.
bool extend(Edit& edit, const Node& maker, const Node& user, Node* result) {
  Fused fused;
  ValueId operand = absent;
  if (is(&user, "DepthToSpace")) {
    const AttrReader attrs(user);
    fused = {Fused::depth_to_space, -1, false, static_cast<float>(attrs.integer("blocksize")),
             attrs.text("mode") == "CRD" ? 1.0f : 0.0f};
  } else {
    const RowName* row = row_of(user);
    if (!row || !user.epilogue.empty()) return false;
    fused.row = row->row;
    if (row->binary) {
      if (user.in.size() != 2 || user.opset < 7 || user.in[0] == user.in[1]) return false;
      fused.swapped = user.in[1] == maker.out[0];
      operand = user.in[fused.swapped ? 0 : 1];
      if (edit.value(operand).type.dtype != edit.value(maker.out[0]).type.dtype) return false;
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
  result->out = {user.out[0]};
  return true;
}

bool single_output(Edit& edit, const Node& node) {
  return std::all_of(node.out.begin() + 1, node.out.end(),
                     [&](ValueId id) { return id == absent || edit.uses(id) == 0; });
}

// Heavier makers first: an elementwise result is better applied where the time is spent anyway.
bool is_heavy(const Node& node) {
  const Text op = node.op->name;
  return op == "Conv" || op == "ConvTranspose" || op == "MatMul" || op == "Gemm" || op == "FusedMatMul";
}

bool fuse(Edit& edit, Node& user, const Fits& fits, bool heavy) {
  for (size_t i = 0; i < std::min<size_t>(user.in.size(), 2); ++i) {
    Node* maker = edit.maker(user.in[i]);
    if (!maker || is_heavy(*maker) != heavy || edit.only_user(user.in[i]) != &user) continue;
    if (maker->out[0] != user.in[i] || maker->op->view || !single_output(edit, *maker)) continue;
    if (edit.value(maker->out[0]).type.dtype != DType::float32) continue;
    Node extended;
    if (!extend(edit, *maker, user, &extended) || !fits(edit.graph(), extended)) continue;
    // At the user's place: there the other operand is known to be made.
    user = std::move(extended);
    edit.remove(*maker);
    edit.refresh();
    return true;
  }
  return false;
}

}  // namespace

bool fuse_epilogue(Graph& graph, const Fits& fits) {
  Edit edit(graph);
  bool changed = false;
  for (const bool heavy : {true, false})
    for (Node& node : graph.nodes)
      if (node.op && !node.in.empty()) changed |= fuse(edit, node, fits, heavy);
  return edit.finish() || changed;
}

}  // namespace tessera::optimizer
