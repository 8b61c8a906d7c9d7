// Files that appear whole, or not at all.
#include "upscale/codecs/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <set>

namespace tessera::upscale {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_with_errno(const fs::path& path, Text doing) {
  fail(Error::Kind::file, path.string(), ": ", doing, ": ", std::strerror(errno));
}

/// Calls what a signal may interrupt until it is done.
template <class Call>
int again(const Call& call) {
  int result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

void write_all(int descriptor, List<std::byte> bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), std::min<size_t>(bytes.size(), size_t{1} << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_with_errno(path, "cannot be written");
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

std::string link_of(int descriptor) { return cat("/proc/self/fd/", descriptor); }

/// Calls `make` with short names in the folder until one is free; false with errno set where it fails.
template <class Make>
bool find_name(const fs::path& folder, std::string& name, const Make& make) {
  static std::atomic<unsigned> count{0};
  do {
    name = (folder / cat(".tessera-", ::getpid(), "-", count++)).string();
    if (make(name.c_str())) return true;
  } while (errno == EEXIST);
  name.clear();
  return false;
}

/// Renames where nothing has the new name; false with errno set.
bool rename_to_free_name(const char* from, const char* to) {
  if (::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS) return false;
  // A file system that cannot tell at once is asked first.
  struct stat status {};
  if (::lstat(to, &status) == 0) errno = EEXIST;
  return errno != EEXIST && ::rename(from, to) == 0;
}

/// Until there is something to read, or nothing will come any more.
void wait_for(int descriptor, const std::atomic<bool>& cancel) {
  constexpr int pause = 100;  // milliseconds
  struct pollfd watched {
    descriptor, POLLIN, 0
  };
  do
    if (cancel) fail(Error::Kind::cancelled, "interrupted");
  while (::poll(&watched, 1, pause) == 0);
}

/// What was taken from standard input, to be read again.
Bytes& taken() {
  static Bytes bytes;
  return bytes;
}

}  // namespace

std::vector<fs::path> entries_of(const fs::path& folder, int& error) {
  std::vector<fs::path> entries;
  error = 0;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder.empty() ? "." : folder.c_str()), ::closedir);
  if (!open) {
    error = errno;
    return entries;
  }
  for (errno = 0; const dirent* entry = ::readdir(open.get()); errno = 0) {
    const Text name = entry->d_name;
    if (name != "." && name != "..") entries.push_back(folder / name);
  }
  error = errno;
  std::sort(entries.begin(), entries.end());
  return entries;
}

Bytes read_file(const fs::path& path, int64_t largest) {
  const Descriptor file =
      path == standard_stream ? Descriptor::standard(STDIN_FILENO) : Descriptor::open(path.c_str(), O_RDONLY);
  if (!file) fail_with_errno(path, "cannot be opened");
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) fail_with_errno(path, "cannot be read");
  if (S_ISDIR(status.st_mode)) fail(Error::Kind::file, path.string(), ": is a folder");
  Bytes bytes;
  size_t used = 0;
  bytes.resize(S_ISREG(status.st_mode) ? static_cast<size_t>(std::min<int64_t>(status.st_size, largest)) + 1 : 1 << 16);
  while (true) {
    used += read_bytes(file.number(), bytes.data() + used, bytes.size() - used, path);
    if (static_cast<int64_t>(used) > largest)
      fail(Error::Kind::file, path.string(), ": larger than ", largest >> 20, " MiB");
    if (used < bytes.size()) break;
    bytes.resize(bytes.size() * 2);
  }
  bytes.resize(used);
  return bytes;
}

size_t read_bytes(int descriptor, std::byte* to, size_t size, const fs::path& path, const std::atomic<bool>* cancel) {
  size_t used = 0;
  if (descriptor == STDIN_FILENO) {
    used = std::min(size, taken().size());
    std::copy_n(taken().begin(), used, to);
    taken().erase(taken().begin(), taken().begin() + static_cast<ptrdiff_t>(used));
  }
  while (used < size) {
    if (cancel) wait_for(descriptor, *cancel);
    const ssize_t got = ::read(descriptor, to + used, std::min<size_t>(size - used, size_t{1} << 30));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_with_errno(path, "cannot be read");
    if (got == 0) break;
    used += static_cast<size_t>(got);
  }
  return used;
}

Bytes first_bytes(const fs::path& path, size_t size) {
  Bytes bytes(size);
  if (path == standard_stream) {
    bytes.resize(read_bytes(STDIN_FILENO, bytes.data(), size, path));
    taken().insert(taken().begin(), bytes.begin(), bytes.end());
    return bytes;
  }
  // Of what is no file, nothing is taken from others.
  std::error_code error;
  const bool regular = fs::is_regular_file(path, error);
  const Descriptor file = regular ? Descriptor::open(path.c_str(), O_RDONLY) : Descriptor();
  size_t used = 0;
  try {
    if (file) used = read_bytes(file.number(), bytes.data(), size, path);
  } catch (const Error&) {  // who reads it all tells
  }
  bytes.resize(used);
  return bytes;
}

Input::Input(const fs::path& path) {
  // What is mapped must not shrink meanwhile: files of common sizes are read.
  constexpr uintmax_t most_read = uintmax_t{32} << 20;
  std::error_code error;
  if (path != standard_stream && fs::is_regular_file(path, error) && fs::file_size(path, error) > most_read && !error)
    mapped_ = MappedFile::open(path.string());
  else
    read_ = read_file(path);
}

