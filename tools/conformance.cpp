// Finding, running and judging ONNX's backend tests.
#include "tools/conformance.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>

#include "runtime/onnx/load.h"
#include "tools/inputs.h"
#include "tools/options.h"
#include "upscale/codecs/files.h"

namespace tessera::tools {

namespace fs = std::filesystem;

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Datum load_datum(const fs::path& path, Kind kind) {
  const upscale::Bytes bytes = upscale::read_file(path);
  return onnx::load_datum(bytes, kind, path.filename().string());
}

// The light layout's inputs: 0/n, 1/n, ... in the input's shape, where open extents are 1.
Datum light_input(const Port& port) {
  Type type{DType::float32, port.type.shape, Layout::row_major};
  for (int64_t& dim : type.shape)
    if (dim <= 0) dim = 1;
  Datum datum;
  datum.tensor = Tensor::make(type);
  const int64_t count = type.shape.elements();
  for (int64_t i = 0; i < count; ++i)
    datum.tensor.as<float>()[i] = static_cast<float>(static_cast<double>(i) / static_cast<double>(count));
  return datum;
}

std::vector<fs::path> data_sets(const fs::path& folder) {
  std::vector<fs::path> sets;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_directory() && entry.path().filename().string().starts_with("test_data_set_"))
      sets.push_back(entry.path());
  std::sort(sets.begin(), sets.end());
  return sets;
}

// The files of a set follow the inputs as the model declares them: all, or those that have no default.
std::vector<Datum> load_inputs(const Session& session, const fs::path& set) {
  const size_t needed = session.inputs().size(), all = needed + session.optional_inputs().size();
  size_t files = 0;
  while (fs::exists(set / cat("input_", files, ".pb"))) ++files;
  if (files != needed && files != all)
    fail(Error::Kind::usage, set.filename().string(), " has ", files, " inputs, but the model has ", needed,
         all > needed ? cat(" and ", all - needed, " optional ones") : "");
  std::vector<Datum> in;
  for (const Port& port : all_inputs(session)) {
    if (in.size() == files) break;
    in.push_back(load_datum(set / cat("input_", files == needed ? in.size() : port.place, ".pb"), port.kind));
  }
  return in;
}

std::string compare_outputs(const Session& session, const std::vector<Datum>& out, const fs::path& set,
                            const std::string& prefix) {
  for (size_t i = 0; i < out.size(); ++i) {
    const fs::path path = set / cat(prefix, i, ".pb");
    if (!fs::exists(path)) {
      if (i == 0) return cat("there is no ", path.filename().string());
      continue;
    }
    const Port& port = session.outputs()[i];
    const std::string found = difference(out[i], load_datum(path, port.kind));
    if (!found.empty()) return cat("output \"", port.name, "\": ", found);
  }
  return "";
}

// The operators of the first stretch that a session with a device leaves to the CPU.
std::vector<std::string> operators_on_host(const Session& session, const std::vector<Datum>& in) {
  std::vector<std::string> operators;
  std::vector<Type> types;
  for (const Datum& datum : in) {
    if (datum.kind != Kind::tensor || !datum.tensor.bytes) return operators;
    types.push_back(datum.tensor.type);
  }
  for (const StepInfo& step : session.steps(types))
    if (step.backend == "cpu" && step.kernel != "in place") operators.push_back(step.op);
  std::sort(operators.begin(), operators.end());
  operators.erase(std::unique(operators.begin(), operators.end()), operators.end());
  return operators;
}

std::string run_data(const Session& session, const ConformanceCase& one, std::vector<std::string>* on_host) {
  if (one.light) {
    std::vector<Datum> in;
    for (const Port& port : session.inputs()) in.push_back(light_input(port));
    const auto out = session.run(List<Datum>(in));
    return compare_outputs(session, out, one.model.parent_path(), one.name + "_output_");
  }
  for (const fs::path& set : data_sets(one.model.parent_path())) {
    const std::vector<Datum> in = load_inputs(session, set);
    if (session.traffic() && on_host->empty()) *on_host = operators_on_host(session, in);
    const auto out = session.run(List<Datum>(in));
    const std::string found = compare_outputs(session, out, set, "output_");
    if (!found.empty()) return cat(set.filename().string(), ": ", found);
  }
  return "";
}

