// Momentum: one step of this optimizer.
#include "ops/training_step.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void momentum_reference(const Args& a) {
  const double alpha = static_cast<double>(a.real("alpha")), rate = number_or(a, 0, 0);
  const double beta = number_or(a, 1, 0) > 0 ? static_cast<double>(a.real("beta")) : 1;
  const bool nesterov = a.text("mode") == "nesterov";
  run_step<1>(a, [&](double& weight, double gradient, double* speed) {
    *speed = alpha * *speed + beta * gradient;
    weight -= rate * (nesterov ? gradient + alpha * *speed : *speed);
  });
}

constexpr AttrDef attrs[] = {
    {"alpha", 0, {}, true}, {"beta", 0, {}, true}, {"norm_coefficient", 0, {}, true}, {"mode", 0, {}, true}};
const OpDef defs[] = {{.name = "Momentum",
                       .domain = "ai.onnx.preview.training",
                       .since = 1,
                       .in = {3, many},
                       .out = {1, many},
                       .types = "R=float32|float64; T=float32|float64 : R, int64, T...",
                       .attrs = attrs,
                       .infer = infer_step<1>,
                       .reference = momentum_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile momentum;
const OpFile momentum{defs};

}  // namespace tessera::ops
