// Sums, means and the like along axes; Softmax.
#include "tests/cases/case.h"

namespace tessera::test {
extern const CaseFile reduction_cases;
namespace {

void reductions(const Taker& check) {
  for (const std::string op : {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare",
                               "ReduceL1", "ReduceL2", "ReduceLogSum"}) {
    const double low = op == "ReduceLogSum" || op == "ReduceProd" ? 0.5 : -2, high = op == "ReduceProd" ? 1.5 : 2;
    const auto reduce = [&](const Shape& shape, std::initializer_list<int64_t> axes, int64_t keep, int least = 1) {
      check({.op = op,
             .in = {random(shape, low, high), integers(axes)},
             .attrs = {attr("keepdims", keep)},
             .relative = 1e-4,
             .absolute = 1e-4,
             .least = least});
    };
    for (const int64_t keep : {0, 1}) {
      reduce({7}, {0}, keep);
      reduce({3, 700}, {-1}, keep);
      reduce({3, 70, 300}, {1}, keep);
      reduce({5, 6, 7}, {0, 1}, keep);
      reduce({2, 3, 4, 5}, {2, 3}, keep, op != "ReduceLogSum" && keep ? 2 : 1);
      reduce({2, 3, 4, 5}, {1, 2}, keep);
    }
    reduce({2, 20, 9, 11}, {2, 3}, 1);
    reduce({2, 5}, {}, 1);
    check({.op = op,
           .opset = 11,
           .in = {random({4, 9}, low, high)},
           .attrs = {attr("axes", list({1}))},
           .relative = 1e-4,
           .absolute = 1e-4});
  }
  for (const std::string op : {"GlobalAveragePool", "GlobalMaxPool"})
    for (const Shape& shape : pictures)
      if (shape[0]) check({.op = op, .in = {random(shape)}, .least = 2});
}

void softmax(const Taker& check) {
  for (const std::string op : {"Softmax", "LogSoftmax"}) {
    for (const Shape& shape : {Shape{1}, Shape{5, 3}, Shape{4, 1000}, Shape{2, 3, 33}, Shape{0, 4}})
      check({.op = op, .in = {random(shape, -9, 9)}});
    check({.op = op, .in = {random({3, 40, 70}, -9, 9)}, .attrs = {attr("axis", int64_t{1})}});
    check({.op = op, .in = {random({3, 4, 2}, -9, 9)}, .attrs = {attr("axis", int64_t{0})}});
    check({.op = op, .opset = 11, .in = {random({3, 4, 5}, -9, 9)}});
  }
}

constexpr CaseList lists[] = {
    {"Reductions", reductions},
    {"Softmax", softmax},
};

}  // namespace
const CaseFile reduction_cases{lists};
}  // namespace tessera::test
