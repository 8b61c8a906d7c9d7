// Stages with short queues between them, so that few pictures are in memory at once.
#include "tools/upscale/pipeline.h"

#include <algorithm>
#include <condition_variable>
#include <deque>

#include "upscale/crew.h"

namespace tessera::upscale {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Holds at most `room` things; closed when every producer has left. Once stopped, it is empty and takes nothing.
template <class T>
class Queue {
 public:
  Queue(size_t room, int producers) : room_(room), producers_(producers) {}

  void push(T thing) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return things_.size() < room_ || stopped_; });
    if (stopped_) return;
    things_.push_back(std::move(thing));
    changed_.notify_all();
  }
  /// False when nothing will come any more.
  bool pop(T& thing) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !things_.empty() || producers_ == 0 || stopped_; });
    if (things_.empty()) return false;
    thing = std::move(things_.front());
    things_.pop_front();
    changed_.notify_all();
    return true;
  }
  /// All there are; none when nothing will come any more.
  std::vector<T> pop_all() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !things_.empty() || producers_ == 0 || stopped_; });
    std::vector<T> all(std::make_move_iterator(things_.begin()), std::make_move_iterator(things_.end()));
    things_.clear();
    changed_.notify_all();
    return all;
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    --producers_;
    changed_.notify_all();
  }
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    things_.clear();
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> things_;
  size_t room_;
  int producers_;
  bool stopped_ = false;
};

}  // namespace

struct Pipeline::Item {
  size_t index = 0;
  const Job* job = nullptr;
  Result* result = nullptr;
  std::unique_ptr<Picture> picture;
  NewFile file;

  /// Does one stage's work unless an earlier one failed; what it throws becomes the result.
  template <class Work>
  void attempt(const Work& work, double& seconds) {
    if (!result->error.empty()) return;
    const Clock::time_point start = Clock::now();
    const auto failed = [&](Error::Kind kind, const char* text) {
      picture.reset();
      result->kind = kind;
      result->error = "out of memory";  // if there is none left for more; this much needs none
      const std::string what = text;
      result->error = what.starts_with(job->in.string() + ": ") || what.starts_with(job->out.string() + ": ")
                          ? what
                          : cat(job->in.string(), ": ", what);
    };
    try {
      try {
        work();
      } catch (const Error& error) {
        failed(error.kind(), error.what());
      } catch (const std::bad_alloc&) {
        failed(Error::Kind::memory, "not enough memory");
      } catch (const std::exception& error) {
        failed(Error::Kind::file, error.what());
      }
    } catch (const std::bad_alloc&) {
    }
    seconds += seconds_since(start);
  }
};

void Pipeline::load(Item& item) const {
  item.picture = std::make_unique<Picture>(decode(read_file(item.job->in), options_.limits));
  Picture& picture = *item.picture;
  item.result->in_width = picture.width;
  item.result->in_height = picture.height;
  item.result->report.notes = std::move(picture.notes);
  const Wanted wanted = chain_.result_of(picture.width, picture.height, picture.bits);
  item.result->out_width = wanted.width;
  item.result->out_height = wanted.height;
  const int64_t largest = largest_extent(item.job->format);
  if (std::max(item.result->out_width, item.result->out_height) > largest)
    fail(Error::Kind::file, "the result of ", item.result->out_width, "x", item.result->out_height,
         " pixels does not fit into a ", extension_of(item.job->format), " file (", largest, " a side); choose png");
}

void Pipeline::process(Item& item) const {
  const std::string name = item.job->in.string();
  const Progress progress = [&](double part) { console_.progress(item.index, name, part); };
  progress(0);
  *item.picture = chain_.upscale(*item.picture, item.result->report, progress);
}

void Pipeline::save(Item& item) const {
  Result& result = *item.result;
  const Bytes bytes = encode(std::move(*item.picture), item.job->format, options_.encode, result.report.notes);
  item.picture.reset();
  if (cancel_) fail(Error::Kind::cancelled, "interrupted");
  item.file = NewFile(item.job->out, bytes, item.job->write);
}

void Pipeline::publish(std::vector<Item>& items) {
  std::vector<const NewFile*> files;
  for (const Item& item : items)
    if (item.result->error.empty()) files.push_back(&item.file);
  bool flushed = true;
  try {
    NewFile::flush_all(files);
  } catch (const Error&) {
    flushed = false;
  }
  for (Item& item : items)
    item.attempt(
        [&] {
          if (!flushed) item.file.flush();
          item.file.publish();
          item.result->done = true;
        },
        item.result->save_seconds);
}

std::vector<Result> Pipeline::run(const std::vector<Job>& jobs,
                                  const std::function<void(const Job&, const Result&)>& on_result) {
  std::vector<Result> results(jobs.size());
  // As many pictures at once as keep all devices busy.
  const int workers = std::max(options_.stages.process, chain_.at_once());
  Queue<Item> loaded(static_cast<size_t>(std::max(2, workers)), options_.stages.load), processed(2, workers);
  // Written files wait for their names here: what came while a flush ran shares the next one.
  Queue<Item> written(64, options_.stages.save);
  std::atomic<size_t> next{0};
  std::atomic<bool> stopped{false};
  Crew crew([&] {
    stopped = true;
    loaded.stop();
    processed.stop();
    written.stop();
  });
  crew.start(
      options_.stages.load,
      [&] {
        for (size_t index = next++; index < jobs.size() && !cancel_ && !stopped; index = next++) {
          Item item{index, &jobs[index], &results[index], nullptr, {}};
          item.attempt([&] { load(item); }, results[index].load_seconds);
          loaded.push(std::move(item));
        }
      },
      [&] { loaded.leave(); });
  crew.start(
      workers,
      [&] {
        for (Item item; loaded.pop(item);) {
          item.attempt([&] { process(item); }, item.result->process_seconds);
          processed.push(std::move(item));
        }
      },
      [&] { processed.leave(); });
  crew.start(
      options_.stages.save,
      [&] {
        for (Item item; processed.pop(item);) {
          item.attempt([&] { save(item); }, item.result->save_seconds);
          written.push(std::move(item));
        }
      },
      [&] { written.leave(); });
  crew.start(
      1,
      [&] {
        for (std::vector<Item> items = written.pop_all(); !items.empty(); items = written.pop_all()) {
          publish(items);
          for (const Item& item : items) {
            console_.finished(item.index);
            if (on_result) on_result(*item.job, *item.result);
          }
        }
      },
      [] {});
  crew.join();
  if (cancel_) fail(Error::Kind::cancelled, "interrupted");
  return results;
}

}  // namespace tessera::upscale
