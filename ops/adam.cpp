// Adam: one step of this optimizer.
#include "ops/training_step.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void adam_reference(const Args& a) {
  const double alpha = static_cast<double>(a.real("alpha")), beta = static_cast<double>(a.real("beta"));
  const double epsilon = static_cast<double>(a.real("epsilon")), count = number_or(a, 1, 0);
  const double after = 1 - static_cast<double>(a.real("norm_coefficient_post"));
  double rate = number_or(a, 0, 0);
  if (count > 0) rate *= std::sqrt(1 - std::pow(beta, count)) / (1 - std::pow(alpha, count));
  run_step<2>(a, [&](double& weight, double gradient, double* states) {
    states[0] = alpha * states[0] + (1 - alpha) * gradient;
    states[1] = beta * states[1] + (1 - beta) * gradient * gradient;
    weight = after * (weight - rate * states[0] / (std::sqrt(states[1]) + epsilon));
  });
}

constexpr AttrDef attrs[] = {
    {"alpha", 0.9}, {"beta", 0.999}, {"epsilon", 1e-6}, {"norm_coefficient", 0}, {"norm_coefficient_post", 0}};
const OpDef defs[] = {{.name = "Adam",
                       .domain = "ai.onnx.preview.training",
                       .since = 1,
                       .in = {3, many},
                       .out = {1, many},
                       .types = "R=float32|float64; T=float32|float64 : R, int64, T...",
                       .attrs = attrs,
                       .infer = infer_step<2>,
                       .reference = adam_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile adam;
const OpFile adam{defs};

}  // namespace tessera::ops
