// Signals: the wish to stop, a flag that SIGINT, SIGTERM and SIGHUP set; and the one error that no code can
// check for beforehand, a mapped file that gets shorter.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <iterator>

#include "tools/commands.h"

namespace tessera::tools {
namespace {

std::atomic<bool> stop{false};

volatile std::sig_atomic_t came = 0;

// The second signal finds the default action.
extern "C" void on_signal(int number) {
  came = number;
  stop = true;
}

void say(const char* text, size_t size) { static_cast<void>(!::write(STDERR_FILENO, text, size)); }

// Reads a file byte by byte, with nothing that a signal handler must not use.
class Reader {
 public:
  explicit Reader(const char* path) : descriptor_(::open(path, O_RDONLY | O_CLOEXEC)) {}
  /// The next byte, -1 at the end.
  int next() {
    if (at_ == size_) {
      size_ = ::read(descriptor_, buffer_, sizeof buffer_);
      at_ = 0;
      if (size_ <= 0) return size_ = 0, -1;
    }
    return static_cast<unsigned char>(buffer_[at_++]);
  }

 private:
  int descriptor_;
  char buffer_[1024];
  ssize_t size_ = 0, at_ = 0;
};

// Reads a hexadecimal number and the byte behind it.
uintptr_t hexadecimal(Reader& reader) {
  uintptr_t value = 0;
  for (;;) {
    const int c = reader.next();
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return value;
    value = value * 16 + static_cast<uintptr_t>(digit);
  }
}

// Names the file whose mapping was touched behind its end: a model that is mapped, not copied.
extern "C" void on_bus_error(int, siginfo_t* info, void*) {
  static char name[4096];
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  size_t length = 0;
  Reader maps("/proc/self/maps");  // lines of "begin-end permissions offset device inode path"
  for (int c = 0; c >= 0 && !length;) {
    const uintptr_t begin = hexadecimal(maps), end = hexadecimal(maps);
    const bool found = begin <= address && address < end;
    do c = maps.next();
    while (c >= 0 && c != '\n' && c != '/');
    for (; c >= 0 && c != '\n'; c = maps.next())
      if (found && length < std::size(name)) name[length++] = static_cast<char>(c);
    if (begin == 0 && end == 0) break;
  }
  constexpr char before[] = "tessera: ", after[] = ": the file became shorter while it was in use\n";
  constexpr char unknown[] = "a mapped file";
  say(before, sizeof before - 1);
  length ? say(name, length) : say(unknown, sizeof unknown - 1);
  say(after, sizeof after - 1);
  _exit(exit_failed);
}

}  // namespace

void catch_signals() {
  struct sigaction bus {};
  bus.sa_sigaction = on_bus_error;
  bus.sa_flags = SA_SIGINFO;
  sigemptyset(&bus.sa_mask);
  sigaction(SIGBUS, &bus, nullptr);
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // Who runs it under nohup wants it to go on.
  struct sigaction before {};
  if (sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);
}

const std::atomic<bool>& interrupted() { return stop; }

int end_by_signal(int code) {
  if (came) {
    std::signal(came, SIG_DFL);
    std::raise(came);
  }
  return code;
}

}  // namespace tessera::tools
