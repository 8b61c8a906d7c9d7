// Elements of any type in buffers of words: what moves, compares and converts them. An element is its bits, the low
// word first; a number is a float's bits, or an integer widened to 64 bits.
#include "common/types.glsl"

uint part_of(uint word, uint bytes, uint i) {
  if (bytes == 4u) return word;
  uint bits = 8u * bytes;
  return bitfieldExtract(word, int(i * bits % 32u), int(bits));
}

// Element i, of so many bytes, of a buffer of words.
#define ELEMENT(words, bytes, i)                                        \
  ((bytes) == 8u ? uvec2(words[2u * (i)], words[2u * (i) + 1u])         \
                 : uvec2(part_of(words[(i) * (bytes) / 4u], bytes, i), 0u))

// An invocation writes whole words: so many elements at once.
uint elements_of_word(uint bytes) { return bytes < 4u ? 4u / bytes : 1u; }

// Types as shaders/params/words.h writes them.
uint bytes_of(uint type) { return type % 16u; }
uint kind_of(uint type) { return type / 16u; }

float half_value(uint bits) {
  uint exponent = bits >> 10 & 31u, fraction = bits & 1023u;
  float size = float(fraction) * 5.9604644775390625e-8;
  if (exponent != 0u) size = uintBitsToFloat((exponent == 31u ? 255u : exponent + 112u) << 23 | fraction << 13);
  return uintBitsToFloat(floatBitsToUint(size) | (bits & 0x8000u) << 16);
}

// Rounded to the nearest half, ties to even.
uint half_bits(uint bits) {
  uint sign_bit = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
  if (size > 0x7f800000u) return sign_bit | 0x7e00u;
  if (size >= 0x477ff000u) return sign_bit | 0x7c00u;
  if (size < 0x38800000u) return sign_bit | uint(roundEven(uintBitsToFloat(size) * 16777216.0));
  return sign_bit | (size + 0xfffu + (size >> 13 & 1u) - 0x38000000u) >> 13;
}

// The number that an element is.
uvec2 widen(uvec2 bits, uint type) {
  uint bytes = bytes_of(type), kind = kind_of(type);
  if (kind == real_kind && bytes == 2u) return uvec2(floatBitsToUint(half_value(bits.x)), 0u);
  if (kind != signed_kind || bytes == 8u) return bits;
  int low = bitfieldExtract(int(bits.x), 0, int(8u * bytes));
  return uvec2(uint(low), uint(low >> 31));
}

bool is_nan_bits(uint bits) { return (bits & 0x7fffffffu) > 0x7f800000u; }

uvec2 negative(uvec2 x) { return uvec2(~x.x + 1u, ~x.y + (x.x == 0u ? 1u : 0u)); }

// An integer as a float's bits.
uint real_of(uvec2 x, uint kind) {
  bool below = kind == signed_kind && int(x.y) < 0;
  if (below) x = negative(x);
  float value = float(x.y) * 4294967296.0 + float(x.x);
  return floatBitsToUint(below ? -value : value);
}

// A float as an integer: towards zero, within the range of the type; 0 for what is no number.
uvec2 integer_of(uint bits, uint type) {
  if (is_nan_bits(bits)) return uvec2(0u);
  float value = uintBitsToFloat(bits), size = trunc(abs(value));
  bool below = value < 0.0;
  uint wide = 8u * bytes_of(type) - (kind_of(type) == signed_kind ? 1u : 0u);
  float limit = exp2(float(wide));  // beyond the largest
  if (below && kind_of(type) != signed_kind) return uvec2(0u);
  if (size >= limit) {
    uvec2 most = wide >= 32u ? uvec2(~0u, wide == 32u ? 0u : ~0u >> (64u - wide)) : uvec2((1u << wide) - 1u, 0u);
    return below ? uvec2(~most.x, ~most.y) : most;
  }
  uint high = uint(size * (1.0 / 4294967296.0));
  uvec2 result = uvec2(uint(size - float(high) * 4294967296.0), high);
  return below ? negative(result) : result;
}

// The element of type `to` that a number of type `from` is.
uvec2 convert(uvec2 x, uint from, uint to) {
  bool is_real = kind_of(from) == real_kind;
  if (kind_of(to) == truth_kind) {
    bool is_zero = is_real ? (x.x & 0x7fffffffu) == 0u : (x.x | x.y) == 0u;
    return uvec2(is_zero ? 0u : 1u, 0u);
  }
  if (kind_of(to) == real_kind) {
    uint bits = is_real ? x.x : real_of(x, kind_of(from));
    return uvec2(bytes_of(to) == 2u ? half_bits(bits) : bits, 0u);
  }
  return is_real ? integer_of(x.x, to) : x;
}

// The low bytes of an element where they belong in its word.
uint placed(uint bits, uint bytes, uint i) {
  if (bytes >= 4u) return bits;
  return bitfieldExtract(bits, 0, int(8u * bytes)) << 8u * bytes * (i % elements_of_word(bytes));
}

// The end of a shader: writes `count` elements of so many bytes to `dst`, a buffer of words. Element i is value(i).
#define WRITE_ELEMENTS(value, bytes, count)                                                                      \
  for (uint word = gl_GlobalInvocationID.x, each = elements_of_word(bytes); word * each < (count);               \
       word += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {                                                        \
    uvec2 bits = uvec2(0u);                                                                                      \
    for (uint i = word * each; i < min((word + 1u) * each, count); ++i) {                                        \
      uvec2 element = value(i);                                                                                  \
      bits = uvec2(bits.x | placed(element.x, bytes, i), element.y);                                             \
    }                                                                                                            \
    if ((bytes) == 8u) {                                                                                         \
      dst[2u * word] = bits.x;                                                                                   \
      dst[2u * word + 1u] = bits.y;                                                                              \
    } else {                                                                                                     \
      dst[word] = bits.x;                                                                                        \
    }                                                                                                            \
  }
