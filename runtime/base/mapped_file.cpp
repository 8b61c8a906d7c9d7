#include "runtime/base/mapped_file.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "runtime/base/descriptor.h"

#if __has_include(<linux/openat2.h>)
#include <linux/openat2.h>
#endif

namespace tessera {
namespace {

constexpr size_t guard_bytes = 4096;

struct stat status_of(int descriptor, const std::string& path) {
  struct stat status;
  if (::fstat(descriptor, &status) != 0) fail(Error::Kind::file, "cannot read ", path, ": ", std::strerror(errno));
  return status;
}

// The kernel's own guard against leaving the directory; false where the kernel is too old for it.
bool open_with_kernel(int directory, const char* relative, Descriptor& file) {
#if defined(SYS_openat2) && defined(RESOLVE_BENEATH)
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  long number;
  do {
    number = ::syscall(SYS_openat2, directory, relative, &how, sizeof how);
  } while (number < 0 && (errno == EINTR || errno == EAGAIN));
  if (number < 0 && (errno == ENOSYS || errno == EPERM || errno == E2BIG)) return false;
  file = Descriptor(static_cast<int>(number));
  return true;
#else
  static_cast<void>(directory), static_cast<void>(relative), static_cast<void>(file);
  return false;
#endif
}

// The same by hand: one component after the other, none of them a link.
Descriptor open_by_components(int directory, const std::string& relative) {
  Descriptor folder;
  size_t begin = 0;
  for (;;) {
    const size_t end = relative.find('/', begin);
    const std::string component = relative.substr(begin, end - begin);
    const int from = folder ? folder.number() : directory;
    if (end == std::string::npos)
      return Descriptor::open(component.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0, from);
    if (!component.empty()) {
      Descriptor next = Descriptor::open(component.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, from);
      if (!next) return next;
      folder = std::move(next);
    }
    begin = end + 1;
  }
}

// A file in the folder `linked`, where a link in the model's folder leads into it.
Descriptor open_linked(int directory, const std::string& relative, const std::string& linked) {
  const size_t slash = relative.rfind('/');
  Descriptor parent;
  if (slash != std::string::npos && !(parent = open_by_components(directory, relative.substr(0, slash)))) return parent;
  const int from = parent ? parent.number() : directory;
  char text[4096];
  const ssize_t size =
      ::readlinkat(from, relative.c_str() + (slash == std::string::npos ? 0 : slash + 1), text, sizeof text);
  if (size <= 0) return Descriptor();
  const std::string target(text, static_cast<size_t>(size));
  const size_t last = target.rfind('/') + 1;  // 0 where there is none
  const Descriptor there =
      Descriptor::open(last ? target.substr(0, last).c_str() : ".", O_RDONLY | O_DIRECTORY, 0, from);
  const Descriptor own = Descriptor::open(linked.c_str(), O_RDONLY | O_DIRECTORY);
  if (!there || !own) return Descriptor();
  const struct stat a = status_of(there.number(), relative), b = status_of(own.number(), relative);
  errno = ELOOP;
  if (a.st_dev != b.st_dev || a.st_ino != b.st_ino) return Descriptor();
  return Descriptor::open(target.c_str() + last, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0, own.number());
}

void check_relative(Text relative) {
  const auto refuse = [&](Text why) {
    fail(Error::Kind::model, "external data location \"", relative.substr(0, 200), "\" ", why);
  };
  if (relative.empty()) refuse("is empty");
  if (relative.find('\0') != Text::npos)
    fail(Error::Kind::model, "external data has a location that contains a NUL byte");
  if (relative.front() == '/') refuse("is absolute; it must be relative to the model's folder");
  for (size_t begin = 0; begin <= relative.size();) {
    const size_t end = std::min(relative.find('/', begin), relative.size());
    if (relative.substr(begin, end - begin) == "..") refuse("leaves the model's folder");
    begin = end + 1;
  }
}

void read_all(int descriptor, std::byte* to, size_t size, const std::string& path) {
  while (size) {
    const ssize_t got = ::read(descriptor, to, std::min<size_t>(size, size_t{1} << 30));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(Error::Kind::file, "cannot read ", path, ": ", std::strerror(errno));
    if (got == 0) fail(Error::Kind::file, path, ": became shorter while it was read");
    to += got;
    size -= static_cast<size_t>(got);
  }
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::take(int descriptor, const std::string& path, bool copy) {
  const struct stat status = status_of(descriptor, path);
  if (!S_ISREG(status.st_mode)) fail(Error::Kind::file, "cannot read ", path, ": not a regular file");
  const auto size = static_cast<size_t>(status.st_size);
  if (!size) return std::shared_ptr<const MappedFile>(new MappedFile(nullptr, 0, copy));
  // Vector code may read a little past the last element: a page of zeros lies behind the file.
  void* room = ::mmap(nullptr, size + guard_bytes, copy ? PROT_READ | PROT_WRITE : PROT_READ,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room != MAP_FAILED && (copy || ::mmap(room, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, descriptor, 0) == room)) {
    const std::shared_ptr<const MappedFile> file(new MappedFile(static_cast<const std::byte*>(room), size, copy));
    if (copy) read_all(descriptor, static_cast<std::byte*>(room), size, path);
    return file;
  }
  const int reason = errno;
  if (room != MAP_FAILED) ::munmap(room, size + guard_bytes);
  fail(Error::Kind::file, "cannot map ", path, " (", size, " bytes): ", std::strerror(reason));
}

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path, bool copy) {
  if (path.find('\0') != std::string::npos) fail(Error::Kind::file, "cannot open a path that contains a NUL byte");
  const Descriptor file = Descriptor::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  if (!file) fail(Error::Kind::file, "cannot open ", path, ": ", std::strerror(errno));
  return take(file.number(), path, copy);
}

std::string MappedFile::linked_folder(const std::string& path) {
  char text[1];
  if (::readlink(path.c_str(), text, sizeof text) < 0) return {};
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
  if (!real) return {};
  const std::string whole(real.get());
  return whole.substr(0, whole.rfind('/') + 1);
}

std::shared_ptr<const MappedFile> MappedFile::open_beneath(const std::string& directory, Text relative,
                                                           const std::string& linked, bool copy) {
  check_relative(relative);
  const std::string name(relative);
  const Descriptor folder = Descriptor::open(directory.c_str(), O_RDONLY | O_DIRECTORY);
  if (!folder) fail(Error::Kind::file, "cannot open the model's folder: ", std::strerror(errno));
  Descriptor file;
  if (!open_with_kernel(folder.number(), name.c_str(), file)) file = open_by_components(folder.number(), name);
  if (!file && errno == ELOOP && !linked.empty()) file = open_linked(folder.number(), name, linked);
  if (!file) {
    const int reason = errno;
    if (reason == ELOOP || reason == EXDEV)
      fail(Error::Kind::model, "external data \"", relative, "\" is reached through a symbolic link, which is ",
           "refused unless the model is a link too and both lead into one folder: put the file itself into the model's "
           "folder");
    fail(Error::Kind::file, "cannot open external data \"", relative,
         "\" in the model's folder: ", std::strerror(reason),
         reason == ENOENT && !linked.empty()
             ? "; the model is a link to " + linked + ": name it there, or link its data too"
             : "");
  }
  const struct stat status = status_of(file.number(), name);
  if (!S_ISREG(status.st_mode)) fail(Error::Kind::model, "external data \"", relative, "\" is not a regular file");
  if (status.st_nlink != 1)
    fail(Error::Kind::model, "external data \"", relative, "\" has ", status.st_nlink,
         " hard links, which is refused: copy the file into the model's folder");
  return take(file.number(), name, copy);
}

namespace {

// All files that are mapped: the end of each by its begin.
struct Mapped {
  std::mutex mutex;
  std::map<uintptr_t, uintptr_t> ends;
};
Mapped& mapped() {
  static auto& all = *new Mapped;  // never destroyed: files may outlive every other object
  return all;
}

uintptr_t number_of(const void* address) { return reinterpret_cast<uintptr_t>(address); }

}  // namespace

MappedFile::MappedFile(const std::byte* data, size_t size, bool copied) : data_(data), size_(size), copied_(copied) {
  if (!size_ || copied_) return;
  const std::lock_guard lock(mapped().mutex);
  mapped().ends[number_of(data_)] = number_of(data_) + size_;
}

void MappedFile::drop_pages(const void* begin, size_t size) {
  // Where the system maps more than the page that is touched, it does so up to this size.
  constexpr uintptr_t around = uintptr_t{2} << 20;
  const std::lock_guard lock(mapped().mutex);
  auto file = mapped().ends.upper_bound(number_of(begin));
  if (file == mapped().ends.begin()) return;
  --file;
  if (number_of(begin) >= file->second) return;
  const uintptr_t from = std::max(file->first, number_of(begin) / around * around);
  const uintptr_t to = std::min(file->second, (number_of(begin) + size + around - 1) / around * around);
  ::madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (!size_) return;
  {
    const std::lock_guard lock(mapped().mutex);
    if (!copied_) mapped().ends.erase(number_of(data_));
  }
  ::munmap(const_cast<std::byte*>(data_), size_ + guard_bytes);
}

}  // namespace tessera
