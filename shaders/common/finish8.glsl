// The end of matrix shaders: functions of ops/elementwise.def, and DepthToSpace, applied to 8 channels of a pixel, or 8
// elements of a row, at a time before they are stored. Functions are specialization constants, as in epilogue.glsl.
// Operands are of the result's shape, or one value for each channel, which `load_channels` has put into shared memory;
// those of rows may be broadcast otherwise too.
// A shader that includes this has declared `params` with a member `finish`, at binding 0, and `tile_channels`, what a
// workgroup makes; bindings 1 to 8 are this file's, its own inputs follow from 9.
#include "common/functions.glsl"
#include "common/halves.glsl"
#include "common/index.glsl"

layout(constant_id = 39) const uint by_channel = 0;        // bit i: function i's operand is one value for each channel
layout(constant_id = 40) const uint channel_rows = 1;      // of values for each channel: 1 for the bias, and those
layout(constant_id = 41) const uint shuffle_block = 1;     // of the one DepthToSpace, an even number; 1: there is none
layout(constant_id = 42) const uint shuffle_function = 6;  // which of the functions it is
layout(constant_id = 43) const uint has_bias = 0;
layout(constant_id = 44) const uint odd_channels = 0;  // the last block is not full
layout(constant_id = 45) const uint row_width = 0;     // of rows: halves that are aligned together; 0: pictures
layout(constant_id = 46) const uint broadcast = 0;     // bit i: function i's operand is, along any axes of rows

HALVES(1, writeonly, Dst, dst)
HALVES(2, readonly, Operand0, operand_0)
HALVES(3, readonly, Operand1, operand_1)
HALVES(4, readonly, Operand2, operand_2)
HALVES(5, readonly, Operand3, operand_3)
HALVES(6, readonly, Operand4, operand_4)
HALVES(7, readonly, Operand5, operand_5)
layout(set = 0, binding = 8) readonly buffer Bias { uvec4 bias[]; };

shared vec4 channel_values[channel_rows * tile_channels / 4u];

uint row_of(uint i) { return 1u + uint(bitCount(by_channel & ((1u << i) - 1u))); }

#define LOAD_ROW(condition, buffer, row)                                 \
  if (condition)                                                         \
    for (uint c = lane; c < tile_channels / 4u; c += gl_WorkGroupSize.x) \
      channel_values[(row) * (tile_channels / 4u) + c] = uintBitsToFloat(buffer[first_channel / 4u + c]);

// A barrier has to follow.
void load_channels(uint first_channel) {
  uint lane = gl_LocalInvocationID.x;
  LOAD_ROW(has_bias != 0u, bias, 0u)
  LOAD_ROW((by_channel & 1u) != 0u, operand_0, row_of(0u))
  LOAD_ROW((by_channel & 2u) != 0u, operand_1, row_of(1u))
  LOAD_ROW((by_channel & 4u) != 0u, operand_2, row_of(2u))
  LOAD_ROW((by_channel & 8u) != 0u, operand_3, row_of(3u))
  LOAD_ROW((by_channel & 16u) != 0u, operand_4, row_of(4u))
  LOAD_ROW((by_channel & 32u) != 0u, operand_5, row_of(5u))
}

void read_row(uint row, uint channel, out float values[8]) {
  vec4 low = channel_values[(row * tile_channels + channel) / 4u];
  vec4 high = channel_values[(row * tile_channels + channel) / 4u + 1u];
  [[unroll]] for (uint i = 0u; i < 4u; ++i) {
    values[i] = low[i];
    values[4u + i] = high[i];
  }
}

void apply8(uint function, bool first, inout float values[8], float operand[8], float a, float b) {
  switch (function) {
#define EACH(expression)                                                     \
  [[unroll]] for (uint i = 0u; i < 8u; ++i) {                                \
    float x = first ? operand[i] : values[i], y = first ? values[i] : operand[i]; \
    values[i] = expression;                                                  \
  }                                                                          \
  break;
#define TESSERA_UNARY(id, Op, CLASS, expression) case id: EACH(expression)
#define TESSERA_BINARY(id, Op, CLASS, expression) case id: EACH(expression)
#include "ops/elementwise.def"
#undef TESSERA_UNARY
#undef TESSERA_BINARY
    default: break;
  }
}

// The picture, y and x of a row of a product's result: of a pixel.
uvec3 place_of(uint row) {
  uint line = row / params.finish.out_w;
  return uvec3(line / params.finish.out_h, line % params.finish.out_h, row % params.finish.out_w);
}

