// What an operator's definition says of its nodes: how many inputs and outputs, which of them and which attributes
// there have to be.
#pragma once

#include <algorithm>

#include "runtime/graph/op.h"

namespace tessera::onnx {

/// Counts of a node's inputs or outputs that its operator allows.
inline void check_count(size_t given, const Arity& arity, Text what) {
  if (given < static_cast<size_t>(arity.min))
    fail(Error::Kind::model, "has ", given, ' ', what, "s, but needs at least ", arity.min);
  if (arity.max != many && given > static_cast<size_t>(arity.max))
    fail(Error::Kind::model, "has ", given, ' ', what, "s, but takes at most ", arity.max);
}

inline void check_against(const OpDef& op, const Node& node) {
  check_count(node.in.size(), op.in, "input");
  check_count(node.out.size(), op.out, "output");
  // Control flow and containers decide for themselves what may be left out.
  for (size_t i = 0; op.infer && i < static_cast<size_t>(op.in.min); ++i)
    if (node.in[i] == absent) fail(Error::Kind::model, "input ", i, " is required, but left out");
  for (const AttrDef& def : op.attrs)
    if (def.required && def.since <= node.opset && node.opset <= def.last && !find_attr(*node.attrs, def.name))
      fail(Error::Kind::model, "attribute \"", def.name, "\" is required, but missing");
}

inline void trim(std::vector<ValueId>& ids, int min) {
  while (ids.size() > static_cast<size_t>(min) && ids.back() == absent) ids.pop_back();
}

}  // namespace tessera::onnx
