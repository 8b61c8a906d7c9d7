// The ids of ops/elementwise.def as C++ names, and the reference of a single function.
#pragma once

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

/// The parameters a and b of a unary function, from the attributes of the operator of that name. Clip is
/// not among them: its bounds may be inputs.
void read_parameters(const AttrReader& attrs, uint16_t function, float* a, float* b);

/// out = function(in) elementwise, by the reference; same type, may be the same memory.
void apply_unary(uint16_t function, float a, float b, const View& in, const View& out);
/// out = function(x, y) with broadcasting to out's shape, by the reference; out may be x's memory.
void apply_binary(uint16_t function, const View& x, const View& y, const View& out);

}  // namespace tessera::elementwise
