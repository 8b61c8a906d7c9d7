// Adagrad: one step of this optimizer.
#include "ops/training_step.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void adagrad_reference(const Args& a) {
  const double epsilon = static_cast<double>(a.real("epsilon"));
  const double rate = number_or(a, 0, 0) / (1 + number_or(a, 1, 0) * static_cast<double>(a.real("decay_factor")));
  run_step<1>(a, [&](double& weight, double gradient, double* squares) {
    *squares += gradient * gradient;
    weight -= rate * gradient / (std::sqrt(*squares) + epsilon);
  });
}

constexpr AttrDef attrs[] = {{"decay_factor", 0}, {"epsilon", 1e-6}, {"norm_coefficient", 0}};
const OpDef defs[] = {{.name = "Adagrad",
                       .domain = "ai.onnx.preview.training",
                       .since = 1,
                       .in = {3, many},
                       .out = {1, many},
                       .types = "R=float32|float64; T=float32|float64 : R, int64, T...",
                       .attrs = attrs,
                       .infer = infer_step<1>,
                       .reference = adagrad_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile adagrad;
const OpFile adagrad{defs};

}  // namespace tessera::ops
