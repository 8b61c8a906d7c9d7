#include "upscale/subject.h"

#include <algorithm>
#include <cmath>

#include "upscale/damage.h"
#include "upscale/luma.h"

namespace tessera::upscale {
namespace {

constexpr int64_t side = 64, least = 16;  // of a cell
constexpr size_t most_cells = 12;
// What filters make of edges is no model's doing.
constexpr int64_t border = 2;

struct Cell {
  double detail = 0;
  Picture picture;
};

// A band of rows in colors of 8 bits, without what transparency hides.
Picture opaque(const Rows& rows) {
  Picture band;
  band.width = rows.width, band.height = rows.height, band.channels = 3;
  band.allocate();
  const auto width = static_cast<size_t>(rows.width);
  std::vector<float> color(width), alpha(width, 1);
  for (int64_t y = 0; y < rows.height; ++y) {
    if (rows.has_alpha()) rows.load(0, y, rows.width, rows.channels - 1, alpha.data());
    for (int c = 0; c < 3; ++c) {
      if (c < rows.color_channels()) {
        rows.load(0, y, rows.width, c, color.data());
        for (size_t x = 0; x < width; ++x) color[x] *= alpha[x];
      }
      band.store(0, y, rows.width, c, color.data());
    }
  }
  return band;
}

// One of a band's cells. How much detail it has is how much neighbours in its rows differ.
Cell cell_of(const Picture& band, int64_t x, int64_t width) {
  Cell cell;
  cell.picture.width = width, cell.picture.height = band.height, cell.picture.channels = 3;
  cell.picture.allocate();
  for (int64_t y = 0; y < band.height; ++y) {
    const std::byte* from = band.row(y) + x * 3;
    std::copy_n(from, width * 3, cell.picture.row(y));
    for (int64_t i = 3; i < width * 3; i += 3) cell.detail += std::abs(luma_of(from + i) - luma_of(from + i - 3));
  }
  return cell;
}

// The cells with the most detail; all goes through `damage`.
std::vector<Cell> cells_of(RowSource& source, Damage& damage) {
  // A source whose picture is in memory gives it so, and no rows.
  std::optional<PictureSource> whole;
  if (const Picture* picture = source.whole()) whole.emplace(*picture);
  RowSource& from = whole ? *whole : source;
  const Head& head = source.head();
  const int64_t width = std::min(side, head.width / 2 * 2), height = std::min(side, head.height / 2 * 2);
  std::vector<Cell> cells;
  if (std::min(width, height) < least) return cells;
  Frame frame = head;
  frame.height = height;
  Bytes memory(static_cast<size_t>(frame.row_bytes() * height));
  const Rows rows(frame, memory.data(), height);
  for (int64_t y = 0; y + height <= head.height; y += height) {
    from.read(height, memory.data());
    const Picture band = opaque(rows);
    damage.add(band);
    for (int64_t x = 0; x + width <= head.width; x += width) {
      Cell cell = cell_of(band, x, width);
      const auto place =
          std::find_if(cells.begin(), cells.end(), [&](const Cell& c) { return c.detail < cell.detail; });
      cells.insert(place, std::move(cell));
      if (cells.size() > most_cells) cells.pop_back();
    }
  }
  from.restart();
  return cells;
}

double error_of(const Tiler& model, const Picture& cell) {
  Report report;
  const Picture small = resize(cell, cell.width / 2, cell.height / 2, Filter::bicubic);
  const Picture large = model.upscale(small, {.width = cell.width, .height = cell.height, .bits = 8}, report);
  double error = 0;
  for (int64_t y = border; y < cell.height - border; ++y)
    for (int64_t x = border; x < cell.width - border; ++x) {
      const double off = luma_of(large.row(y) + x * 3) - luma_of(cell.row(y) + x * 3);
      error += off * off;
    }
  return error;
}

}  // namespace

Text model_for(Subject subject, double scale) {
  if (subject == Subject::drawing) return "art-x2";
  if (subject == Subject::spoilt_photo && scale <= 2) return "photo-x2-clean";
  return scale > 2 ? "photo-x4" : "photo-x2";
}

Subject subject_of(List<RowSource*> sources, List<const Tiler*> models) {
  double errors[std::size(judges)] = {};
  bool is_spoilt = !sources.empty();  // all of them, or what some have clean would be lost
  for (RowSource* source : sources) {
    Damage damage;
    for (const Cell& cell : cells_of(*source, damage))
      for (size_t i = 0; i < models.size(); ++i) errors[i] += error_of(*models[i], cell.picture);
    is_spoilt &= damage.is_strong();
  }
  const Subject nearest = judges[std::min_element(std::begin(errors), std::end(errors)) - errors].subject;
  return nearest == Subject::photo && is_spoilt ? Subject::spoilt_photo : nearest;
}

}  // namespace tessera::upscale
