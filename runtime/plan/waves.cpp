#include "runtime/plan/waves.h"

#include <algorithm>

namespace tessera {
namespace {

// Bytes of input and output that near caches keep anyway.
constexpr int64_t near_bytes = 12 << 20;
// What the live rows of all values of a wave may take of them.
constexpr int64_t wave_bytes = 6 << 20;
// Rows of one value that are computed at a time.
constexpr int64_t band_bytes = 1 << 20;

class Finder {
 public:
  Finder(const Graph& graph, const std::vector<Choice>& choices, int64_t row_step)
      : graph_(graph), choices_(choices), row_step_(row_step), last_use_(graph.values.size()) {
    for (size_t i = 0; i < graph.nodes.size(); ++i)
      for (const ValueId id : graph.nodes[i].in)
        if (id != absent) last_use_[id] = i;
    for (const ValueId id : graph.outputs) last_use_[id] = graph.nodes.size();
  }

  std::vector<Wave> run() {
    std::vector<Wave> waves;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const size_t count = row_step(i) ? stretch(i) : 0;
      if (count < 2) continue;
      Wave wave = make(i, count);
      if (!wave.count) continue;
      waves.push_back(std::move(wave));
      i += count - 1;
    }
    return waves;
  }

 private:
  const Type& out(size_t node) const { return graph_.values[graph_.nodes[node].out[0]].type; }
  int row_step(size_t node) const { return choices_[node].offer.row_step; }
  int row_reach(size_t node) const { return choices_[node].offer.row_reach; }
  int64_t height(size_t node) const { return out(node).shape[2]; }
  int64_t row_bytes(size_t node) const { return out(node).bytes() / height(node); }

  int64_t band_rows(size_t first) const {
    return std::max(row_step_, band_bytes / row_bytes(first) / row_step_ * row_step_);
  }

  bool follows(size_t node) const {
    const Node &before = graph_.nodes[node - 1], &here = graph_.nodes[node];
    return row_step(node) && here.in[0] == before.out[0];
  }

  // Whether its result may be one of the wave's inner ones.
  bool begins(size_t node) const {
    const Type& in = graph_.values[graph_.nodes[node].in[0]].type;
    return out(node).layout.block() > 1 && in.shape[2] == height(node);
  }

  // Whether rows of both can share bytes: pictures of one size, whatever their channels.
  bool alike(size_t node, size_t other) const {
    const Type &a = out(node), &b = out(other);
    return a.dtype == b.dtype && a.layout == b.layout && a.shape.rank() == b.shape.rank() && a.shape[2] == b.shape[2] &&
           a.shape[3] == b.shape[3];
  }

  // Nodes from `first` on that can be a wave: whose results, but the last, only they read.
  size_t stretch(size_t first) const {
    if (!begins(first) || 2 * out(first).bytes() < near_bytes) return 0;
    const int64_t live_rows = band_rows(first) + 2 * row_step(first);
    const auto most =
        std::clamp<size_t>(static_cast<size_t>(wave_bytes / (live_rows * row_bytes(first))), 2, Wave::most_steps);
    size_t end = first + 1;
    while (end < graph_.nodes.size() && end < first + most && follows(end))
      if (!alike(end++, first)) break;  // the last
    for (; end > first + 1; --end) {
      const auto inside = [&](size_t node) { return last_use_[graph_.nodes[node].out[0]] < end; };
      size_t node = first;
      while (node + 1 < end && inside(node)) ++node;
      if (node + 1 == end) return end - first;
    }
    return 0;
  }

  Wave make(size_t first, size_t count) const {
    Wave wave{first, count, {}, std::vector<int64_t>(count, 0), false};
    std::vector<RowNeeds> steps;
    for (size_t i = first; i < first + count; ++i) steps.push_back({row_step(i), row_reach(i)});
    wave.bands = wave_bands(steps, height(first), band_rows(first));
    for (Wave::Band& band : wave.bands) band.node += first;
    for (size_t i = count - 1; i-- > 0;)
      for (size_t later = i + 1; later + 1 < count; ++later)
        wave.row_offsets[i] = std::max(wave.row_offsets[i], wave.row_offsets[later] + distance(wave, i, later));
    wave.plane_rows = plane_rows(wave);
    if (wave.plane_rows > height(first)) wave.count = 0;
    const ValueId in = graph_.nodes[first].in[0];
    wave.in_place = graph_.values[in].type == out(first + count - 1) && overtakes_never(wave, in);
    return wave;
  }

