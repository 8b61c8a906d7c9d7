// ONNX's backend tests: folders with a model, inputs and the outputs that are expected.
#pragma once

#include <filesystem>

#include "runtime/session/session.h"

namespace tessera::tools {

/// One model with its data: a folder of model.onnx and test_data_set_*, or, in the light layout, a
/// file X.onnx beside X_output_0.pb.
struct ConformanceCase {
  std::string name;  ///< the folder's name, or the file's without its ending
  std::filesystem::path model;
  bool light = false;
};

/// Every case at or below `folder`, sorted by path. Throws Error::file if it cannot be read.
std::vector<ConformanceCase> find_cases(const std::filesystem::path& folder);

struct CaseResult {
  enum class Status { passed, failed, unsupported } status = Status::failed;
  std::string message;                   ///< of a case that did not pass
  std::vector<std::string> unsupported;  ///< the operators that are missing
  std::vector<std::string> on_host;      ///< where a device was asked for: the operators that ran on the CPU instead
  double milliseconds = 0;
};

/// Runs a case in this process.
CaseResult run_case(const ConformanceCase& one, const SessionOptions& options);

/// Runs a case in a process of its own, so that nothing that it does ends this one.
class IsolatedCase {
 public:
  IsolatedCase(const ConformanceCase& one, const SessionOptions& options, double seconds);
  ~IsolatedCase();
  IsolatedCase(const IsolatedCase&) = delete;
  IsolatedCase& operator=(const IsolatedCase&) = delete;

  int descriptor() const { return pipe_; }  ///< readable when there is something to take
  /// Takes what has come; true when the case is over and `result` is set.
  bool advance();
  double seconds_left() const;
  CaseResult result;

 private:
  void finish(const std::string& how);
  int pipe_ = -1, process_ = -1;
  double limit_ = 0, start_ = 0;
  std::string text_;
};

/// Empty if they are equal within the tolerance of the ONNX backend tests, else what differs. Types and
/// shapes must be the same; NaN equals NaN.
std::string difference(const Datum& actual, const Datum& expected);

}  // namespace tessera::tools
