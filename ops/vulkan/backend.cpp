// Vulkan as a backend: the kernels that it offers, and its programs.
#include "ops/vulkan/backend.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "ops/vulkan/kernel.h"
#include "ops/vulkan/known_answer.h"
#include "ops/vulkan/parallel.h"
#include "ops/vulkan/program.h"

namespace tessera::vulkan {
namespace {

class Vulkan final : public DeviceBackend {
 public:
  explicit Vulkan(std::shared_ptr<Device> device)
      : device_(std::move(device)), name_(cat("vulkan:", device_->info().index)), counters_(&traffic) {
    for (const KernelVariant& variant : all_kernels())
      if (std::all_of(variant.shaders.begin(), variant.shaders.end(),
                      [&](const Shader* s) { return device_->runs(*s); }))
        by_op_[variant.kernel->op].push_back(&variant);
  }

  Text name() const override { return name_; }

  void offers(const Problem& problem, std::vector<Offer>& out) const override {
    const auto found = by_op_.find(problem.node.op->name);
    if (found == by_op_.end() || !within_limits(problem)) return;
    for (const KernelVariant* variant : found->second) {
      const VkKernel& kernel = *variant->kernel;
      if (kernel.domain == problem.node.op->domain && kernel.accepts(kernel, problem) && !is_off(*variant))
        out.push_back({variant, kernel.name, 1});
    }
  }

  MemoryRules memory_rules() const override {
    const Limits& limits = device_->limits();
    return {.alignment = limits.alignment, .block_bytes = std::min(MemoryRules{}.block_bytes, limits.allocation)};
  }

  // A variant is tried before its first use. One that fails is never offered again, and the region
  // goes to the CPU.
  std::unique_ptr<Program> compile(const Region& region) const override {
    std::set<const Shader*> used;
    for (const Step& step : region.steps)
      for (const Shader* shader : static_cast<const KernelVariant*>(step.offer.kernel)->shaders) used.insert(shader);
    const std::vector<const Shader*> shaders(used.begin(), used.end());
    for_each(region.pool, shaders.size(), [&](size_t i) {
      const std::string failure = known_answer_failure(device_, *shaders[i]);
      if (!failure.empty()) fail(Error::Kind::device, failure);
    });
    return vulkan::compile(device_, constants_, region, counters_);
  }

  DeviceMemory memory() const override { return device_->memory_now(); }
  int64_t constant_bytes() const override { return constants_.bytes(); }
  int runs_at_once() const override { return most_runs_at_once; }

  std::vector<std::string> ask_every_variant() const {
    std::vector<std::string> failures;
    for (const Shader& shader : all_shaders())
      if (device_->runs(shader))
        if (std::string failure = known_answer_failure(device_, shader); !failure.empty()) failures.push_back(failure);
    return failures;
  }

 private:
  bool is_off(const KernelVariant& variant) const {
    return std::any_of(variant.shaders.begin(), variant.shaders.end(),
                       [&](const Shader* shader) { return is_distrusted(*device_, *shader); });
  }

  // Shaders count elements in 32 bits, and find nothing to do in an empty tensor.
  bool within_limits(const Problem& problem) const {
    const auto fits = [&](const Type& type) {
      if (type.dtype == DType::undefined) return true;
      const int64_t elements = type.shape.elements(), range = device_->limits().storage_range;
      return elements <= range / 4 && elements * bits_of(type.dtype) / 8 <= range;
    };
    const auto made = [&](const Type& type) { return type.dtype == DType::undefined || type.shape.elements() > 0; };
    for (size_t i = 0; i < problem.in.size(); ++i)
      if (!made(problem.in[i]) && !problem.constants[i]) return false;
    return std::all_of(problem.out.begin(), problem.out.end(), made) &&
           std::all_of(problem.out.begin(), problem.out.end(), fits) &&
           std::all_of(problem.in.begin(), problem.in.end(), fits);
  }

  std::shared_ptr<Device> device_;
  std::string name_;
  mutable ConstantStore constants_;
  Traffic* counters_;  // compile() is const, what it counts is not
  std::unordered_map<Text, std::vector<const KernelVariant*>> by_op_;
};

}  // namespace

std::unique_ptr<DeviceBackend> make_backend(int index, std::string* why_not) {
  std::string ignored;
  auto device = open_device(index, why_not ? why_not : &ignored);
  return device ? std::make_unique<Vulkan>(std::move(device)) : nullptr;
}

std::vector<std::string> ask_every_variant(const DeviceBackend& backend) {
  return static_cast<const Vulkan&>(backend).ask_every_variant();
}

}  // namespace tessera::vulkan
