// ops: one operator at a time in tessera and in ONNX Runtime, a run of each in turn, so that whatever else the machine
// does falls on both. Prints ONNX Runtime's time over ours, the worst first: by processor time where each has one
// thread.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <iostream>

#include "bench/gpu_check/model_pen.h"
#include "bench/ops/questions.h"
#include "bench/peers/ort.h"
#include "ops/cpu/level.h"
#include "tools/npy.h"
#include "tools/options.h"

namespace tessera::peers {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string library, only;
  double megabytes = 4, seconds = 0.5;
  int threads = 1, runs = 201;
  bool steps = false;
};

// --- The model: one node, with its constant inputs as initializers -------------------------------------

std::string bytes_of(const Tensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.bytes.get()), static_cast<size_t>(tensor.type.bytes())};
}

std::string tensor_text(const std::string& name, const Tensor& tensor) {
  check::Message message;
  for (const int64_t extent : tensor.type.shape) message.integer(1, extent);
  message.integer(2, static_cast<int64_t>(tensor.type.dtype));
  message.bytes(8, name);
  message.bytes(9, bytes_of(tensor));
  return message.text();
}

std::string attribute_text(const std::string& name, const Attr& attr) {
  check::Message message;
  message.bytes(1, name);
  if (const auto* whole = std::get_if<int64_t>(&attr)) {
    message.integer(3, *whole), message.integer(20, 2);
  } else if (const auto* real = std::get_if<float>(&attr)) {
    message.number(2, *real), message.integer(20, 1);
  } else if (const auto* text = std::get_if<std::string>(&attr)) {
    message.bytes(4, *text), message.integer(20, 3);
  } else if (const auto* list = std::get_if<std::vector<int64_t>>(&attr)) {
    for (const int64_t value : *list) message.integer(8, value);
    message.integer(20, 7);
  } else if (const auto* reals = std::get_if<std::vector<float>>(&attr)) {
    for (const float value : *reals) message.number(7, value);
    message.integer(20, 6);
  } else if (const auto* texts = std::get_if<std::vector<std::string>>(&attr)) {
    for (const std::string& value : *texts) message.bytes(9, value);
    message.integer(20, 8);
  } else {
    fail(Error::Kind::usage, "attribute ", name, " is of a kind that no timed operator has");
  }
  return message.text();
}

std::string port_text(const std::string& name, const Type& type) {
  check::Message dims, tensor, wrapped, info;
  for (const int64_t extent : type.shape) {
    check::Message dim;
    dim.integer(1, extent);
    dims.bytes(1, dim.text());
  }
  tensor.integer(1, static_cast<int64_t>(type.dtype));
  tensor.bytes(2, dims.text());
  wrapped.bytes(1, tensor.text());
  info.bytes(1, name);
  info.bytes(2, wrapped.text());
  return info.text();
}

// What a formula stands for is known to the loader alone: its outputs have names and no types.
std::vector<Type> out_types(const test::Case& c) {
  const OpDef* op = find_op(c.domain, c.op, c.opset);
  return op && op->infer ? test::Question(c).out_types() : std::vector<Type>();
}

std::string model_of(const test::Case& c) {
  check::Message node, graph, model;
  for (size_t i = 0; i < c.in.size(); ++i) node.bytes(1, c.in[i].tensor.bytes ? cat("x", i) : "");
  for (size_t i = 0; i < c.outputs; ++i) node.bytes(2, cat("y", i));
  node.bytes(4, c.op);
  for (const auto& [name, attr] : c.attrs) node.bytes(5, attribute_text(name, attr));
  node.bytes(7, c.domain);
  graph.bytes(1, node.text());
  graph.bytes(2, c.op);
  for (size_t i = 0; i < c.in.size(); ++i) {
    const Tensor& tensor = c.in[i].tensor;
    if (!tensor.bytes) continue;
    if (c.in[i].constant)
      graph.bytes(5, tensor_text(cat("x", i), tensor));
    else
      graph.bytes(11, port_text(cat("x", i), tensor.type));
  }
  const std::vector<Type> types = out_types(c);
  for (size_t i = 0; i < c.outputs; ++i) {
    check::Message name;
    name.bytes(1, cat("y", i));
    graph.bytes(12, types.empty() ? name.text() : port_text(cat("y", i), types[i]));
  }
  model.integer(1, 10);
  model.bytes(7, graph.text());
  const auto import = [&](const std::string& domain, int version) {
    check::Message opset;
    opset.bytes(1, domain);
    opset.integer(2, version);
    model.bytes(8, opset.text());
  };
  import(c.domain, c.domain.empty() ? c.opset : 1);
  if (!c.domain.empty()) import("", 17);
  return model.text();
}

