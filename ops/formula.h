// Rows of com.microsoft's operators that are others put together (runtime/onnx/formula.h).
#pragma once

#include "runtime/graph/op.h"

namespace tessera::ops {

struct Counts {
  Arity in, out = {1, 1};
};

constexpr OpDef formula(Text name, Counts counts, Text types, List<AttrDef> attrs, Text text, bool quantized = false) {
  OpDef made;
  made.name = name;
  made.domain = "com.microsoft";
  made.in = counts.in;
  made.out = counts.out;
  made.types = types;
  made.attrs = attrs;
  made.quantized = quantized;
  made.formula = text;
  return made;
}

}  // namespace tessera::ops
