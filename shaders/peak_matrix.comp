//! storage=float16 arithmetic=float32 units=matrix
// What matrix units can do at most: independent products of matrices that stay in registers. No kernel dispatches it.
#version 450
#extension GL_NV_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_control_flow_attributes : require
#pragma use_vulkan_memory_model
#include "params/peak_matrix.h"
#include "common/matrix.glsl"

layout(set = 0, binding = 0) readonly buffer Params { MatrixPeakParams params; };
layout(set = 0, binding = 1) writeonly buffer Dst { float dst[]; };
layout(set = 0, binding = 2) readonly buffer Src { uvec4 src[]; };  // of 8 halves

void main() {
  MatrixA a;
  MatrixB b[peak_products];
  MatrixSum sums[peak_products];
  coopMatLoadNV(a, src, 0u, matrix_k / 8u, false);
  [[unroll]] for (uint i = 0u; i < peak_products; ++i) {
    coopMatLoadNV(b[i], src, i * matrix_k * matrix_n / 8u, matrix_n / 8u, false);
    sums[i] = MatrixSum(0.0);
  }
  for (uint round = 0u; round < params.rounds; ++round) {
    [[unroll]] for (uint i = 0u; i < peak_products; ++i) sums[i] = coopMatMulAddNV(a, b[i], sums[i]);
  }
  uint group = gl_WorkGroupID.x + gl_WorkGroupID.z * gl_NumWorkGroups.x;
  uint warp = group * gl_NumSubgroups + gl_SubgroupID;
  [[unroll]] for (uint i = 0u; i < peak_products; ++i)
    coopMatStoreNV(sums[i], dst, (warp * peak_products + i) * matrix_m * matrix_n, matrix_n, false);
}
