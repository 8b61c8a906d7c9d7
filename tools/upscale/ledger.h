// Ledger: what is known of results, so that --resume leaves out only those that would be made again just so.
#pragma once

#include <filesystem>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "runtime/base/digest.h"

namespace tessera::upscale {

/// Of a file's bytes; none where it cannot be read.
std::optional<uint64_t> digest_of(const std::filesystem::path& path);
/// Of a model's file, and of the files beside it that its weights lie in; of the bundled model for an empty path.
/// `copy`: as ModelOptions::copy_files.
uint64_t digest_of_model(const std::filesystem::path& path, bool copy = false);

/// What is known of a file in a moment: its bytes, and what changes with them.
struct Seen {
  uint64_t digest = 0, stamp = 0;  ///< stamp 0: may not be believed, it was taken too soon after a change
  int64_t size = -1;
  friend bool operator==(const Seen&, const Seen&) = default;
};

/// Of the results that the command made, in a file of the cache folder: it holds for all formats, changes no byte of a
/// result, and leaves nothing beside them. Each line tells of one result, under a checksum; the last one holds. Several
/// processes may add at once; a line that is lost or damaged only means that a result is made again.
class Ledger {
 public:
  /// `recipe`: the models and all that decides about pixels.
  explicit Ledger(uint64_t recipe);

  enum class Standing {
    good,     ///< whole, and what would be made again
    unknown,  ///< nothing is known of it
    changed,  ///< it is not as it was when it was made
    source,   ///< made from another source, or from this one before it changed
    recipe    ///< made by another model or other options
  };
  Standing standing(const std::filesystem::path& source, const std::filesystem::path& result);
  /// Whether the file is a result, as it was made, of whatever source.
  bool is_result(const std::filesystem::path& file);

  /// A source as it is before its result is made of it.
  static Seen look(const std::filesystem::path& source);
  /// Remembers a result, unless its source has changed since `before`.
  void add(const std::filesystem::path& source, const Seen& before, const std::filesystem::path& result);

 private:
  struct Entry {
    uint64_t recipe = 0;
    Seen source, result;
  };
  static std::string line_of(uint64_t name, const Entry& entry);
  static bool parse(Text line, uint64_t& name, Entry& entry);
  void append(uint64_t name, const Entry& entry);
  void rewrite() const;

  const uint64_t recipe_;
  std::mutex mutex_;
  std::unordered_map<uint64_t, Entry> entries_;  ///< by the result's path
};

}  // namespace tessera::upscale