// rtol is 1e-3, and at least two units in the last place of types that are coarser than that.
double relative_tolerance(DType type) {
  switch (type) {
    case DType::float16: return 2.0 / 1024;
    case DType::bfloat16: return 2.0 / 128;
    default: return 1e-3;
  }
}
constexpr double absolute_tolerance = 1e-7;

bool near(double a, double b, double relative) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return true;
  return std::abs(a - b) <= absolute_tolerance + relative * std::abs(b);
}

// Element i of a complex tensor is element 2i and 2i+1 of the tensor of its parts.
View parts_of(const View& view) {
  View parts = view;
  const bool wide = view.type.dtype == DType::complex128;
  if (!wide && view.type.dtype != DType::complex64) return parts;
  parts.type.dtype = wide ? DType::float64 : DType::float32;
  parts.type.shape = {view.elements(), 2};
  return parts;
}

std::string difference_of_tensors(const Tensor& actual, const Tensor& expected) {
  if (!expected.bytes || !actual.bytes)
    return expected.bytes || actual.bytes ? cat("a tensor is ", actual.bytes ? "there" : "missing") : "";
  if (actual.type.dtype != expected.type.dtype || !(actual.type.shape == expected.type.shape))
    return cat("it is ", actual.type, ", expected ", expected.type);
  if (expected.type.dtype == DType::string) {
    for (int64_t i = 0; i < expected.type.shape.elements(); ++i)
      if (actual.as<String>()[i] != expected.as<String>()[i])
        return cat("element ", i, " is \"", actual.as<String>()[i], "\", expected \"", expected.as<String>()[i], "\"");
    return "";
  }
  const View a = parts_of(actual.view()), b = parts_of(expected.view());
  const double relative = relative_tolerance(b.type.dtype);
  const Text name = name_of(b.type.dtype);
  const bool exact = name.find("int") != Text::npos || b.type.dtype == DType::boolean;
  const int64_t count = b.elements();
  int64_t wrong = 0, worst = -1;
  double most = -1;
  for (int64_t i = 0; i < count; ++i) {
    const double x = element_as_double(a, i), y = element_as_double(b, i);
    if (exact ? x == y : near(x, y, relative)) continue;
    ++wrong;
    const double distance = std::isnan(x - y) ? HUGE_VAL : std::abs(x - y);
    if (distance > most) most = distance, worst = i;
  }
  if (!wrong) return "";
  return cat(wrong, " of ", count, " elements differ, most of all element ", worst, ": ", element_as_double(a, worst),
             ", expected ", element_as_double(b, worst));
}

nlohmann::json to_json(const CaseResult& result) {
  return {{"status", static_cast<int>(result.status)},
          {"message", result.message},
          {"unsupported", result.unsupported},
          {"on_host", result.on_host},
          {"ms", result.milliseconds}};
}

// The operators' lines of an unsupported model's message.
std::vector<std::string> operator_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("  ")) lines.push_back(line.substr(2));
  return lines;
}

}  // namespace

std::string difference(const Datum& actual, const Datum& expected) {
  if (expected.kind == Kind::tensor && actual.kind == Kind::tensor)
    return difference_of_tensors(actual.tensor, expected.tensor);
  if (actual.kind != expected.kind) return "it is another kind of value than expected";
  if (actual.items.size() != expected.items.size())
    return cat("it has ", actual.items.size(), " items, expected ", expected.items.size());
  for (size_t i = 0; i < expected.items.size(); ++i) {
    const std::string found = difference(actual.items[i], expected.items[i]);
    if (!found.empty()) return cat("item ", i, ": ", found);
  }
  return expected.keys.bytes ? difference_of_tensors(actual.keys, expected.keys) : "";
}

