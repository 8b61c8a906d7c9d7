#include "ops/vulkan/device/pipelines.h"

#include "ops/vulkan/device/device.h"
#include "ops/vulkan/parallel.h"
#include "runtime/base/disk_cache.h"

namespace tessera::vulkan {

Pipelines::Pipelines(Device& device, std::string file) : device_(device), file_(std::move(file)) {
  try {
    create();
  } catch (...) {
    release();
    throw;
  }
}

// The driver looks at what it is given; what it does not know as its own is as good as nothing.
void Pipelines::create() {
  const std::vector<std::byte> known = load_cached(file_);
  auto info = structure<VkPipelineCacheCreateInfo>(VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO);
  info.initialDataSize = known.size();
  info.pInitialData = known.data();
  if (device_.call.CreatePipelineCache(device_.handle(), &info, nullptr, &cache_) >= 0) return;
  info.initialDataSize = 0;
  cache_ = VK_NULL_HANDLE;
  check(device_.call.CreatePipelineCache(device_.handle(), &info, nullptr, &cache_), "vkCreatePipelineCache");
}

void Pipelines::release() {
  const DeviceTable& call = device_.call;
  const VkDevice handle = device_.handle();
  for (const auto& [key, pipeline] : pipelines_) call.DestroyPipeline(handle, pipeline, nullptr);
  if (cache_) call.DestroyPipelineCache(handle, cache_, nullptr);
  for (const auto& [types, layouts] : layouts_) {
    if (layouts.pipeline) call.DestroyPipelineLayout(handle, layouts.pipeline, nullptr);
    if (layouts.set) call.DestroyDescriptorSetLayout(handle, layouts.set, nullptr);
  }
}

Layouts Pipelines::layouts(const Shader& shader) {
  const std::lock_guard lock(mutex_);
  const DeviceTable& call = device_.call;
  std::vector<VkDescriptorType> types;
  for (const Shader::Buffer& buffer : shader.buffers) types.push_back(descriptor_type(buffer));
  Layouts& layouts = layouts_[types];
  if (layouts.pipeline) return layouts;
  std::vector<VkDescriptorSetLayoutBinding> bindings;
  for (uint32_t i = 0; i < types.size(); ++i)
    bindings.push_back({i, types[i], 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr});
  auto set = structure<VkDescriptorSetLayoutCreateInfo>(VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO);
  set.bindingCount = static_cast<uint32_t>(bindings.size());
  set.pBindings = bindings.data();
  if (!layouts.set)
    check(call.CreateDescriptorSetLayout(device_.handle(), &set, nullptr, &layouts.set), "vkCreateDescriptorSetLayout");
  auto pipeline = structure<VkPipelineLayoutCreateInfo>(VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO);
  pipeline.setLayoutCount = 1;
  pipeline.pSetLayouts = &layouts.set;
  check(call.CreatePipelineLayout(device_.handle(), &pipeline, nullptr, &layouts.pipeline), "vkCreatePipelineLayout");
  return layouts;
}

VkPipeline Pipelines::find(const Key& key) {
  const std::lock_guard lock(mutex_);
  const auto found = pipelines_.find(key);
  return found == pipelines_.end() ? VK_NULL_HANDLE : found->second;
}

// Another thread may have been first.
VkPipeline Pipelines::make_one(const Key& key) {
  const VkPipeline made = compile(*key.first, key.second, layouts(*key.first).pipeline);
  const std::lock_guard lock(mutex_);
  const auto [place, added] = pipelines_.try_emplace(key, made);
  if (!added) device_.call.DestroyPipeline(device_.handle(), made, nullptr);
  return place->second;
}

VkPipeline Pipelines::get(const Shader& shader, const Constants& constants) {
  const Key key{&shader, constants};
  const VkPipeline known = find(key);
  return known ? known : make_one(key);
}

int64_t Pipelines::make(const std::vector<Key>& wanted, Threads* pool) {
  std::vector<const Key*> missing;
  for (const Key& key : wanted)
    if (!find(key)) missing.push_back(&key);
  for_each(pool, missing.size(), [&](size_t i) { make_one(*missing[i]); });
  if (!missing.empty()) save();
  return static_cast<int64_t>(missing.size());
}

void Pipelines::save() const {
  size_t size = 0;
  if (device_.call.GetPipelineCacheData(device_.handle(), cache_, &size, nullptr) < 0) return;
  std::vector<std::byte> bytes(size);
  if (device_.call.GetPipelineCacheData(device_.handle(), cache_, &size, bytes.data()) != VK_SUCCESS) return;
  bytes.resize(size);
  store_cached(file_, bytes);
}

VkPipeline Pipelines::compile(const Shader& shader, const Constants& constants, VkPipelineLayout layout) {
  const DeviceTable& call = device_.call;
  auto code = structure<VkShaderModuleCreateInfo>(VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO);
  code.codeSize = shader.words.size_bytes();
  code.pCode = shader.words.data();
  VkShaderModule module = VK_NULL_HANDLE;
  check(call.CreateShaderModule(device_.handle(), &code, nullptr, &module), "vkCreateShaderModule");
  std::vector<VkSpecializationMapEntry> entries;
  std::vector<uint32_t> data;
  for (const auto& [id, value] : constants) {
    entries.push_back({id, static_cast<uint32_t>(data.size() * sizeof(uint32_t)), sizeof(uint32_t)});
    data.push_back(value);
  }
  const VkSpecializationInfo specialization{static_cast<uint32_t>(entries.size()), entries.data(),
                                            data.size() * sizeof(uint32_t), data.data()};
  auto info = structure<VkComputePipelineCreateInfo>(VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO);
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = &specialization;
  if (shader.variant.units == Units::matrix)
    info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
  info.layout = layout;
  VkPipeline pipeline = VK_NULL_HANDLE;
  const VkResult result = call.CreateComputePipelines(device_.handle(), cache_, 1, &info, nullptr, &pipeline);
  call.DestroyShaderModule(device_.handle(), module, nullptr);
  check(result, cat("vkCreateComputePipelines of ", title_of(shader)));
  return pipeline;
}

}  // namespace tessera::vulkan
