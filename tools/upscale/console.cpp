// Drawing of progress.
#include "tools/upscale/console.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <system_error>

namespace tessera::upscale {
namespace {

constexpr auto redraw_after = std::chrono::milliseconds(100);
constexpr auto watched_after = std::chrono::milliseconds(200);
constexpr auto line_after = std::chrono::seconds(2);
/// The same line again, where nothing moved.
constexpr auto again_after = std::chrono::seconds(10);
constexpr int bar_width = 30;
constexpr size_t name_width = 40;

void put(const std::string& text) {
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace

Console::Console(int64_t pictures, bool quiet, Watcher watcher)
    : pictures_(pictures),
      quiet_(quiet),
      terminal_(isatty(STDERR_FILENO) == 1 && !watcher),
      watcher_(std::move(watcher)),
      drawn_(start_) {
  if (quiet_ && !watcher_) return;
  try {
    beat_ = std::jthread([this] { beat(); });
  } catch (const std::system_error&) {  // then without one
  }
}

Console::~Console() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    erase();
  }
  end_.notify_all();
}

void Console::beat() {
  std::unique_lock lock(mutex_);
  while (!end_.wait_for(lock, std::chrono::seconds(1), [&] { return ended_; })) draw();
}

void Console::message(const std::string& line) {
  const std::lock_guard lock(mutex_);
  erase();
  put(line + "\n");
}

void Console::progress(size_t id, const std::string& name, double part) {
  const std::lock_guard lock(mutex_);
  parts_[id] = {name, part};
  draw();
}

void Console::finished(size_t id) {
  const std::lock_guard lock(mutex_);
  const std::string name = parts_[id].name;
  parts_.erase(id);
  ++finished_;
  if (watcher_) watcher_({name, 1, finished_, pictures_, seconds_left()});
  if (finished_ == pictures_) erase();
}

void Console::erase() {
  if (bar_) put("\r\x1b[K");
  bar_ = false;
}

double Console::elapsed() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

// Too little of one picture tells nothing of all.
std::optional<double> Console::seconds_left() const {
  constexpr double enough = 0.05;
  double done = static_cast<double>(finished_);
  for (const auto& [id, part] : parts_) done += part.done;
  if (done < enough) return std::nullopt;
  return std::max(0.0, elapsed() * (static_cast<double>(pictures_) - done) / done);
}

std::string Console::time(bool only_encoding) const {
  if (elapsed() < 1) return "";
  // How long encoding takes is not known.
  const auto left = only_encoding ? std::nullopt : seconds_left();
  const auto seconds = static_cast<long long>(std::ceil(left.value_or(elapsed())));
  char text[64];
  if (seconds >= 3600)
    std::snprintf(text, sizeof text, ", %lld h %02lld min ", seconds / 3600, seconds / 60 % 60);
  else if (seconds >= 60)
    std::snprintf(text, sizeof text, ", %lld min %02lld s ", seconds / 60, seconds % 60);
  else
    std::snprintf(text, sizeof text, ", %lld s ", seconds);
  return cat(text, left ? "left" : "so far");
}

Console::Clock::duration Console::pause() const {
  if (watcher_) return watched_after;
  return terminal_ ? Clock::duration(redraw_after) : Clock::duration(line_after);
}

void Console::draw() {
  if ((quiet_ && !watcher_) || parts_.empty()) return;
  const Clock::time_point now = Clock::now();
  const auto since = now - drawn_;
  if (since < pause()) return;
  // What the model works at comes first.
  const auto at = std::find_if(parts_.begin(), parts_.end(), [](const auto& part) { return !part.second.modelled(); });
  const bool only_encoding = at == parts_.end();
  const Part& part = only_encoding ? parts_.begin()->second : at->second;
  if (watcher_) {
    drawn_ = now;
    return watcher_({part.name, part.done, finished_, pictures_, seconds_left()});
  }
  const std::string name = std::filesystem::path(part.name).filename().string();
  char percent[16];
  std::snprintf(percent, sizeof percent, "%6.2f%%", part.done * 100);
  std::string line = percent;
  if (pictures_ > 1) line += cat("  ", std::min(finished_ + 1, pictures_), "/", pictures_);
  const bool cut = name.size() > name_width;
  line += cat("  ", cut ? "..." : "", cut ? name.substr(name.size() - name_width) : name,
              part.modelled() ? ", encoding" : "");
  if (!terminal_ && line == last_ && since < again_after) return;
  drawn_ = now;
  last_ = line;
  line += time(only_encoding);
  if (terminal_) {
    const int filled = static_cast<int>(part.done * bar_width);
    line = "\r\x1b[K[" + std::string(static_cast<size_t>(filled), '#') +
           std::string(static_cast<size_t>(bar_width - filled), '.') + "] " + line;
  }
  put(terminal_ ? line : line + "\n");
  bar_ = terminal_;
}

}  // namespace tessera::upscale
