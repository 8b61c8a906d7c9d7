#include "ops/vulkan/device/memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <utility>

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
constexpr Wish wishes[] = {{0, local, visible},
                           {0, local, visible},
                           {visible, coherent_flag, local | cached},
                           {visible, cached | coherent_flag, local}};

std::atomic<uint64_t> buffers{0};

bool is_shared(const Sharing& sharing) { return sharing.exported || sharing.descriptor >= 0; }

}  // namespace

uint32_t find_memory_type(const VkPhysicalDeviceMemoryProperties& memory, uint32_t allowed, Where where) {
  const Wish& wish = wishes[static_cast<int>(where)];
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

Buffer::Buffer(const Device& owner, int64_t size, Where where, const Sharing& sharing)
    : device(owner), bytes(size), number(++buffers), is_exported_(sharing.exported) {
  try {
    create(where, sharing);
  } catch (...) {
    release();
    throw;
  }
}

void Buffer::create(Where where, const Sharing& sharing) {
  const DeviceTable& call = device.call;
  if (bytes > device.limits().allocation)
    fail(Error::Kind::memory, "a buffer of ", bytes >> 20, " MiB is needed, but ", device.info().name,
         " allocates at most ", device.limits().allocation >> 20, " MiB at once");
  auto info = structure<VkBufferCreateInfo>(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
  info.size = static_cast<VkDeviceSize>(bytes);
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT |
               VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  auto outside = structure<VkExternalMemoryBufferCreateInfo>(VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO);
  outside.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
  if (is_shared(sharing)) {
    if (const std::string why = device.why_not_shared(info.usage); !why.empty()) fail(Error::Kind::unsupported, why);
    info.pNext = &outside;
  }
  const List<uint32_t> families = device.queue_families();
  if (where != Where::device && families.size() > 1) {
    info.sharingMode = VK_SHARING_MODE_CONCURRENT;
    info.queueFamilyIndexCount = static_cast<uint32_t>(families.size());
    info.pQueueFamilyIndices = families.data();
  }
  check(call.CreateBuffer(device.handle(), &info, nullptr, &handle), "vkCreateBuffer");
  VkMemoryRequirements needs;
  call.GetBufferMemoryRequirements(device.handle(), handle, &needs);
  const uint32_t type = find_memory_type(device.memory(), needs.memoryTypeBits, where);
  if (type == device.memory().memoryTypeCount)
    fail(Error::Kind::device, device.info().name, " has no memory for buffers");
  VkResult result = allocate(needs.size, type, where, sharing);
  if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_OUT_OF_HOST_MEMORY) {
    device.trim();
    result = allocate(needs.size, type, where, sharing);
  }
  if (result < 0)
    fail(result == VK_ERROR_DEVICE_LOST ? Error::Kind::device : Error::Kind::memory, device.info().name,
         " has no memory for ", needs.size >> 20, " MiB more: vkAllocateMemory failed: ", result_name(result));
  check(call.BindBufferMemory(device.handle(), handle, memory, 0), "vkBindBufferMemory");
  coherent = device.memory().memoryTypes[type].propertyFlags & coherent_flag;
  if (where == Where::device || where == Where::port) return;
  void* address = nullptr;
  check(call.MapMemory(device.handle(), memory, 0, VK_WHOLE_SIZE, 0, &address), "vkMapMemory");
  mapped = static_cast<std::byte*>(address);
}

// What would leave no room to others of this machine is refused before the driver is asked.
VkResult Buffer::allocate(VkDeviceSize size, uint32_t type, Where where, const Sharing& sharing) {
  const auto wanted = static_cast<int64_t>(size);
  const bool counts = where == Where::device || where == Where::port;
  if (counts) {
    const DeviceMemory now = device.memory_now();
    if (wanted > now.budget - now.used) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  }
  auto info = structure<VkMemoryAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO);
  info.allocationSize = size;
  info.memoryTypeIndex = type;
  auto exported = structure<VkExportMemoryAllocateInfo>(VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO);
  exported.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
  if (sharing.exported) info.pNext = &exported;
  auto imported = structure<VkImportMemoryFdInfoKHR>(VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR);
  imported.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
  if (sharing.descriptor >= 0) {
    imported.fd = fcntl(sharing.descriptor, F_DUPFD_CLOEXEC, 0);  // the driver's, if it takes it
    if (imported.fd < 0) fail(Error::Kind::usage, "descriptor ", sharing.descriptor, " is not open");
    imported.pNext = std::exchange(info.pNext, &imported);
  }
  const VkResult result = device.call.AllocateMemory(device.handle(), &info, nullptr, &memory);
  if (result < 0 && sharing.descriptor >= 0) close(imported.fd);
  if (result < 0) memory = VK_NULL_HANDLE;
  if (result >= 0 && counts) device.count(counted_ = wanted);
  return result;
}

