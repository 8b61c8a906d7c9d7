// Console: progress and messages on standard error, from several threads.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "runtime/base/base.h"

namespace tessera::upscale {

/// What is told of the work at a moment.
struct Moment {
  std::string name;
  double part = 0;  ///< of that picture, 0..1
  int64_t finished = 0, pictures = 0;
  std::optional<double> seconds_left;  ///< of all pictures, once something tells
};

/// On a terminal one bar that is redrawn; elsewhere a plain line now and then, also where nothing moves, so that
/// nobody takes long work for none. Messages never break into the bar.
class Console {
 public:
  using Watcher = std::function<void(const Moment&)>;

  /// `quiet`: messages only. A watcher is told of progress instead of the user, now and then, and of
  /// every picture that is finished.
  Console(int64_t pictures, bool quiet, Watcher watcher = {});
  ~Console();

  void message(const std::string& line);
  /// Finished part, 0..1, of what the model has to do for a picture; then it is encoded and written. `id` tells
  /// pictures of one name apart.
  void progress(size_t id, const std::string& name, double part);
  void finished(size_t id);

 private:
  using Clock = std::chrono::steady_clock;
  struct Part {
    std::string name;
    double done = 0;
    bool modelled() const { return done >= 1; }
  };

  void beat();
  void draw();
  void erase();
  double elapsed() const;
  std::optional<double> seconds_left() const;
  std::string time(bool only_encoding) const;
  Clock::duration pause() const;

  std::mutex mutex_;
  const int64_t pictures_;
  const bool quiet_, terminal_;
  const Watcher watcher_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point drawn_{};
  std::map<size_t, Part> parts_;
  int64_t finished_ = 0;
  bool bar_ = false, ended_ = false;
  std::string last_;  ///< the plain line printed last
  std::condition_variable end_;
  std::jthread beat_;
};

}  // namespace tessera::upscale
