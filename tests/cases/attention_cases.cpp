// Attention over strided queries, keys and values, and as the standard has it.
#include <algorithm>

#include "tests/cases/case.h"

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
    for (const int biases : {0, 1, 2}) {
      const int64_t batch = s.batch, heads = s.heads, positions = s.positions, depth = s.depth;
      const int64_t row = 3 * heads * depth;
      const auto part = [&](int64_t i) {
        return std::vector<int64_t>{i * heads * depth, positions * row, depth, row, 1};
      };
      const Input qkv = random({batch, positions, row}, -2, 2);
      // The first repeats over the batches; the second has one row of keys for each batch of a period.
      const int64_t square = positions * positions, period = batch % 2 ? 1 : 2;
      std::vector<int64_t> lies{1, 0, square, positions, 1};
      const std::vector<int64_t> second{period, positions, 0, 0, 1};
      Case c{.op = "StridedAttention", .opset = 1, .in = {qkv, qkv, qkv}, .domain = "tessera"};
      c.absolute = 1e-5;  // scores above eight are rounded by 5e-7, and their powers of values of two are summed
      if (biases > 0) c.in.push_back(random({heads, positions, positions}, -2, 2));
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

constexpr CaseList lists[] = {
    {"StridedAttention", strided_attention},
    {"Attention", attention},
    {"AttentionLayers", layers, true},
};

}  // namespace
const CaseFile attention_cases{lists};
}  // namespace tessera::test