// --- Timing ----------------------------------------------------------------------------------------------

double seconds_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Times {
  std::vector<double> wall, processor;  // milliseconds
  template <class Body>
  void add(const Body& body) {
    const double w = seconds_of(CLOCK_MONOTONIC), p = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    body();
    processor.push_back(1e3 * (seconds_of(CLOCK_PROCESS_CPUTIME_ID) - p));
    wall.push_back(1e3 * (seconds_of(CLOCK_MONOTONIC) - w));
  }
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

double least(const std::vector<double>& values) { return *std::min_element(values.begin(), values.end()); }

struct Row {
  std::string name, kernels, remark;
  double ours = 0, theirs = 0, wall_ratio = 0, processor_ratio = 0, ratio = 0, difference = 0;
};

double difference(const Tensor& ours, const Tensor& theirs) {
  if (ours.type != theirs.type) return INFINITY;
  double low = INFINITY, high = -INFINITY, most = 0;
  for (int64_t i = 0; i < theirs.type.shape.elements(); ++i) {
    const double a = element_as_double(ours.view(), i), b = element_as_double(theirs.view(), i);
    low = std::min(low, b), high = std::max(high, b);
    if (a != b && !(std::isnan(a) && std::isnan(b)))
      most = std::max(most, std::isnan(a - b) ? INFINITY : std::abs(a - b));
  }
  return most / std::max({high - low, std::abs(high), 1e-30});
}

Row compare(const Ort& ort, const Options& options, const Timed& timed, const std::string& file) {
  Row row;
  row.name = timed.name;
  try {
    tools::write_file(file, model_of(timed.question));
    SessionOptions settings;
    settings.threads = options.threads;
    settings.device = "cpu";
    const Session session(file, settings);
    std::vector<Tensor> in;
    std::vector<Type> types;
    for (const test::Input& input : timed.question.in)
      if (input.tensor.bytes && !input.constant) in.push_back(input.tensor), types.push_back(input.tensor.type);
    for (const StepInfo& step : session.steps(types)) row.kernels += (row.kernels.empty() ? "" : ", ") + step.kernel;
    std::vector<Datum> data(in.size());
    for (size_t i = 0; i < in.size(); ++i) data[i].tensor = in[i];
    const auto ours = [&] { static_cast<void>(session.run(List<Datum>(data))); };
    const OrtSession peer(ort, file, options.threads);
    OrtRun run(peer, in);
    const auto theirs = [&] { run.run(); };
    const std::vector<Tensor> our_result = session.run(List<Tensor>(in));
    theirs();
    const std::vector<Tensor> their_result = run.outputs();
    for (size_t i = 0; i < our_result.size(); ++i)
      row.difference = std::max(row.difference, difference(our_result[i], their_result[i]));
    if (row.difference > timed.tolerance) row.remark = "DIFFERS";
    ours();
    Times our_times, their_times;
    const double begin = seconds_of(CLOCK_MONOTONIC);
    for (int i = 0; i < options.runs; ++i) {
      our_times.add(ours);
      their_times.add(theirs);
      if (i >= 4 && seconds_of(CLOCK_MONOTONIC) - begin > options.seconds) break;
    }
    row.ours = median(our_times.wall), row.theirs = median(their_times.wall);
    row.wall_ratio = row.theirs / row.ours;
    row.processor_ratio = least(their_times.processor) / least(our_times.processor);
    // One thread's time on a processor is what a busy machine leaves alone; several wait for each other.
    row.ratio = options.threads == 1 ? row.processor_ratio : row.wall_ratio;
  } catch (const std::exception& error) {
    row.remark = error.what();
  }
  return row;
}

int run(int count, char** words) {
  Options options;
  CLI::App app("Times single operators in tessera and in ONNX Runtime, a run of each in turn.", "ops");
  app.add_option("NAME", options.only, "Only cases whose name has this in it");
  app.add_option("--ort", options.library, "libonnxruntime.so.1 (else TESSERA_ORT)");
  app.add_option("--size", options.megabytes, "Megabytes of a case's largest tensor, about (4)")
      ->check(CLI::Range(0.01, 1024.0));
  app.add_option("--threads", options.threads, "Threads of each (1)")->check(CLI::PositiveNumber);
  app.add_option("--runs", options.runs, "At most so many runs of each (201)")->check(CLI::PositiveNumber);
  app.add_option("--seconds", options.seconds, "Time for one case, after which five runs are enough (0.5)");
  CLI11_PARSE(app, count, words);
  const char* named = std::getenv("TESSERA_ORT");
  if (options.library.empty() && named) options.library = named;
  if (options.library.empty()) fail(Error::Kind::usage, "set TESSERA_ORT or --ort to libonnxruntime.so.1");
  const Ort ort(options.library);
  std::cout << "tessera " << TESSERA_VERSION << " (" << cpu::name_of(cpu::level()) << ") and ONNX Runtime "
            << ort.version() << ", " << options.threads << " threads, " << options.megabytes << " MB\n";

  const fs::path file = fs::temp_directory_path() / cat("tessera_ops_", ::getpid(), ".onnx");
  std::vector<Row> rows;
  for (Timed& timed : timed_questions(static_cast<int64_t>(options.megabytes * 1e6))) {
    const Timed taken = std::move(timed);  // its inputs go with it
    if (taken.name.find(options.only) == std::string::npos) continue;
    taken.draw();
    rows.push_back(compare(ort, options, taken, file.string()));
    std::cerr << rows.back().name << ' ' << tools::fixed(rows.back().ratio, 3) << ' ' << rows.back().remark << '\n';
  }
  fs::remove(file);
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.ratio < b.ratio; });
  std::vector<std::vector<std::string>> table{
      {"case", "ours ms", "ORT ms", "ORT/ours", "by processor time", "difference", "kernels", ""}};
  std::vector<double> ratios;
  for (const Row& row : rows) {
    if (row.ratio > 0) ratios.push_back(row.ratio);
    table.push_back({row.name, tools::fixed(row.ours, 3), tools::fixed(row.theirs, 3), tools::fixed(row.wall_ratio, 3),
                     tools::fixed(row.processor_ratio, 3), cat(row.difference), row.kernels, row.remark});
  }
  tools::print_table(table, {false, true, true, true, true, true, false, false});
  if (ratios.empty()) fail(Error::Kind::usage, "no case ran");
  const auto below = [&](double limit) {
    return std::count_if(ratios.begin(), ratios.end(), [&](double ratio) { return ratio < limit; });
  };
  std::cout << ratios.size() << " cases" << (options.threads == 1 ? " by processor time" : "") << ", median "
            << tools::fixed(median(ratios), 3) << ", below 0.83: " << below(0.83) << ", below 0.5: " << below(0.5)
            << ", below 0.2: " << below(0.2) << '\n';
  return 0;
}

}  // namespace
}  // namespace tessera::peers

int main(int count, char** words) {
  try {
    return tessera::peers::run(count, words);
  } catch (const std::exception& error) {
    std::cerr << "ops: " << error.what() << '\n';
    return 1;
  }
}
