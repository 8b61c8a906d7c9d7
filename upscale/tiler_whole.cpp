// What windows are told of the whole picture: means and maxima, taken over all tiles before the tiles are computed, and
// where grids lie that are stretched over it.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "upscale/tiler.h"

namespace tessera::upscale {
namespace {

/// Sums, or maxima, over the parts of an axis's features that windows own.
struct Gathered {
  std::vector<double> values;
  int64_t count = 0;
};

/// Indices of a window's features that it owns, of `extent` along an axis.
Span owned(const Pool& pool, int side, const std::vector<Span>& spans, size_t index, int64_t before, int64_t extent) {
  const Span& span = spans[index];
  const auto border = [&](int64_t pixel) {
    const double at = (static_cast<double>(pixel + before) - pool.middle[side]) / pool.step[side];
    const double begin = static_cast<double>(span.start + before) / pool.step[side];
    return std::clamp<int64_t>(std::llround(std::ceil(at - 1e-9) - begin), 0, extent);
  };
  const int64_t first = index == 0 ? 0 : border(span.keep);
  const int64_t end = index + 1 == spans.size() ? extent : border(span.keep + span.kept);
  return {first, std::max<int64_t>(0, end - first), 0, 0};
}

void gather(const Pool& pool, const Tensor& features, const Span& y, const Span& x, Gathered& gathered) {
  const Shape& shape = features.type.shape;
  const View view = features.view();
  const auto axis_y = static_cast<size_t>(pool.axis[0]), axis_x = static_cast<size_t>(pool.axis[1]);
  const int64_t stride_y = shape.elements(axis_y + 1, shape.size());
  const int64_t stride_x = shape.elements(axis_x + 1, shape.size());
  const auto channels = static_cast<int64_t>(gathered.values.size());
  for (int64_t channel = 0; channel < channels; ++channel) {
    // The element at row 0 and column 0: the other axes, counted in their order.
    int64_t base = 0, rest = channel;
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (axis == axis_y || axis == axis_x) continue;
      base += rest % shape[axis] * shape.elements(axis + 1, shape.size());
      rest /= shape[axis];
    }
    double& value = gathered.values[static_cast<size_t>(channel)];
    for (int64_t row = y.start; row < y.start + y.size; ++row)
      for (int64_t column = x.start; column < x.start + x.size; ++column) {
        const double sample = element_as_double(view, base + row * stride_y + column * stride_x);
        value = pool.pooled == Pooled::largest ? std::max(value, sample)
                : pool.pooled == Pooled::norm  ? value + sample * sample
                                               : value + sample;
      }
  }
  gathered.count += y.size * x.size;
}

/// `count`: elements that a result is made of, which need not be as many as were gathered.
double pooled_value(const Pool& pool, double value, int64_t gathered, int64_t count) {
  const double each = static_cast<double>(count) / static_cast<double>(gathered);
  switch (pool.pooled) {
    case Pooled::mean: return value / static_cast<double>(gathered);
    case Pooled::sum: return value * each;
    case Pooled::norm: return std::sqrt(value * each);
    case Pooled::largest: break;
  }
  return value;
}

}  // namespace

const Tiler::Parts& Tiler::parts() const {
  std::call_once(cut_, [&] {
    std::vector<std::string> given;
    std::vector<Type> types;
    // Pools of one stage follow each other, so that what is known before each is a beginning of the list.
    for (int stage = 0; given.size() < reach_.pools.size(); ++stage) {
      std::vector<std::string> wanted;
      for (const Pool& pool : reach_.pools)
        if (pool.stage == stage) wanted.push_back(pool.in);
      parts_.stages.push_back(model_.part(given, types, wanted, reach_.stretches));
      for (const Pool& pool : reach_.pools)
        if (pool.stage == stage) given.push_back(pool.out), types.push_back(pool.type);
    }
    parts_.last = model_.part(given, types, {}, reach_.stretches);
  });
  return parts_;
}

