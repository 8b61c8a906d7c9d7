// Tiler: sizes, groups of channels, colors.
#include "upscale/tiler.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "runtime/base/machine_memory.h"
#include "runtime/base/rounding.h"
#include "upscale/luma.h"
#include "upscale/seams.h"

namespace tessera::upscale {
namespace {

// Over the full range, as JPEG and the luma models have it.
constexpr float luma_red = luma_weights[0], luma_green = luma_weights[1], luma_blue = luma_weights[2];
constexpr float blue_span = 1.772f, red_span = 1.402f;

/// Where a lattice and the kernels' blocks have a larger common multiple, the lattice alone counts.
constexpr int64_t most_aligned = 96;

/// Windows larger than this gain little over their overlap and cost memory.
constexpr int64_t comfortable_bytes = int64_t{1} << 30;
/// Pixels a side of windows that bring enough to do, whatever they overlap by.
constexpr int64_t comfortable_side = 512;
/// Rows that come and rows that go take about this much.
constexpr int64_t comfortable_row_bytes = int64_t{256} << 20;
/// A device with that much to do at once is busy.
constexpr int64_t comfortable_device_bytes = int64_t{6} << 30;

struct RowBuffer {
  std::vector<float> samples;
  explicit RowBuffer(int64_t count) : samples(static_cast<size_t>(count)) {}
  float* data() { return samples.data(); }
};

/// A row of a channel of a picture whose edges go on forever.
void load_clamped(const Rows& picture, int64_t x, int64_t y, int64_t count, int channel, float* out) {
  y = std::clamp<int64_t>(y, 0, picture.height - 1);
  const int64_t from = std::clamp<int64_t>(x, 0, picture.width), to = std::clamp<int64_t>(x + count, 0, picture.width);
  if (from < to) picture.load(from, y, to - from, channel, out + (from - x));
  float left = 0, right = 0;
  picture.load(0, y, 1, channel, &left);
  picture.load(picture.width - 1, y, 1, channel, &right);
  for (int64_t i = x; i < std::min<int64_t>(0, x + count); ++i) out[i - x] = left;
  for (int64_t i = std::max(x, picture.width); i < x + count; ++i) out[i - x] = right;
}

/// Blue and red difference of part of a picture, densely: two planes.
void load_chroma(const Rows& picture, const Region& part, std::vector<float>& blue, std::vector<float>& red) {
  blue.resize(static_cast<size_t>(part.width * part.height));
  red.resize(blue.size());
  RowBuffer r(part.width), g(part.width), b(part.width);
  for (int64_t row = 0; row < part.height; ++row) {
    float* to[] = {r.data(), g.data(), b.data()};
    for (int c = 0; c < 3; ++c) picture.load(part.x, part.y + row, part.width, c, to[c]);
    for (int64_t x = 0; x < part.width; ++x) {
      const float y = luma_red * to[0][x] + luma_green * to[1][x] + luma_blue * to[2][x];
      blue[static_cast<size_t>(row * part.width + x)] = (to[2][x] - y) / blue_span;
      red[static_cast<size_t>(row * part.width + x)] = (to[0][x] - y) / red_span;
    }
  }
}

}  // namespace

Tiler::Tiler(const Upsampler& model, const TilerOptions& options, const std::atomic<bool>* cancel)
    : Tiler(std::make_shared<Hand>("the model", std::shared_ptr<const Upsampler>(&model, [](const Upsampler*) {})),
            options, cancel) {}

Tiler::Tiler(std::shared_ptr<Hand> hand, const TilerOptions& options, const std::atomic<bool>* cancel)
    : first_(std::move(hand)),
      model_(first_->model()),
      options_(options),
      knowledge_(know(model_, options.convention)),
      convention_(knowledge_.convention),
      cancel_(cancel) {
  reach_ = follow(model_, convention_);
  hands_.set_cpu_runs(options_.at_once);
  add(first_);
}

void Tiler::add(std::shared_ptr<Hand> hand) {
  see_where(*hand);
  hands_.add(std::move(hand));
}

// By a small window.
void Tiler::see_where(Hand& hand) const {
  const int64_t side = round_up(std::max<int64_t>(64, convention_.smallest), convention_.multiple);
  const auto extent = [&](int64_t fixed) { return fixed ? fixed : side; };
  hand.set_device(
      hand.model().on_device(convention_.input(extent(convention_.fixed_width), extent(convention_.fixed_height))));
}

void Tiler::set_successor(Hands::Successor successor) {
  hands_.set_successor([this, open = std::move(successor)](const Hand& hand, Loss loss) {
    std::shared_ptr<Hand> next = open(hand, loss);
    if (next) see_where(*next);
    return next;
  });
}

const Reach& Tiler::settled_reach() const {
  const bool enough = reach_.global || !reach_.pools.empty() || reach_.radius <= overlap_cap || options_.overlap >= 0;
  if (reach_.followed && enough) return reach_;
  std::call_once(measure_,
                 [&] { measured_ = know_reach(model_, knowledge_, options_.convention, reach_, overlap_cap); });
  return measured_;
}

int64_t Tiler::overlap_of(const Reach& reach) const {
  return options_.overlap >= 0 ? options_.overlap : std::min(reach.radius, overlap_cap);
}

int64_t Tiler::scaled(int64_t extent) const {
  return std::max<int64_t>(1, std::llround(static_cast<double>(extent) * scale()));
}

AxisRules Tiler::rules(bool horizontal, bool tiles) const {
  AxisRules axis;
  axis.scale = convention_.scale;
  axis.lost_before = convention_.lost_before;
  axis.lost_after = convention_.lost_after;
  if (options_.test_time_augmentation) axis.lost_before = axis.lost_after = std::max(axis.lost_before, axis.lost_after);
  axis.multiple = std::lcm(convention_.multiple, reach_.multiple);
  axis.smallest_window = round_up(convention_.smallest, axis.multiple);
  axis.fixed = horizontal ? convention_.fixed_width : convention_.fixed_height;
  if (!tiles) return axis;
  const Reach& reach = settled_reach();
  // One more than is needed, so that neighbours can be compared where they meet.
  axis.overlap = overlap_of(reach) > 0 ? overlap_of(reach) + 1 : 0;
  axis.lattice = std::lcm(axis.multiple, reach.lattice);
  axis.align = std::lcm<int64_t>(axis.lattice, model_.row_step());
  if (axis.align > most_aligned) axis.align = axis.lattice;
  return axis;
}

int64_t Tiler::area_for(const Hand& hand, int64_t width, int64_t height, int64_t budget) const {
  const AxisRules across = rules(true, false), down = rules(false, false);
  const int64_t whole_width = across.padded(width), whole_height = down.padded(height);
  if (across.fixed && down.fixed) return whole_width * whole_height;
  for (int64_t extent = 256;; extent /= 2) {
    const auto side = [&](const AxisRules& axis, int64_t whole) {
      const int64_t wanted = std::max(extent / axis.multiple * axis.multiple, axis.smallest_window);
      return axis.fixed ? axis.fixed : std::min(whole, wanted);
    };
    const int64_t sample_width = side(across, whole_width), sample_height = side(down, whole_height);
    try {
      const double each = static_cast<double>(hand.model().run_bytes(convention_.input(sample_width, sample_height))) /
                          static_cast<double>(sample_width * sample_height);
      return static_cast<int64_t>(static_cast<double>(budget) / std::max(each, 1.0));
    } catch (const Error& error) {
      if (error.kind() != Error::Kind::memory || extent <= 32) throw;
    }
  }
}

Tiler::Forecast Tiler::forecast(int64_t width, int64_t height) const {
  const Windows windows = plan(width, height, 0);
  const Span &x = windows.x[0], &y = windows.y[0];
  Forecast forecast{static_cast<int64_t>(windows.x.size() * windows.y.size()), x.size, y.size, 0};
  for (const auto& hand : hands_.all())
    forecast.run_bytes = std::max(forecast.run_bytes, hand->model().run_bytes(convention_.input(x.size, y.size)));
  return forecast;
}

// The same windows for all devices, so that whoever is free takes the next one.
int64_t Tiler::largest_area(int64_t width, int64_t height, int64_t budget, bool comfortable) const {
  int64_t area = std::numeric_limits<int64_t>::max();
  for (const auto& hand : hands_.all()) {
    const int64_t free = hand->is_device() ? hand->model().free_bytes() : 0;
    int64_t bytes = free > 0 ? free / 4 * 3 : available_memory() / 3;
    if (comfortable) bytes = std::min(bytes, free > 0 ? comfortable_device_bytes : comfortable_bytes);
    area = std::min(area, area_for(*hand, width, height, budget > 0 ? budget : bytes));
  }
  return area;
}

// Windows whose overlap is a thirtieth of their sides are large enough: of larger ones, less stays in near caches. A
// device wants more to do at once.
int64_t Tiler::comfortable_area(int64_t width, int64_t height) const {
  const int64_t area = largest_area(width, height, 0, true);
  const int64_t side = std::max<int64_t>(comfortable_side, 64 * overlap_of(reach_));
  for (const auto& hand : hands_.all())
    if (hand->is_device()) return area;
  return std::min(area, side * side);
}

Tiler::Windows Tiler::plan(int64_t width, int64_t height, int64_t area) const {
  const AxisRules whole_across = rules(true, false), whole_down = rules(false, false);
  const int64_t whole_width = whole_across.padded(width), whole_height = whole_down.padded(height);
  const auto whole = [&] {
    return Windows{divide(width, whole_width, whole_across), divide(height, whole_height, whole_down)};
  };
  const bool by_tile = options_.tile > 0 && !area;
  if (by_tile && whole_width <= options_.tile && whole_height <= options_.tile) return whole();
  if (!by_tile) {
    const int64_t available = available_memory() / 3;
    const bool limited = area > 0;
    if (!limited)
      area = options_.memory > 0 ? largest_area(width, height, options_.memory, true) : comfortable_area(width, height);
    const auto fits = [&] { return whole_width <= area / whole_height; };
    const bool fixed = whole_across.fixed && whole_down.fixed;
    if (fits() && (!fixed || (whole_width == whole_across.fixed && whole_height == whole_down.fixed))) return whole();
    // What sees all of a picture is better off with windows as large as can be.
    if (!fixed && options_.memory <= 0 && available > comfortable_bytes && !limited &&
        (sees_all() || tells_windows())) {
      area = largest_area(width, height, 0, false);
      if (fits()) return whole();
    }
  }
  const AxisRules across = rules(true, true), down = rules(false, true);
  if (by_tile)
    return {divide(width, options_.tile + 2 * across.overlap, across),
            divide(height, options_.tile + 2 * down.overlap, down)};
  // Two rows of windows come and two go at once: of wide pictures, lower ones.
  const int64_t row = 6 * width * (1 + down.scale * down.scale);
  const int64_t lower = std::max(comfortable_row_bytes / row, 8 * down.overlap);
  const auto side = static_cast<int64_t>(std::sqrt(static_cast<double>(area)));
  // Whole rows of a picture that is not much wider than a window cost no more overlap, and its rows go sooner.
  const int64_t high = std::min(whole_width <= 2 * side ? area / whole_width : side, lower);
  int64_t window_height = std::clamp(high, down.smallest(), std::max(down.smallest(), whole_height));
  const int64_t window_width =
      std::clamp(area / window_height, across.smallest(), std::max(across.smallest(), whole_width));
  window_height =
      std::clamp(std::min(area / window_width, lower), down.smallest(), std::max(down.smallest(), whole_height));
  return {divide(width, window_width, across), divide(height, window_height, down)};
}

float Tiler::sample_difference(RowSource& source, const Windows& windows) const {
  const Frame& frame = source.head();
  const AxisRules across = rules(true, true), down = rules(false, true);
  // A window in the middle, and one of up to twice its sides around it.
  const auto larger = [](const Span& span, int64_t extent, const AxisRules& axis) {
    Span wide = span;
    if (axis.fixed) return wide;
    const int64_t whole = axis.padded(extent), begin = span.start + axis.before();
    const int64_t start = std::max<int64_t>(0, begin - round_up(span.size / 2, axis.lattice));
    wide.start = start - axis.before();
    wide.size = std::min(whole - start, begin - start + span.size + round_up(span.size / 2, axis.lattice));
    return wide;
  };
  const Span &x = windows.x[windows.x.size() / 2], &y = windows.y[windows.y.size() / 2];
  const Span wide_x = larger(x, frame.width, across), wide_y = larger(y, frame.height, down);
  Feed feed(source, wide_y.size, strips_);
  feed.read(std::min(frame.height, wide_y.start + wide_y.size));
  const auto part = [&](const Span& column, const Span& row) {
    std::vector<float> kept;
    Report ignored;
    each_window(feed.rows(), {{column}, {row}}, nullptr, ignored,
                [&](const Answer& answer, const Place& place) { kept = answer.part(place.kept); });
    return kept;
  };
  const std::vector<float> tile = part(x, y), wide = part(wide_x, wide_y);
  float worst = 0;
  for (size_t i = 0; i < tile.size(); ++i)
    worst = std::max(worst, std::abs(std::clamp(tile[i], 0.0f, 1.0f) - std::clamp(wide[i], 0.0f, 1.0f)));
  return worst;
}

void Tiler::note_seams(RowSource& source, const Windows& windows, Report& report) const {
  constexpr float level = 1.001f / 255;  // one level, and the rounding of a comparison
  if (report.windows < 2) return;
  const Reach& reach = settled_reach();
  const bool all = sees_all();
  const auto levels = [](float difference) { return with_digits(static_cast<double>(difference / level), 1); };
  std::string note;
  if (all) {
    float sampled = 0;
    try {
      sampled = sample_difference(source, windows);
    } catch (const std::bad_alloc&) {
    } catch (const Error& error) {
      if (error.kind() != Error::Kind::memory) throw;
    }
    if (sampled <= level && report.seam <= level) return;
    note =
        cat(reach_.followed ? cat(reach_.reason, " looks at the whole picture")
                            : cat("what the model makes of a pixel depends on the whole picture, or on its place"),
            ": in the middle a tile differs by up to ", levels(sampled),
            " of 255 levels from one of twice the size, and tiles by up to ", levels(report.seam), " where they meet");
  } else {
    if (report.seam <= level) return;
    note = cat("tiles differ by up to ", levels(report.seam), " of 255 levels where they meet: they overlap by ",
               overlap_of(reach), " of the ", reach.radius, " pixels that the model looks at; a larger --overlap");
  }
  report.notes.push_back(note + (all ? "; larger tiles (--tile, --memory) lessen it" : " or larger tiles lessen it"));
}

void Tiler::fetch(const Rows& picture, Group group, const Region& window, float* planes) const {
  const int channels = convention_.channels;
  const int64_t plane = window.width * window.height;
  const bool gray = group == Group::alpha || picture.color_channels() == 1;
  const int alpha = picture.channels - 1;
  RowBuffer r(window.width), g(window.width), b(window.width);
  for (int64_t row = 0; row < window.height; ++row) {
    const int64_t y = window.y + row;
    float* to = planes + row * window.width;
    const auto load = [&](int channel, float* out) { load_clamped(picture, window.x, y, window.width, channel, out); };
    if (gray) {
      load(group == Group::alpha ? alpha : 0, to);
      for (int c = 1; c < std::min(channels, 3); ++c) std::copy_n(to, window.width, to + c * plane);
    } else if (channels == 1) {
      load(0, r.data());
      load(1, g.data());
      load(2, b.data());
      for (int64_t x = 0; x < window.width; ++x)
        to[x] = luma_red * r.data()[x] + luma_green * g.data()[x] + luma_blue * b.data()[x];
    } else {
      for (int c = 0; c < 3; ++c) load(c, to + c * plane);
    }
    if (channels == 4) {
      if (picture.has_alpha())
        load(alpha, to + 3 * plane);
      else
        std::fill_n(to + 3 * plane, window.width, 1.0f);
    }
  }
}

void Tiler::store(const Rows& picture, Group group, const Resampler* chroma, const std::vector<float>& planes,
                  const Region& out, Rows& result) const {
  const int channels = convention_.out_channels;
  const int64_t plane = out.width * out.height;
  const bool gray = group == Group::alpha || result.color_channels() == 1;
  const int target = group == Group::alpha ? result.channels - 1 : 0;
  std::vector<float> blue, red, small_blue, small_red;
  if (!gray && channels == 1) {
    load_chroma(picture, chroma->source(out), small_blue, small_red);
    blue.resize(static_cast<size_t>(plane));
    red.resize(blue.size());
    chroma->run(small_blue.data(), out, blue.data());
    chroma->run(small_red.data(), out, red.data());
  }
  RowBuffer row(out.width);
  for (int64_t y = 0; y < out.height; ++y) {
    const float* from = planes.data() + y * out.width;
    const auto put = [&](int channel, const float* values) {
      result.store(out.x, out.y + y, out.width, channel, values);
    };
    if (gray && channels == 1) {
      put(target, from);
    } else if (gray) {
      for (int64_t x = 0; x < out.width; ++x) row.data()[x] = (from[x] + from[x + plane] + from[x + 2 * plane]) / 3;
      put(target, row.data());
    } else if (channels == 1) {
      const float* cb = blue.data() + y * out.width;
      const float* cr = red.data() + y * out.width;
      for (int64_t x = 0; x < out.width; ++x) row.data()[x] = from[x] + red_span * cr[x];
      put(0, row.data());
      for (int64_t x = 0; x < out.width; ++x)
        row.data()[x] = from[x] - (luma_blue * blue_span * cb[x] + luma_red * red_span * cr[x]) / luma_green;
      put(1, row.data());
      for (int64_t x = 0; x < out.width; ++x) row.data()[x] = from[x] + blue_span * cb[x];
      put(2, row.data());
    } else {
      for (int c = 0; c < 3; ++c) put(c, from + c * plane);
    }
    if (channels == 4 && result.has_alpha()) put(result.channels - 1, from + 3 * plane);
  }
}

double Tiler::verify(RowSource& source, const Windows& windows, Report& report) const {
  const AxisRules across = rules(true, false), down = rules(false, false);
  const Picture picture = hold(source);
  const Windows whole{divide(picture.width, across.padded(picture.width), across),
                      divide(picture.height, down.padded(picture.height), down)};
  if (whole.x.size() * whole.y.size() > 1) {
    report.notes.push_back("tiles cannot be verified: the model takes no window as large as the picture");
    return -1;
  }
  const int64_t width = picture.width * convention_.scale, height = picture.height * convention_.scale;
  std::vector<float> expected;
  Report ignored;
  each_window(picture.rows(), whole, nullptr, ignored,
              [&](const Answer& answer, const Place& place) { expected = answer.part(place.kept); });
  PictureSource again(picture);
  const bool tells = windows.x.size() * windows.y.size() > 1 && tells_windows();
  const Told told = tells ? look_at_whole(again, Group::color, windows, ignored, [](double) {}) : Told{};
  double difference = 0;
  each_window(picture.rows(), windows, tells ? &told : nullptr, ignored, [&](const Answer& answer, const Place& place) {
    const std::vector<float> planes = answer.part(place.kept);
    const Region& out = place.out;
    for (int64_t c = 0; c < convention_.out_channels; ++c)
      for (int64_t y = 0; y < out.height; ++y)
        for (int64_t x = 0; x < out.width; ++x) {
          const float tiled = planes[static_cast<size_t>((c * out.height + y) * out.width + x)];
          const float one = expected[static_cast<size_t>((c * height + out.y + y) * width + out.x + x)];
          difference = std::max(difference, static_cast<double>(std::abs(tiled - one)));
        }
  });
  return difference;
}

}  // namespace tessera::upscale
