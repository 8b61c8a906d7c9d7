// Vulkan as a backend: the kernels that it offers, and its programs.
#include "ops/vulkan/backend.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "ops/vulkan/kernel.h"
#include "ops/vulkan/known_answer.h"
#include "ops/vulkan/measure.h"
#include "ops/vulkan/parallel.h"
#include "ops/vulkan/program.h"
#include "ops/vulkan/resident.h"

namespace tessera::vulkan {
namespace {

class Vulkan final : public DeviceBackend {
 public:
  Vulkan(std::shared_ptr<Device> device, Precision precision, Tell tunes)
      : device_(std::move(device)),
        name_(cat("vulkan:", device_->info().index)),
        halves_(precision == Precision::fp16 && device_->info().fp16),
        tunes_(std::move(tunes)),
        counters_(&traffic) {
    for (const KernelVariant& variant : all_kernels())
      if (variant.halves <= halves_ && std::all_of(variant.shaders.begin(), variant.shaders.end(),
                                                   [&](const Shader* s) { return device_->runs(*s); }))
        by_op_[variant.kernel->op].push_back(&variant);
  }

  Text name() const override { return name_; }
  Precision precision() const override { return halves_ ? Precision::fp16 : Precision::fp32; }

  void offers(const Problem& problem, std::vector<Offer>& out) const override {
    const auto found = by_op_.find(problem.node.op->name);
    if (found == by_op_.end()) return;
    for (const KernelVariant* variant : found->second) {
      const VkKernel& kernel = *variant->kernel;
      if (kernel.domain != problem.node.op->domain || is_off(*variant)) continue;
      const Placed placed(problem, *variant);
      if (!placed.fits || !within_limits(placed.problem) || !kernel.accepts(kernel, placed.problem)) continue;
      out.push_back({variant, kernel.name, rank_of(*variant) - placed.is_sparse(), placed.in, placed.out});
    }
    std::stable_sort(out.begin(), out.end(), [](const Offer& a, const Offer& b) { return a.rank > b.rank; });
  }

  std::string why_not(const Problem& problem) const override {
    const auto found = by_op_.find(problem.node.op->name);
    if (found == by_op_.end()) return cat("the device has no kernel for ", problem.node.op->name);
    if (!within_limits(problem)) return "its values are empty, or too large for the device";
    for (const KernelVariant* variant : found->second)
      if (is_off(*variant)) return cat(variant->kernel->name, " gave a wrong known answer and is switched off");
    return "the device's kernels do not take its attributes and shapes";
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
    if (tunes_) tune(device_, constants_, region, halves_, tunes_);
    return vulkan::compile(device_, constants_, region, counters_, Ways(&device_->tuning()));
  }

  std::unique_ptr<Resident> make_resident(int64_t bytes, const Sharing& sharing) const override {
    return std::make_unique<VulkanResident>(device_, bytes, sharing);
  }
  bool holds(const Resident& resident) const override {
    const auto* own = dynamic_cast<const VulkanResident*>(&resident);
    return own && own->is_on(*device_);
  }

  DeviceMemory memory() const override { return device_->memory_now(); }
  int64_t constant_bytes() const override { return constants_.bytes(); }
  int runs_at_once() const override { return most_runs_at_once; }

  std::vector<std::string> ask_every_variant() const {
    std::vector<std::string> failures;
    for (const Shader& shader : all_shaders())
      if (device_->runs(shader) && is_dispatched(shader))
        if (std::string failure = known_answer_failure(device_, shader); !failure.empty()) failures.push_back(failure);
    return failures;
  }

  const std::shared_ptr<Device>& device() const { return device_; }

  // By some kernel; others only measure.
  static bool is_dispatched(const Shader& shader) {
    return std::any_of(all_kernels().begin(), all_kernels().end(), [&](const KernelVariant& variant) {
      return std::count(variant.shaders.begin(), variant.shaders.end(), &shader) > 0;
    });
  }

 private:
  // The problem as the kernel would be given it: its values lie as it wants them.
  struct Placed {
    Layout in, out;
    bool fits = true;
    std::vector<Type> in_types, out_types;
    Problem problem;

