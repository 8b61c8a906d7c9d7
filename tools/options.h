// Options that several subcommands share, and the words of their reports.
#pragma once

#include <nlohmann/json.hpp>

#include "tools/commands.h"
#include "tools/inputs.h"

namespace tessera::tools {

struct ModelOptions {
  std::string model;
  InputOptions input;
  SessionOptions session;
  bool no_optimize = false, json = false;
  double seconds = 0;     ///< that loading, and each run, may take; 0: any
  int64_t mebibytes = 0;  ///< that a run may take

  /// `session` with what the flags say.
  SessionOptions session_options() const;
};

/// Who wants to know of an option later keeps it: to find one by its name, CLI11 allocates where it may not throw.
CLI::Option* add_model(CLI::App& app, ModelOptions& options);
void add_shapes(CLI::App& app, ModelOptions& options);   ///< --shape, --default-dim
void add_session(CLI::App& app, ModelOptions& options);  ///< --threads, --device, --precision, limits, --no-optimize
void add_json(CLI::App& app, ModelOptions& options);
/// Accepts numbers from `low` to `high`; `whole` ones alone.
CLI::Validator number(double low, double high, bool whole = false);
CLI::Option* add_precision(CLI::App& app, std::string& precision);
void add_tune(CLI::App& app, bool& tune);
inline constexpr Text tuning_words = "tuning ";  ///< that what is told of it begins with
inline constexpr Text nothing_to_tune = "--tune is for devices: the CPU has nothing to tune";

/// Prints why a session does not run where it was asked to, if so, on stderr; with types of its inputs, also if a
/// device was named and nothing runs on it.
void print_device_note(const Session& session, List<Type> in = {});
/// One line on stderr where a device failed and the CPU took over.
void print_device_failure(const Session& session);

/// "float32[1,3,?,?]", with the names of open extents where the model has them.
std::string describe(const Port& port);
/// JSON as text; what is not UTF-8 in names is replaced. `indent` -1: one line.
std::string text_of(const nlohmann::json& json, int indent = -1);
nlohmann::json json_of(const Shape& shape);  ///< an open extent is null
nlohmann::json json_of(const Port& port);
Port port_of(const Value& value);

/// Prints rows in columns; numbers stand to the right where `right` says so.
void print_table(const std::vector<std::vector<std::string>>& rows, const std::vector<bool>& right);
std::string fixed(double value, int digits);
/// "12.3 MB".
std::string bytes_text(int64_t bytes);

}  // namespace tessera::tools
