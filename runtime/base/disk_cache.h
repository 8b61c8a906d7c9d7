// What can be made again, kept on disk between runs of the program: compiled pipelines, what was found out of a device.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/base.h"

namespace tessera {

/// $TESSERA_CACHE, $XDG_CACHE_HOME/tessera or ~/.cache/tessera; empty for a user without a home.
std::string cache_folder();

/// Bytes of a file in the cache folder, under a checksum. One that is missing, truncated, foreign or unreadable is a
/// miss: no bytes.
std::vector<std::byte> load_cached(const std::string& name);
/// Replaces the file as one: readers see the old bytes or the new ones. Whether that succeeded; where it does not,
/// nothing is kept.
bool store_cached(const std::string& name, List<std::byte> bytes);

/// Short answers by their questions, in one file of the cache folder. Safe for concurrent calls, and for several
/// processes: each keeps what others have added.
class Remembered {
 public:
  explicit Remembered(std::string name);

  std::optional<std::string> find(const std::string& key) const;
  size_t size() const;
  /// Remembers, and writes the file.
  void set(const std::string& key, const std::string& value) { set({{key, value}}); }
  using Answers = std::map<std::string, std::string>;
  void set(const Answers& answers);

 private:
  Answers read() const;

  const std::string name_;
  mutable std::mutex mutex_;
  Answers answers_;
};

}  // namespace tessera
