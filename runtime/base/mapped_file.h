// A file's bytes in memory, read only: mapped, or copied.
#pragma once

#include <memory>
#include <string>

#include "runtime/base/base.h"

namespace tessera {

/// Keeps its mapping alive for as long as anyone holds the pointer. A file that is mapped must not shrink
/// meanwhile: touching a page behind its new end would end the process with SIGBUS. One that is copied may: it takes
/// memory for all its bytes.
class MappedFile {
 public:
  /// A regular file of any size. Throws Error::file with the reason.
  static std::shared_ptr<const MappedFile> open(const std::string& path, bool copy = false);

  /// A file named inside a model: `relative` must lie below `directory`, without ".." and
  /// without symbolic links on the way, and be a regular file with one hard link, so that a model
  /// cannot make its user read something else. One link is followed: where the user named the model by a link
  /// itself, to a file in the folder `linked`, a link by the data's name may lead to another file in that very
  /// folder (a hub's cache keeps models and their data so). Throws Error::model or Error::file.
  static std::shared_ptr<const MappedFile> open_beneath(const std::string& directory, Text relative,
                                                        const std::string& linked = {}, bool copy = false);

  /// The folder of the file that `path` leads to if it is a symbolic link; else empty.
  static std::string linked_folder(const std::string& path);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  List<std::byte> bytes() const { return {data_, size_}; }

  /// Gives back the memory of pages that were touched; they are read again when they are needed.
  /// A system may map two megabytes around every byte that is looked at, so that looking at the
  /// names of a model's weights would make all of them resident.
  void drop_pages() const { drop_pages(data_, size_); }
  /// The same for a part of a file, if the bytes are in one that is mapped; else nothing.
  static void drop_pages(const void* begin, size_t size);

 private:
  MappedFile(const std::byte* data, size_t size, bool copied);
  static std::shared_ptr<const MappedFile> take(int descriptor, const std::string& path, bool copy);

  const std::byte* data_;
  size_t size_;
  bool copied_;
};

}  // namespace tessera
