// Two reports side by side. A figure has bounds, its quartiles; two differ where neither lies within the other's
// bounds, and by more than a fiftieth.
#include <cmath>
#include <iostream>
#include <map>
#include <sstream>
#include <vector>

#include "tools/bench_report.h"
#include "tools/npy.h"
#include "tools/options.h"

namespace tessera::tools {

namespace {

constexpr double least_change = 0.02;

struct Figure {
  double ms = 0, low = 0, high = 0;
};
using Figures = std::map<std::string, Figure>;

Figure figure_of(const nlohmann::json& json, const char* key) {
  Figure figure;
  figure.ms = json.at(key).get<double>();
  figure.low = json.value("low_ms", figure.ms);
  figure.high = json.value("high_ms", figure.ms);
  return figure;
}

std::string text(const nlohmann::json& json, const char* key) { return json.value(key, std::string()); }

// Of one JSON object: a report of `bench`, or a line of a journal. What is measured again counts as it was last.
void add(const nlohmann::json& json, Figures& figures) {
  if (json.contains("median_ms") && json.contains("model")) {
    figures["run"] = figure_of(json, "median_ms");
    if (json.value("device_ms", 0.0) > 0)
      figures["on the device"] = {json["device_ms"], json["device_ms"], json["device_ms"]};
    for (const nlohmann::json& row : json.value("operators", nlohmann::json::array()))
      figures[text(row, "op") + " by " + text(row, "kernel")] = figure_of(row, "median_ms");
  }
  const std::string item = text(json, "item");
  if (json.contains("resident_ms")) {
    figures[item + ", end to end"] = figure_of(json, "end_to_end_ms");
    const double resident = json["resident_ms"];
    figures[item + ", resident"] = {resident, resident, resident};
  }
  for (const nlohmann::json& row : json.value("kernels", nlohmann::json::array()))
    figures[item + " by " + text(row, "kernel")] = figure_of(row, "ms");
}

Figures read(const std::string& path) {
  const std::string all = read_text(path);
  Figures figures;
  try {
    if (const auto whole = nlohmann::json::parse(all, nullptr, false); whole.is_object()) {
      add(whole, figures);
    } else {
      // A journal that was cut off ends in half a line.
      std::istringstream lines(all);
      for (std::string line; std::getline(lines, line);)
        if (const auto json = nlohmann::json::parse(line, nullptr, false); json.is_object()) add(json, figures);
    }
  } catch (const nlohmann::json::exception& error) {
    fail(Error::Kind::usage, path, ": ", error.what());
  }
  if (figures.empty())
    fail(Error::Kind::usage, path, ": no figures: give reports of `tessera bench --json`, or journals of gpu_check");
  return figures;
}

const char* verdict(const Figure& a, const Figure& b) {
  const bool noise = (b.ms >= a.low && b.ms <= a.high) || (a.ms >= b.low && a.ms <= b.high);
  const double ratio = a.ms > 0 ? b.ms / a.ms : 1;
  if (noise || std::abs(ratio - 1) < least_change) return "same";
  return ratio < 1 ? "faster" : "slower";
}

}  // namespace

bool print_diff(const std::string& before, const std::string& after, bool as_json) {
  const Figures a = read(before), b = read(after);
  nlohmann::json rows = nlohmann::json::array();
  bool slower = false;
  for (const auto& [name, figure] : a) {
    const auto found = b.find(name);
    if (found == b.end()) continue;
    const std::string said = verdict(figure, found->second);
    slower |= said == "slower";
    rows.push_back({{"name", name},
                    {"before_ms", figure.ms},
                    {"after_ms", found->second.ms},
                    {"ratio", figure.ms > 0 ? found->second.ms / figure.ms : 1},
                    {"verdict", said}});
  }
  if (as_json) {
    std::cout << text_of({{"before", before}, {"after", after}, {"rows", rows}, {"slower", slower}}, 2) << '\n';
    return !slower;
  }
  std::vector<std::vector<std::string>> table{{"before ms", "after ms", "ratio", "", "what"}};
  for (const nlohmann::json& row : rows)
    table.push_back(
        {fixed(row["before_ms"], 3), fixed(row["after_ms"], 3), fixed(row["ratio"], 3), row["verdict"], row["name"]});
  print_table(table, {true, true, true, false, false});
  std::cout << rows.size() << " figures are in both, of " << a.size() << " and " << b.size() << '\n';
  return !slower;
}

}  // namespace tessera::tools
