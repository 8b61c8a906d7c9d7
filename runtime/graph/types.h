// OpDef::types: the little language in which an operator says which dtypes it takes.
#pragma once

#include "runtime/graph/op.h"

namespace tessera {

/// Throws Error::usage where `types` has a word that is no dtype, no class of them and no variable.
void check_signature(Text types);
/// Checks the node's input dtypes against `types` and writes the dtype that each output gets, or
/// undefined where the words leave it open. Throws Error::type naming the input.
void check_types(Text types, List<Type> in, List<DType> given, std::span<DType> out);

}  // namespace tessera
