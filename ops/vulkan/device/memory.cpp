#include "ops/vulkan/device/memory.h"

#include "ops/vulkan/device/device.h"

namespace tessera::vulkan {
namespace {

constexpr VkMemoryPropertyFlags visible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
constexpr VkMemoryPropertyFlags coherent_flag = VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
constexpr VkMemoryPropertyFlags cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
constexpr VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
constexpr VkMemoryPropertyFlags special = VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT |
                                          VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD |
                                          VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD;

struct Wish {
  VkMemoryPropertyFlags required, wanted, unwanted;
};
// By Where. Device memory that the host can see may be a small window: taken only where all is.
constexpr Wish wishes[] = {
    {0, local, visible}, {visible, coherent_flag, local | cached}, {visible, cached | coherent_flag, local}};

uint32_t find_memory_type(const VkPhysicalDeviceMemoryProperties& memory, uint32_t allowed, const Wish& wish) {
  int best_score = -100;
  uint32_t best = memory.memoryTypeCount;
  for (uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
    const VkMemoryPropertyFlags flags = memory.memoryTypes[i].propertyFlags;
    if (!(allowed >> i & 1) || (flags & wish.required) != wish.required || (flags & special)) continue;
    const int score = 4 * __builtin_popcount(flags & wish.wanted) - __builtin_popcount(flags & wish.unwanted);
    if (score > best_score) best_score = score, best = i;
  }
  return best;
}

}  // namespace

Buffer::Buffer(const Device& owner, int64_t size, Where where) : device(owner), bytes(size) {
  try {
    create(where);
  } catch (...) {
    release();
    throw;
  }
}

void Buffer::create(Where where) {
  const DeviceTable& call = device.call;
  if (bytes > device.limits().allocation)
    fail(Error::Kind::device, "a buffer of ", bytes >> 20, " MiB is needed, but ", device.info().name,
         " allocates at most ", device.limits().allocation >> 20, " MiB at once");
  auto info = structure<VkBufferCreateInfo>(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
  info.size = static_cast<VkDeviceSize>(bytes);
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  check(call.CreateBuffer(device.handle(), &info, nullptr, &handle), "vkCreateBuffer");
  VkMemoryRequirements needs;
  call.GetBufferMemoryRequirements(device.handle(), handle, &needs);
  const uint32_t type = find_memory_type(device.memory(), needs.memoryTypeBits, wishes[static_cast<int>(where)]);
  if (type == device.memory().memoryTypeCount)
    fail(Error::Kind::device, device.info().name, " has no memory for buffers");
  auto allocate = structure<VkMemoryAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO);
  allocate.allocationSize = needs.size;
  allocate.memoryTypeIndex = type;
  const VkResult result = call.AllocateMemory(device.handle(), &allocate, nullptr, &memory);
  if (result < 0)
    fail(Error::Kind::device, "vkAllocateMemory of ", needs.size >> 20, " MiB failed: ", result_name(result));
  check(call.BindBufferMemory(device.handle(), handle, memory, 0), "vkBindBufferMemory");
  coherent = device.memory().memoryTypes[type].propertyFlags & coherent_flag;
  if (where == Where::device) return;
  void* address = nullptr;
  check(call.MapMemory(device.handle(), memory, 0, VK_WHOLE_SIZE, 0, &address), "vkMapMemory");
  mapped = static_cast<std::byte*>(address);
}

void Buffer::release() {
  if (mapped) device.call.UnmapMemory(device.handle(), memory);
  if (handle) device.call.DestroyBuffer(device.handle(), handle, nullptr);
  if (memory) device.call.FreeMemory(device.handle(), memory, nullptr);
}

void Buffer::flush() const {
  if (coherent) return;
  VkMappedMemoryRange range{VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, nullptr, memory, 0, VK_WHOLE_SIZE};
  check(device.call.FlushMappedMemoryRanges(device.handle(), 1, &range), "vkFlushMappedMemoryRanges");
}

void Buffer::invalidate() const {
  if (coherent) return;
  VkMappedMemoryRange range{VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, nullptr, memory, 0, VK_WHOLE_SIZE};
  check(device.call.InvalidateMappedMemoryRanges(device.handle(), 1, &range), "vkInvalidateMappedMemoryRanges");
}

}  // namespace tessera::vulkan
