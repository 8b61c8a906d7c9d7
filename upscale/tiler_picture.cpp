// A whole picture: as many rounds of the model as its scale needs, one behind the other, and a filter for the rest.
#include <algorithm>
#include <cmath>

#include "upscale/crew.h"
#include "upscale/light.h"
#include "upscale/tiler.h"

namespace tessera::upscale {
namespace {

/// Gives a result the metadata of its source, made true for its size.
class Titled : public RowSink {
 public:
  Titled(RowSink& next, const Metadata& metadata) : next_(next), metadata_(metadata) {}
  void begin(const Head& head) override {
    Head titled = head;
    static_cast<Metadata&>(titled) = metadata_;
    renew_metadata(titled);
    next_.begin(titled);
  }
  void write(const std::byte* rows, int64_t count) override { next_.write(rows, count); }
  Picture* whole() override { return next_.whole(); }

 private:
  RowSink& next_;
  const Metadata& metadata_;
};

struct Alpha {
  bool varies = false, hides = false;  ///< colors that hardly show are filled before they meet others
};

/// Reads all of it once.
Alpha look_at_alpha(RowSource& source, const Recycler& memory) {
  const Head& head = source.head();
  if (!head.has_alpha()) return {};
  Feed feed(source, std::min<int64_t>(head.height, 64), memory);
  float low = 1, high = 0;
  for (int64_t y = 0; y < head.height; y += 64) {
    const int64_t end = std::min(head.height, y + 64);
    feed.read(end);
    const auto [least, most] = feed.rows().range(head.channels - 1, y, end);
    low = std::min(low, least);
    high = std::max(high, most);
  }
  return {low < high, low < visible_alpha};
}

}  // namespace

Picture Tiler::upscale(const Picture& picture, Report& report, const Progress& progress) const {
  return upscale(picture, {scaled(picture.width), scaled(picture.height), picture.bits}, report, progress);
}

Picture Tiler::upscale(const Picture& picture, const Wanted& wanted, Report& report, const Progress& progress) const {
  PictureSource source(picture);
  Picture result;
  PictureSink sink(result);
  upscale(source, sink, wanted, report, progress);
  result.notes = picture.notes;
  return result;
}

void Tiler::upscale(RowSource& source, RowSink& sink, const Wanted& wanted, Report& report,
                    const Progress& progress) const {
  const Region& part = wanted.part;
  if (part.width > 0 && (part.height <= 0 || part.x < 0 || part.y < 0 || part.width > wanted.width - part.x ||
                         part.height > wanted.height - part.y))
    fail(Error::Kind::usage, "there is no part ", part.x, ",", part.y, ",", part.width, ",", part.height,
         " of a result of ", wanted.width, "x", wanted.height, " pixels");
  if (source.head().bits == 32) {
    LightSource coded(source, strips_);
    LightSink light(sink, coded.peak());
    Wanted by_16_bits = wanted;
    by_16_bits.bits = 16;
    return upscale(coded, light, by_16_bits, report, progress);
  }
  const Alpha alpha = look_at_alpha(source, strips_);
  std::optional<Picture> filled;
  if (alpha.hides) {
    filled = hold(source);
    fill_hidden_colors(*filled);
  }
  std::optional<PictureSource> held;
  if (filled) held.emplace(*filled);
  RowSource& from = held ? *held : source;

  bool resized = false;
  std::vector<Round> rounds = rounds_for(source.head(), wanted, resized);
  Titled titled(sink, source.head());
  Cropper cropper(titled, wanted.part);
  RowSink& cropped = wanted.partial() ? static_cast<RowSink&>(cropper) : titled;
  Reducer reducer(cropped);
  RowSink& last = rounds.back().bits > wanted.bits ? static_cast<RowSink&>(reducer) : cropped;
  Resizer resizer(last, wanted.width, wanted.height, Filter::lanczos3, options_.linear, strips_);
  RowSink& to = resized ? static_cast<RowSink&>(resizer) : last;

  // Memory that was free may be gone when it is needed: then again, with windows of half the size. A device that has
  // none even for the smallest ones is given up, as is one whose numbers are wrong: then all is done again.
  for (Round& round : rounds) round.alpha_varies = alpha.varies;
  for (bool done = false; !done;) try {
      plan_rounds(from.head(), wanted, resized, rounds);
      run_rounds(from, to, rounds, report, progress);
      done = true;
    } catch (const Again& again) {
      report.seam = 0;
      for (Round& round : rounds) round.area = again.area;
    }
}

std::vector<Tiler::Round> Tiler::rounds_for(const Frame& frame, const Wanted& wanted, bool& resized) const {
  const auto ratio = [](int64_t to, int64_t from) { return static_cast<double>(to) / static_cast<double>(from); };
  const double factor = std::max(ratio(wanted.width, frame.width), ratio(wanted.height, frame.height));
  const double own = static_cast<double>(convention_.scale);
  // Each round costs the model's scale squared as much as the last. What is left to enlarge or to shrink by filter
  // is less than the root of its scale: there a further round would show little.
  const int count = own > 1 ? std::clamp(static_cast<int>(std::lround(std::log(factor) / std::log(own))), 1, 16) : 1;
  const int64_t enlarged = std::llround(std::pow(own, count));
  resized = frame.width * enlarged != wanted.width || frame.height * enlarged != wanted.height;
  // What a filter has to do is done to 16 bits.
  std::vector<Round> rounds(static_cast<size_t>(count), {.bits = 16});
  if (!resized) rounds.back().bits = wanted.bits;
  return rounds;
}

Region Tiler::Windows::select(const Region& part, int64_t scale, const Frame& frame) {
  // A filter that joins in looks as far around the part.
  constexpr int64_t smooth = 4;
  const auto along = [&](const std::vector<Span>& spans, int64_t from, int64_t to, int64_t extent, size_t& first,
                         size_t& end) {
    first = end = 0;
    for (const Span& span : spans) {
      if ((span.keep + span.kept) * scale <= from) ++first;
      if (span.keep * scale < to) ++end;
    }
    const Span &left = spans[first], &right = spans[end - 1];
    return std::pair{std::max<int64_t>(0, std::min(left.start, left.keep - smooth)),
                     std::min(extent, std::max(right.start + right.size, right.keep + right.kept + smooth))};
  };
  const auto [left, right] = along(x, part.x, part.x + part.width, frame.width, first_column, end_column);
  const auto [top, bottom] = along(y, part.y, part.y + part.height, frame.height, first_row, end_row);
  return {left, top, right - left, bottom - top};
}

// From the last round on: what one reads, the one before has to make.
void Tiler::plan_rounds(const Frame& frame, const Wanted& wanted, bool resized, std::vector<Round>& rounds) const {
  std::vector<Frame> frames{frame};
  for (const Round& round : rounds) frames.push_back(result_of(frames.back(), round.bits));
  Region part = wanted.part;
  if (wanted.partial() && resized)
    part = Resampler(frames.back().width, frames.back().height, wanted.width, wanted.height, Filter::lanczos3)
               .source(part);
  for (size_t i = rounds.size(); i-- > 0;) {
    rounds[i].windows = plan(frames[i].width, frames[i].height, rounds[i].area);
    if (!wanted.partial()) continue;
    part = rounds[i].windows.select(part, convention_.scale, frames[i]);
    if (tells_windows()) part = {0, 0, frames[i].width, frames[i].height};
  }
}

int64_t Tiler::run_bytes_for(const Frame& frame, const Round& round) const {
  const Frame result = result_of(frame, round.bits);
  const Windows& windows = round.windows;
  const int64_t width = windows.x[0].size, height = windows.y[0].size, larger = convention_.scale * convention_.scale;
  const bool told = windows.x.size() * windows.y.size() > 1 && tells_windows();
  const Ends ends = told ? Ends{} : ends_of(frame, Group::color, result);
  int64_t bytes = 0;
  for (const auto& hand : hands_.all()) {
    int64_t run = 0, pixel = 0;
    if (ends) {
      const DType type = ends->bits_in == 16 ? DType::uint16 : DType::uint8;
      run = hand->with(convention_, *ends)->run_bytes({type, {height, width, ends->samples_in}});
      pixel = ends->samples_in * ends->bits_in / 8 + larger * ends->samples_out() * ends->bits_out / 8;
    } else {
      // Planes, the model's tensors, and of what it gives the part that is kept.
      run = hand->model().run_bytes(convention_.input(width, height));
      pixel = 4 * (2 * convention_.channels + 3 * larger * convention_.out_channels);
    }
    const int64_t at_once = std::min<int64_t>(hand->is_device() ? hand->at_once() : options_.at_once,
                                              static_cast<int64_t>(windows.columns() * windows.rows()));
    bytes += at_once * (pixel * width * height + (hand->is_device() ? 0 : run));
  }
  return bytes;
}

int64_t Tiler::row_bytes_for(const Frame& frame, const Round& round) const {
  const std::vector<Span>& spans = round.windows.y;
  int64_t come = 0, go = 0;
  for (size_t row = 0; row < spans.size(); ++row) {
    const Span &first = spans[row], &last = spans[std::min(row + 1, spans.size() - 1)];
    come = std::max(come, std::min(frame.height, last.start + last.size) - std::max<int64_t>(first.start, 0));
    go = std::max(go, (last.keep + last.kept - first.keep) * convention_.scale);
  }
  return come * frame.row_bytes() + go * result_of(frame, round.bits).row_bytes();
}

int64_t Tiler::bytes_for(const Frame& frame, const Wanted& wanted) const {
  bool resized = false;
  std::vector<Round> rounds = rounds_for(frame, wanted, resized);
  plan_rounds(frame, wanted, resized, rounds);
  const bool passed = pass_rows_on(rounds);
  Frame from = frame;
  int64_t run = 0, rows = 0, held = 0;
  for (const Round& round : rounds) {
    run = std::max(run, run_bytes_for(from, round));
    const int64_t own = row_bytes_for(from, round);
    rows = passed ? rows + own : std::max(rows, own);
    from = result_of(from, round.bits);
    if (!passed && &round != &rounds.back()) held = std::max(held, from.height * from.row_bytes());
  }
  return run + rows + held;
}

void Tiler::run_rounds(RowSource& source, RowSink& sink, const std::vector<Round>& rounds, Report& report,
                       const Progress& progress) const {
  const size_t count = rounds.size();
  if (count == 1)
    return once(
        source, sink, rounds[0], report, progress ? progress : [](double) {});
  // Work grows with the pixels of each round's input.
  std::mutex mutex;
  std::vector<double> done(count);
  const auto part_of = [&](size_t round) -> Progress {
    return [&, round](double part) {
      const std::lock_guard lock(mutex);
      done[round] = part * std::pow(convention_.scale, 2 * static_cast<int>(round));
      double all = 0, sum = 0;
      for (size_t i = 0; i < count; ++i) {
        all += std::pow(convention_.scale, 2 * static_cast<int>(i));
        sum += done[i];
      }
      if (progress) progress(sum / all);
    };
  };
  if (!pass_rows_on(rounds)) {
    Picture between;
    for (size_t i = 0; i < count; ++i) {
      const Picture before = std::move(between);
      between = {};
      PictureSource held(before);
      PictureSink next(between);
      const bool last = i + 1 == count;
      once(i == 0 ? source : held, last ? sink : static_cast<RowSink&>(next), rounds[i], report, part_of(i));
    }
    return;
  }
  std::vector<std::unique_ptr<Pipe>> pipes;
  std::vector<Report> reports(count);
  Head head = source.head();
  for (size_t i = 0; i + 1 < count; ++i) {
    static_cast<Frame&>(head) = result_of(head, rounds[i].bits);
    pipes.push_back(std::make_unique<Pipe>(head, std::min<int64_t>(head.height, 64), strips_));
  }
  Crew crew([&] {
    for (const auto& pipe : pipes) pipe->stop();
  });
  for (size_t i = 0; i < count; ++i)
    crew.start(
        1,
        [&, i] {
          once(i == 0 ? source : *pipes[i - 1], i + 1 == count ? sink : *pipes[i], rounds[i], reports[i], part_of(i));
        },
        [] {});
  const auto tell = [&] {
    for (Report& each : reports) {
      report.notes.insert(report.notes.end(), each.notes.begin(), each.notes.end());
      each.notes = {};
      report.seam = std::max(report.seam, each.seam);
      report.model_seconds += each.model_seconds;
    }
    report.windows = reports.back().windows;
    report.window_width = reports.back().window_width;
    report.window_height = reports.back().window_height;
  };
  try {
    crew.join();
  } catch (...) {
    tell();
    throw;
  }
  tell();
}

// Not where one window takes all, and not what has to be read twice.
bool Tiler::pass_rows_on(const std::vector<Round>& rounds) const {
  size_t most = 1;
  bool all = true;
  for (const Round& round : rounds) {
    most = std::max(most, round.windows.y.size());
    all = all && round.windows.all();
  }
  return most > 1 && all && !options_.verify_tiles && !sees_all() && !tells_windows();
}

Frame Tiler::result_of(const Frame& frame, int bits) const {
  Frame result = frame;
  result.width *= convention_.scale;
  result.height *= convention_.scale;
  if (gives_colors() && frame.color_channels() == 1) result.channels += 2;
  result.bits = bits;
  return result;
}

void Tiler::once(RowSource& source, RowSink& sink, const Round& round, Report& report, const Progress& progress) const {
  const Head& head = source.head();
  Head result;
  static_cast<Frame&>(result) = result_of(head, round.bits);
  sink.begin(result);
  const Windows& windows = round.windows;
  report.varied = false;
  report.windows = static_cast<int64_t>(windows.columns() * windows.rows());
  report.window_width = windows.x[0].size;
  report.window_height = windows.y[0].size;
  try {
    if (options_.verify_tiles && windows.all()) report.tile_difference = verify(source, windows, report);
    share_windows(source, sink, round, report, progress);
    if (windows.all()) note_seams(source, windows, report);
  } catch (const std::bad_alloc&) {
    throw lack_memory(head, "out of memory", report);
  } catch (const Error& error) {
    if (error.kind() != Error::Kind::memory) throw;
    throw lack_memory(head, error.what(), report);
  }
}

Tiler::Again Tiler::lack_memory(const Frame& frame, const std::string& reason, Report& report) const {
  const int64_t width = report.window_width, height = report.window_height, area = width * height / 2;
  const Windows smaller = plan(frame.width, frame.height, area);
  if (smaller.x[0].size * smaller.y[0].size < width * height) {
    report.notes.push_back(cat("not enough memory for windows of ", width, "x", height, "; again with ",
                               smaller.x[0].size, "x", smaller.y[0].size));
    return {area};
  }
  if (!lose_devices(reason, report)) fail(Error::Kind::memory, reason);
  return {};
}

bool Tiler::lose_devices(const std::string& reason, Report& report) const {
  bool lost = false;
  for (const auto& hand : hands_.all())
    lost |= hand->is_device() && hands_.lose(*hand, Loss::failed, reason, report.notes);
  return lost;
}

}  // namespace tessera::upscale
