// A page of one report: a roofline, by hand as SVG, and a table.
#include <algorithm>
#include <cmath>
#include <sstream>

#include "tools/bench_report.h"
#include "tools/options.h"

namespace tessera::tools {

namespace {

constexpr double width = 860, height = 460, left = 70, bottom = 50;

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

// A logarithmic axis of whole decades.
struct Axis {
  double low, high, from, to;

  static Axis over(double least, double most, double from, double to) {
    return {std::floor(std::log10(least)), std::max(std::ceil(std::log10(most)), std::floor(std::log10(least)) + 1),
            from, to};
  }
  double at(double value) const { return from + (std::log10(value) - low) / (high - low) * (to - from); }
};

struct Point {
  double intensity, gflops, ms;
  std::string title;
};

std::vector<Point> points_of(const nlohmann::json& operators) {
  std::vector<Point> points;
  for (const nlohmann::json& row : operators) {
    const double flops = row["flops"], bytes = row["bytes"], ms = row["median_ms"];
    if (flops > 0 && bytes > 0 && ms > 0)
      points.push_back({flops / bytes, flops / ms / 1e6, ms,
                        cat(row["op"].get<std::string>(), " by ", row["kernel"].get<std::string>(), ": ", fixed(ms, 3),
                            " ms, ", fixed(flops / ms / 1e6, 1), " Gflop/s")});
  }
  return points;
}

void draw_grid(const Axis& x, const Axis& y, std::ostream& out) {
  for (double decade = x.low; decade <= x.high; ++decade)
    out << "<line class=grid x1=" << x.at(std::pow(10, decade)) << " x2=" << x.at(std::pow(10, decade))
        << " y1=" << y.to << " y2=" << y.from << " /><text text-anchor=middle x=" << x.at(std::pow(10, decade))
        << " y=" << y.from + 18 << ">" << std::pow(10, decade) << "</text>\n";
  for (double decade = y.low; decade <= y.high; ++decade)
    out << "<line class=grid x1=" << x.from << " x2=" << x.to << " y1=" << y.at(std::pow(10, decade))
        << " y2=" << y.at(std::pow(10, decade)) << " /><text text-anchor=end x=" << x.from - 6
        << " y=" << y.at(std::pow(10, decade)) + 4 << ">" << std::pow(10, decade) << "</text>\n";
  out << "<text text-anchor=middle x=" << (x.from + x.to) / 2 << " y=" << y.from + 40
      << ">operations per byte</text><text x=" << x.from << " y=" << y.to - 8 << ">Gflop/s</text>\n";
}

void draw_roofline(const nlohmann::json& report, std::ostream& out) {
  const std::vector<Point> points = points_of(report["operators"]);
  if (points.empty()) {
    out << "<p>No step of this model counts its operations.</p>\n";
    return;
  }
  const bool roof = report.contains("peaks") && report["peaks"].is_object();
  const double gflops = roof ? report["peaks"]["fp32_gflops"].get<double>() : 0,
               memory = roof ? report["peaks"]["memory_gb_per_s"].get<double>() : 0;
  double least_x = INFINITY, most_x = 0, least_y = INFINITY, most_y = gflops, most_ms = 0;
  for (const Point& point : points) {
    least_x = std::min(least_x, point.intensity), most_x = std::max(most_x, point.intensity);
    least_y = std::min(least_y, point.gflops), most_y = std::max(most_y, point.gflops);
    most_ms = std::max(most_ms, point.ms);
  }
  if (memory > 0 && gflops > 0) most_x = std::max(most_x, 2 * gflops / memory);
  const Axis x = Axis::over(least_x, most_x, left, width - 20), y = Axis::over(least_y, most_y, height - bottom, 24);
  out << "<svg viewBox=\"0 0 " << width << ' ' << height << "\">\n";
  draw_grid(x, y, out);
  if (memory > 0 && gflops > 0) {
    const double begin = std::max(std::pow(10, x.low), std::pow(10, y.low) / memory);
    out << "<polyline class=roof points=\"" << x.at(begin) << ',' << y.at(begin * memory) << ' '
        << x.at(gflops / memory) << ',' << y.at(gflops) << ' ' << x.to << ',' << y.at(gflops) << "\" />\n";
  }
  for (const Point& point : points)
    out << "<circle cx=" << x.at(point.intensity) << " cy=" << y.at(point.gflops)
        << " r=" << 3 + 12 * std::sqrt(point.ms / most_ms) << "><title>" << escaped(point.title)
        << "</title></circle>\n";
  out << "</svg>\n<p>A circle is an operator with its kernel, its area the time that it takes"
      << (roof ? "; the line is what the device can do at most, in float32.</p>\n" : ".</p>\n");
}

void write_table(const nlohmann::json& operators, std::ostream& out) {
  out << "<table><tr><th>ms<th>Gflop/s<th>GB/s<th>nodes<th>operator<th>on<th>kernel</tr>\n";
  for (const nlohmann::json& row : operators)
    out << "<tr><td>" << fixed(row["median_ms"], 3) << "<td>"
        << (row["flops"].get<double>() > 0 ? fixed(row["gflops"], 1) : "") << "<td>" << fixed(row["gb_per_s"], 1)
        << "<td>" << row["nodes"] << "<td class=word>" << escaped(row["op"]) << "<td class=word>"
        << escaped(row["backend"]) << "<td class=word>" << escaped(row["kernel"]) << "</tr>\n";
  out << "</table>\n";
}

}  // namespace

std::string html_page(const nlohmann::json& report) {
  std::ostringstream out;
  const std::string model = escaped(report["model"]);
  out << "<!doctype html>\n<html lang=en><meta charset=utf-8><title>" << model << "</title>\n<style>\n"
      << "body{font:15px sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}\n"
      << "svg{width:100%;font-size:12px}.grid{stroke:#ddd}.roof{fill:none;stroke:#b33;stroke-width:2}\n"
      << "circle{fill:#3569b0;fill-opacity:.55;stroke:#234a80}table{border-collapse:collapse}\n"
      << "td,th{padding:.15rem .6rem;text-align:right;border-bottom:1px solid #eee}td.word{text-align:left}\n</style>\n"
      << "<h1>" << model << "</h1>\n<p>on " << escaped(report["device"]) << ", " << escaped(report["precision"])
      << ": a run takes " << fixed(report["median_ms"], 3) << " ms";
  if (report["device_ms"].get<double>() > 0)
    out << ", of which the device computes " << fixed(report["device_ms"], 3) << " ms";
  out << ".</p>\n";
  draw_roofline(report, out);
  write_table(report["operators"], out);
  out << "</html>\n";
  return out.str();
}

}  // namespace tessera::tools
