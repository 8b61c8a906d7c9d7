// Every picture has a thread, which reads, waits for a device, and writes: whatever there is to do is done, so that
// neither devices nor cores wait for each other.
#include "tools/upscale/pipeline.h"

#include <algorithm>
#include <condition_variable>
#include <thread>

#include "runtime/base/machine_memory.h"
#include "tools/upscale/streams.h"
#include "upscale/crew.h"

namespace tessera::upscale {
namespace {

/// What waits for one thread; closed when every producer has left. Once stopped, it is empty and takes nothing.
template <class T>
class Queue {
 public:
  explicit Queue(int producers) : producers_(producers) {}

  void push(T thing) {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    things_.push_back(std::move(thing));
    changed_.notify_all();
  }
  /// All there are; none when nothing will come any more.
  std::vector<T> pop_all() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !things_.empty() || producers_ == 0 || stopped_; });
    std::vector<T> all;
    all.swap(things_);
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
  std::vector<T> things_;
  int producers_;
  bool stopped_ = false;
};

}  // namespace

struct Pipeline::Item {
  size_t index = 0;
  const Job* job = nullptr;
  Result* result = nullptr;
  NewFile file;

  /// Does some work unless some failed before; what it throws becomes the result.
  template <class Work>
  void attempt(const Work& work) {
    if (!result->error.empty()) return;
    const Stopwatch watch(result->seconds);
    const auto failed = [&](Error::Kind kind, const char* text) {
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
  }
};

void Pipeline::make(Item& item) const {
  const Job& job = *item.job;
  Result& result = *item.result;
  FileSource source(job.in, options_.limits);
  const Head& head = source.head();
  const Wanted wanted = chain_.result_of(head.width, head.height, head.bits);
  result.in_width = head.width;
  result.in_height = head.height;
  result.out_width = wanted.partial() ? wanted.part.width : wanted.width;
  result.out_height = wanted.partial() ? wanted.part.height : wanted.height;
  const int64_t largest = largest_extent(job.format);
  if (std::max(result.out_width, result.out_height) > largest)
    fail(Error::Kind::file, "the result of ", result.out_width, "x", result.out_height, " pixels does not fit into a ",
         extension_of(job.format), " file (", largest, " a side); choose png");
  if (holds_animations(job.format))
    if (const std::optional<Animation> animation = source.animation()) {
      make_animation(item, *animation);
      result.load_seconds = source.seconds();
      return;
    }
  FileSink sink(job.out, job.write, job.format, options_.encode);

  const std::string name = job.in.string();
  Frame made = head;
  made.width = result.out_width, made.height = result.out_height;
  const int64_t needed = source.held_bytes() + chain_.bytes_for(head) + writing_bytes(made, job.format);
  const int64_t free = available_memory();
  if (options_.verbose) console_.message(cat(name, ": needs about ", needed >> 20, " MiB beside the model"));
  if (free > 0 && needed > free)
    fail(Error::Kind::memory, "it needs about ", needed >> 20, " MiB of memory, and ", free >> 20, " are free");
  const Progress progress = [&](double part) { console_.progress(item.index, name, part); };
  progress(0);
  source.load();
  RowSource* sources[] = {&source};
  chain_for(sources, result).upscale(source, sink, result.report, progress);
  if (cancel_) fail(Error::Kind::cancelled, "interrupted");
  item.file = sink.finish();
  // What was said of the source stands before what was said of its result.
  std::vector<std::string>& notes = result.report.notes;
  notes.insert(notes.begin(), source.notes().begin(), source.notes().end());
  notes.insert(notes.end(), sink.notes().begin(), sink.notes().end());
  result.load_seconds = source.seconds();
  result.save_seconds = sink.seconds();
}

const Chain& Pipeline::chain_for(List<RowSource*> sources, Result& result) const {
  if (!options_.chain_for) return chain_;
  const Assigned assigned = options_.chain_for(sources);
  result.model = assigned.model;
  return *assigned.chain;
}

// Frame by frame; all of them are in memory.
void Pipeline::make_animation(Item& item, const Animation& animation) const {
  const Job& job = *item.job;
  Result& result = *item.result;
  const std::string name = job.in.string();
  const auto frames = static_cast<double>(animation.frames.size());
  Animation larger{{}, animation.milliseconds, animation.loops};
  std::vector<std::string> notes = animation.frames[0].notes;
  FirstFrames first;
  for (const Picture& frame : animation.frames) first.add(frame);
  const Chain& chain = chain_for(first.sources(), result);
  const auto add = [&](const std::vector<std::string>& more) {
    for (const std::string& note : more)
      if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
  };
  for (const Picture& frame : animation.frames) {
    const auto done = static_cast<double>(larger.frames.size());
    const Progress progress = [&](double part) { console_.progress(item.index, name, (done + part) / frames); };
    progress(0);
    Report report;
    larger.frames.push_back(chain.upscale(frame, report, progress));
    if (cancel_) fail(Error::Kind::cancelled, "interrupted");
    add(report.notes);
    report.model_seconds += result.report.model_seconds;
    report.windows += result.report.windows;
    result.report = report;
  }
  const Stopwatch watch(result.save_seconds);
  std::vector<std::string> lost;
  const Bytes bytes = encode_animation(larger, job.format, options_.encode, lost);
  add(lost);
  result.report.notes = std::move(notes);
  WriteOptions write = job.write;
  write.at_end = true;
  item.file = NewFile(job.out, bytes, write);
}

// Beside those on a device, one for each core that reads or writes.
int Pipeline::pictures_at_once() const {
  if (options_.at_once > 0) return options_.at_once;
  return chain_.at_once() + std::max(2, static_cast<int>(std::thread::hardware_concurrency()));
}

void Pipeline::publish(std::vector<Item>& items) {
  std::vector<NewFile*> files;
  for (Item& item : items)
    if (item.result->error.empty()) files.push_back(&item.file);
  NewFile::flush_all(files);
  for (Item& item : items)
    item.attempt([&] {
      item.file.publish();
      item.result->done = true;
    });
}

std::vector<Result> Pipeline::run(const std::vector<Job>& jobs,
                                  const std::function<void(const Job&, const Result&)>& on_result) {
  std::vector<Result> results(jobs.size());
  const int pictures = std::min(pictures_at_once(), static_cast<int>(std::min<size_t>(jobs.size(), 1024)));
  // Written files wait for their names here: what came while a flush ran shares the next one.
  Queue<Item> written(pictures);
  std::atomic<size_t> next{0};
  std::atomic<bool> stopped{false};
  Crew crew([&] {
    stopped = true;
    written.stop();
  });
  crew.start(
      pictures,
      [&] {
        for (size_t index = next++; index < jobs.size() && !cancel_ && !stopped; index = next++) {
          Item item{index, &jobs[index], &results[index], {}};
          item.attempt([&] { make(item); });
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
