// The operators that are timed beside ONNX Runtime, each with inputs of about the size that is asked for.
#pragma once

#include <map>
#include <memory>

#include "tests/cases/case.h"

namespace tessera::peers {

/// What is to be drawn into an input's bytes.
struct Range {
  double low, high;
};
using Blanks = std::map<const std::byte*, Range>;

struct Timed {
  std::string name;  ///< the operator, then what sets this case apart
  test::Case question;
  /// By how much results may differ, in parts of the other runtime's range.
  double tolerance = 1e-4;
  std::shared_ptr<const Blanks> blanks = {};
  /// Draws the inputs' numbers, which are zeros until then: a case that is not asked for costs nothing.
  void draw() const;
};

/// `bytes`: of the largest input or output.
std::vector<Timed> timed_questions(int64_t bytes);

}  // namespace tessera::peers