  // Per band, the first row of a value that is read then or later; the height if none is.
  std::vector<int64_t> needed(const Wave& wave, ValueId value) const {
    std::vector<int64_t> rows(wave.bands.size());
    int64_t first = height(wave.first);
    for (size_t b = wave.bands.size(); b-- > 0; rows[b] = first) {
      const auto& in = graph_.nodes[wave.bands[b].node].in;
      if (std::find(in.begin(), in.end(), value) != in.end())
        first = std::min(first, std::max<int64_t>(0, wave.bands[b].rows.begin - row_reach(wave.bands[b].node)));
    }
    return rows;
  }

  // How many rows before the result of step `i` that of a later step must begin, so that neither writes
  // over rows that the other still needs.
  int64_t distance(const Wave& wave, size_t i, size_t later) const {
    const auto live = needed(wave, graph_.nodes[wave.first + i].out[0]);
    int64_t rows = 0, written = 0;
    for (size_t b = 0; b < wave.bands.size(); ++b) {
      const Wave::Band& band = wave.bands[b];
      if (band.node == wave.first + later) {
        written = band.rows.end;
        rows = std::max(rows, written - live[b]);
      }
      if (band.node == wave.first + i) rows = std::max(rows, written - band.rows.begin);
    }
    return rows;
  }

  // How many rows apart blocks of channels must begin, so that nothing is written over rows of the block before or
  // behind that are still needed.
  int64_t plane_rows(const Wave& wave) const {
    int64_t rows = 1;
    for (size_t k = 0; k + 1 < wave.count; ++k) {
      const auto live = needed(wave, graph_.nodes[wave.first + k].out[0]);
      int64_t written = 0;  // of value k
      for (size_t b = 0; b < wave.bands.size(); ++b) {
        const Wave::Band& band = wave.bands[b];
        const size_t i = band.node - wave.first;
        if (i == k) written = band.rows.end;
        if (i + 1 == wave.count || live[b] >= written) continue;
        const int64_t shift = wave.row_offsets[i] - wave.row_offsets[k];
        rows = std::max({rows, shift + band.rows.end - live[b], written - shift - band.rows.begin});
      }
    }
    return rows;
  }

  // Whether the last result may lie where the input of the wave does.
  bool overtakes_never(const Wave& wave, ValueId in) const {
    const auto live = needed(wave, in);
    for (size_t b = 0; b < wave.bands.size(); ++b)
      if (wave.bands[b].node == wave.first + wave.count - 1 && wave.bands[b].rows.end > live[b]) return false;
    return true;
  }

  const Graph& graph_;
  const std::vector<Choice>& choices_;
  const int64_t row_step_;
  std::vector<size_t> last_use_;
};

}  // namespace

std::vector<Wave::Band> wave_bands(List<RowNeeds> nodes, int64_t height, int64_t rows) {
  std::vector<Wave::Band> bands;
  std::vector<int64_t> done(nodes.size(), 0);
  for (int64_t front = rows; done.back() < height; front += rows)
    for (size_t i = 0; i < done.size(); ++i) {
      // A row needs the rows around it of the step before.
      const int64_t ready = i == 0 ? front : done[i - 1] - (done[i - 1] < height ? nodes[i].reach : 0);
      const int64_t end = ready >= height ? height : ready / nodes[i].step * nodes[i].step;
      if (end <= done[i]) continue;
      bands.push_back({i, {done[i], end}});
      done[i] = end;
    }
  return bands;
}

std::vector<Wave> find_waves(const Graph& graph, const std::vector<Choice>& choices, int64_t row_step) {
  return Finder(graph, choices, row_step).run();
}

}  // namespace tessera
