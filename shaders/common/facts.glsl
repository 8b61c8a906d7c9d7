// Facts of up to four samples of a pixel: how many values are not finite, the least, and the greatest. A workgroup of
// `pixel_lanes` joins what its invocations know.
struct Facts {
  vec4 not_finite, least, most;
};

Facts no_facts() {
  const float infinity = uintBitsToFloat(0x7f800000u);
  return Facts(vec4(0.0), vec4(infinity), vec4(-infinity));
}

void join(inout Facts facts, Facts other) {
  facts.not_finite += other.not_finite;
  facts.least = min(facts.least, other.least);
  facts.most = max(facts.most, other.most);
}

shared Facts known[pixel_lanes];

// The facts of all invocations, for the first one.
Facts join_all(Facts facts) {
  uint lane = gl_LocalInvocationID.x;
  known[lane] = facts;
  for (uint half_of = pixel_lanes / 2u; half_of > 0u; half_of /= 2u) {
    barrier();
    if (lane < half_of) join(known[lane], known[lane + half_of]);
  }
  return known[lane];
}
