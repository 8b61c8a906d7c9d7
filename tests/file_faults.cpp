// A library to be preloaded: it counts a program's file operations, and lets one of them fail, or all from one on.
//   TESSERA_FAIL_FILE=read:12:EIO    the 12th read fails; "12+" those behind it too
//   TESSERA_FAIL_FILE=write:3:short  the 3rd write takes a single byte (read likewise)
//   TESSERA_FILE_LOG=PATH            a line for each operation there is: its name, and the file
// Faults come before the operation, but for EINTR of close, which comes behind it, as on Linux.

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#define EXPORTED extern "C" [[gnu::visibility("default")]]

namespace {

enum Operation { op_open, op_read, op_write, op_rename, op_link, op_sync, op_map, op_size, op_close, op_stat, op_list };
constexpr const char* names[] = {"open", "read", "write", "rename", "link", "sync",
                                 "map",  "size", "close", "stat",   "list"};

struct Fault {
  int operation = -1;
  long begin = 0, end = 0;
  int error = 0;  // 0: short
  Fault() {
    const char* text = std::getenv("TESSERA_FAIL_FILE");
    if (!text) return;
    const char* colon = std::strchr(text, ':');
    for (int i = 0; colon && i < static_cast<int>(sizeof names / sizeof *names); ++i)
      if (std::strlen(names[i]) == static_cast<size_t>(colon - text) &&
          !std::strncmp(names[i], text, std::strlen(names[i])))
        operation = i;
    char* rest = nullptr;
    if (colon) begin = std::strtol(colon + 1, &rest, 10);
    if (operation < 0 || !rest || (*rest != ':' && *rest != '+')) {
      std::fprintf(stderr, "TESSERA_FAIL_FILE is not OPERATION:NUMBER[+]:ERROR\n");
      std::abort();
    }
    end = *rest == '+' ? __LONG_MAX__ : begin + 1;
    const char* kind = rest + (*rest == '+' ? 2 : 1);
    for (const auto& [name, number] : {std::pair{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EACCES", EACCES}, {"EINTR", EINTR}})
      if (!std::strcmp(kind, name)) error = number;
  }
};

std::atomic<long> counts[sizeof names / sizeof *names];

const Fault& fault() {
  static const Fault one;
  return one;
}

// A line of the log; no function that may itself be counted.
void note(Operation operation, const char* path, int descriptor, bool fails) {
  static const int log = [] {
    const char* file = std::getenv("TESSERA_FILE_LOG");
    return file ? static_cast<int>(syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600))
                : -1;
  }();
  if (log < 0) return;
  char line[4600], link[64], target[4096];
  if (!path) {
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    const long size = syscall(SYS_readlink, link, target, sizeof target - 1);
    target[size < 0 ? 0 : size] = 0;
    path = target;
  }
  const int size = std::snprintf(line, sizeof line, "%s%s %s\n", fails ? "!" : "", names[operation], path);
  syscall(SYS_write, log, line, static_cast<size_t>(size));
}

// Whether this operation fails; errno is set, or left 0 for a short one.
bool fails(Operation operation, const char* path, int descriptor = -1) {
  const int before = errno;
  const Fault& f = fault();
  const long number = ++counts[operation];
  const bool now = f.operation == operation && number >= f.begin && number < f.end;
  note(operation, path, descriptor, now);
  errno = now ? f.error : before;
  return now;
}

template <class F>
F next(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

mode_t mode_of(int flags, va_list rest) {
  return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? static_cast<mode_t>(va_arg(rest, int)) : 0;
}

}  // namespace

#define OPEN(name)                                                             \
  EXPORTED int name(const char* path, int flags, ...) {                        \
    va_list rest;                                                              \
    va_start(rest, flags);                                                     \
    const mode_t mode = mode_of(flags, rest);                                  \
    va_end(rest);                                                              \
    if (fails(op_open, path)) return -1;                                       \
    return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode)); \
  }
#define OPENAT(name)                                                         \
  EXPORTED int name(int folder, const char* path, int flags, ...) {          \
    va_list rest;                                                            \
    va_start(rest, flags);                                                   \
    const mode_t mode = mode_of(flags, rest);                                \
    va_end(rest);                                                            \
    if (fails(op_open, path)) return -1;                                     \
    return static_cast<int>(syscall(SYS_openat, folder, path, flags, mode)); \
  }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name)                                                            \
  EXPORTED FILE* name(const char* path, const char* mode) {                    \
    static const auto real = next<FILE* (*)(const char*, const char*)>(#name); \
    return fails(op_open, path) ? nullptr : real(path, mode);                  \
  }
FOPEN(fopen)
FOPEN(fopen64)

#define TRANSFER(name, operation, pointer, call)               \
  EXPORTED ssize_t name(int file, pointer data, size_t size) { \
    if (fails(operation, nullptr, file)) {                     \
      if (errno) return -1;                                    \
      size = size ? 1 : 0;                                     \
    }                                                          \
    return syscall(call, file, data, size);                    \
  }
#define TRANSFER_AT(name, operation, pointer, call)                      \
  EXPORTED ssize_t name(int file, pointer data, size_t size, off_t at) { \
    if (fails(operation, nullptr, file)) {                               \
      if (errno) return -1;                                              \
      size = size ? 1 : 0;                                               \
    }                                                                    \
    return syscall(call, file, data, size, at);                          \
  }
TRANSFER(read, op_read, void*, SYS_read)
TRANSFER_AT(pread, op_read, void*, SYS_pread64)
TRANSFER_AT(pread64, op_read, void*, SYS_pread64)
TRANSFER(write, op_write, const void*, SYS_write)
TRANSFER_AT(pwrite, op_write, const void*, SYS_pwrite64)
TRANSFER_AT(pwrite64, op_write, const void*, SYS_pwrite64)

EXPORTED int rename(const char* from, const char* to) noexcept {
  return fails(op_rename, to) ? -1 : static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}
EXPORTED int renameat2(int a, const char* from, int b, const char* to, unsigned flags) noexcept {
  return fails(op_rename, to) ? -1 : static_cast<int>(syscall(SYS_renameat2, a, from, b, to, flags));
}
EXPORTED int linkat(int a, const char* from, int b, const char* to, int flags) noexcept {
  return fails(op_link, to) ? -1 : static_cast<int>(syscall(SYS_linkat, a, from, b, to, flags));
}
EXPORTED int mkdir(const char* path, mode_t mode) noexcept {
  return fails(op_link, path) ? -1 : static_cast<int>(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}
EXPORTED int fsync(int file) { return fails(op_sync, nullptr, file) ? -1 : static_cast<int>(syscall(SYS_fsync, file)); }
EXPORTED int syncfs(int file) noexcept {
  return fails(op_sync, nullptr, file) ? -1 : static_cast<int>(syscall(SYS_syncfs, file));
}

// Of files alone: memory that fails has a test of its own.
#define MMAP(name)                                                                                         \
  EXPORTED void* name(void* at, size_t size, int protection, int flags, int file, off_t offset) noexcept { \
    if (!(flags & MAP_ANONYMOUS) && fails(op_map, nullptr, file)) return MAP_FAILED;                       \
    return reinterpret_cast<void*>(syscall(SYS_mmap, at, size, protection, flags, file, offset));          \
  }
MMAP(mmap)
MMAP(mmap64)

#define TRUNCATE(name)                                                                                \
  EXPORTED int name(int file, off_t size) noexcept {                                                  \
    return fails(op_size, nullptr, file) ? -1 : static_cast<int>(syscall(SYS_ftruncate, file, size)); \
  }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

EXPORTED int close(int file) {
  if (!fails(op_close, nullptr, file)) return static_cast<int>(syscall(SYS_close, file));
  const int error = errno;
  syscall(SYS_close, file);
  errno = error;
  return -1;
}

#define STAT(name, type)                                               \
  EXPORTED int name(const char* path, type* status) noexcept {         \
    static const auto real = next<int (*)(const char*, type*)>(#name); \
    return fails(op_stat, path) ? -1 : real(path, status);             \
  }
STAT(stat, struct stat)
STAT(lstat, struct stat)
STAT(stat64, struct stat64)
STAT(lstat64, struct stat64)
EXPORTED int fstat(int file, struct stat* status) noexcept {
  static const auto real = next<int (*)(int, struct stat*)>("fstat");
  return fails(op_stat, nullptr, file) ? -1 : real(file, status);
}
EXPORTED int fstat64(int file, struct stat64* status) noexcept {
  static const auto real = next<int (*)(int, struct stat64*)>("fstat64");
  return fails(op_stat, nullptr, file) ? -1 : real(file, status);
}

// openat2 has no function of its own.
EXPORTED long syscall(long number, ...) noexcept {
  static const auto real = next<long (*)(long, ...)>("syscall");
  va_list rest;
  va_start(rest, number);
  long words[6];
  for (long& word : words) word = va_arg(rest, long);
  va_end(rest);
  if (number == SYS_openat2 && fails(op_open, reinterpret_cast<const char*>(words[1]))) return -1;
  return real(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

EXPORTED DIR* opendir(const char* path) {
  static const auto real = next<DIR* (*)(const char*)>("opendir");
  return fails(op_list, path) ? nullptr : real(path);
}
#define READDIR(name, type)                                                 \
  EXPORTED type* name(DIR* folder) {                                        \
    static const auto real = next<type* (*)(DIR*)>(#name);                  \
    return fails(op_list, nullptr, dirfd(folder)) ? nullptr : real(folder); \
  }
READDIR(readdir, struct dirent)
READDIR(readdir64, struct dirent64)
