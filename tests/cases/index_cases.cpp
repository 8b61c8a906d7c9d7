// What picks elements by index, and what finds the index of an element.
#include <limits>

#include "tests/cases/case.h"
#include "tests/tensors.h"

namespace tessera::test {
extern const CaseFile index_cases;
namespace {

void gathers(const Taker& check) {
  for (const DType dtype : {DType::float32, DType::int64, DType::uint8}) {
    const auto made = [&](const Shape& shape) { return random(shape, 0, 99, dtype); };
    check({.op = "Gather", .in = {made({2, 5, 24, 3}), integer(1)}, .attrs = {attr("axis", int64_t{1})}, .least = 0});
    check({.op = "Gather",
           .in = {made({7, 33}), fixed(random({3, 5}, -7, 7, DType::int64))},
           .attrs = {attr("axis", int64_t{0})},
           .least = 0});
    check({.op = "Gather",
           .in = {made({3, 40}), fixed(random({9}, -40, 40, DType::int32))},
           .attrs = {attr("axis", int64_t{-1})},
           .least = 0});
    check({.op = "Gather", .in = {made({90, 12}), random({7, 5}, -90, 90, DType::int64)}, .least = 0});
    check({.op = "GatherElements",
           .in = {made({5, 6, 7}), fixed(random({4, 9, 7}, -6, 6, DType::int64))},
           .attrs = {attr("axis", int64_t{1})},
           .least = 0});
    check({.op = "GatherND", .in = {made({5, 6, 7}), fixed(random({3, 4, 2}, -5, 5, DType::int64))}, .least = 0});
    check({.op = "GatherND",
           .in = {made({2, 6, 7, 5}), fixed(random({2, 9, 2}, -6, 6, DType::int64))},
           .attrs = {attr("batch_dims", int64_t{1})},
           .least = 0});
    check({.op = "ScatterND",
           .in = {made({5, 6, 17}), fixed(random({3, 4, 2}, -5, 5, DType::int64)), made({3, 4, 17})},
           .least = 0});
    check(
        {.op = "ScatterND", .in = {made({95}), fixed(random({40, 1}, -95, 95, DType::int64)), made({40})}, .least = 0});
    check({.op = "ScatterElements",
           .in = {made({5, 6, 7}), fixed(random({4, 9, 7}, -6, 6, DType::int64)), made({4, 9, 7})},
           .attrs = {attr("axis", int64_t{1})},
           .least = 0});
  }
}

void arg_extremes(const Taker& check) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  for (const std::string op : {"ArgMax", "ArgMin"})
    for (const int64_t last : {0, 1}) {
      const auto find = [&](Input x, int64_t axis, int64_t keep) {
        check({.op = op,
               .in = {std::move(x)},
               .attrs = {attr("axis", axis), attr("keepdims", keep), attr("select_last_index", last)},
               .least = 1});
      };
      find(random({3, 700}), -1, 1);
      find(random({2, 21, 9, 8}), 1, 0);
      find(random({70, 3, 2}), 0, 1);
      find(random({9, 300}), 0, 0);
      find({floats({2, 6}, {1, 5, 5, -1, -1, 2, 1, nan, 5, nan, -1, 2})}, 1, 0);
      find({floats({3, 70}, std::vector<double>(210, 4))}, 1, 0);
    }
}

void top(const Taker& check) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  for (const int64_t largest : {0, 1}) {
    const auto pick = [&](Input x, int64_t k, int least = 1) {
      check({.op = "TopK",
             .opset = 11,
             .in = {std::move(x), integers({k})},
             .attrs = {attr("largest", largest)},
             .outputs = 2,
             .relative = 0,
             .absolute = 0,
             .least = least});
    };
    pick(random({3, 700}), 8), pick(random({3, 5, 64}), 64), pick(random({2, 300}), 65, 0), pick(random({17}), 1);
    pick({tensor(DType::float32, {2, 200}, {3})}, 5);
    pick({floats({2, 6}, {1, 5, 5, -1, -1, 2, 1, nan, 5, nan, -1, 2})}, 5);
  }
}

void samples(const Taker& check) {
  for (const std::string mode : {"bilinear", "nearest", "bicubic"})
    for (const std::string padding : {"zeros", "border", "reflection"})
      for (const int64_t align : {0, 1}) {
        Case c{.op = "GridSample",
               .opset = 16,
               .in = {random({2, 3, 7, 9}), random({2, 11, 13, 2}, -1.5, 1.5)},
               .attrs = {attr("mode", mode), attr("padding_mode", padding), attr("align_corners", align)}};
        c.absolute = 1e-5;
        check(c);
      }
  constexpr double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  check({.op = "GridSample",
         .opset = 16,
         .in = {{floats({1, 1, 2, 2}, {1, infinity, 3, 4})},
                {floats({1, 1, 5, 2}, {-0.5, -0.5, 9, 9, nan, 0, infinity, 0, 0.5, 0.5})}}});
}

constexpr CaseList lists[] = {
    {"Gathers", gathers},
    {"ArgExtremes", arg_extremes},
    {"Top", top},
    {"Samples", samples},
};

}  // namespace
const CaseFile index_cases{lists};
}  // namespace tessera::test
