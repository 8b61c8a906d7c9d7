#!/usr/bin/env bash
# compile_shaders on a shader of its own: every combination of a variant's values, what the SPIR-V says of buffers,
# constants and parameters, and messages for what it does not take.
set -euo pipefail
compile=$TESSERA_BINARY_DIR/bin/compile_shaders
[ -x "$compile" ] || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/shaders/params"
cat >"$work/shaders/params/twice.h" <<'END'
struct Pair { float a; uint b[3]; };
struct TwiceParams { uint count; Pair pairs[2]; float last; };
END
cat >"$work/good.comp" <<'END'
//! storage=float32,float16 arithmetic=float32
//! storage=float16 arithmetic=float16
#version 450
#include "shaders/params/twice.h"
#if defined(STORAGE_float16) && defined(ARITHMETIC_float16)
const float factor = 3.0;
#else
const float factor = 2.0;
#endif
layout(local_size_x_id = 0) in;
layout(constant_id = 7) const uint more = 0;
#if defined(STORAGE_float16) && defined(ARITHMETIC_float16)
#extension GL_EXT_scalar_block_layout : require
layout(set = 0, binding = 0, std430) uniform Params { TwiceParams params; };
#else
layout(set = 0, binding = 0) readonly buffer Params { TwiceParams params; };
#endif
layout(set = 0, binding = 1) writeonly buffer Dst { float dst[]; };
#ifdef STORAGE_float16
#extension GL_EXT_shader_16bit_storage : require
layout(set = 0, binding = 2) buffer Both { float16_t both[]; };
#else
layout(set = 0, binding = 2) buffer Both { float both[]; };
#endif
void main() {
  uint i = gl_GlobalInvocationID.x;
  if (i >= params.count + more) return;
  dst[i] = factor * float(both[i]) + params.last + params.pairs[1].a * float(params.pairs[0].b[2]);
  both[i] = both[i + 1];
}
END
fails() { echo "compile_shaders: $1" >&2; exit 1; }
expect() { grep -qF "$1" "$work/out.cpp" || fails "no $1"; }
compiles() { "$compile" "$work/out.cpp" "$work" "$work/shaders/twice.comp" 2>"$work/message"; }

cp "$work/good.comp" "$work/shaders/twice.comp"
compiles || fails "$(cat "$work/message")"
[ "$(grep -c '{"twice", {.storage' "$work/out.cpp")" -eq 3 ] || fails "not three variants"
expect '.storage = decltype(Variant::storage)::float16, .arithmetic = decltype(Variant::arithmetic)::float16'
expect '{"params", 1, 0, 0, 0}, {"dst", 0, 1, 0, 0}, {"both", 1, 1, 0, 0}'
expect '{"params", 1, 0, 0, 0}, {"dst", 0, 1, 0, 0}, {"both", 1, 1, 1, 0}'
expect '{"params", 1, 0, 0, 1}, {"dst", 0, 1, 0, 0}, {"both", 1, 1, 1, 0}'
expect '_0_capabilities[] = {1, }'
expect '_1_capabilities[] = {1, 4433, }'
expect '{"more", 7}'
expect '{"local_size", 0}'
expect 'static_assert(offsetof(TwiceParams, pairs) == 4);'
expect 'static_assert(offsetof(TwiceParams, last) == 36);'
expect 'static_assert(sizeof(Pair) == 16);'

refuses() {  # what is made of the shader, what the message says
  sed "$1" "$work/good.comp" >"$work/shaders/twice.comp"
  ! compiles || fails "took $1"
  grep -q "$2" "$work/message" || fails "says of $1: $(cat "$work/message")"
}
refuses '1,2d' 'the first line must read'
refuses '1s/=float32,/ /' 'no MEMBER=VALUE'
refuses 's/binding = 2/binding = 3/' 'no buffer that is used has binding 2'
refuses 's/binding = 2/binding = 1/' 'buffers dst and both have the same binding'
refuses 's/factor \* float/nothing * both/' 'undeclared identifier'
