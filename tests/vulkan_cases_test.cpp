// Every case of tests/cases/ that the Vulkan device takes, against the operator's reference. The validation layer
// watches, and is to have nothing to say.
#include <algorithm>
#include <cmath>
#include <set>

#include "ops/cpu/backend.h"
#include "ops/vulkan/kernel.h"
#include "runtime/plan/plan.h"
#include "tests/cases/case.h"
#include "tests/support.h"
#include "tests/vulkan_device.h"

namespace tessera::test {
namespace {

// A driver compiles a pipeline for every case, which takes a software renderer seconds where loops are unrolled: of
// each list as many as this run, spread over all of it.
size_t most_cases(const Case& first) { return first.op == "Conv" ? 6 : 64; }

class VulkanCases : public VulkanDevice, public testing::WithParamInterface<const CaseList*> {
 protected:
  void check(const Case& c) const {
    const Question question(c);
    std::vector<View> in, out;
    for (size_t i = 0; i < question.inputs().size(); ++i) {
      const Input& input = question.inputs()[i];
      if (!input.constant && question.node().in[i] != absent) in.push_back(input.tensor.view());
    }
    std::vector<Tensor> results;
    for (const Type& type : question.out_types()) results.push_back(Tensor::make(type));
    for (const Tensor& result : results) out.push_back(result.view());
    PackCache packs;
    Threads threads(1);
    const Plan plan(question.graph(), {device_, cpu::make_backend()}, packs,
                    {.poison = true, .count_crossings = false});
    const bool stays = is_shape_arithmetic(plan.graph(), plan.graph().nodes[0]);
    EXPECT_EQ(plan.choices()[0].backend, stays ? 1 : 0) << question.title() << " is not where it belongs";
    plan.run(in, out, threads, {});
    const std::vector<Tensor> expected = question.expected();
    for (size_t i = 0; i < results.size(); ++i) {
      const auto values = elements(expected[i]);
      double largest = 0;
      for (const double value : values) largest = std::max(largest, std::abs(value));
      // Drivers round exponentials and the like by more than the C library does.
      const double absolute = std::max(c.absolute, (3e-6 + c.of_range) * largest);
      const Tensor wanted = tensor(results[i].type.dtype, results[i].type.shape, values);
      EXPECT_TRUE(close(results[i], wanted, c.relative, absolute)) << question.title();
    }
  }
};

TEST_P(VulkanCases, Agree) {
  std::vector<Case> cases;
  const auto keep = [&](const Case& c) {
    if (!offers_of(*device_, c).empty()) cases.push_back(c);
  };
  GetParam()->give(Taker{keep, false});
  if (cases.empty()) return;
  const size_t most = most_cases(cases[0]), step = (cases.size() + most - 1) / most;
  for (size_t i = 0; i < cases.size(); i += step) check(cases[i]);
}

INSTANTIATE_TEST_SUITE_P(All, VulkanCases, testing::ValuesIn(all_case_lists()),
                         [](const auto& list) { return std::string(list.param->name); });

// No device kernel is without a case.
TEST_F(VulkanDevice, HasCasesForAllItsKernels) {
  std::set<std::string> without;
  for (const vulkan::KernelVariant& variant : vulkan::all_kernels())
    if (!variant.shaders.empty()) without.emplace(variant.kernel->name);
  const auto take = [&](const Case& c) {
    for (const Offer& offer : offers_of(*device_, c)) without.erase(std::string(offer.name));
  };
  for (const CaseList* list : all_case_lists()) list->give({take, false});
  for (const std::string& name : without) ADD_FAILURE() << name << " has no case";
}

}  // namespace
}  // namespace tessera::test
