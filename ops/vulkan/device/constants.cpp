#include "ops/vulkan/device/constants.h"

#include <algorithm>

#include "ops/vulkan/device/device.h"
#include "ops/vulkan/parallel.h"

namespace tessera::vulkan {
namespace {

constexpr int64_t part_bytes = int64_t{8} << 20;    // of staging memory
constexpr int64_t group_bytes = int64_t{64} << 20;  // of constants that are packed at once, and share a buffer

}  // namespace

// --- Uploader --------------------------------------------------------------------------------

Uploader::~Uploader() {
  for (const Part& part : ring_) device_.queue().settle(part.number);
}

void Uploader::copy(const Slice& to, const std::byte* from) {
  for (int64_t done = 0; done < to.bytes;) {
    if (ring_[place_].used == part_bytes) flush();
    Part& part = ring_[place_];
    if (part.used == 0) {
      device_.queue().wait(part.number);
      if (!part.memory) part.memory = Pool::Loan(device_.uploads(), part_bytes);
      if (!part.commands) part.commands = std::make_unique<Commands>(device_);
      part.commands->restart();
    }
    const int64_t bytes = std::min(part_bytes - part.used, to.bytes - done);
    copy_bytes(pool_, part.memory->mapped + part.used, from + done, bytes);
    part.commands->copy({part.memory.get(), part.used, bytes}, {to.buffer, to.offset + done, bytes});
    part.used = std::min(part_bytes, round_up(part.used + bytes, 16));
    done += bytes;
  }
}

void Uploader::flush() {
  Part& part = ring_[place_];
  if (part.used == 0) return;
  part.memory->flush();
  part.commands->finish();
  part.number = device_.queue().submit(part.commands->parts());
  part.used = 0;
  place_ = (place_ + 1) % ring_.size();
}

void Uploader::finish() {
  flush();
  for (const Part& part : ring_) device_.queue().wait(part.number);
}

// --- ConstantStore ---------------------------------------------------------------------------

// All threads pack; then the results lie behind one another in one buffer.
void ConstantStore::add(Device& device, List<const ConstantKey*> keys, Uploader& uploader, Threads* pool,
                        Found& found) {
  std::vector<Tensor> packed(keys.size());
  for_each(pool, keys.size(), [&](size_t i) {
    const ConstantKey& key = *keys[i];
    packed[i] = key.pack ? key.pack(*key.tensor, key.parameter) : *key.tensor;
  });
  const int64_t alignment = device.limits().alignment;
  for (size_t first = 0, end = 0; first < keys.size(); first = end) {
    int64_t room = 0;
    while (end < keys.size() && (end == first || room + packed[end].type.bytes() <= group_bytes)) {
      const int64_t bytes = packed[end++].type.bytes();
      if (bytes > device.limits().storage_range)
        fail(Error::Kind::device, "a constant of ", bytes >> 20, " MiB is needed, but ", device.info().name,
             " binds at most ", device.limits().storage_range >> 20, " MiB");
      room += round_up(std::max<int64_t>(bytes, 1), alignment);
    }
    const auto memory = std::make_shared<const Buffer>(device, room, Where::device);
    int64_t offset = 0;
    for (size_t i = first; i < end; ++i) {
      const int64_t bytes = packed[i].type.bytes();
      const Constant constant{{memory.get(), offset, bytes}, memory, keys[i]->tensor};
      uploader.copy(constant.slice, packed[i].bytes.get());
      offset += round_up(std::max<int64_t>(bytes, 1), alignment);
      keys[i]->tensor->drop_pages();
      found[place_of(*keys[i])] = std::make_shared<const Constant>(constant);
    }
  }
}

std::vector<std::shared_ptr<const Constant>> ConstantStore::get(Device& device, List<ConstantKey> keys,
                                                                Uploader& uploader, Threads* pool) {
  const std::lock_guard lock(mutex_);
  std::erase_if(known_, [](const auto& item) { return item.second.expired(); });
  Found found;
  std::vector<const ConstantKey*> group;
  int64_t bytes = 0;
  for (const ConstantKey& key : keys) {
    const auto [place, added] = found.try_emplace(place_of(key));
    if (!added) continue;
    if (const auto known = known_.find(place->first); known != known_.end()) place->second = known->second.lock();
    if (place->second) continue;
    group.push_back(&key);
    bytes += key.tensor->type.bytes();
    if (bytes < group_bytes) continue;
    add(device, group, uploader, pool, found);
    group.clear();
    bytes = 0;
  }
  add(device, group, uploader, pool, found);
  uploader.flush();
  std::vector<std::shared_ptr<const Constant>> result;
  for (const ConstantKey& key : keys) result.push_back(found.at(place_of(key)));
  for (const auto& [place, constant] : found) known_[place] = constant;
  return result;
}

int64_t ConstantStore::bytes() const {
  const std::lock_guard lock(mutex_);
  int64_t total = 0;
  for (const auto& [place, constant] : known_)
    if (const auto alive = constant.lock()) total += alive->slice.bytes;
  return total;
}

}  // namespace tessera::vulkan
