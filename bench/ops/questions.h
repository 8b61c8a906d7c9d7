// The operators that are timed beside ONNX Runtime, each with inputs of about the size that is asked for.
#pragma once

#include "tests/cases/case.h"

namespace tessera::peers {

struct Timed {
  std::string name;  ///< the operator, then what sets this case apart
  test::Case question;
  /// By how much results may differ, in parts of the other runtime's range.
  double tolerance = 1e-4;
};

/// `bytes`: of the largest input or output.
std::vector<Timed> timed_questions(int64_t bytes);

}  // namespace tessera::peers
