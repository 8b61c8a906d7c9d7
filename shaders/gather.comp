//! storage=float32 arithmetic=float32
// Elements of any type, picked by indices: Gather, GatherElements and GatherND; and by places in another tensor, or
// none: ScatterND and ScatterElements, whose indices are known.
#version 450
#include "params/gather.h"
#include "common/words.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint type_in = 4;
layout(constant_id = 2) const uint type_out = 4;
layout(constant_id = 3) const uint index_bytes = 8;
layout(constant_id = 4) const uint axes = 1;
layout(constant_id = 5) const uint positions = 1;  // numbers of one index
layout(constant_id = 6) const uint scatters = 0;   // an index that is negative: the element of `other` that lies there
layout(set = 0, binding = 0) readonly buffer Params { GatherParams params; };
layout(set = 0, binding = 1) writeonly buffer Dst { uint dst[]; };
layout(set = 0, binding = 2) readonly buffer Data { uint data[]; };
layout(set = 0, binding = 3) readonly buffer Indices { uint indices[]; };
layout(set = 0, binding = 4) readonly buffer Other { uint other[]; };
layout(set = 0, binding = 5) writeonly buffer Refusal { uint refusal[]; };  // where an index is outside

uvec2 converted(uvec2 element) {
  return type_in == type_out ? element : convert(widen(element, type_in), type_in, type_out);
}

uvec2 value_of(uint i) {
  uint from = 0u, index = 0u, rest = i;
  for (uint axis = axes; axis-- > 0u;) {
    uint next = rest / params.extents[axis], at = rest - next * params.extents[axis];
    from += at * params.data_strides[axis];
    index += at * params.index_strides[axis];
    rest = next;
  }
  for (uint k = 0u; k < positions; ++k) {
    int place = int(ELEMENT(indices, index_bytes, index + k).x);
    if (scatters != 0u && place < 0) return converted(ELEMENT(other, bytes_of(type_in), i));
    if (place < 0) place += int(params.places[k]);
    if (uint(place) >= params.places[k]) {
      refusal[0] = 1u;
      place = 0;
    }
    from += uint(place) * params.steps[k];
  }
  return converted(ELEMENT(data, bytes_of(type_in), from));
}

void main() { WRITE_ELEMENTS(value_of, bytes_of(type_out), params.count) }
