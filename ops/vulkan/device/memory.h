// Buffers: memory of a device, or memory that it shares with the host; and how it is lent to those who need it for a
// while.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "ops/vulkan/device/loader.h"
#include "runtime/graph/backend.h"

namespace tessera::vulkan {

class Device;

/// device: what programs compute with. The others are on the way between it and the host: a port is a device's end, and
/// every queue may use it.
enum class Where { device, port, upload, download };

/// The type of memory for such buffers, of those whose bit is set in `allowed`; memory.memoryTypeCount if none will do.
uint32_t find_memory_type(const VkPhysicalDeviceMemoryProperties& memory, uint32_t allowed, Where where);

/// A buffer with memory of its own; mapped if it is host memory.
struct Buffer {
  Buffer(const Device& device, int64_t bytes, Where where, const Sharing& sharing = {});
  ~Buffer() { release(); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void flush() const;       ///< after the host wrote
  void invalidate() const;  ///< before the host reads
  int descriptor() const;   ///< a new one; see Resident

  const Device& device;
  const int64_t bytes;
  const uint64_t number;  ///< no other buffer of this process has it
  VkBuffer handle = VK_NULL_HANDLE;
  VkDeviceMemory memory = VK_NULL_HANDLE;
  std::byte* mapped = nullptr;
  bool coherent = true;

 private:
  void create(Where where, const Sharing& sharing);
  VkResult allocate(VkDeviceSize size, uint32_t type, Where where, const Sharing& sharing);
  void release();
  bool is_exported_ = false;
  int64_t counted_ = 0;  // bytes of device memory
};

/// A part of a buffer.
struct Slice {
  const Buffer* buffer = nullptr;
  int64_t offset = 0, bytes = 0;
};

/// Buffers between host and device, lent for one run or one upload: making one takes longer than filling it.
class Pool {
 public:
  Pool(const Device& device, Where where) : device_(device), where_(where) { free_.reserve(most_free); }

  /// A buffer on loan.
  class Loan {
   public:
    Loan() = default;
    Loan(Pool& pool, int64_t bytes) : pool_(&pool), buffer_(pool.take(bytes)) {}
    Loan(Loan&& other) noexcept = default;
    Loan& operator=(Loan&& other) noexcept;
    ~Loan() { give_back(); }
    void give_back();
    explicit operator bool() const { return buffer_ != nullptr; }
    const Buffer* operator->() const { return buffer_.get(); }
    const Buffer* get() const { return buffer_.get(); }

   private:
    Pool* pool_ = nullptr;
    std::unique_ptr<Buffer> buffer_;
  };

  /// Frees what nobody has.
  void trim();

 private:
  static constexpr size_t most_free = 6;
  std::unique_ptr<Buffer> take(int64_t bytes);
  std::unique_ptr<Buffer> find(int64_t bytes);
  void keep(std::unique_ptr<Buffer> buffer);

  const Device& device_;
  const Where where_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Buffer>> free_;  // the one used last is the last
};

/// Device memory for the values of programs. All share it, because they run one after the other: it is as large as
/// the largest of them needs.
class Arena {
 public:
  explicit Arena(const Device& device) : device_(device) {}

  /// Blocks of at least these sizes. A larger one may take the place of one that others still have. Whether nobody else
  /// has been lent them since `borrower` was, so that they hold what it left.
  bool lend(uint64_t borrower, List<int64_t> bytes, std::vector<std::shared_ptr<Buffer>>& blocks);
  /// Frees what nobody has.
  void trim();

 private:
  const Device& device_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Buffer>> blocks_;
  uint64_t borrower_ = 0;  // the last one; 0: nobody
};

}  // namespace tessera::vulkan
