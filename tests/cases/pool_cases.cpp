// Pools over windows.
#include "tests/cases/case.h"

namespace tessera::test {
extern const CaseFile pool_cases;
namespace {

void pools(const Taker& check) {
  struct Window {
    std::vector<int64_t> kernel, strides, pads, dilations;
    int64_t ceil = 0;
  };
  const Window windows[] = {
      {{2, 2}, {2, 2}, {0, 0, 0, 0}, {1, 1}},    {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}},
      {{3, 3}, {2, 2}, {1, 0, 1, 1}, {1, 1}, 1}, {{3, 2}, {2, 3}, {0, 1, 2, 0}, {1, 1}},
      {{2, 2}, {1, 1}, {0, 0, 0, 0}, {2, 2}},    {{1, 1}, {2, 2}, {0, 0, 0, 0}, {1, 1}, 1},
      {{2, 3}, {3, 2}, {1, 2, 1, 3}, {2, 2}},    {{4, 4}, {4, 4}, {0, 0, 0, 0}, {1, 1}},
      {{5, 5}, {1, 1}, {2, 2, 2, 2}, {1, 1}},    {{2, 1}, {2, 1}, {0, 0, 1, 0}, {1, 1}},
  };
  for (const Shape& shape : {Shape{1, 16, 9, 11}, Shape{2, 3, 8, 40}, Shape{1, 20, 5, 5}, Shape{1, 2, 5, 2100}})
    for (const Window& w : windows) {
      Attrs attrs{{"kernel_shape", w.kernel}, {"strides", w.strides}, {"pads", w.pads}, {"ceil_mode", w.ceil}};
      if (w.dilations[0] == 1)
        for (const int64_t padded : {0, 1}) {
          Attrs average = attrs;
          average.emplace_back("count_include_pad", padded);
          check({.op = "AveragePool",
                 .opset = 19,
                 .in = {random(shape)},
                 .attrs = average,
                 .absolute = 1e-5,
                 .least = 2});
        }
      attrs.emplace_back("dilations", w.dilations);
      check({.op = "MaxPool", .in = {random(shape)}, .attrs = attrs, .least = 2});
    }
  check({.op = "MaxPool", .in = {random({2, 3, 30})}, .attrs = {attr("kernel_shape", list({3}))}});
}

constexpr CaseList lists[] = {
    {"Pools", pools},
};

}  // namespace
const CaseFile pool_cases{lists};
}  // namespace tessera::test
