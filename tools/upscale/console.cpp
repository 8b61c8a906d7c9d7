// Drawing of progress.
#include "tools/upscale/console.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace tessera::upscale {
namespace {

constexpr auto redraw_after = std::chrono::milliseconds(100);
constexpr auto line_after = std::chrono::seconds(2);
constexpr int bar_width = 30;

void put(const std::string& text) {
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace

Console::Console(int64_t pictures, bool quiet)
    : pictures_(pictures), quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1), drawn_(start_) {}

Console::~Console() { erase(); }

void Console::message(const std::string& line) {
  const std::lock_guard lock(mutex_);
  erase();
  put(line + "\n");
}

void Console::progress(const std::string& name, double part) {
  const std::lock_guard lock(mutex_);
  parts_[name] = part;
  draw();
}

void Console::finished(const std::string& name) {
  const std::lock_guard lock(mutex_);
  parts_.erase(name);
  ++finished_;
  if (finished_ == pictures_) erase();
}

void Console::erase() {
  if (bar_) put("\r\x1b[K");
  bar_ = false;
}

std::string Console::estimate() const {
  double done = static_cast<double>(finished_);
  for (const auto& [name, part] : parts_) done += part;
  const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
  if (done <= 0 || elapsed < 1) return "";
  const double left = elapsed * (static_cast<double>(pictures_) - done) / done;
  const auto seconds = static_cast<int64_t>(std::ceil(std::max(left, 0.0)));
  char text[64];
  if (seconds >= 3600)
    std::snprintf(text, sizeof text, ", %lld h %02lld min left", static_cast<long long>(seconds / 3600),
                  static_cast<long long>(seconds / 60 % 60));
  else if (seconds >= 60)
    std::snprintf(text, sizeof text, ", %lld min %02lld s left", static_cast<long long>(seconds / 60),
                  static_cast<long long>(seconds % 60));
  else
    std::snprintf(text, sizeof text, ", %lld s left", static_cast<long long>(seconds));
  return text;
}

void Console::draw() {
  if (quiet_ || parts_.empty()) return;
  const Clock::time_point now = Clock::now();
  if (now - drawn_ < (terminal_ ? Clock::duration(redraw_after) : Clock::duration(line_after))) return;
  drawn_ = now;
  const auto& [name, part] = *parts_.begin();
  char percent[16];
  std::snprintf(percent, sizeof percent, "%6.2f%%", part * 100);
  std::string line;
  if (terminal_) {
    const int filled = static_cast<int>(part * bar_width);
    line = "\r\x1b[K[" + std::string(static_cast<size_t>(filled), '#') +
           std::string(static_cast<size_t>(bar_width - filled), '.') + "] ";
  }
  line += percent;
  if (pictures_ > 1) line += cat("  ", finished_ + 1, "/", pictures_);
  line += cat("  ", name, estimate());
  put(terminal_ ? line : line + "\n");
  bar_ = terminal_;
}

}  // namespace tessera::upscale
