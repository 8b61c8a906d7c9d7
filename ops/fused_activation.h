// The activations that operators of com.microsoft name in attributes.
#pragma once

#include <algorithm>
#include <cmath>

#include "runtime/graph/op.h"

namespace tessera::ops {

using Activation = double (*)(double x, double a, double b);

/// The curve that attribute "activation" names; none without.
inline Activation activation_of(const AttrReader& n) {
  struct Named {
    Text name;
    Activation curve;
  };
  constexpr Named curves[] = {
      {"", [](double x, double, double) { return x; }},
      {"Relu", [](double x, double, double) { return std::max(x, 0.0); }},
      {"Tanh", [](double x, double, double) { return std::tanh(x); }},
      {"Sigmoid", [](double x, double, double) { return 1 / (1 + std::exp(-x)); }},
      {"LeakyRelu", [](double x, double a, double) { return x < 0 ? a * x : x; }},
      {"Clip", [](double x, double a, double b) { return std::min(std::max(x, a), b); }},
      {"HardSigmoid", [](double x, double a, double b) { return std::clamp(a * x + b, 0.0, 1.0); }},
  };
  const Text name = n.text("activation");
  for (const Named& row : curves)
    if (row.name == name) return row.curve;
  fail(Error::Kind::unsupported, "activation \"", name, "\" is not known");
}

}  // namespace tessera::ops
