// Console: progress and messages on standard error, from several threads.
#pragma once

#include <chrono>
#include <map>
#include <mutex>

#include "runtime/base/base.h"

namespace tessera::upscale {

/// On a terminal one bar that is redrawn; elsewhere a plain line now and then. Messages never
/// break into the bar.
class Console {
 public:
  /// `quiet`: messages only.
  Console(int64_t pictures, bool quiet);
  ~Console();

  void message(const std::string& line);
  /// Finished part, 0..1, of the picture of that name.
  void progress(const std::string& name, double part);
  void finished(const std::string& name);

 private:
  using Clock = std::chrono::steady_clock;

  void draw();
  void erase();
  std::string estimate() const;

  std::mutex mutex_;
  const int64_t pictures_;
  const bool quiet_, terminal_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point drawn_{};
  std::map<std::string, double> parts_;
  int64_t finished_ = 0;
  bool bar_ = false;
};

}  // namespace tessera::upscale
