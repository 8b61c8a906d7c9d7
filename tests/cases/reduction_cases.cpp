// Sums, means and the like along axes; Softmax.
#include <cmath>

#include "tests/cases/case.h"
#include "tests/tensors.h"

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
      reduce({3, 4, 2}, {0, 2}, keep, 0);  // with an axis between them
      reduce({3, 1, 2, 5}, {0, 2}, keep);  // which is none
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
  // What is no number comes through, wherever it lies in a row or between rows.
  for (const char* op : {"ReduceMax", "ReduceMin"})
    for (const int64_t place : {0, 3, 17, 64, 69})
      for (const int64_t axis : {0, 1}) {
        std::vector<double> values;
        for (int64_t i = 0; i < 140; ++i) values.push_back(i % 70 == place ? NAN : static_cast<double>(i * 37 % 41));
        const Shape shape = axis ? Shape{2, 70} : Shape{70, 2};
        check({.op = op, .in = {{tensor(DType::float32, shape, values)}, integers({axis})}});
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
