#include "ops/vulkan/kernel.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace tessera::vulkan {

extern const KernelFile* const kernel_files[];
extern const int kernel_file_count;

namespace {

// The number of the item of that name.
template <class Named>
size_t find(const Shader& shader, List<Named> items, Text name, Text what) {
  for (size_t i = 0; i < items.size(); ++i)
    if (items[i].name == name) return i;
  fail(Error::Kind::device, "shader ", shader.name, " has no ", what, " ", name);
}

const Shader* find_shader(Text name, const Variant& variant) {
  for (const Shader& shader : all_shaders())
    if (shader.name == name && shader.variant == variant) return &shader;
  return nullptr;
}

// The kernel's shaders in that variant; none if one of them lacks it.
std::vector<const Shader*> shaders_of(const VkKernel& kernel, const Variant& variant) {
  std::vector<const Shader*> shaders;
  for (const Text name : kernel.shaders)
    if (!name.empty()) shaders.push_back(find_shader(name, variant));
  if (std::count(shaders.begin(), shaders.end(), nullptr)) shaders.clear();
  return shaders;
}

// The layouts that a kernel takes in a variant; one for a kernel whose values lie as the problem says.
List<LayoutPair> layouts_of(const VkKernel& kernel, bool halves) {
  return halves && !kernel.layouts.empty() ? kernel.layouts : in_row_major;
}

std::vector<KernelVariant> make_kernels() {
  std::vector<KernelVariant> all;
  for (int i = 0; i < kernel_file_count; ++i)
    for (const VkKernel& kernel : kernel_files[i]->kernels) {
      const auto add = [&](const std::vector<const Shader*>& shaders, bool halves) {
        for (const LayoutPair& layouts : layouts_of(kernel, halves)) all.push_back({&kernel, shaders, layouts, halves});
      };
      if (kernel.shaders[0].empty())
        for (const bool halves : {false, true}) add({}, halves);
      for (const Shader& shader : all_shaders())
        if (shader.name == kernel.shaders[0])
          if (const auto shaders = shaders_of(kernel, shader.variant); !shaders.empty())
            for (const bool halves : {false, true})
              if (kernel.words || halves == (shader.variant.storage == DType::float16)) add(shaders, halves);
    }
  return all;
}

}  // namespace

std::string title_of(const Shader& shader) {
  const Variant& variant = shader.variant;
  if (variant.units == Units::matrix) return cat(shader.name, " (matrices of ", name_of(variant.storage), ")");
  if (variant.storage == variant.arithmetic) return cat(shader.name, " (", name_of(variant.storage), ")");
  return cat(shader.name, " (", name_of(variant.storage), ", computed in ", name_of(variant.arithmetic), ")");
}

const std::vector<KernelVariant>& all_kernels() {
  static const std::vector<KernelVariant> all = make_kernels();
  return all;
}

void Dispatch::set(Text constant, uint32_t value) {
  constants[shader->constants[find(*shader, shader->constants, constant, "constant")].id] = value;
}

void Dispatch::bind(Text buffer, const Slot& slot) { slots[find(*shader, shader->buffers, buffer, "buffer")] = slot; }

std::string Recorder::words_of(const void* way, size_t bytes) {
  std::string text;
  for (size_t at = 0; at < bytes; at += sizeof(uint32_t)) {
    uint32_t number;
    std::memcpy(&number, static_cast<const std::byte*>(way) + at, sizeof number);
    text += cat(at ? " " : "", number);
  }
  return text;
}

// "conv float32 3 9 65536": a class of shapes. Sizes beyond 64 count as the next power of two.
std::string Recorder::question_of(std::initializer_list<int64_t> sizes) const {
  constexpr int64_t exact = 64;
  std::string question = cat(kernel_->kernel->name, kernel_->halves ? " float16" : " float32");
  for (const int64_t size : sizes)
    question += cat(' ', size <= exact ? size : static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(size))));
  return question;
}

Slot Recorder::scratch(int64_t bytes) {
  scratch_.push_back(bytes);
  return {Slot::Kind::scratch, scratch_.size() - 1};
}

Slot Recorder::table(List<std::byte> bytes) {
  tables_.emplace_back(bytes.begin(), bytes.end());
  return {Slot::Kind::table, tables_.size() - 1};
}

Dispatch& Recorder::dispatch(Text name) {
  for (const Shader* shader : kernel_->shaders)
    if (shader->name == name) {
      Dispatch& dispatch = dispatches_.emplace_back();
      dispatch.shader = shader;
      dispatch.slots.resize(shader->buffers.size());
      return dispatch;
    }
  fail(Error::Kind::device, "kernel ", kernel_->kernel->name, " has no shader ", name);
}

bool is_float_input(const Problem& problem, size_t i) {
  return i < problem.in.size() && problem.node.in[i] != absent && problem.in[i].dtype == DType::float32;
}

// Constants of a mapped file may lie anywhere. What is finite stays so: masks are made of numbers as large as float32
// has, which are multiplied by zero.
Tensor pack_halves(const Tensor& constant, int64_t) {
  constexpr float largest_half = 65504;
  Tensor packed = Tensor::make_packed({DType::float16, constant.type.shape});
  for (int64_t i = 0; i < constant.type.shape.elements(); ++i) {
    float value;
    std::memcpy(&value, constant.bytes.get() + i * int64_t{sizeof value}, sizeof value);
    if (std::isfinite(value)) value = std::clamp(value, -largest_half, largest_half);
    packed.as<float16>()[i] = float16(value);
  }
  return packed;
}

void spread(uint32_t count, Dispatch& dispatch) {
  dispatch.groups[0] = std::min<uint32_t>(count, 32768);
  dispatch.groups[2] = groups_of(count, dispatch.groups[0]);
}

}  // namespace tessera::vulkan
