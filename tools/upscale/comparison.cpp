#include "tools/upscale/comparison.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tessera::upscale {
namespace {

constexpr int64_t cell = crop_side * crop_scale, gap = 8, label_height = 24;
constexpr size_t most_rows = 4;
/// More pixels a side than a browser shows at once.
constexpr int64_t page_side = 2000;
constexpr Text titles[] = {"source", "bicubic", "result"};

/// Rows of five dots each, the leftmost in the highest bit.
struct Letter {
  char name;
  std::array<uint8_t, 7> rows;
};
constexpr Letter letters[] = {
    {'b', {0x10, 0x10, 0x1e, 0x11, 0x11, 0x11, 0x1e}}, {'c', {0x00, 0x00, 0x0e, 0x11, 0x10, 0x11, 0x0e}},
    {'e', {0x00, 0x00, 0x0e, 0x11, 0x1f, 0x10, 0x0e}}, {'i', {0x04, 0x00, 0x0c, 0x04, 0x04, 0x04, 0x0e}},
    {'l', {0x0c, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e}}, {'o', {0x00, 0x00, 0x0e, 0x11, 0x11, 0x11, 0x0e}},
    {'r', {0x00, 0x00, 0x16, 0x19, 0x10, 0x10, 0x10}}, {'s', {0x00, 0x00, 0x0f, 0x10, 0x0e, 0x01, 0x1e}},
    {'t', {0x08, 0x08, 0x1c, 0x08, 0x08, 0x09, 0x06}}, {'u', {0x00, 0x00, 0x11, 0x11, 0x11, 0x13, 0x0d}},
};

Picture blank_rgb(int64_t width, int64_t height) {
  Picture picture;
  picture.width = width;
  picture.height = height;
  picture.channels = 3;
  picture.bits = 8;
  picture.allocate();
  return picture;
}

/// As a screen shows it: 8 bits, colors, on white.
Picture shown(const Picture& picture) {
  Picture colors = blank_rgb(picture.width, picture.height);
  std::vector<float> row(static_cast<size_t>(picture.width)), alpha(row);
  for (int64_t y = 0; y < picture.height; ++y) {
    if (picture.has_alpha()) picture.load(0, y, picture.width, picture.channels - 1, alpha.data());
    for (int c = 0; c < 3; ++c) {
      picture.load(0, y, picture.width, picture.color_channels() == 1 ? 0 : c, row.data());
      for (size_t x = 0; picture.has_alpha() && x < row.size(); ++x) row[x] = row[x] * alpha[x] + 1 - alpha[x];
      colors.store(0, y, picture.width, c, row.data());
    }
  }
  return colors;
}

Picture part_of(const Picture& picture, const Region& part) {
  Picture cut = blank_rgb(part.width, part.height);
  for (int64_t y = 0; y < part.height; ++y)
    std::memcpy(cut.row(y), picture.row(part.y + y) + 3 * part.x, static_cast<size_t>(cut.row_bytes()));
  return cut;
}

/// Pixels as squares.
Picture squares(const Picture& picture, int64_t scale) {
  Picture large = blank_rgb(picture.width * scale, picture.height * scale);
  for (int64_t y = 0; y < large.height; ++y)
    for (int64_t x = 0; x < large.width; ++x)
      std::memcpy(large.row(y) + 3 * x, picture.row(y / scale) + 3 * (x / scale), 3);
  return large;
}

Picture sized(const Picture& picture, int64_t width, int64_t height, Filter filter) {
  if (picture.width == width && picture.height == height) return picture;
  return resize(picture, width, height, filter);
}

void paste(const Picture& from, Picture& to, int64_t x, int64_t y) {
  for (int64_t row = 0; row < from.height; ++row)
    std::memcpy(to.row(y + row) + 3 * x, from.row(row), static_cast<size_t>(from.row_bytes()));
}

void write_word(Text word, Picture& to, int64_t x, int64_t y) {
  constexpr int64_t dot = 2;
  for (const char c : word) {
    const auto letter =
        std::find_if(std::begin(letters), std::end(letters), [c](const Letter& l) { return l.name == c; });
    for (int64_t row = 0; row < 7 * dot; ++row)
      for (int64_t column = 0; column < 5 * dot; ++column)
        if (letter->rows[static_cast<size_t>(row / dot)] >> (4 - column / dot) & 1)
          std::fill_n(to.row(y + row) + 3 * (x + column), 3, std::byte{0});
    x += 6 * dot;
  }
}

std::string base64(List<std::byte> bytes) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    unsigned word = 0;
    for (size_t k = 0; k < 3; ++k)
      word = word << 8 | (i + k < bytes.size() ? std::to_integer<unsigned>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) text += i + k > bytes.size() ? '=' : digits[word >> (18 - 6 * k) & 63];
  }
  return text;
}

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) safe += c == '<' ? "&lt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : std::string(1, c);
  return safe;
}

std::string data_of(const Picture& picture, Format format) {
  std::vector<std::string> notes;
  return cat(format == Format::png ? "data:image/png;base64," : "data:image/jpeg;base64,",
             base64(encode(picture, format, {}, notes)));
}

constexpr Text page_begin = R"(<!DOCTYPE html>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<style>
body { font-family: sans-serif; margin: 1em; background: #222; color: #eee }
.both { position: relative; display: inline-block; max-width: 100% }
.both img { display: block; max-width: 100% }
.both img + img { position: absolute; inset: 0; clip-path: inset(0 0 0 var(--at, 50%)) }
.both input { width: 100%; margin: .5em 0 }
figcaption { display: flex; justify-content: space-between }
figure { margin: 0 0 1em }
</style>
)";

}  // namespace

