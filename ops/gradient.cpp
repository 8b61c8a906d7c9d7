// Gradient: the derivatives of a value of the same graph. What it becomes depends on that graph
// (runtime/onnx/gradient.h).
#include "runtime/graph/formula.h"
#include "runtime/graph/op.h"

namespace tessera::ops {
namespace {

constexpr AttrDef attrs[] = {{.name = "xs", .required = true}, {.name = "y", .required = true}, {"zs"}};
const OpDef defs[] = {{.name = "Gradient",
                       .domain = "ai.onnx.preview.training",
                       .since = 1,
                       .in = {1, many},
                       .out = {1, many},
                       .types = "T=all : T... -> T...",
                       .attrs = attrs,
                       .formula = of_the_graph}};

}  // namespace

extern const OpFile gradient;
const OpFile gradient{defs};

}  // namespace tessera::ops
