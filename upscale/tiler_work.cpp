// Windows of a picture, computed by all devices there are, while its rows come and its result's rows go.
#include <algorithm>
#include <chrono>

#include "upscale/crew.h"
#include "upscale/tiler.h"

namespace tessera::upscale {
namespace {

/// Rows that a source is asked for at once.
constexpr int64_t rows_at_once = 32;

/// The smallest and the largest sample, over all channels: how wide the widest channel is, and the brightest sample.
struct Spread {
  std::vector<std::pair<float, float>> of = {};
  void add(const Rows& rows, int64_t first, int64_t end) {
    of.resize(static_cast<size_t>(rows.color_channels()), {1.0f, 0.0f});
    for (size_t c = 0; c < of.size(); ++c) {
      const auto [low, high] = rows.range(static_cast<int>(c), first, end);
      of[c] = {std::min(of[c].first, low), std::max(of[c].second, high)};
    }
  }
  float width() const {
    float widest = 0;
    for (const auto& [low, high] : of) widest = std::max(widest, high - low);
    return widest;
  }
  float top() const {
    float top = 0;
    for (const auto& [low, high] : of) top = std::max(top, high);
    return top;
  }
};

/// One even color is the mark of a device that failed, unless the picture was as even: a little noise may
/// go, but nothing turns black.
void require_picture(const Spread& before, const Spread& after) {
  constexpr float noise = 4.0f / 255;
  const float wide = before.width(), bright = before.top(), left = after.width(), top = after.top();
  if (left > 0 || (wide <= noise && (top > 0 || bright <= noise))) return;
  fail(Error::Kind::device, "the model gave ", top > 0 ? "one even color" : "nothing but black", " for a picture that ",
       wide > noise ? "has many colors" : "is not black", "; nothing was written");
}

}  // namespace

/// A window of a group of channels.
struct Tiler::Item {
  size_t row = 0, group = 0, column = 0;
};

/// A pass over a picture, whose windows are shared among the hands, row after row of them.
struct Tiler::Share {
  /// Channels that go through the model together.
  struct Channels {
    Channels(Group group_of, Ends ends_of) : group(group_of), ends(std::move(ends_of)) {}
    Group group;
    Ends ends;
    Told told;
    Seams seams;
  };
  /// What a row of windows reads, and what it makes.
  struct Lines {
    int64_t in_begin = 0, in_end = 0, out_begin = 0, out_end = 0;
  };

  RowSink& sink;
  const Windows& windows;
  Report& report;
  const Progress& progress;
  const Recycler& memory;
  std::vector<std::unique_ptr<Channels>> groups = {};
  std::unique_ptr<Resampler> smooth = {};  ///< for what the model does not make
  bool smooth_alpha = false;
  std::vector<Lines> lines = {};
  std::optional<Feed> feed = {};
  std::shared_ptr<std::byte> out_memory = {};
  Rows out = {};
  double done = 0, total = 0;  ///< of the work that is told of

  std::mutex mutex = {};
  std::condition_variable changed = {};
  std::vector<size_t> left = {};          ///< windows of each row that are not done
  size_t next = 0;                        ///< of all windows
  size_t finished = 0, written = 0;       ///< rows of windows
  int64_t in_end = 0;                     ///< rows that have been read
  std::vector<Item> returned = {};        ///< windows that a hand could not do
  std::vector<const Hand*> sampled = {};  ///< those of which a sample was looked at
  bool exact = false, rounded = false;    ///< which hands have done some
  bool stopped = false;
  Spread before = {}, after = {};