NewFile::NewFile(const fs::path& path, const WriteOptions& options)
    : path_(path), target_(path), replace_(options.replace) {
  if (path == standard_stream) {
    path_ = "standard output";
    direct_ = Descriptor::standard(STDOUT_FILENO);
    if (options.at_end) open_nameless();
    return;
  }
  std::error_code error;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
  if (error) fail(Error::Kind::file, path.parent_path().string(), ": cannot be made: ", error.message());
  // A link stays a link: what it points to is replaced.
  if (const fs::path real = fs::weakly_canonical(path, error); !error) target_ = real;
  const fs::file_status status = fs::status(target_, error);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    if (fs::is_directory(status)) fail(Error::Kind::file, path.string(), ": is a folder");
    direct_ = Descriptor::open(target_.c_str(), O_WRONLY);
    if (!direct_) fail_with_errno(path, "cannot be opened");
    if (options.at_end) open_nameless();
    return;
  }
  open(target_.has_parent_path() ? target_.parent_path() : fs::path("."));
  // Some file systems have no permissions to set.
  if (options.mode) static_cast<void>(!::fchmod(file_.number(), *options.mode));
}

void NewFile::write(List<std::byte> bytes) { write_all((file_ ? file_ : direct_).number(), bytes, path_); }

void NewFile::overwrite(int64_t at, List<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file_.number(), bytes.data(), bytes.size(), at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_with_errno(path_, "cannot be written");
    bytes = bytes.subspan(static_cast<size_t>(written));
    at += written;
  }
}

void NewFile::restart() {
  if (again([&] { return ::ftruncate(file_.number(), 0); }) != 0 || ::lseek(file_.number(), 0, SEEK_SET) != 0)
    fail_with_errno(path_, "cannot be written");
}

// On a disk if there is one: results may be large.
void NewFile::open_nameless() {
  std::error_code error;
  const fs::path folder = fs::temp_directory_path(error);
  if (!error) file_ = Descriptor::open(folder.c_str(), O_TMPFILE | O_RDWR, 0600);
  if (!file_) file_ = Descriptor(::memfd_create("tessera", MFD_CLOEXEC));
  if (!file_) fail_with_errno(path_, "no place for its bytes");
}

void NewFile::pass_on(int file, int to) const {
  Bytes part(size_t{1} << 20);
  if (::lseek(file, 0, SEEK_SET) != 0) fail_with_errno(path_, "cannot be written");
  for (;;) {
    const ssize_t got = ::read(file, part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_with_errno(path_, "cannot be written");
    if (got == 0) return;
    write_all(to, List<std::byte>(part).first(static_cast<size_t>(got)), path_);
  }
}

void NewFile::open(const fs::path& folder) {
  // A nameless file vanishes with the process, whatever ends it; to be named later, it needs /proc.
  file_ = Descriptor::open(folder.c_str(), O_TMPFILE | O_WRONLY, 0666);
  if (file_ && ::access(link_of(file_.number()).c_str(), F_OK) == 0) return;
  const auto create = [&](const char* name) {
    file_ = Descriptor::open(name, O_CREAT | O_EXCL | O_WRONLY, 0666);
    return bool{file_};
  };
  if (!find_name(folder, temporary_, create)) fail_with_errno(path_, "cannot be created");
}

NewFile::~NewFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

NewFile::NewFile(NewFile&& other) noexcept { *this = std::move(other); }

NewFile& NewFile::operator=(NewFile&& other) noexcept {
  path_.swap(other.path_);
  target_.swap(other.target_);
  temporary_.swap(other.temporary_);
  std::swap(file_, other.file_);
  std::swap(direct_, other.direct_);
  std::swap(replace_, other.replace_);
  std::swap(lost_, other.lost_);
  return *this;
}

void NewFile::flush_all(const std::vector<NewFile*>& files) {
  std::set<dev_t> flushed;
  for (NewFile* file : files) {
    struct stat status {};
    if (!file->file_ || file->direct_) continue;
    const int number = file->file_.number();
    const bool known = files.size() > 1 && ::fstat(number, &status) == 0;
    if (known && flushed.contains(status.st_dev)) continue;
    if (known && again([&] { return ::syncfs(number); }) == 0)
      flushed.insert(status.st_dev);
    else if (again([&] { return ::fsync(number); }) != 0)
      file->lost_ = errno;
  }
}

void NewFile::publish() {
  if ((errno = lost_)) fail_with_errno(path_, "cannot be flushed to the disk");
  const Descriptor file = std::move(file_), direct = std::move(direct_);
  if (!file) return;
  if (direct) return pass_on(file.number(), direct.number());
  if (!take_name(file.number())) {
    if (errno == EEXIST)
      fail(Error::Kind::file, path_.string(), ": a file of this name came while this ran, and was not replaced");
    fail_with_errno(path_, "cannot be created");
  }
  temporary_.clear();
}

bool NewFile::take_name(int file) {
  if (temporary_.empty()) {
    const auto link_to = [file](const char* name) {
      return ::linkat(AT_FDCWD, link_of(file).c_str(), AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0;
    };
    if (link_to(target_.c_str())) return true;
    if (errno != EEXIST || !replace_ || !find_name(target_.parent_path(), temporary_, link_to)) return false;
  }
  if (replace_) return ::rename(temporary_.c_str(), target_.c_str()) == 0;
  return rename_to_free_name(temporary_.c_str(), target_.c_str());
}

void write_file(const fs::path& path, List<std::byte> bytes, const WriteOptions& options) {
  NewFile file(path, bytes, options);
  file.flush();
  file.publish();
}

}  // namespace tessera::upscale
