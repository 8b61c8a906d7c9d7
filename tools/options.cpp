// The options that subcommands share.
#include "tools/options.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "tools/devices.h"

namespace tessera::tools {

SessionOptions ModelOptions::session_options() const {
  SessionOptions made = session;
  made.operators = added_operators();
  made.optimize = !no_optimize;
  made.cancel = &interrupted();
  made.milliseconds = static_cast<int64_t>(std::ceil(1000 * seconds));
  made.memory_limit = mebibytes << 20;
  if (made.tune) made.environment = tuning_environment();
  return made;
}

CLI::Option* add_model(CLI::App& app, ModelOptions& options) {
  return app.add_option("MODEL", options.model, "An ONNX file")->required();
}

void add_shapes(CLI::App& app, ModelOptions& options) {
  app.add_option("--shape", options.input.shapes, "An input's shape, as NAME=1x3x64x64; may be repeated")
      ->type_name("NAME=SHAPE")
      ->allow_extra_args(false);
  app.add_option("--default-dim", options.input.default_dim,
                 "Extent of dimensions that the model leaves open (64); the first is 1")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40).description(""));
}

void add_session(CLI::App& app, ModelOptions& options) {
  app.add_option("--threads", options.session.threads, "Threads; 0 for one per core (default)")
      ->type_name("N")
      ->check(CLI::Range(0, 1024).description(""));
  app.add_option("--device", options.session.device, "auto (default), cpu, vulkan or vulkan:N")->type_name("DEVICE");
  add_precision(app, options.session.precision);
  app.add_option("--time-limit", options.seconds, "Seconds that loading, and each run, may take")
      ->type_name("S")
      ->check(number(0.001, 1e9));
  app.add_option("--memory-limit", options.mebibytes, "MiB that a run may take (three quarters of the machine's)")
      ->type_name("N")
      ->check(number(1, 1e9, true));
  app.add_flag("--copy-files", options.session.copy_files,
               "Read the model's files into memory instead of mapping them: they may get shorter meanwhile");
  app.add_flag("--no-optimize", options.no_optimize, "Run the graph as the model has it");
}

CLI::Validator number(double low, double high, bool whole) {
  const auto text_of_number = [](double value) {
    return value == std::floor(value) ? std::to_string(static_cast<int64_t>(value)) : cat(value);
  };
  const auto check = [=](std::string& text) -> std::string {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (end != text.c_str() && *end == 0 && value >= low && value <= high && (!whole || value == std::floor(value)))
      return "";
    return cat("give a ", whole ? "whole " : "", "number from ", text_of_number(low), " to ", text_of_number(high),
               ", not ", text);
  };
  return CLI::Validator(check, "");
}

CLI::Option* add_precision(CLI::App& app, std::string& precision) {
  return app
      .add_option("--precision", precision,
                  "What is computed in: fp32 (default), exact, bf16x3, bf16, fp16 (on a device), int8")
      ->type_name("P");
}

void add_tune(CLI::App& app, bool& tune) {
  app.add_flag(
      "--tune", tune,
      "On a device, try which ways of dividing its work are the fastest, for 30 seconds at most, and keep them for all "
      "later runs");
}

void add_json(CLI::App& app, ModelOptions& options) { app.add_flag("--json", options.json, "Print one JSON object"); }

void print_device_note(const Session& session, List<Type> in) {
  if (!session.device_note().empty()) std::cerr << "tessera: " << session.device_note() << '\n';
  if (session.options().tune && !session.device_backend()) std::cerr << "tessera: " << nothing_to_tune << '\n';
  if (!session.device_backend() || !session.options().device.starts_with("vulkan") || in.empty()) return;
  std::string why;
  for (const StepInfo& step : session.steps(in)) {
    if (step.backend != "cpu") return;
    if (why.empty() && !step.why.empty()) why = cat(step.op, ": ", step.why);
  }
  if (!why.empty())
    std::cerr << "tessera: nothing of this model runs on " << session.device() << ", all on the CPU; " << why << '\n';
}

void print_device_failure(const Session& session) {
  if (const std::string failure = session.device_failure(); !failure.empty())
    std::cerr << "tessera: " << failure << "; the CPU took over\n";
}

std::string describe(const Port& port) {
  if (port.kind == Kind::sequence) return "sequence";
  if (port.kind == Kind::optional) return "optional";
  if (port.kind == Kind::map) return "map";
  std::string text(name_of(port.type.dtype));
  if (!port.ranked) return text;
  text += '[';
  for (size_t i = 0; i < port.type.shape.size(); ++i) {
    if (i) text += ',';
    if (port.type.shape[i] >= 0)
      text += std::to_string(port.type.shape[i]);
    else
      text += i < port.dim_names.size() && !port.dim_names[i].empty() ? port.dim_names[i] : "?";
  }
  return text + ']';
}

std::string text_of(const nlohmann::json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

nlohmann::json json_of(const Shape& shape) {
  nlohmann::json dims = nlohmann::json::array();
  for (const int64_t dim : shape) dims.push_back(dim < 0 ? nlohmann::json() : nlohmann::json(dim));
  return dims;
}

nlohmann::json json_of(const Port& port) {
  constexpr const char* kinds[] = {"tensor", "sequence", "optional", "map"};
  nlohmann::json made{{"name", port.name}, {"kind", kinds[static_cast<size_t>(port.kind)]}};
  made["dtype"] = name_of(port.type.dtype);
  made["shape"] = port.ranked ? json_of(port.type.shape) : nlohmann::json();
  made["dim_names"] = port.dim_names;
  return made;
}

Port port_of(const Value& value) { return {value.name, value.kind, value.type, value.ranked, value.dim_names}; }

void print_table(const std::vector<std::vector<std::string>>& rows, const std::vector<bool>& right) {
  std::vector<size_t> widths(right.size(), 0);
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - row[i].size(), ' ');
      line += i ? "  " : "";
      line += right[i] ? pad + row[i] : row[i] + pad;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    std::cout << line << '\n';
  }
}

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string bytes_text(int64_t bytes) {
  constexpr const char* units[] = {"bytes", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1000 && unit + 1 < std::size(units); ++unit) value /= 1000;
  return fixed(value, unit ? 1 : 0) + " " + units[unit];
}

}  // namespace tessera::tools
