// A case on a device, beside its operator's reference: for tests, and for checks of a GPU.
#pragma once

#include <algorithm>
#include <cmath>

#include "ops/cpu/backend.h"
#include "ops/vulkan/kernel.h"
#include "runtime/plan/plan.h"
#include "tests/cases/case.h"
#include "tests/tensors.h"

namespace tessera::test {

// What values of float16 may be off by, of the largest that is expected; and the largest that there is.
constexpr double half_of_range = 5e-3, largest_half = 65504;

/// Whether the kernel stores float32 values as float16.
inline bool is_half(const Offer& offer) { return static_cast<const vulkan::KernelVariant*>(offer.kernel)->halves; }

/// Inputs as float16 has them.
inline Case in_half_precision(Case c) {
  for (auto* inputs : {&c.in, &c.operands})
    for (Input& input : *inputs) {
      if (input.tensor.type.dtype != DType::float32) continue;
      input.tensor = input.tensor.clone();
      for (int64_t i = 0; i < input.tensor.type.shape.elements(); ++i) {
        float& value = input.tensor.as<float>()[i];
        value = static_cast<float>(float16(value));
      }
    }
  return c;
}

struct DeviceAnswer {
  std::vector<Tensor> given, wanted;
  std::vector<double> absolute;  ///< what each may be off by, beside the case's relative tolerance
  bool in_its_place = false;     ///< on the device; arithmetic on shapes on the host
};

/// Runs a case that the device offers a kernel for; `halves`: one that stores float16.
inline DeviceAnswer ask_device(const std::shared_ptr<DeviceBackend>& device, const Case& c, bool halves) {
  const Question question(c);
  DeviceAnswer answer;
  std::vector<View> in, out;
  for (size_t i = 0; i < question.inputs().size(); ++i) {
    const Input& input = question.inputs()[i];
    if (!input.constant && question.node().in[i] != absent) in.push_back(input.tensor.view());
  }
  for (const Type& type : question.out_types()) answer.given.push_back(Tensor::make(type));
  for (const Tensor& result : answer.given) out.push_back(result.view());
  PackCache packs;
  Threads threads(1);
  const Plan plan(question.graph(), {device, cpu::make_backend()}, packs, {.poison = true, .count_crossings = false});
  const bool stays = is_shape_arithmetic(plan.graph(), plan.graph().nodes[0]);
  answer.in_its_place = plan.choices()[0].backend == (stays ? 1 : 0);
  plan.run(in, out, threads, {});
  const std::vector<Tensor> expected = question.expected();
  for (size_t i = 0; i < answer.given.size(); ++i) {
    auto values = elements(expected[i]);
    if (halves)
      for (double& value : values)
        if (std::abs(value) > largest_half) value = std::copysign(HUGE_VAL, value);
    double largest = 0;
    for (const double value : values)
      if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
    // Drivers round exponentials and the like by more than the C library does.
    const double of_range = halves ? half_of_range : 3e-6 + c.of_range;
    answer.absolute.push_back(std::max(c.absolute, of_range * largest));
    answer.wanted.push_back(tensor(answer.given[i].type.dtype, answer.given[i].type.shape, values));
  }
  return answer;
}

}  // namespace tessera::test
