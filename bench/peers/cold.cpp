#include "bench/peers/cold.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "tools/memory.h"

namespace tessera::peers {

namespace {

using Clock = std::chrono::steady_clock;
constexpr Text marker = "--measure-cold";

double since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

template <class Body>
double timed(const Body& body) {
  const auto start = Clock::now();
  body();
  return since(start);
}

template <class Body>
void measure_runs(Cold& cold, int runs, const Body& run) {
  cold.first_ms = timed(run);
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) times.push_back(timed(run));
  std::nth_element(times.begin(), times.begin() + runs / 2, times.end());
  cold.steady_ms = times[static_cast<size_t>(runs / 2)];
  cold.peak_bytes = tools::peak_rss_bytes();
}

std::string quoted(const std::string& word) {
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

}  // namespace

Cold measure_cold(const ColdOptions& options) {
  Cold cold;
  if (options.library.empty()) {
    SessionOptions session_options;
    session_options.threads = options.threads;
    session_options.device = "cpu";
    const auto start = Clock::now();
    const Session session(options.model, session_options);
    cold.load_ms = since(start);
    const std::vector<Tensor> in = tools::make_inputs(session.inputs(), options.input);
    std::vector<Datum> data(in.size());
    for (size_t i = 0; i < in.size(); ++i) data[i].tensor = in[i];
    measure_runs(cold, options.runs, [&] { static_cast<void>(session.run(List<Datum>(data))); });
  } else {
    const Ort ort(options.library);
    const auto start = Clock::now();
    const OrtSession session(ort, options.model, options.threads);
    cold.load_ms = since(start);
    OrtRun run(session, tools::make_inputs(session.inputs(), options.input));
    measure_runs(cold, options.runs, [&] { run.run(); });
  }
  return cold;
}

Cold measure_apart(const ColdOptions& options) {
  const nlohmann::json request{{"library", options.library},    {"model", options.model},
                               {"threads", options.threads},    {"runs", options.runs},
                               {"seed", options.input.seed},    {"default_dim", options.input.default_dim},
                               {"shapes", options.input.shapes}};
  std::string program(4096, '\0');
  program.resize(std::max<ssize_t>(0, readlink("/proc/self/exe", program.data(), program.size())));
  std::FILE* pipe = popen(cat(quoted(program), " ", marker, " ", quoted(request.dump())).c_str(), "r");
  if (!pipe) fail(Error::Kind::file, "cannot start a process");
  std::string text;
  char buffer[4096];
  while (const size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, got);
  if (pclose(pipe) != 0) fail(Error::Kind::file, "a measuring process failed");
  const nlohmann::json answer = nlohmann::json::parse(text);
  return {answer.at("load_ms"), answer.at("first_ms"), answer.at("steady_ms"), answer.at("peak_bytes")};
}

bool serve_apart(int count, char** words) {
  if (count != 3 || words[1] != marker) return false;
  const nlohmann::json request = nlohmann::json::parse(words[2]);
  ColdOptions options;
  options.library = request.at("library");
  options.model = request.at("model");
  options.threads = request.at("threads");
  options.runs = request.at("runs");
  options.input.seed = request.at("seed");
  options.input.default_dim = request.at("default_dim");
  options.input.shapes = request.at("shapes").get<std::vector<std::string>>();
  const Cold cold = measure_cold(options);
  const nlohmann::json answer{{"load_ms", cold.load_ms},
                              {"first_ms", cold.first_ms},
                              {"steady_ms", cold.steady_ms},
                              {"peak_bytes", cold.peak_bytes}};
  std::printf("%s\n", answer.dump().c_str());
  return true;
}

}  // namespace tessera::peers