// Which of `rows` rows, and which of their `vectors` of 8 channels, item i is: neighbours write side by side.
uint row_of_item(uint i, uint rows, uint vectors) { return row_width == 0u ? i / 16u * 8u % rows + i % 8u : i / vectors; }
uint vector_of_item(uint i, uint rows, uint vectors) {
  return row_width == 0u ? i / 16u * 8u / rows * 2u + i / 8u % 2u : i % vectors;
}

// The word of channels c and c + 1 of the pixel behind DepthToSpace (in the order CRD), in row-major order.
uint shuffled_word(uint image, uint channel, uint y, uint x) {
  const uint cells = shuffle_block * shuffle_block;
  uint cell = channel % cells;
  uint row = (image * (params.finish.out_c / cells) + channel / cells) * params.finish.out_h * shuffle_block +
             y * shuffle_block + cell / shuffle_block;
  return (row * params.finish.out_w * shuffle_block + x * shuffle_block + cell % shuffle_block) / 2u;
}

#define READ_OPERAND(i)                                                                                             \
  if ((by_channel & (1u << i)) != 0u) {                                                                             \
    read_row(row_of(i), channel - first_channel, operand);                                                          \
  } else if ((broadcast & (1u << i)) != 0u) {                                                                       \
    [[unroll]] for (uint c = 0u; c < 8u; ++c) {                                                                     \
      uint element = min(at + c, x * params.finish.out_c + params.finish.out_c - 1u);                               \
      operand[c] = float(operand_##i##_single[offset_of(unravel(element, params.finish.extents),                    \
                                                        params.finish.epilogue.functions[i].strides)]);             \
    }                                                                                                               \
  } else if (row_width != 0u) {                                                                                     \
    uvec4 read;                                                                                                     \
    READ8(operand_##i, row_width, at, 1u, params.finish.out_c - channel, read)                                      \
    unpack8(read, operand);                                                                                         \
  } else if (i > shuffle_function) {                                                                                \
    [[unroll]] for (uint c = 0u; c < 8u; c += 2u) {                                                                 \
      uint word = channel + c < params.finish.out_c ? shuffled_word(image, channel + c, y, x) : 0u;                 \
      vec2 pair = unpackHalf2x16(operand_##i[word / 4u][word % 4u]);                                                \
      operand[c] = pair.x;                                                                                          \
      operand[c + 1u] = pair.y;                                                                                     \
    }                                                                                                               \
  } else {                                                                                                          \
    unpack8(operand_##i[at], operand);                                                                              \
  }

#define APPLY8(i)                                                                                              \
  if (function_##i < depth_to_space && function_##i != no_function) {                                          \
    float operand[8];                                                                                          \
    if (function_##i >= 64u) READ_OPERAND(i)                                                                   \
    apply8(function_##i, (swapped & (1u << i)) != 0u, values, operand, params.finish.epilogue.functions[i].a,  \
           params.finish.epilogue.functions[i].b);                                                             \
  }

// Applies all functions to channels [channel, channel + 8) of a pixel of the result, and stores them; of row x, if the
// result is rows. `first_channel` is the workgroup's.
void finish8(inout float values[8], uint first_channel, uint image, uint channel, uint y, uint x) {
  if (channel >= (row_width != 0u ? params.finish.out_c : params.finish.out_blocks * 16u)) return;
  uint at = x * params.finish.out_c + channel;
  if (row_width == 0u) {
    uint plane = (image * params.finish.out_blocks + channel / 16u) * params.finish.out_h;
    at = ((plane + y) * params.finish.out_w + x) * 2u + channel / 8u % 2u;
  }
  if (has_bias != 0u) {
    float start[8];
    read_row(0u, channel - first_channel, start);
    [[unroll]] for (uint i = 0u; i < 8u; ++i) values[i] += start[i];
  }
  APPLY8(0)
  APPLY8(1)
  APPLY8(2)
  APPLY8(3)
  APPLY8(4)
  APPLY8(5)
  if (odd_channels != 0u)
    [[unroll]] for (uint i = 0u; i < 8u; ++i) values[i] = channel + i < params.finish.out_c ? values[i] : 0.0;
  uvec4 words = pack8(values);
  if (row_width != 0u) {
    WRITE8(dst, row_width, at, 1u, params.finish.out_c - channel, words)
  } else if (shuffle_block == 1u) {
    dst[at] = words;
  } else if (shuffle_block == 4u) {
    [[unroll]] for (uint i = 0u; i < 4u; i += 2u)
      if (channel + 2u * i < params.finish.out_c)
        dst_pairs[shuffled_word(image, channel + 2u * i, y, x) / 2u] = uvec2(words[i], words[i + 1u]);
  } else {
    [[unroll]] for (uint i = 0u; i < 4u; ++i)
      if (channel + 2u * i < params.finish.out_c) dst_words[shuffled_word(image, channel + 2u * i, y, x)] = words[i];
  }
}
