#include "bench/gpu_check/stage.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <optional>
#include <thread>

#include "runtime/base/base.h"

namespace tessera::check {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Journal::Journal(const std::string& path) : file_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  if (file_ < 0) fail(Error::Kind::file, "cannot write ", path);
}

Journal::~Journal() { close(file_); }

// One call, so that lines of several processes do not mix.
void Journal::write(const Json& line) const {
  const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  if (::write(file_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    fail(Error::Kind::file, "cannot write the journal");
}

namespace {

constexpr size_t most_jobs = 64;
constexpr size_t nothing = ~size_t{0};

// What the workers and their parent share.
struct Board {
  std::atomic<size_t> next{0};
  std::array<std::atomic<int>, std::size(result_names)> counts{};
  struct Slot {
    std::atomic<size_t> item{nothing};
    std::atomic<double> since{0};
  };
  std::array<Slot, most_jobs> slots;
};

class SharedBoard {
 public:
  SharedBoard() : memory_(mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (memory_ == MAP_FAILED) fail(Error::Kind::memory, "no memory to share with workers");
    board_ = new (memory_) Board;
  }
  ~SharedBoard() { munmap(memory_, sizeof(Board)); }
  SharedBoard(const SharedBoard&) = delete;
  SharedBoard& operator=(const SharedBoard&) = delete;
  Board& operator*() const { return *board_; }

 private:
  void* memory_;
  Board* board_;
};

class Running {
 public:
  Running(const Journal& journal, const Stage& stage, const std::vector<Item>& items)
      : journal_(journal), stage_(stage), items_(items), begin_(seconds_now()) {}

  void run() {
    const auto jobs = std::min({static_cast<size_t>(std::max(1, stage_.jobs)), items_.size(), most_jobs});
    workers_.resize(jobs);
    for (size_t i = 0; i < jobs; ++i) start(i);
    while (watch()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    sum_up();
  }

 private:
  bool time_is_up() const { return seconds_now() - begin_ > stage_.seconds; }
  bool items_left() const { return (*board_).next < items_.size() && !time_is_up(); }

  void note(size_t item, Result result, Json line) const {
    ++(*board_).counts[static_cast<size_t>(result)];
    Json all{{"stage", stage_.name}, {"item", items_[item].title}, {"result", result_names[static_cast<int>(result)]}};
    all.update(line);
    journal_.write(all);
    if (result == Result::ok || result == Result::cpu) return;
    const std::string why = line.value("error", std::string());
    std::cout << "  " << result_names[static_cast<int>(result)] << ": " << items_[item].title
              << (why.empty() ? "" : ": " + why) << std::endl;
  }

  void start(size_t worker) {
    (*board_).slots[worker].item = nothing;
    std::cout.flush();
    const pid_t child = fork();
    if (child < 0) fail(Error::Kind::memory, "cannot start a worker");
    if (child == 0) {
      work((*board_).slots[worker]);
      std::cout.flush();
      _exit(0);  // drivers and the parent's objects are left as they are
    }
    workers_[worker] = child;
  }

  void work(Board::Slot& slot) const {
    while (!time_is_up()) {
      const size_t item = (*board_).next++;
      if (item >= items_.size()) return;
      slot.since = seconds_now();
      slot.item = item;
      Json line = Json::object();
      Result result = Result::failed;
      const double begin = seconds_now();
      try {
        result = items_[item].run(line);
      } catch (const std::exception& error) {
        line["error"] = error.what();
      }
      line["seconds"] = seconds_now() - begin;
      note(item, result, std::move(line));
      slot.item = nothing;
    }
  }

  // Takes note of workers that ended, and ends those that hang. False: none is left.
  bool watch() {
    bool any = false;
    for (size_t i = 0; i < workers_.size(); ++i) {
      if (!workers_[i]) continue;
      Board::Slot& slot = (*board_).slots[i];
      const bool hangs = slot.item != nothing && seconds_now() - slot.since > stage_.item_seconds;
      if (hangs) kill(*workers_[i], SIGKILL);
      int status = 0;
      if (waitpid(*workers_[i], &status, hangs ? 0 : WNOHANG) == 0) {
        any = true;
        continue;
      }
      workers_[i].reset();
      if (slot.item == nothing) continue;
      const size_t item = slot.item;
      if (hangs)
        note(item, Result::hung, {{"seconds", stage_.item_seconds}});
      else
        note(item, Result::crashed, {{"error", cat("signal ", WIFSIGNALED(status) ? WTERMSIG(status) : 0)}});
      if (items_left()) start(i), any = true;
    }
    return any;
  }

  void sum_up() const {
    Json line{{"stage", stage_.name}, {"summary", true}, {"seconds", seconds_now() - begin_}};
    std::string text = stage_.name + ":";
    size_t done = 0;
    for (size_t i = 0; i < std::size(result_names); ++i) {
      const int count = (*board_).counts[i];
      done += static_cast<size_t>(count);
      line[result_names[i]] = count;
      if (count) text += cat(' ', count, ' ', result_names[i], ',');
    }
    line["not_reached"] = items_.size() - done;
    journal_.write(line);
    char took[32];
    std::snprintf(took, sizeof took, "%.1f s", seconds_now() - begin_);
    std::cout << text << ' ' << items_.size() - done << " not reached, " << took << std::endl;
  }

  const Journal& journal_;
  const Stage& stage_;
  const std::vector<Item>& items_;
  double begin_;
  SharedBoard board_;
  std::vector<std::optional<pid_t>> workers_;
};

}  // namespace

void run_stage(const Journal& journal, const Stage& stage, const std::vector<Item>& items) {
  Running(journal, stage, items).run();
}

}  // namespace tessera::check
