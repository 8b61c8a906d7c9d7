// The ids of ops/elementwise.def as C++ names, what a node says of its function, and the reference of a single one.
#pragma once

#include <limits>
#include <optional>

#include "runtime/graph/op.h"

namespace tessera::elementwise {

enum Function : uint16_t {
#define TESSERA_UNARY(id, Op, CLASS, expression) Op = id,
#define TESSERA_BINARY(id, Op, CLASS, expression) Op = id,
#include "ops/elementwise.def"
#undef TESSERA_UNARY
#undef TESSERA_BINARY
};

constexpr bool is_binary(uint16_t function) { return function >= 64; }

/// The function that an operator is, by its name in ops/elementwise.def.
std::optional<uint16_t> function_of(const OpDef& op);

/// A unary function with its parameters.
struct UnaryFunction {
  uint16_t function = 0;
  float a = 0, b = 0;
};

/// As a node's attributes say; Clip's bounds are attributes before opset 11 only.
UnaryFunction read_attributes(const AttrReader& attrs, uint16_t function);

/// What a unary node computes. `number(i, &value)` reads input i, one number: it leaves the value alone where the node
/// has no such input, and is false where the input is not known. Then so is the result.
template <class Number>
bool read_unary(const AttrReader& attrs, uint16_t function, Number number, UnaryFunction* unary) {
  *unary = read_attributes(attrs, function);
  return function != Clip || attrs.node().op->since < 11 || (number(1, &unary->a) && number(2, &unary->b));
}

/// out = function(in) elementwise, by the reference; same type, may be the same memory.
void apply_unary(uint16_t function, float a, float b, const View& in, const View& out);
/// out = function(x, y) with broadcasting to out's shape, by the reference; out may be x's memory.
void apply_binary(uint16_t function, const View& x, const View& y, const View& out);

}  // namespace tessera::elementwise
