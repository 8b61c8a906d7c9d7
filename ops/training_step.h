// Optimizer steps of ai.onnx.preview.training: inputs rate, count, then groups of n tensors each
// (weights, gradients, states...); outputs the groups without the gradients.
#pragma once

#include "ops/numbers.h"

namespace tessera::ops {

template <int States>
void infer_step(Infer& n) {
  const int groups = 2 + States, count = (n.inputs() - 2) / groups;
  if (count < 1 || n.inputs() != 2 + count * groups)
    fail(Error::Kind::model, n.inputs(), " inputs are not a rate, a count and ", groups, " groups of tensors");
  for (int i = 0; i < count; ++i)
    for (int g = 0; g < groups; ++g)
      if (!(n.shape(2 + g * count + i) == n.shape(2 + i)))
        fail(Error::Kind::shape, "tensor ", i, " is ", n.shape(2 + i), " and ", n.shape(2 + g * count + i));
  for (int o = 0; o < n.outputs(); ++o) {
    const int from = 2 + (o < count ? o : o + count);
    n.set(o, n.in(from).dtype, n.shape(from));
  }
}

/// Calls update(weight, gradient, states) for each element; it changes weight and states.
template <int States, class Update>
void run_step(const Args& a, Update update) {
  const size_t count = (a.in.size() - 2) / (2 + States);
  const double decay = static_cast<double>(a.real("norm_coefficient"));
  for (size_t i = 0; i < count; ++i) {
    const Read<double> x(a.in[2 + i]), gradient(a.in[2 + count + i]);
    std::vector<Read<double>> before;
    for (size_t s = 0; s < States; ++s) before.emplace_back(a.in[2 + (2 + s) * count + i]);
    for (int64_t j = 0; j < x.size(); ++j) {
      double weight = x[j], states[States];
      for (size_t s = 0; s < States; ++s) states[s] = before[s][j];
      update(weight, decay * x[j] + gradient[j], states);
      set_element(a.out[i], j, weight);
      for (size_t s = 0; s < States; ++s)
        if (a.out.size() > (1 + s) * count + i && a.out[(1 + s) * count + i])
          set_element(a.out[(1 + s) * count + i], j, states[s]);
    }
  }
}

}  // namespace tessera::ops
