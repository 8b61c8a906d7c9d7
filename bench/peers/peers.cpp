// peers: times tessera and ONNX Runtime side by side, one run of each in turn, so that whatever else
// the machine does falls on both. Prints a table, and JSON on request. With --cold, what each takes from
// its start: load time, first run and peak memory.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "bench/peers/cold.h"
#include "ops/cpu/level.h"
#include "tools/npy.h"
#include "tools/options.h"

namespace tessera::peers {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct Options {
  std::vector<std::string> models;
  std::vector<int> threads{1, 2};
  std::string library, json_file, precision = "fp32";
  tools::InputOptions input;
  int runs = 7;
  double seconds = 20;
  bool optimize = true, cold = false;
};

struct Times {
  double least = 0, median = 0;
};

Times summary(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  const size_t half = times.size() / 2;
  return {times.front(), times.size() % 2 ? times[half] : (times[half - 1] + times[half]) / 2};
}

template <class Body>
double timed(const Body& body) {
  // Worker threads of the run before may still spin in wait of more.
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  };
  // Cores that have rested are slow for some milliseconds.
  for (const auto start = Clock::now(); since(start) < 10;) body();
  const auto start = Clock::now();
  body();
  return since(start);
}

struct Row {
  std::string model, shape, error;
  int threads = 0, runs = 0;
  Times tessera, ort;
  double decibels = 0;  // see likeness
};

// The range of ONNX Runtime's first output over the root mean square of the difference; as 8-bit pixels have it,
// 59 dB are what rounding to them costs.
double likeness(const Tensor& ours, const Tensor& theirs) {
  double low = INFINITY, high = -INFINITY, squares = 0;
  const int64_t count = theirs.type.shape.elements();
  if (ours.type != theirs.type) return 0;
  for (int64_t i = 0; i < count; ++i) {
    const double value = element_as_double(theirs.view(), i), difference = element_as_double(ours.view(), i) - value;
    low = std::min(low, value), high = std::max(high, value), squares += difference * difference;
  }
  return 20 * std::log10((high - low) / std::sqrt(squares / static_cast<double>(std::max<int64_t>(count, 1))));
}

// Runs until there are enough runs or the time is over, but three at least.
Row compare(const Ort& ort, const Options& options, const std::string& model, int threads) {
  Row row;
  row.model = fs::path(model).stem().string();
  row.threads = threads;
  try {
    const OrtSession peer(ort, model, threads);
    SessionOptions session_options;
    session_options.threads = threads;
    session_options.device = "cpu";
    session_options.optimize = options.optimize;
    session_options.precision = options.precision;
    const Session session(model, session_options);
    const std::vector<Tensor> in = tools::make_inputs(session.inputs(), options.input);
    if (!in.empty()) row.shape = cat(in[0].type);
    std::vector<Datum> data(in.size());
    for (size_t i = 0; i < in.size(); ++i) data[i].tensor = in[i];
    const auto ours = [&] { static_cast<void>(session.run(List<Datum>(data))); };
    OrtRun theirs(peer, in);
    row.decibels = likeness(session.run(List<Tensor>(in)).at(0), peer.run(in).at(0));
    ours();
    theirs.run();
    std::vector<double> our_times, their_times;
    const auto start = Clock::now();
    while (row.runs < options.runs) {
      our_times.push_back(timed(ours));
      their_times.push_back(timed([&] { theirs.run(); }));
      ++row.runs;
      const double spent = std::chrono::duration<double>(Clock::now() - start).count();
      if (row.runs >= 3 && spent > options.seconds) break;
    }
    row.tessera = summary(our_times);
    row.ort = summary(their_times);
  } catch (const std::exception& error) {
    row.error = error.what();
  }
  return row;
}

// One table of both, each in a process of its own; of each figure the least of three processes.
void compare_cold(const Options& options) {
  std::vector<std::vector<std::string>> table{
      {"model", "threads", "load ms", "ORT", "ratio", "first / run", "ORT", "peak MB", "ORT", "share"}};
  const auto best = [&](const std::string& library, const std::string& model, int threads) {
    Cold least;
    for (int i = 0; i < 3; ++i) {
      const Cold cold = measure_apart({library, model, options.input, threads, options.runs});
      if (i == 0) least = cold;
      least.load_ms = std::min(least.load_ms, cold.load_ms);
      least.first_ms = std::min(least.first_ms, cold.first_ms);
      least.steady_ms = std::min(least.steady_ms, cold.steady_ms);
      least.peak_bytes = std::min(least.peak_bytes, cold.peak_bytes);
    }
    return least;
  };
  const auto megabytes = [](int64_t bytes) { return tools::fixed(static_cast<double>(bytes) / 1e6, 1); };
  for (const std::string& model : options.models)
    for (const int threads : options.threads) {
      const Cold ours = best("", model, threads), theirs = best(options.library, model, threads);
      table.push_back({fs::path(model).stem().string(), std::to_string(threads), tools::fixed(ours.load_ms, 1),
                       tools::fixed(theirs.load_ms, 1), tools::fixed(theirs.load_ms / ours.load_ms, 2),
                       tools::fixed(ours.first_ms / ours.steady_ms, 2),
                       tools::fixed(theirs.first_ms / theirs.steady_ms, 2), megabytes(ours.peak_bytes),
                       megabytes(theirs.peak_bytes),
                       tools::fixed(static_cast<double>(ours.peak_bytes) / static_cast<double>(theirs.peak_bytes), 2)});
    }
  tools::print_table(table, {false, true, true, true, true, true, true, true, true, true});
}

