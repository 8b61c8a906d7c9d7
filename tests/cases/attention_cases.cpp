// Attention over strided queries, keys and values, and as the standard has it.
#include <algorithm>

#include "tests/cases/case.h"
#include "tests/tensors.h"

namespace tessera::test {
extern const CaseFile attention_cases;
namespace {

// Queries, keys and values lie side by side as a projection leaves them; the result is [batch, queries, heads, depth].
void strided_attention(const Taker& check) {
  struct Sizes {
    int64_t batch, heads, positions, depth;
  };
  for (const Sizes& s : {Sizes{1, 1, 4, 1}, Sizes{3, 2, 5, 3}, Sizes{4, 6, 64, 10}, Sizes{2, 3, 49, 30},
                         Sizes{1, 2, 131, 64}, Sizes{1, 1, 600, 17}})
    for (const int biases : {0, 1, 2, 3}) {
      const int64_t batch = s.batch, heads = s.heads, positions = s.positions, depth = s.depth;
      const int64_t row = 3 * heads * depth;
      const auto part = [&](int64_t i) {
        return std::vector<int64_t>{i * heads * depth, positions * row, depth, row, 1};
      };
      const Input qkv = random({batch, positions, row}, -2, 2);
      // The first repeats over the batches, and is one row of keys for each head in the last turn; the second has
      // one row of keys for each batch of a period.
      const int64_t square = positions * positions, period = batch % 2 ? 1 : 2;
      const bool rows = biases == 3;
      std::vector<int64_t> lies{1, 0, rows ? positions : square, rows ? 0 : positions, 1};
      const std::vector<int64_t> second{period, positions, 0, 0, 1};
      Case c{.op = "StridedAttention", .opset = 1, .in = {qkv, qkv, qkv}, .domain = "tessera"};
      c.absolute = 1e-5;  // scores above eight are rounded by 5e-7, and their powers of values of two are summed
      if (biases > 0) c.in.push_back(random({heads, rows ? 1 : positions, positions}, -2, 2));
      if (biases > 1) c.in.push_back(random({period, 1, 1, positions}, -2, 2));
      if (biases > 1) lies.insert(lies.end(), second.begin(), second.end());
      if (biases == 0) lies.clear();
      c.attrs = {{"sizes", std::vector<int64_t>{batch, heads, positions, positions, depth, depth}},
                 {"q", part(0)},
                 {"k", part(1)},
                 {"v", part(2)},
                 {"y", std::vector<int64_t>{0, positions * heads * depth, depth, heads * depth, 1}},
                 {"biases", lies},
                 {"shape", std::vector<int64_t>{batch, positions, heads, depth}},
                 {"scale", 0.25f}};
      check(c);
      // The result as it is before a transposition that turns its channels outwards.
      c.attrs[3 + 1].second = std::vector<int64_t>{0, positions * heads * depth, positions * depth, 1, positions};
      c.attrs[6].second = std::vector<int64_t>{batch, heads, depth, positions};
      check(c);
    }
}

// As the standard has it: heads that share keys, masks, sizes that fill no tile.
void attention(const Taker& check) {
  struct Sizes {
    Shape q, k, v, mask;
    Attrs attrs;
  };
  const Sizes all[] = {
      {{2, 3, 10, 8}, {2, 3, 70, 8}, {2, 3, 70, 9}, {}, {}},
      {{2, 4, 13, 16}, {2, 2, 130, 16}, {2, 2, 130, 70}, {13, 130}, {attr("scale", 0.3f)}},
      {{1, 2, 37, 12}, {1, 2, 37, 12}, {1, 2, 37, 20}, {}, {attr("is_causal", int64_t{1})}},
      {{2, 4, 9, 16},
       {2, 2, 9, 16},
       {2, 2, 9, 16},
       {2, 1, 9, 9},
       {attr("is_causal", int64_t{1}), attr("softcap", 2.0f)}},
      {{1, 11, 24},
       {1, 9, 12},
       {1, 9, 20},
       {4, 1, 9},
       {attr("q_num_heads", int64_t{4}), attr("kv_num_heads", int64_t{2})}},
      {{1, 1, 5, 4}, {1, 1, 3, 4}, {1, 1, 3, 1}, {}, {}},
  };
  for (const Sizes& s : all) {
    Case c{.op = "Attention", .opset = 23, .in = {random(s.q), random(s.k), random(s.v)}, .attrs = s.attrs};
    if (!s.mask.empty()) c.in.push_back(random(s.mask, -3, 3));
    c.absolute = 1e-5;
    c.least = 0;
    check(c);
  }
}

// Windows of pictures and sentences, as transformers have them.
void layers(const Taker& check) {
  struct Sizes {
    int64_t batch, heads, positions, depth, biases;
  };
  for (const Sizes& s : {Sizes{1024, 6, 64, 10, 1}, Sizes{1024, 6, 64, 30, 2}, Sizes{1, 12, 128, 64, 0},
                         Sizes{16, 12, 128, 64, 0}, Sizes{1, 12, 512, 64, 0}, Sizes{1, 16, 197, 64, 0}}) {
    const int64_t batch = check.timed ? s.batch : std::min<int64_t>(s.batch, 2), row = 3 * s.heads * s.depth;
    const int64_t positions = check.timed ? s.positions : std::min<int64_t>(s.positions, 70);
    const auto part = [&](int64_t i) {
      return std::vector<int64_t>{i * s.heads * s.depth, positions * row, s.depth, row, 1};
    };
    const Input qkv = random({batch, positions, row});
    Case c{.op = "StridedAttention", .opset = 1, .in = {qkv, qkv, qkv}, .domain = "tessera"};
    c.absolute = 1e-5;
    std::vector<int64_t> lies;
    if (s.biases > 0) {  // of positions, turned
      c.in.push_back(fixed(random({s.heads, positions, positions})));
      lies.insert(lies.end(), {1, 0, positions * positions, 1, positions});
    }
    if (s.biases > 1) {  // of windows
      c.in.push_back(fixed(random({batch, 1, positions, positions})));
      lies.insert(lies.end(), {batch, positions * positions, 0, positions, 1});
    }
    c.attrs = {{"sizes", std::vector<int64_t>{batch, s.heads, positions, positions, s.depth, s.depth}},
               {"q", part(0)},
               {"k", part(1)},
               {"v", part(2)},
               {"y", std::vector<int64_t>{0, positions * s.heads * s.depth, s.depth, s.heads * s.depth, 1}},
               {"biases", lies},
               {"shape", std::vector<int64_t>{batch, positions, s.heads, s.depth}},
               {"scale", 0.25f}};
    check(c);
  }
}

// Prompts, further queries behind a cache, single queries; tables, windows, and lengths that differ by batch.
void group_queries(const Taker& check) {
  struct Sizes {
    int64_t batch, sequence, heads, groups, depth, past;
    std::vector<double> lengths;
    int64_t total;
    bool packed = false;
    Attrs attrs = {};
    int64_t turned = 0;
  };
  const Sizes all[] = {
      {1, 7, 4, 2, 8, 0, {6}, 7},
      {2, 150, 3, 1, 16, 0, {149, 99}, 150, true, {attr("scale", 0.3f)}, 16},
      {2, 1, 6, 2, 12, 70, {69, 40}, 70, false, {}, 8},
      {1, 1, 40, 2, 8, 9, {9}, 10, true, {attr("local_window_size", int64_t{4})}},
      {2, 5, 4, 4, 20, 130, {129, 64}, 130, false, {attr("local_window_size", int64_t{33})}, 20},
      {1, 70, 2, 1, 64, 600, {669}, 670, false, {attr("rotary_interleaved", int64_t{1})}, 64},
  };
  for (const Sizes& s : all) {
    const int64_t kv = s.groups * s.depth, width = s.packed ? (s.heads + 2 * s.groups) * s.depth : s.heads * s.depth;
    Case c{.op = "GroupQueryAttention",
           .opset = 1,
           .in = {random({s.batch, s.sequence, width}), {}, {}, {}, {}},
           .attrs = s.attrs,
           .outputs = 3,
           .domain = "com.microsoft"};
    if (!s.packed) c.in[1] = random({s.batch, s.sequence, kv}), c.in[2] = random({s.batch, s.sequence, kv});
    if (s.past)
      c.in[3] = random({s.batch, s.groups, s.past, s.depth}), c.in[4] = random({s.batch, s.groups, s.past, s.depth});
    c.in.push_back({tensor(DType::int32, {s.batch}, s.lengths)});
    c.in.push_back(fixed({tensor(DType::int32, {}, {static_cast<double>(s.total)})}));
    if (s.turned) {
      c.in.push_back(random({s.total, s.turned / 2}, -1, 1)), c.in.push_back(random({s.total, s.turned / 2}, -1, 1));
      c.attrs.push_back(attr("do_rotary", int64_t{1}));
    }
    c.attrs.push_back(attr("num_heads", s.heads)), c.attrs.push_back(attr("kv_num_heads", s.groups));
    c.absolute = 1e-5;
    check(c);
  }
}

void rotary(const Taker& check) {
  for (const int64_t interleaved : {0, 1}) {
    const auto way = attr("interleaved", interleaved);
    check({.op = "RotaryEmbedding",
           .opset = 23,
           .in = {random({2, 3, 5, 12}), random({2, 5, 6}, -1, 1), random({2, 5, 6}, -1, 1)},
           .attrs = {way}});
    check({.op = "RotaryEmbedding",
           .opset = 23,
           .in = {random({2, 5, 36}), random({9, 4}, -1, 1), random({9, 4}, -1, 1), random({2, 5}, 0, 9, DType::int64)},
           .attrs = {way, attr("num_heads", int64_t{3}), attr("rotary_embedding_dim", int64_t{8})}});
    check({.op = "RotaryEmbedding",
           .opset = 1,
           .in = {random({2, 5, 36}), random({1}, 3, 4, DType::int64), random({9, 6}, -1, 1), random({9, 6}, -1, 1)},
           .attrs = {way, attr("scale", 0.5f)},
           .domain = "com.microsoft"});
  }
}

constexpr CaseList lists[] = {
    {"GroupQueryAttention", group_queries},  {"RotaryEmbedding", rotary},
    {"StridedAttention", strided_attention}, {"Attention", attention},
    {"AttentionLayers", layers, true},
};

}  // namespace
const CaseFile attention_cases{lists};
}  // namespace tessera::test