    Placed(const Problem& given, const KernelVariant& variant)
        : in(variant.layouts.in),
          out(variant.layouts.out),
          in_types(given.in.begin(), given.in.end()),
          out_types(given.out.begin(), given.out.end()),
          problem{given.node, in_types, out_types, given.constants} {
      if (variant.kernel->layouts.empty())
        keep(variant);
      else
        choose(variant.halves);
    }
    // A kernel that stores float16 is for problems that have floats.
    void choose(bool halves) {
      for (size_t i = 0; i < in_types.size(); ++i)
        if (!problem.constants[i]) place(in_types[i], i < problem.node.op_inputs() ? in : out);
      for (Type& type : out_types) place(type, out);
      const auto is_real = [](const Type& type) { return type.dtype == DType::float32; };
      fits = !halves || std::any_of(in_types.begin(), in_types.end(), is_real) ||
             std::any_of(out_types.begin(), out_types.end(), is_real);
    }
    // A picture of few channels fills little of its blocks.
    bool is_sparse() const {
      return std::any_of(out_types.begin(), out_types.end(), [](const Type& type) {
        return type.layout.block() > 1 && 2 * type.shape[1] <= type.layout.block();
      });
    }
    static void place(Type& type, Layout layout) { type.layout = layout.of(type.dtype, type.shape.rank()); }
    // Of a kernel whose values lie as the problem says, the variant stores what its output is stored as.
    void keep(const KernelVariant& variant) {
      in = in_types[0].layout;
      out = out_types[0].layout;
      fits = out.stored(out_types[0].dtype) == variant.shaders[0]->variant.storage;
    }
  };

  // Where float16 is asked for, every kernel that stores it comes before those that do not. Views are as good either
  // way: what lies around them decides.
  int rank_of(const KernelVariant& variant) const {
    const bool first = variant.halves || (halves_ && variant.shaders.empty());
    return 1 + variant.kernel->rank + (first ? halves_rank : 0);
  }
  static constexpr int halves_rank = 100;

  bool is_off(const KernelVariant& variant) const {
    return std::any_of(variant.shaders.begin(), variant.shaders.end(),
                       [&](const Shader* shader) { return is_distrusted(*device_, *shader); });
  }

  // Shaders count elements in 32 bits, and find nothing to do in an empty tensor.
  bool within_limits(const Problem& problem) const {
    const auto fits = [&](const Type& type) {
      if (type.dtype == DType::undefined) return true;
      const int64_t elements = type.stored_elements(), range = device_->limits().storage_range;
      return elements <= range / 4 && type.bytes() <= range;
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
  bool halves_;
  Tell tunes_;
  Traffic* counters_;  // compile() is const, what it counts is not
  std::unordered_map<Text, std::vector<const KernelVariant*>> by_op_;
};

}  // namespace

std::unique_ptr<DeviceBackend> make_backend(int index, std::string* why_not, Precision precision, Tell tunes) {
  std::string ignored;
  auto device = open_device(index, why_not ? why_not : &ignored);
  return device ? std::make_unique<Vulkan>(std::move(device), precision, std::move(tunes)) : nullptr;
}

std::vector<std::string> ask_every_variant(const DeviceBackend& backend) {
  return static_cast<const Vulkan&>(backend).ask_every_variant();
}

DeviceDetails details_of(const DeviceBackend& backend) {
  const Device& device = *static_cast<const Vulkan&>(backend).device();
  DeviceDetails details = device.details();
  details.tuned = static_cast<int>(device.tuning().size());
  for (const Shader& shader : all_shaders()) {
    if (!device.runs(shader) || !Vulkan::is_dispatched(shader)) continue;
    const auto failure = remembered_failure(device, shader);
    if (!failure)
      ++details.unasked;
    else if (failure->empty())
      ++details.right;
    else
      details.wrong.push_back(*failure);
  }
  return details;
}

Peaks measure(const DeviceBackend& backend) { return measure_peaks(static_cast<const Vulkan&>(backend).device()); }

}  // namespace tessera::vulkan
