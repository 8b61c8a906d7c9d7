// Attention over strided queries, keys and values.
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

constexpr CaseList lists[] = {
    {"StridedAttention", strided_attention},
};

}  // namespace
const CaseFile attention_cases{lists};
}  // namespace tessera::test