int Buffer::descriptor() const {
  if (!is_exported_) fail(Error::Kind::unsupported, "the buffer was not made to be exported");
  auto info = structure<VkMemoryGetFdInfoKHR>(VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR);
  info.memory = memory;
  info.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
  int made = -1;
  check(device.call.GetMemoryFdKHR(device.handle(), &info, &made), "vkGetMemoryFdKHR");
  fcntl(made, F_SETFD, FD_CLOEXEC);
  return made;
}

void Buffer::release() {
  if (mapped) device.call.UnmapMemory(device.handle(), memory);
  if (handle) device.call.DestroyBuffer(device.handle(), handle, nullptr);
  if (memory) device.call.FreeMemory(device.handle(), memory, nullptr);
  device.count(-counted_);
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

// --- Pool ------------------------------------------------------------------------------------

Pool::Loan& Pool::Loan::operator=(Loan&& other) noexcept {
  give_back();
  pool_ = other.pool_;
  buffer_ = std::move(other.buffer_);
  return *this;
}

void Pool::Loan::give_back() {
  if (buffer_) pool_->keep(std::move(buffer_));
}

// The smallest that will do; or, where all are too small, none: the largest of them makes way.
std::unique_ptr<Buffer> Pool::find(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  auto best = free_.end(), largest = free_.end();
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    if ((*it)->bytes >= bytes && (best == free_.end() || (*it)->bytes < (*best)->bytes)) best = it;
    if (largest == free_.end() || (*it)->bytes > (*largest)->bytes) largest = it;
  }
  if (largest == free_.end()) return nullptr;
  const bool found = best != free_.end();
  if (!found) best = largest;
  std::unique_ptr<Buffer> buffer = std::move(*best);
  free_.erase(best);
  return found ? std::move(buffer) : nullptr;
}

std::unique_ptr<Buffer> Pool::take(int64_t bytes) {
  if (auto buffer = find(bytes)) return buffer;
  // A little larger: the next one wanted may be.
  const int64_t room = std::min(round_up(bytes + bytes / 8, int64_t{64} << 10), device_.limits().allocation);
  return std::make_unique<Buffer>(device_, std::max(room, bytes), where_);
}

void Pool::keep(std::unique_ptr<Buffer> buffer) {
  const std::lock_guard lock(mutex_);
  if (free_.size() == most_free) free_.erase(free_.begin());
  free_.push_back(std::move(buffer));
}

void Pool::trim() {
  const std::lock_guard lock(mutex_);
  free_.clear();
}

// --- Arena -----------------------------------------------------------------------------------

bool Arena::lend(uint64_t borrower, List<int64_t> bytes, std::vector<std::shared_ptr<Buffer>>& blocks) {
  const std::lock_guard lock(mutex_);
  bool same = std::exchange(borrower_, borrower) == borrower;
  blocks.clear();
  if (blocks_.size() < bytes.size()) blocks_.resize(bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    auto& block = blocks_[i];
    if (!block || block->bytes < bytes[i]) {
      same = false;
      borrower_ = 0;  // until all are there
      block.reset();
      block = std::make_shared<Buffer>(device_, bytes[i], Where::device);
    }
    blocks.push_back(block);
  }
  borrower_ = borrower;
  return same;
}

// Whoever lends now knows best what is needed.
void Arena::trim() {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return;
  blocks_.clear();
  borrower_ = 0;
}

}  // namespace tessera::vulkan
