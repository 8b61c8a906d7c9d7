// Recurrent layers.
#include <array>

#include "tests/cases/case.h"

namespace tessera::test {
extern const CaseFile recurrent_cases;
namespace {

void recurrent(const Taker& check) {
  for (const std::string op : {"LSTM", "GRU"}) {
    const bool lstm = op == "LSTM";
    const int64_t gates = lstm ? 4 : 3;
    for (const std::string direction : {"forward", "reverse", "bidirectional"})
      for (const int64_t linear : {0, 1})
        for (const auto& [steps, batch, input, hidden] :
             {std::array<int64_t, 4>{5, 1, 7, 9}, {3, 4, 40, 33}, {1, 1, 1, 1}}) {
          const int64_t d = direction == "bidirectional" ? 2 : 1;
          const auto weights = [&](const Shape& shape) { return fixed(random(shape, -0.5, 0.5)); };
          std::vector<Input> in = {random({steps, batch, input}), weights({d, gates * hidden, input}),
                                   weights({d, gates * hidden, hidden})};
          Attrs attrs{{"direction", direction}, {"hidden_size", hidden}};
          if (!lstm) attrs.emplace_back("linear_before_reset", linear);
          const size_t outputs = lstm ? 3 : 2;
          check({.op = op, .in = in, .attrs = attrs, .outputs = outputs, .relative = 1e-4, .absolute = 1e-4});
          in.push_back(random({d, 2 * gates * hidden}));
          in.push_back({});
          in.push_back(random({d, batch, hidden}));
          if (lstm) in.push_back(random({d, batch, hidden}));
          check({.op = op, .in = in, .attrs = attrs, .outputs = outputs, .relative = 1e-4, .absolute = 1e-4});
        }
  }
}

void simple_recurrent(const Taker& check) {
  for (const std::string activation : {"Tanh", "Relu", ""})
    for (const std::string direction : {"forward", "reverse", "bidirectional"}) {
      const int64_t d = direction == "bidirectional" ? 2 : 1, steps = 3, batch = 4, input = 40, hidden = 33;
      const auto weights = [&](const Shape& shape) { return fixed(random(shape, -0.5, 0.5)); };
      Case c{.op = "RNN",
             .in = {random({steps, batch, input}), weights({d, hidden, input}), weights({d, hidden, hidden})},
             .attrs = {{"direction", direction}, {"hidden_size", hidden}},
             .outputs = 2,
             .relative = 1e-4,
             .absolute = 1e-4};
      if (!activation.empty())
        c.attrs.emplace_back("activations", std::vector<std::string>(static_cast<size_t>(d), activation));
      check(c);
      c.in.insert(c.in.end(), {random({d, 2 * hidden}), {}, random({d, batch, hidden})});
      check(c);
    }
}

constexpr CaseList lists[] = {
    {"Recurrent", recurrent},
    {"SimpleRecurrent", simple_recurrent},
};

}  // namespace
const CaseFile recurrent_cases{lists};
}  // namespace tessera::test
