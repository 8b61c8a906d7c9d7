// Windows of a picture, computed by all devices there are.
#include <algorithm>
#include <chrono>

#include "upscale/crew.h"
#include "upscale/seams.h"
#include "upscale/tiler.h"

namespace tessera::upscale {

/// One group of a picture's channels, whose windows are shared among the hands.
struct Tiler::Share {
  const Picture& picture;
  Group group;
  const Ends& ends;
  const Windows& windows;
  const Sink& sink;
  Report& report;
  const Progress& progress;
  Pooled pooled = {};
  double done = 0, total = 0;  ///< of the work that is told of

  std::mutex mutex = {};
  Seams seams = {};
  size_t next = 0;
  std::vector<size_t> returned = {};      ///< windows that a hand could not do
  std::vector<const Hand*> sampled = {};  ///< those of which a sample was looked at
  bool exact = false, rounded = false;    ///< which hands have done some
  std::atomic<bool> stopped{false};

  size_t count() const { return windows.x.size() * windows.y.size(); }
  /// Whether it is the hand's first window of colors.
  bool sample(const Hand& hand) {
    const std::lock_guard lock(mutex);
    const bool first = group == Group::color && std::count(sampled.begin(), sampled.end(), &hand) == 0;
    if (first) sampled.push_back(&hand);
    return first;
  }
  bool take(size_t& index, double& left) {
    const std::lock_guard lock(mutex);
    left = static_cast<double>(count() - next + returned.size());
    if (!returned.empty()) {
      index = returned.back();
      returned.pop_back();
      return true;
    }
    index = next;
    if (next == count()) return false;
    ++next;
    return true;
  }
};

void Tiler::run_share(Share& share, size_t index, Hands::Loan& loan) const {
  const Hand& hand = *loan.hand();
  const int64_t scale = convention_.scale;
  const AxisRules across = rules(true, false), down = rules(false, false);
  const size_t column = index % share.windows.x.size(), row = index / share.windows.x.size();
  const Span &x = share.windows.x[column], &y = share.windows.y[row];
  const Region window{x.start, y.start, x.size, y.size};
  const bool pooled = share.pooled.last != nullptr;
  const Ends ends = pooled ? Ends{} : share.ends;
  const auto start = std::chrono::steady_clock::now();
  const Answer made =
      answer(hand, share.picture, share.group, ends, window, pooled ? &share.pooled : nullptr, [&](double part) {
        const std::lock_guard lock(share.mutex);
        share.progress((share.done + part) / share.total);
      });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::string doubt = this->doubt(hand, share.picture, share.group, ends, window, made, share.sample(hand));
  if (!doubt.empty()) {
    const std::lock_guard lock(share.mutex);
    if (!hand.is_device() || !hands_.lose(hand, Loss::wrong, doubt, share.report.notes))
      fail(Error::Kind::device, "the model ", doubt, "; nothing was written");
    throw Again{};
  }
  loan.give_back(seconds / static_cast<double>(window.width * window.height));
  // Result pixel (0, 0) of the window is output pixel start * scale + lost of the picture.
  const Region region{x.keep * scale, y.keep * scale, x.kept * scale, y.kept * scale};
  const Region kept{region.x - x.start * scale - across.lost_before, region.y - y.start * scale - down.lost_before,
                    region.width, region.height};
  if (share.count() > 1)
    share.seams.add(
        column, row, [&](int sample, int64_t px, int64_t py) { return made.at(sample, px, py); }, made.samples,
        made.width, made.height, kept);
  if (ends) share.sink(made, kept, region);
  const std::lock_guard lock(share.mutex);
  if (!ends) share.sink(made, kept, region);
  share.report.model_seconds += seconds;
  share.report.varied |= ends && !made.facts.even && share.group == Group::color;
  (hand.is_rounded() ? share.rounded : share.exact) = true;
  ++share.done;
}

// A device that fails gives its window back, and others go on.
void Tiler::work(Share& share) const {
  double left = 0;
  for (size_t index = 0; !share.stopped && share.take(index, left);) {
    if (cancel_ && *cancel_) fail(Error::Kind::cancelled, "interrupted");
    Hands::Loan loan = hands_.take(left);
    if (!loan.hand()) fail(Error::Kind::device, "no device is left");
    const Hand& hand = *loan.hand();
    try {
      run_share(share, index, loan);
    } catch (const Error& error) {
      if (error.kind() != Error::Kind::device || !hand.is_device()) throw;
      const std::lock_guard lock(share.mutex);
      if (!hands_.lose(hand, Loss::failed, error.what(), share.report.notes)) throw;
      share.returned.push_back(index);
    }
  }
}

void Tiler::run_group(const Picture& picture, Group group, const Ends& ends, const Windows& windows, const Sink& sink,
                      Report& report, const Progress& progress) const {
  Share share{picture, group, ends, windows, sink, report, progress};
  const auto count = static_cast<double>(share.count());
  share.total = count;
  if (count > 1 && pools_over_tiles()) {
    const auto rounds = static_cast<double>(parts().stages.size() + 1);
    share.pooled =
        pool_over(picture, group, windows, report, [&](double part) { progress(part * (rounds - 1) / rounds); });
    share.done = count * (rounds - 1);
    share.total = count * rounds;
  }
  const int threads = std::min(static_cast<int>(share.count()), hands_.at_once());
  if (threads == 1) {
    work(share);
  } else {
    Crew crew([&] { share.stopped = true; });
    crew.start(
        threads, [&] { work(share); }, [] {});
    crew.join();
  }
  report.seam = std::max(report.seam, share.seams.largest());
  if (share.exact && share.rounded)
    report.notes.push_back("some tiles were computed in half precision, and some were not: they may differ by a level");
}

}  // namespace tessera::upscale
