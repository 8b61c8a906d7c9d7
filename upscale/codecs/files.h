// Reading files, and writing so that a result is whole or absent.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <filesystem>
#include <utility>

#include "runtime/base/descriptor.h"
#include "runtime/base/mapped_file.h"
#include "upscale/codecs/codec.h"

namespace tessera::upscale {

inline constexpr Text standard_stream = "-";

/// The whole file, or standard input for "-". Throws Error::file.
Bytes read_file(const std::filesystem::path& path, int64_t largest = int64_t{4} << 30);
/// Its first bytes, `size` at most; what was taken from standard input comes again. None where it cannot be read.
Bytes first_bytes(const std::filesystem::path& path, size_t size);
/// Reads until `size` bytes are there or the file ends; how many. Standard input for its own number begins with what
/// first_bytes() took. Throws Error::file that names `path`, and Error::cancelled as soon as `cancel` is set.
size_t read_bytes(int descriptor, std::byte* to, size_t size, const std::filesystem::path& path,
                  const std::atomic<bool>* cancel = nullptr);

/// A file's bytes: in memory, or mapped where they are many, so that only those that are looked at are.
class Input {
 public:
  explicit Input(const std::filesystem::path& path);
  List<std::byte> bytes() const { return mapped_ ? mapped_->bytes() : List<std::byte>(read_); }
  /// Gives back the memory of what was looked at.
  void drop() const {
    if (mapped_) mapped_->drop_pages();
  }

 private:
  Bytes read_;
  std::shared_ptr<const MappedFile> mapped_;
};

/// What lies in a folder, in the order of its names; where it cannot be listed, `error` says why (as errno does).
/// std::filesystem does the same, but ends the program where memory is short.
std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder, int& error);

struct WriteOptions {
  std::optional<mode_t> mode;  ///< the file's permissions; else what the umask leaves of 0666
  bool at_end = false;         ///< pipes, devices and "-" get all bytes when a file would get its name
  bool replace = true;         ///< false: a file that has the name by then stays, and is an error
};

/// A file that is written and has no name yet. Flushed, then named, `path` is the old file or the whole
/// new one at every moment, also after a loss of power; a file that never gets its name vanishes.
/// Pipes, devices and "-" are written at once, or `at_end`. All of it throws Error::file.
class NewFile {
 public:
  NewFile() = default;
  /// An empty one.
  explicit NewFile(const std::filesystem::path& path, const WriteOptions& options = {});
  NewFile(const std::filesystem::path& path, List<std::byte> bytes, const WriteOptions& options = {})
      : NewFile(path, options) {
    write(bytes);
  }
  ~NewFile();
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&& other) noexcept;

  /// Adds to its end.
  void write(List<std::byte> bytes);
  void overwrite(int64_t at, List<std::byte> bytes);
  /// Empty again.
  void restart();
  /// Sees that the bytes are on the disk. Where it fails, they are lost: asked again, the system would say nothing.
  void flush() { flush_all({this}); }
  /// The same for many at once, which takes hardly longer than for one.
  static void flush_all(const std::vector<NewFile*>& files);
  /// Gives it its name; throws where it could not be flushed.
  void publish();

 private:
  void open(const std::filesystem::path& folder);
  void open_nameless();
  bool take_name(int file);
  void pass_on(int file, int to) const;

  std::filesystem::path path_, target_;  ///< as asked for, and with links followed
  Descriptor file_;                      ///< none: written directly, or published
  Descriptor direct_;                    ///< a pipe, a device or standard output
  std::string temporary_;                ///< its name until then; empty where it has none
  bool replace_ = true;
  int lost_ = 0;  ///< why its bytes are not on the disk
};

/// All three steps.
void write_file(const std::filesystem::path& path, List<std::byte> bytes, const WriteOptions& options = {});

}  // namespace tessera::upscale
