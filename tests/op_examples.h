// A small node of every operator that tensors alone describe: what tests over the whole registry begin with.
#pragma once

#include "runtime/graph/op.h"
#include "tests/support.h"

namespace tessera::test {

/// One node. Written as text: see op_examples.cpp.
struct OpExample {
  std::string op, domain;
  int opset = 0;
  struct In {
    Tensor tensor;          ///< without bytes: left out
    bool constant = false;  ///< its elements matter, so the file gives them
  };
  std::vector<In> in;
  Attrs attrs;
  int outputs = 1;
};

/// In the order of the table, parsed anew.
std::vector<OpExample> op_examples();

/// Operators without an example: their operands are graphs or containers.
bool is_beyond_examples(const OpDef& op);

}  // namespace tessera::test