std::vector<ConformanceCase> find_cases(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) fail(Error::Kind::file, folder.string(), ": is not a folder");
  std::vector<ConformanceCase> cases;
  const auto consider = [&](const fs::path& path) {
    if (path.extension() != ".onnx") return;
    if (path.filename() == "model.onnx" && !data_sets(path.parent_path()).empty()) {
      const fs::path parent = fs::absolute(path).lexically_normal().parent_path();
      cases.push_back({parent.filename().string(), path, false});
    } else if (fs::exists(path.parent_path() / (path.stem().string() + "_output_0.pb"))) {
      cases.push_back({path.stem().string(), path, true});
    }
  };
  for (const auto& entry : fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied))
    if (entry.is_regular_file()) consider(entry.path());
  std::sort(cases.begin(), cases.end(), [](const auto& a, const auto& b) { return a.model < b.model; });
  return cases;
}

CaseResult run_case(const ConformanceCase& one, const SessionOptions& options) {
  CaseResult result;
  const double start = now();
  try {
    const Session session(one.model.string(), options);
    result.message = run_data(session, one, &result.on_host);
    if (result.message.empty()) result.status = CaseResult::Status::passed;
  } catch (const Error& error) {
    result.message = error.what();
    if (error.kind() == Error::Kind::unsupported) {
      result.status = CaseResult::Status::unsupported;
      result.unsupported = operator_lines(result.message);
    }
  } catch (const std::exception& error) {
    result.message = error.what();
  }
  result.milliseconds = 1000 * (now() - start);
  return result;
}

IsolatedCase::IsolatedCase(const ConformanceCase& one, const SessionOptions& options, double seconds)
    : limit_(seconds), start_(now()) {
  int ends[2];
  if (::pipe(ends) != 0) fail(Error::Kind::memory, "no more pipes");
  process_ = ::fork();
  if (process_ < 0) {
    ::close(ends[0]);
    ::close(ends[1]);
    fail(Error::Kind::memory, "no more processes");
  }
  if (process_ == 0) {
    ::close(ends[0]);
    ::signal(SIGINT, SIG_DFL);
    ::signal(SIGTERM, SIG_DFL);
    const CaseResult made = run_case(one, options);
    const std::string text = text_of(to_json(made)) + "\n";
    for (size_t at = 0; at < text.size();) {
      const ssize_t written = ::write(ends[1], text.data() + at, text.size() - at);
      if (written <= 0) ::_exit(1);
      at += static_cast<size_t>(written);
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  pipe_ = ends[0];
}

IsolatedCase::~IsolatedCase() {
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  if (pipe_ >= 0) ::close(pipe_);
}

double IsolatedCase::seconds_left() const { return limit_ - (now() - start_); }

void IsolatedCase::finish(const std::string& how) {
  ::kill(process_, SIGKILL);
  int status = 0;
  ::waitpid(process_, &status, 0);
  process_ = -1;
  const nlohmann::json answer = nlohmann::json::parse(text_, nullptr, false);
  if (how.empty() && answer.is_object()) {
    result.status = static_cast<CaseResult::Status>(answer.value("status", 1));
    result.message = answer.value("message", "");
    result.unsupported = answer.value("unsupported", std::vector<std::string>{});
    result.on_host = answer.value("on_host", std::vector<std::string>{});
    result.milliseconds = answer.value("ms", 0.0);
    return;
  }
  result.milliseconds = 1000 * (now() - start_);
  result.message = !how.empty()          ? how
                   : WIFSIGNALED(status) ? cat("crashed: ", strsignal(WTERMSIG(status)))
                                         : cat("ended with code ", WEXITSTATUS(status), " and no answer");
}

bool IsolatedCase::advance() {
  pollfd ready{pipe_, POLLIN, 0};
  while (::poll(&ready, 1, 0) > 0) {
    char part[4096];
    const ssize_t size = ::read(pipe_, part, sizeof part);
    if (size > 0) {
      text_.append(part, static_cast<size_t>(size));
      continue;
    }
    // The pipe is closed, so the process is ending by itself: its status is worth waiting for.
    siginfo_t info;
    ::waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOWAIT);
    finish("");
    return true;
  }
  if (seconds_left() > 0) return false;
  finish(cat("did not end within ", limit_, " seconds"));
  return true;
}

}  // namespace tessera::tools