  size_t in_row() const { return windows.columns() * groups.size(); }
  size_t count() const { return in_row() * windows.rows(); }
  void stop() {
    const std::lock_guard lock(mutex);
    stopped = true;
    changed.notify_all();
  }
  /// Whether it is the hand's first window of colors.
  bool sample(const Hand& hand, Group group) {
    const std::lock_guard lock(mutex);
    const bool first = group == Group::color && std::count(sampled.begin(), sampled.end(), &hand) == 0;
    if (first) sampled.push_back(&hand);
    return first;
  }
  /// Waits until a window's rows are there and its result has room. False where none is left.
  bool take(Item& item, double& windows_left) {
    std::unique_lock lock(mutex);
    const auto ready = [&] {
      if (stopped || !returned.empty() || next == count()) return true;
      const Lines& line = lines[windows.first_row + next / in_row()];
      return in_end >= line.in_end && line.out_end - lines[written].out_begin <= out.held();
    };
    changed.wait(lock, ready);
    windows_left = static_cast<double>(count() - next + returned.size());
    if (stopped || windows_left == 0) return false;
    if (!returned.empty()) {
      item = returned.back();
      returned.pop_back();
      return true;
    }
    const size_t place = next % in_row();
    item = {windows.first_row + next / in_row(), place / windows.columns(),
            windows.first_column + place % windows.columns()};
    ++next;
    return true;
  }
  /// Counts the rows of windows from the first one on that are finished, or need not be.
  void pass_finished() {
    while (finished < lines.size() && left[finished] == SIZE_MAX) ++finished;
  }
  /// Rows of the source, or of the result, that so many rows of windows need at once.
  int64_t held(size_t rows, bool of_result) const {
    int64_t most = 0;
    for (size_t row = 0; row < lines.size(); ++row) {
      const Lines &first = lines[row], &last = lines[std::min(row + rows, lines.size()) - 1];
      most = std::max(most, of_result ? last.out_end - first.out_begin : last.in_end - first.in_begin);
    }
    return most;
  }
};

Tiler::Place Tiler::place_of(const Span& x, const Span& y) const {
  const int64_t scale = convention_.scale;
  const AxisRules across = rules(true, false), down = rules(false, false);
  // Result pixel (0, 0) of the window is output pixel start * scale + lost of the picture.
  const Region out{x.keep * scale, y.keep * scale, x.kept * scale, y.kept * scale};
  return {
      {out.x - x.start * scale - across.lost_before, out.y - y.start * scale - down.lost_before, out.width, out.height},
      out};
}

void Tiler::run_item(Share& share, const Item& item, Hands::Loan& loan) const {
  const Hand& hand = *loan.hand();
  Share::Channels& channels = *share.groups[item.group];
  const Span &x = share.windows.x[item.column], &y = share.windows.y[item.row];
  const Region window{x.start, y.start, x.size, y.size};
  const Rows& picture = share.feed->rows();
  const auto start = std::chrono::steady_clock::now();
  const Answer made = answer(hand, picture, channels.group, channels.ends, window,
                             channels.told.last ? &channels.told : nullptr, [&](double part) {
                               const std::lock_guard lock(share.mutex);
                               share.progress((share.done + part) / share.total);
                             });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  Drift drift;
  const std::string doubt = this->doubt(hand, picture, channels.group, channels.ends, window, made,
                                        share.sample(hand, channels.group), drift);
  if (!doubt.empty()) {
    const std::lock_guard lock(share.mutex);
    if (!hand.is_device() || !hands_.lose(hand, Loss::wrong, doubt, share.report.notes))
      fail(Error::Kind::device, "the model ", doubt, "; nothing was written");
    throw Again{};
  }
  loan.give_back(seconds / static_cast<double>(window.width * window.height));
  const Place place = place_of(x, y);
  if (share.windows.x.size() * share.lines.size() > 1)
    channels.seams.add(
        item.column, item.row, [&](int sample, int64_t px, int64_t py) { return made.at(sample, px, py); },
        made.samples, made.width, made.height, place.kept);
  if (channels.ends)
    store_pixels(channels.group, made, place, share.out);
  else
    store(picture, channels.group, share.smooth.get(), made.part(place.kept), place.out, share.out);
  bool row_done = false;
  {
    const std::lock_guard lock(share.mutex);
    share.report.model_seconds += seconds;
    if (drift.off > share.report.drift.off) share.report.drift = drift;
    share.report.varied |= channels.ends && !made.facts.even && channels.group == Group::color;
    (hand.is_rounded() ? share.rounded : share.exact) = true;
    ++share.done;
    row_done = --share.left[item.row] == 0;
  }
  if (row_done) finish_row(share, item.row);
}

// What the model does not make, and a look at what it made.
void Tiler::finish_row(Share& share, size_t row) const {
  const Share::Lines& lines = share.lines[row];
  const Rows& picture = share.feed->rows();
  if (share.smooth_alpha) {
    const Region out{0, lines.out_begin, share.out.width, lines.out_end - lines.out_begin};
    const Region from = share.smooth->source(out);
    std::vector<float> in(static_cast<size_t>(from.width * from.height)),
        made(static_cast<size_t>(out.width * out.height));
    for (int64_t y = 0; y < from.height; ++y)
      picture.load(from.x, from.y + y, from.width, picture.channels - 1, in.data() + y * from.width);
    share.smooth->run(in.data(), out, made.data());
    for (int64_t y = 0; y < out.height; ++y)
      share.out.store(0, out.y + y, out.width, share.out.channels - 1, made.data() + y * out.width);
  }
  const std::lock_guard lock(share.mutex);
  if (!share.report.varied && share.after.width() == 0 && share.windows.columns() == share.windows.x.size()) {
    const Span& kept = share.windows.y[row];
    share.before.add(picture, kept.keep, kept.keep + kept.kept);
    share.after.add(share.out, lines.out_begin, lines.out_end);
  }
  share.left[row] = SIZE_MAX;
  share.pass_finished();
  share.changed.notify_all();
}

void Tiler::read(Share& share) const {
  const int64_t end = share.lines[share.windows.first_row + share.windows.rows() - 1].in_end;
  const auto room = [&] {
    const size_t row = std::min(share.finished, share.lines.size() - 1);
    return std::min(end, share.lines[row].in_begin + share.feed->rows().held()) - share.in_end;
  };
  std::unique_lock lock(share.mutex);
  while (share.in_end < end) {
    share.changed.wait(lock, [&] { return share.stopped || room() > 0; });
    if (share.stopped) return;
    const int64_t to = share.in_end + std::min(room(), rows_at_once);
    lock.unlock();
    share.feed->read(to);
    lock.lock();
    share.in_end = to;
    share.changed.notify_all();
  }
}

// A device that fails gives its window back, and others go on.
void Tiler::work(Share& share) const {
  double left = 0;
  for (Item item; share.take(item, left);) {
    if (cancel_ && *cancel_) fail(Error::Kind::cancelled, "interrupted");
    Hands::Loan loan = hands_.take(left);
    if (!loan.hand()) fail(Error::Kind::device, "no device is left");
    const Hand& hand = *loan.hand();
    try {
      run_item(share, item, loan);
    } catch (const Error& error) {
      if (error.kind() != Error::Kind::device || !hand.is_device()) throw;
      const std::lock_guard lock(share.mutex);
      if (!hands_.lose(hand, Loss::failed, error.what(), share.report.notes)) throw;
      share.returned.push_back(item);
      share.changed.notify_all();
    }
  }
}

void Tiler::write(Share& share) const {
  for (size_t row = 0; row < share.lines.size(); ++row) {
    {
      std::unique_lock lock(share.mutex);
      share.changed.wait(lock, [&] { return share.stopped || share.finished > row; });
      if (share.stopped) return;
    }
    const Share::Lines& lines = share.lines[row];
    for (int64_t y = lines.out_begin; !share.sink.whole() && y < lines.out_end;) {
      const int64_t count = share.out.together(y, lines.out_end);
      share.sink.write(share.out.row(y), count);
      y += count;
    }
    const std::lock_guard lock(share.mutex);
    share.written = std::min(row + 1, share.lines.size() - 1);
    share.changed.notify_all();
  }
}

void Tiler::share_windows(RowSource& source, RowSink& sink, const Round& round, Report& report,
                          const Progress& progress) const {
  const Windows& windows = round.windows;
  const Frame& frame = source.head();
  const Frame result = result_of(frame, round.bits);
  Share share{sink, windows, report, progress, strips_};
  const bool alpha = frame.has_alpha() && convention_.channels != 4;
  const bool modelled = alpha && round.alpha_varies && options_.alpha_by_model;
  share.smooth_alpha = alpha && !modelled;
  if (convention_.out_channels == 1 || alpha)
    share.smooth = std::make_unique<Resampler>(frame.width, frame.height, result.width, result.height, Filter::bicubic);
  for (const Group group : {Group::color, Group::alpha})
    if (group == Group::color || modelled)
      share.groups.push_back(std::make_unique<Share::Channels>(group, ends_of(frame, group, result)));

  for (const Span& y : windows.y) {
    Share::Lines lines{std::clamp<int64_t>(y.start, 0, frame.height - 1), std::min(frame.height, y.start + y.size),
                       y.keep * convention_.scale, (y.keep + y.kept) * convention_.scale};
    if (share.smooth) {
      const Region from = share.smooth->source({0, lines.out_begin, 1, lines.out_end - lines.out_begin});
      lines.in_begin = std::min(lines.in_begin, from.y);
      lines.in_end = std::max(lines.in_end, from.y + from.height);
    }
    share.lines.push_back(lines);
  }
  for (size_t row = 0; row < share.lines.size(); ++row)
    share.left.push_back(windows.has_row(row) ? share.in_row() : SIZE_MAX);
  share.pass_finished();

  const auto count = static_cast<double>(share.count());
  share.total = count;
  if (share.windows.x.size() * share.lines.size() > 1 && tells_windows()) {
    const auto passes = static_cast<double>(parts().stages.size());
    const auto groups = static_cast<double>(share.groups.size());
    share.total = count * (passes + 1);
    for (const auto& channels : share.groups) {
      channels->ends = {};
      channels->told = look_at_whole(source, channels->group, windows, report, [&](double part) {
        progress((share.done + part * count * passes / groups) / share.total);
      });
      share.done += count * passes / groups;
    }
  }

  // Rows of windows at once: those that keep the hands busy, and one more on its way in and out.
  const int threads = std::min(static_cast<int>(share.count()), hands_.at_once());
  const size_t busy = 1 + (static_cast<size_t>(threads) - 1 + share.in_row() - 1) / share.in_row();
  share.feed.emplace(source, share.held(busy + 1, false), strips_);
  share.in_end = share.feed->end();
  if (Picture* whole = sink.whole()) {
    share.out = whole->rows();
  } else {
    const int64_t held = share.held(busy + 1, true);
    share.out_memory = allocate_rows(result, held, strips_);
    share.out = Rows(result, share.out_memory.get(), held);
  }

  const bool alone = share.lines.size() == 1 || (source.whole() && sink.whole());
  if (alone) read(share);
  if (alone && threads == 1) {
    work(share);
  } else {
    Crew crew([&] { share.stop(); });
    if (!alone) {
      crew.start(
          1, [&] { read(share); }, [] {});
      crew.start(
          1, [&] { write(share); }, [] {});
    }
    crew.start(
        threads, [&] { work(share); }, [] {});
    crew.join();
  }
  if (alone) write(share);
  for (const auto& channels : share.groups) report.seam = std::max(report.seam, channels->seams.largest());
  if (share.exact && share.rounded)
    report.notes.push_back("some tiles were computed in half precision, and some were not: they may differ by a level");
  if (!report.varied && !share.after.of.empty()) require_picture(share.before, share.after);
  note_drift(report);
}

void Tiler::each_window(const Rows& picture, const Windows& windows, const Told* told, Report& report,
                        const Taker& take) const {
  for (const Span& y : windows.y)
    for (const Span& x : windows.x)
      for (bool done = false; !done;) {
        if (cancel_ && *cancel_) fail(Error::Kind::cancelled, "interrupted");
        const Hands::Loan loan = hands_.take(1);
        if (!loan.hand()) fail(Error::Kind::device, "no device is left");
        const Region window{x.start, y.start, x.size, y.size};
        try {
          take(answer(*loan.hand(), picture, Group::color, {}, window, told, [](double) {}), place_of(x, y));
          done = true;
        } catch (const Error& error) {
          if (error.kind() != Error::Kind::device || !loan.hand()->is_device()) throw;
          if (!hands_.lose(*loan.hand(), Loss::failed, error.what(), report.notes)) throw;
        }
      }
}

}  // namespace tessera::upscale
