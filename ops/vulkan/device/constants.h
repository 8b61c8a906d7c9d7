// Constants: tensors in a device's memory, packed as kernels want them, and the ring of staging memory by which they
// go up.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <vector>

#include "ops/vulkan/device/commands.h"
#include "ops/vulkan/device/memory.h"
#include "ops/vulkan/shader.h"
#include "runtime/base/threads.h"

namespace tessera::vulkan {

/// Copies host memory into buffers of the device. While one part is on its way, the next one is written.
class Uploader {
 public:
  Uploader(Device& device, Threads* pool) : device_(device), pool_(pool) {}
  ~Uploader();
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;

  void copy(const Slice& to, const std::byte* from);
  /// Sends what is still here: whatever is submitted from now on comes after it.
  void flush();
  /// Waits until all is there.
  void finish();

 private:
  struct Part {
    Pool::Loan memory;
    std::unique_ptr<Commands> commands;
    uint64_t number = 0;  // of the submission
    int64_t used = 0;
  };

  Device& device_;
  Threads* pool_;
  std::array<Part, 3> ring_;
  size_t place_ = 0;  // of the part that is being written
};

/// A constant as `pack` makes it (as it is, if null); `parameter` is the packing's own.
struct ConstantKey {
  std::shared_ptr<const Tensor> tensor;
  Pack pack = nullptr;
  int64_t parameter = 0;
};

struct Constant {
  Slice slice;
  std::shared_ptr<const Buffer> memory;  ///< shared with those that went up with it
  std::shared_ptr<const Tensor> tensor;  ///< kept, so that its address stays its own
};

/// The constants of a session's programs. One lives as long as a program that uses it.
class ConstantStore {
 public:
  /// Those of `keys`, in their order. What is not there yet is packed by all threads of `pool`, which may be null, and
  /// sent.
  std::vector<std::shared_ptr<const Constant>> get(Device& device, List<ConstantKey> keys, Uploader& uploader,
                                                   Threads* pool);
  int64_t bytes() const;

 private:
  using Place = std::tuple<const Tensor*, Pack, int64_t>;
  static Place place_of(const ConstantKey& key) { return {key.tensor.get(), key.pack, key.parameter}; }
  using Found = std::map<Place, std::shared_ptr<const Constant>>;
  static void add(Device& device, List<const ConstantKey*> keys, Uploader& uploader, Threads* pool, Found& found);

  mutable std::mutex mutex_;
  std::map<Place, std::weak_ptr<const Constant>> known_;
};

}  // namespace tessera::vulkan
