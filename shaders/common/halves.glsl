// Tensors of float16 whose rows may begin anywhere: eight neighbours are read or written by vectors of `width` halves,
// 8, 4, 2 or 1, as far as rows and their ends are aligned.
#define HALVES(number, access, Name, name)                                              \
  layout(set = 0, binding = number) access buffer Name { uvec4 name[]; };                \
  layout(set = 0, binding = number) access buffer Name##Pairs { uvec2 name##_pairs[]; }; \
  layout(set = 0, binding = number) access buffer Name##Words { uint name##_words[]; };  \
  layout(set = 0, binding = number) access buffer Name##Single { float16_t name##_single[]; };

// The eight from element `at` on, of which `there` are there; the others are zero. Single ones lie `step` apart.
#define READ8(name, width, at, step, there, words)                                           \
  {                                                                                          \
    const uint first_ = at, there_ = there;                                                  \
    words = uvec4(0u);                                                                       \
    if (width == 8u) {                                                                       \
      if (there_ > 0u) words = name[first_ / 8u];                                            \
    } else if (width == 4u) {                                                                \
      if (there_ > 0u) words.xy = name##_pairs[first_ / 4u];                                 \
      if (there_ > 4u) words.zw = name##_pairs[first_ / 4u + 1u];                            \
    } else if (width == 2u) {                                                                \
      [[unroll]] for (uint w_ = 0u; w_ < 4u; ++w_)                                           \
        if (there_ > 2u * w_) words[w_] = name##_words[first_ / 2u + w_];                    \
    } else {                                                                                 \
      [[unroll]] for (uint w_ = 0u; w_ < 4u; ++w_) {                                         \
        vec2 pair_ = vec2(0.0);                                                              \
        if (there_ > 2u * w_) pair_.x = float(name##_single[first_ + 2u * w_ * step]);        \
        if (there_ > 2u * w_ + 1u) pair_.y = float(name##_single[first_ + (2u * w_ + 1u) * step]); \
        words[w_] = packHalf2x16(pair_);                                                     \
      }                                                                                      \
    }                                                                                        \
  }

#define WRITE8(name, width, at, step, there, words)                                          \
  {                                                                                          \
    const uint first_ = at, there_ = there;                                                  \
    if (width == 8u) {                                                                       \
      if (there_ > 0u) name[first_ / 8u] = words;                                            \
    } else if (width == 4u) {                                                                \
      if (there_ > 0u) name##_pairs[first_ / 4u] = words.xy;                                 \
      if (there_ > 4u) name##_pairs[first_ / 4u + 1u] = words.zw;                            \
    } else if (width == 2u) {                                                                \
      [[unroll]] for (uint w_ = 0u; w_ < 4u; ++w_)                                           \
        if (there_ > 2u * w_) name##_words[first_ / 2u + w_] = words[w_];                    \
    } else {                                                                                 \
      [[unroll]] for (uint w_ = 0u; w_ < 4u; ++w_) {                                         \
        vec2 pair_ = unpackHalf2x16(words[w_]);                                              \
        if (there_ > 2u * w_) name##_single[first_ + 2u * w_ * step] = float16_t(pair_.x);    \
        if (there_ > 2u * w_ + 1u) name##_single[first_ + (2u * w_ + 1u) * step] = float16_t(pair_.y); \
      }                                                                                      \
    }                                                                                        \
  }

void unpack8(uvec4 words, out float values[8]) {
  [[unroll]] for (uint i = 0u; i < 4u; ++i) {
    vec2 pair = unpackHalf2x16(words[i]);
    values[2u * i] = pair.x;
    values[2u * i + 1u] = pair.y;
  }
}

uvec4 pack8(float values[8]) {
  uvec4 words;
  [[unroll]] for (uint i = 0u; i < 4u; ++i) words[i] = packHalf2x16(vec2(values[2u * i], values[2u * i + 1u]));
  return words;
}
