// Tuning: which way of dividing its work is the fastest for shapes of a class, tried where that is asked for, and kept
// on disk by device and driver. What was not tried goes the way that its shapes decide.
#pragma once

#include <functional>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "ops/vulkan/backend.h"
#include "runtime/base/disk_cache.h"
#include "runtime/graph/backend.h"

namespace tessera::vulkan {

class ConstantStore;
class Device;

/// Of a device with its driver.
class Tuning {
 public:
  explicit Tuning(std::string file) : kept_(std::move(file)) {}

  bool is_empty() const { return kept_.size() == 0; }
  size_t size() const { return kept_.size(); }
  /// The way in words; nothing: the usual one.
  std::optional<std::string> find(const std::string& question) const { return kept_.find(question); }
  void keep(const std::map<std::string, std::string>& ways) { kept_.set(ways); }
  /// Whether this process has not tried it yet; now it has.
  bool is_new(const std::string& question) { return tried_.insert(question).second; }
  std::mutex& mutex() { return mutex_; }  ///< of those who try
  double seconds = 0;                     ///< that this process has tried for

 private:
  Remembered kept_;
  std::set<std::string> tried_;
  std::mutex mutex_;
};

/// Of a program that is made to try a way.
struct Trial {
  static constexpr size_t usual = ~size_t{0};
  struct Asked {
    const Node* node;
    std::string question;
    std::vector<std::string> ways;
  };
  size_t way = usual;          ///< the number of it, of every class that has as many
  const Node* node = nullptr;  ///< that is being recorded
  std::vector<Asked> asked = {};
};

/// What a kernel asks which way to go.
class Ways {
 public:
  explicit Ways(const Tuning* tuning = nullptr, Trial* trial = nullptr) : tuning_(tuning), trial_(trial) {}
  bool any() const { return trial_ || (tuning_ && !tuning_->is_empty()); }
  void begin(const Node& node) const {
    if (trial_) trial_->node = &node;
  }
  /// The number of the way; `in_words` gives the words of each.
  std::optional<size_t> find(const std::string& question, size_t count,
                             const std::function<std::string(size_t)>& in_words) const;

 private:
  const Tuning* tuning_;
  Trial* trial_;
};

/// Tries the ways that the region's kernels have, for classes that this process has not tried yet, and keeps the
/// fastest where it is faster than the usual one by more than chance, and as right. Tells how far it is. Ends when a
/// process has tried for 30 seconds on a device (TESSERA_TUNE_SECONDS: as many), and keeps what it has found by then.
void tune(const std::shared_ptr<Device>& device, ConstantStore& constants, const Region& region, bool halves,
          const Tell& tell);

}  // namespace tessera::vulkan
