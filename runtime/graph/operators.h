// Operators: those that a model may use. The library's own, and what a program adds to them.
#pragma once

#include <deque>

#include "runtime/graph/op.h"

namespace tessera {

class Operators {
 public:
  /// `definition` and what it points to last as long as `owner`. Throws Error::usage where the domain and name are
  /// the library's own, or were added with that `since` before.
  void add(const OpDef& definition, std::shared_ptr<const void> owner);
  /// As find_op, over the library's own and those that were added.
  const OpDef* find(Text domain, Text name, int opset) const;
  bool empty() const { return added_.empty(); }

 private:
  struct Added {
    OpDef definition;
    std::shared_ptr<const void> owner;
  };
  std::deque<Added> added_;  // nodes point to their definitions
};

}  // namespace tessera