std::vector<Region> busy_places(const Picture& picture) {
  const Region size{0, 0, std::min(crop_side, picture.width), std::min(crop_side, picture.height)};
  std::vector<std::pair<double, Region>> places;
  std::vector<float> above(static_cast<size_t>(size.width)), row(above);
  // Steps of half a place, and fewer than a thousand of them.
  const auto step = [](int64_t side, int64_t extent) { return std::max(side / 2, extent / 30); };
  for (int64_t y = 0; y + size.height <= picture.height; y += std::max<int64_t>(1, step(size.height, picture.height)))
    for (int64_t x = 0; x + size.width <= picture.width; x += std::max<int64_t>(1, step(size.width, picture.width))) {
      double change = 0;
      for (int64_t line = 0; line < size.height; ++line) {
        picture.load(x, y + line, size.width, std::min(picture.color_channels() - 1, 1), row.data());
        for (size_t i = 1; i < row.size(); ++i)
          change += std::abs(row[i] - row[i - 1]) + (line ? std::abs(row[i] - above[i]) : 0);
        above.swap(row);
      }
      places.push_back({change, {x, y, size.width, size.height}});
    }
  std::stable_sort(places.begin(), places.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<Region> chosen;
  for (const auto& [change, place] : places) {
    const auto meets = [&place = place](const Region& other) {
      return std::abs(place.x - other.x) < place.width && std::abs(place.y - other.y) < place.height;
    };
    if (std::none_of(chosen.begin(), chosen.end(), meets)) chosen.push_back(place);
    if (chosen.size() == most_rows) break;
  }
  return chosen;
}

Picture sheet_of(const Picture& source, const Picture& result) {
  const Picture small = shown(source), large = shown(result);
  const Picture bicubic = sized(small, large.width, large.height, Filter::bicubic);
  const std::vector<Region> places = busy_places(source);
  const int64_t width = places[0].width * crop_scale, height = places[0].height * crop_scale;
  const int64_t column = std::max<int64_t>(width, 100) + gap;
  Picture sheet = blank_rgb(3 * column + gap, label_height + static_cast<int64_t>(places.size()) * (height + gap));
  std::fill(sheet.samples.begin(), sheet.samples.end(), std::byte{255});
  for (int64_t i = 0; i < 3; ++i) write_word(titles[i], sheet, gap + i * column, 5);
  const auto scaled = [](int64_t at, int64_t from, int64_t to) { return at * to / from; };
  for (size_t i = 0; i < places.size(); ++i) {
    const Region& place = places[i];
    const int64_t y = label_height + static_cast<int64_t>(i) * (height + gap);
    Region there{scaled(place.x, small.width, large.width), scaled(place.y, small.height, large.height), 0, 0};
    there.width = std::max<int64_t>(1, scaled(place.x + place.width, small.width, large.width) - there.x);
    there.height = std::max<int64_t>(1, scaled(place.y + place.height, small.height, large.height) - there.y);
    there.x = std::min(there.x, large.width - there.width);
    there.y = std::min(there.y, large.height - there.height);
    paste(squares(part_of(small, place), crop_scale), sheet, gap, y);
    paste(sized(part_of(bicubic, there), width, height, Filter::bicubic), sheet, gap + column, y);
    paste(sized(part_of(large, there), width, height, Filter::bicubic), sheet, gap + 2 * column, y);
  }
  return sheet;
}

std::string page_of(const Picture& source, const Picture& result, const std::string& title) {
  const Picture large = shown(result);
  const Picture bicubic = sized(shown(source), large.width, large.height, Filter::bicubic);
  const double shrink =
      std::min(1.0, static_cast<double>(page_side) / static_cast<double>(std::max(large.width, large.height)));
  const auto extent = [&](int64_t from) {
    return std::max<int64_t>(1, std::llround(static_cast<double>(from) * shrink));
  };
  const auto image = [&](const Picture& picture, Text what) {
    const Picture fit = sized(picture, extent(large.width), extent(large.height), Filter::lanczos3);
    return cat("<img alt=\"", what, "\" width=\"", fit.width, "\" src=\"", data_of(fit, Format::jpeg), "\">\n");
  };
  return cat(page_begin, "<title>", escaped(title), "</title>\n<h1>", escaped(title), "</h1>\n<p>", source.width, "x",
             source.height, " to ", result.width, "x", result.height, shrink < 1 ? ", shown smaller here" : "",
             "</p>\n<figure class=\"both\">\n", image(bicubic, titles[1]), image(large, titles[2]),
             "<input type=\"range\" min=\"0\" max=\"100\" value=\"50\" aria-label=\"how much of both\" "
             "oninput=\"this.parentNode.style.setProperty('--at', this.value + '%')\">\n<figcaption><span>",
             titles[1], "</span><span>", titles[2], "</span></figcaption>\n</figure>\n<figure><img alt=\"", "parts, ",
             crop_scale, " times as large\" src=\"", data_of(sheet_of(source, result), Format::png), "\"></figure>\n");
}

std::vector<std::filesystem::path> write_comparison(const Job& job, const DecodeLimits& limits) {
  const Picture source = decode(read_file(job.in), limits), result = decode(read_file(job.out), {});
  const std::filesystem::path sheet(job.out.string() + ".compare.png"), page(job.out.string() + ".compare.html");
  std::vector<std::string> notes;
  write_file(sheet, encode(sheet_of(source, result), Format::png, {}, notes));
  write_file(page, std::as_bytes(List<char>(page_of(source, result, job.in.filename().string()))));
  return {sheet, page};
}

}  // namespace tessera::upscale
