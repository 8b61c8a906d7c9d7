// An open file, by its number.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace tessera {

/// Closes itself.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0 && !standard_) ::close(number_);
  }
  Descriptor(Descriptor&& other) noexcept { *this = std::move(other); }
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    std::swap(standard_, other.standard_);
    return *this;
  }

  /// Opens a file, however many signals come meanwhile; none, with errno set, where that fails.
  static Descriptor open(const char* path, int flags, mode_t mode = 0, int folder = AT_FDCWD) {
    int number;
    do {
      number = ::openat(folder, path, flags | O_CLOEXEC, mode);
    } while (number < 0 && errno == EINTR);
    return Descriptor(number);
  }
  /// One of the standard streams, which stays open.
  static Descriptor standard(int number) {
    Descriptor stream(number);
    stream.standard_ = true;
    return stream;
  }

  int number() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

 private:
  int number_ = -1;
  bool standard_ = false;
};

}  // namespace tessera