// The upscalers of the shared data whose inputs may be any picture.
std::vector<std::string> default_models() {
  const char* shared = std::getenv("TESSERA_SHARED");
  std::vector<std::string> models;
  const fs::path folder = fs::path(shared ? shared : "../shared") / "data" / "models" / "upscale";
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() == ".onnx" && name.find("_util_") == std::string::npos &&
        name.find("pre_post") == std::string::npos)
      models.push_back(entry.path().string());
  }
  std::sort(models.begin(), models.end());
  return models;
}

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(std::min(line.find(": ") + 2, line.size()));
  return "unknown";
}

int run(int count, char** words) {
  Options options;
  options.input.default_dim = 256;
  CLI::App app("Times tessera and ONNX Runtime side by side.", "peers");
  app.add_option("MODEL", options.models, "Models; the shared upscalers if none is given");
  app.add_option("--ort", options.library, "libonnxruntime.so.1 (else TESSERA_ORT)");
  app.add_option("--precision", options.precision, "Of tessera: fp32 (default), exact, bf16x3, bf16");
  app.add_option("--threads", options.threads, "Numbers of threads (1 2)")->delimiter(',')->allow_extra_args(false);
  app.add_option("--runs", options.runs, "Runs of each (7)")->check(CLI::PositiveNumber);
  app.add_option("--seconds", options.seconds, "Time for one model after which three runs are enough (20)");
  app.add_option("--shape", options.input.shapes, "An input's shape, as NAME=1x3x64x64")->allow_extra_args(false);
  app.add_option("--default-dim", options.input.default_dim, "Extent of open dimensions (256)");
  app.add_option("--json", options.json_file, "Write the results to this file");
  app.add_flag("--cold", options.cold, "Load time, first run and peak memory instead, each runtime in its own process");
  app.footer("\nExample:\n  TESSERA_ORT=libonnxruntime.so.1 peers model.onnx --threads 1 --shape x=1x3x256x256");
  CLI11_PARSE(app, count, words);

  const char* named = std::getenv("TESSERA_ORT");
  if (options.library.empty() && named) options.library = named;
  if (options.library.empty()) fail(Error::Kind::usage, "set TESSERA_ORT or --ort to libonnxruntime.so.1");
  if (options.models.empty()) options.models = default_models();
  if (options.models.empty()) fail(Error::Kind::usage, "no models: give some, or set TESSERA_SHARED");
  if (options.cold) return compare_cold(options), 0;
  const Ort ort(options.library);
  std::cout << "tessera " << TESSERA_VERSION << " (" << cpu::name_of(cpu::level()) << ") and ONNX Runtime "
            << ort.version() << " on " << processor() << ", " << std::thread::hardware_concurrency() << " cores\n";

  std::vector<std::vector<std::string>> table{
      {"model", "input", "threads", "tessera ms", "least", "ORT ms", "least", "ORT/tessera", "dB"}};
  nlohmann::json rows = nlohmann::json::array();
  for (const std::string& model : options.models)
    for (const int threads : options.threads) {
      const Row row = compare(ort, options, model, threads);
      const double ratio = row.error.empty() ? row.ort.median / row.tessera.median : 0;
      std::cerr << row.model << ", " << threads
                << " threads: " << (row.error.empty() ? "ORT/tessera " + tools::fixed(ratio, 2) : row.error) << '\n';
      if (!row.error.empty()) {
        rows.push_back({{"model", row.model}, {"threads", threads}, {"error", row.error}});
        continue;
      }
      table.push_back({row.model, row.shape, std::to_string(threads), tools::fixed(row.tessera.median, 2),
                       tools::fixed(row.tessera.least, 2), tools::fixed(row.ort.median, 2),
                       tools::fixed(row.ort.least, 2), tools::fixed(ratio, 2), tools::fixed(row.decibels, 1)});
      rows.push_back({{"model", row.model},
                      {"input", row.shape},
                      {"threads", threads},
                      {"runs", row.runs},
                      {"tessera_median_ms", row.tessera.median},
                      {"tessera_min_ms", row.tessera.least},
                      {"ort_median_ms", row.ort.median},
                      {"ort_min_ms", row.ort.least},
                      {"ort_over_tessera", ratio},
                      {"decibels", row.decibels}});
    }
  tools::print_table(table, {false, false, true, true, true, true, true, true, true});
  if (!options.json_file.empty()) {
    const nlohmann::json report{{"processor", processor()},
                                {"cores", std::thread::hardware_concurrency()},
                                {"level", cpu::name_of(cpu::level())},
                                {"precision", options.precision},
                                {"tessera", TESSERA_VERSION},
                                {"onnxruntime", ort.version()},
                                {"rows", rows}};
    tools::write_file(options.json_file, tools::text_of(report, 1) + "\n");
  }
  return 0;
}

}  // namespace
}  // namespace tessera::peers

int main(int count, char** words) {
  try {
    if (tessera::peers::serve_apart(count, words)) return 0;
    return tessera::peers::run(count, words);
  } catch (const std::exception& error) {
    std::cerr << "peers: " << error.what() << '\n';
    return 1;
  }
}
