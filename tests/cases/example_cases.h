// A small node of every operator that tensors alone describe: what tests over the whole registry begin with.
#pragma once

#include "tests/cases/case.h"

namespace tessera::test {

/// A row of such a table; `seed` is of the elements that it does not tell.
Case example_of(Text row, uint32_t seed = 1);
/// In the order of the table, parsed anew. A constant input is one whose elements matter.
std::vector<Case> op_examples();
/// Those of operators that a file may use.
std::vector<Case> file_examples();

/// Operators without an example: their operands are graphs or containers.
bool is_beyond_examples(const OpDef& op);

}  // namespace tessera::test