Tiler::Told Tiler::look_at_whole(RowSource& source, Group group, const Windows& windows, Report& report,
                                 const Progress& progress) const {
  Told told{parts().last.get()};
  if (!reach_.stretches.empty()) {
    const Frame& frame = source.head();
    told.whole =
        model_.look(convention_, rules(true, true).padded(frame.width), rules(false, true).padded(frame.height))
            ->stretches;
    told.window = model_.look(convention_, windows.x[0].size, windows.y[0].size)->stretches;
  }
  const auto total = static_cast<double>(parts().stages.size() * windows.x.size() * windows.y.size());
  double done = 0;
  for (size_t stage = 0; stage < parts().stages.size(); ++stage)
    pool_over(source, group, windows, stage, told, report, [&] { progress(++done / total); });
  return told;
}

std::vector<Tensor> Tiler::given(const Told& told, const Region& window) const {
  std::vector<Tensor> given = told.means;
  const int64_t start[] = {window.y + rules(false, true).before(), window.x + rules(true, true).before()};
  for (size_t i = 0; i < told.whole.size(); ++i)
    for (const int side : {0, 1}) {
      const Stretch &whole = told.whole[i], &own = told.window[i];
      const auto first = [&](double step) { return std::llround(static_cast<double>(start[side]) / step); };
      const int64_t out = own.out_extent[side], in = own.in_extent[side];
      given.push_back(Tensor::make({DType::float32, side == 0 ? Shape{out, in} : Shape{in, out}}));
      whole.weights(side, first(whole.out_step[side]), out, first(whole.in_step[side]), in, given.back().as<float>());
    }
  return given;
}

void Tiler::pool_over(RowSource& source, Group group, const Windows& windows, size_t stage, Told& told, Report& report,
                      const std::function<void()>& step) const {
  const AxisRules across = rules(true, true), down = rules(false, true);
  const Upsampler& part = *parts().stages[stage];
  std::vector<float> in;
  std::vector<const Pool*> pools;
  for (const Pool& pool : reach_.pools)
    if (pool.stage == static_cast<int>(stage)) pools.push_back(&pool);
  std::vector<Gathered> gathered;
  for (const Pool* pool : pools)
    gathered.push_back(
        {std::vector<double>(static_cast<size_t>(pool->type.shape.elements()),
                             pool->pooled == Pooled::largest ? -std::numeric_limits<double>::infinity() : 0.0),
         0});
  std::vector<int64_t> in_window(pools.size());
  Feed feed(source, windows.y[0].size, strips_);
  for (size_t row = 0; row < windows.y.size(); ++row) {
    feed.read(std::min(source.head().height, windows.y[row].start + windows.y[row].size));
    for (size_t column = 0; column < windows.x.size(); ++column) {
      if (cancel_ && *cancel_) fail(Error::Kind::cancelled, "interrupted");
      const Span &x = windows.x[column], &y = windows.y[row];
      const Region window{x.start, y.start, x.size, y.size};
      in.resize(static_cast<size_t>(convention_.channels * x.size * y.size));
      fetch(feed.rows(), group, window, in.data());
      const auto start = std::chrono::steady_clock::now();
      const std::vector<Tensor> features = part.run_part(model_input(in.data(), x.size, y.size), given(told, window));
      for (size_t i = 0; i < pools.size(); ++i) {
        const Shape& shape = features[i].type.shape;
        const auto extent = [&](int side) { return shape[static_cast<size_t>(pools[i]->axis[side])]; };
        in_window[i] = extent(0) * extent(1);
        gather(*pools[i], features[i], owned(*pools[i], 0, windows.y, row, down.before(), extent(0)),
               owned(*pools[i], 1, windows.x, column, across.before(), extent(1)), gathered[i]);
      }
      report.model_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      step();
    }
  }
  // A model of one size knows no sums over more than that.
  const bool fixed = convention_.fixed_width && convention_.fixed_height;
  for (size_t i = 0; i < pools.size(); ++i) {
    told.means.push_back(Tensor::make(pools[i]->type));
    for (size_t k = 0; k < gathered[i].values.size(); ++k)
      set_element(
          told.means.back().view(), static_cast<int64_t>(k),
          pooled_value(*pools[i], gathered[i].values[k], gathered[i].count, fixed ? in_window[i] : gathered[i].count));
  }
}

}  // namespace tessera::upscale
