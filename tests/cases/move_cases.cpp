// What moves elements: pads, transpositions, slices, concatenations, shuffles.
#include <limits>

#include "tests/cases/case.h"

namespace tessera::test {
extern const CaseFile move_cases;
namespace {

void pads(const Taker& check) {
  for (const Text mode : {"constant", "edge", "reflect", "wrap"}) {
    const auto pad = [&](const Shape& shape, std::initializer_list<int64_t> pads, Input value, int least) {
      check({.op = "Pad",
             .opset = 19,
             .in = {random(shape), integers(pads), std::move(value)},
             .attrs = {attr("mode", std::string(mode))},
             .least = least});
    };
    pad({1, 16, 5, 6}, {0, 0, 2, 1, 0, 0, 1, 3}, number(1.5f), 2);
    pad({2, 5, 5, 6}, {0, 0, 2, 1, 0, 0, 1, 3}, {}, 2);
    pad({2, 5, 5, 6}, {0, 0, 2, 1, 0, 0, 1, 3}, number(2), mode == "constant" ? 1 : 2);
    pad({2, 5, 5, 6}, {0, 0, -2, 1, 0, 0, 1, -3}, number(0), 2);
    pad({2, 5, 5, 6}, {1, 2, 0, 0, 0, 1, 1, 0}, number(0), 1);
    pad({9}, {3, 4}, number(-1), 1);
    pad({3, 1}, {0, 2, 0, 2}, number(-1), 1);
  }
  for (const int64_t last : {2, -1})
    check({.op = "Pad", .opset = 18, .in = {random({2, 3, 4}), integers({1, 2, 3, 4}), {}, integers({last, 0})}});
  check({.op = "Pad", .opset = 18, .in = {random({2, 3, 4}), integers({1, 3}), {}, integers({-2})}});
  check({.op = "Pad",
         .opset = 2,
         .in = {random({2, 3, 4, 5})},
         .attrs = {attr("pads", list({0, 0, 1, 2, 0, 0, 3, 0})), attr("value", 0.0f)},
         .least = 2});
  check({.op = "Pad", .in = {random({5, 3}, 0, 99, DType::int64), integers({1, 0, 0, 2})}});
  check({.op = "Pad", .in = {random({2, 3, 2, 4, 5}), integers({0, 0, 1, 0, 0, 0, 0, 2, 0, 0}), number(3)}});
}

void moves(const Taker& check) {
  check({.op = "Transpose", .in = {random({2, 3, 5, 2, 4, 3})}, .attrs = {attr("perm", list({0, 1, 3, 2, 4, 5}))}});
  check({.op = "Slice", .in = {random({2, 3, 5, 6, 2, 4}), integers({1, 2}), integers({3, 5}), integers({1, 3})}});
  for (const DType dtype : {DType::boolean, DType::int8}) {
    check({.op = "Expand", .in = {random({5, 1, 7}, 0, 2, dtype), integers({5, 3, 7})}});
    check({.op = "Transpose", .in = {random({5, 33}, 0, 2, dtype)}, .attrs = {attr("perm", list({1, 0}))}});
  }
  for (const DType dtype : {DType::float32, DType::uint8, DType::float16, DType::int64}) {
    const auto made = [&](const Shape& shape) { return random(shape, 0, 99, dtype); };
    const auto transpose = [&](const Shape& shape, std::initializer_list<int64_t> perm) {
      check({.op = "Transpose", .in = {made(shape)}, .attrs = {attr("perm", list(perm))}});
    };
    transpose({149, 21}, {1, 0});
    transpose({7, 9}, {1, 0});
    transpose({130, 67}, {1, 0});
    transpose({2, 3, 40, 50}, {0, 2, 3, 1});
    transpose({2, 40, 50, 3}, {0, 3, 1, 2});
    transpose({2, 5, 6, 64}, {0, 2, 1, 3});
    for (const int64_t few : {2, 4, 17}) transpose({37, few}, {1, 0});
    transpose({2, 3, 4, 5}, {3, 2, 1, 0});
    transpose({2, 3, 4, 5, 6}, {4, 0, 3, 1, 2});
    transpose({0, 3}, {1, 0});
    transpose({1}, {0});
    check({.op = "Transpose", .in = {made({2, 3, 4})}});
    check({.op = "Expand", .in = {made({3, 1, 5}), integers({2, 3, 4, 5})}});
    check({.op = "Expand", .in = {made({1}), integers({6, 7})}});
    check({.op = "Tile", .in = {made({2, 3, 4}), integers({2, 1, 3})}});
    check({.op = "Concat",
           .in = {made({2, 3, 4}), made({2, 0, 4}), made({2, 5, 4})},
           .attrs = {attr("axis", int64_t{-2})}});
    check({.op = "Split",
           .in = {made({2, 9, 3}), integers({2, 3, 4})},
           .attrs = {attr("axis", int64_t{1})},
           .outputs = 3});
    check({.op = "Slice",
           .in = {made({6, 7, 8}), integers({5, 1}), integers({-99, 7}), integers({0, 2}), integers({-2, 3})}});
    check({.op = "Slice",
           .in = {made({6, 7}), integers({-99, 99}), integers({4, -99}), integers({0, 1}), integers({2, -3})}});
    check({.op = "Slice",
           .opset = 9,
           .in = {made({6, 7, 8})},
           .attrs = {attr("starts", list({1, -3})), attr("ends", list({99, -1})), attr("axes", list({0, 2}))}});
  }
  for (const Text mode : {"DCR", "CRD"})
    for (const int64_t block : {2, 3, 4})
      check({.op = "DepthToSpace",
             .in = {random({2, 5 * block * block, 4, 37})},
             .attrs = {attr("blocksize", block), attr("mode", std::string(mode))}});
  check({.op = "SpaceToDepth", .in = {random({2, 3, 6, 8})}, .attrs = {attr("blocksize", int64_t{2})}});
}

// Elements of every size; those of float32 and of bytes in blocks too.
void blocked_moves(const Taker& check) {
  for (const DType dtype : {DType::float32, DType::uint8, DType::int8, DType::float16, DType::int64}) {
    const int least = dtype == DType::float32 || bits_of(dtype) == 8 ? 2 : 1;
    const auto made = [&](const Shape& shape) { return random(shape, 0, 99, dtype); };
    check({.op = "Slice",
           .in = {made({2, 20, 9, 10}), integers({1, 8}), integers({7, -11}), integers({2, 3}), integers({2, -1})}});
    check({.op = "Slice",
           .in = {made({2, 20, 9, 10}), integers({1, 2}), integers({7, 9}), integers({2, 3})},
           .least = least});
    check({.op = "Slice",
           .in = {made({1, 33, 9, 10}), integers({1, 8}), integers({9, 9}), integers({2, 3}),
                  integers({3, std::numeric_limits<int64_t>::max()})},
           .least = least});
    // Neighbours that move together, by two, four and none.
    for (const int64_t last : {6, 8, 5})
      check(
          {.op = "Transpose", .in = {made({2, 3, 4, last})}, .attrs = {attr("perm", list({0, 2, 1, 3}))}, .least = 0});
    check({.op = "Slice", .in = {made({3, 8, 12}), integers({4, 2}), integers({12, 8}), integers({2, 1})}, .least = 0});
    check({.op = "Crop",
           .opset = 7,
           .in = {made({2, 20, 9, 10})},
           .attrs = {attr("border", list({1, 2, 3, 1}))},
           .least = least});
    check({.op = "Concat",
           .in = {made({2, 32, 3, 4}), made({2, 16, 3, 4}), made({2, 5, 3, 4})},
           .attrs = {attr("axis", int64_t{1})},
           .least = least});
    check({.op = "Concat",
           .in = {made({2, 5, 3, 4}), made({2, 5, 2, 4})},
           .attrs = {attr("axis", int64_t{2})},
           .least = least});
    check({.op = "Split",
           .in = {made({2, 37, 3, 4}), integers({16, 16, 5})},
           .attrs = {attr("axis", int64_t{1})},
           .outputs = 3,
           .least = least});
    check({.op = "Split",
           .in = {made({2, 5, 7, 4}), integers({3, 4})},
           .attrs = {attr("axis", int64_t{2})},
           .outputs = 2,
           .least = least});
    check({.op = "DepthToSpace",
           .in = {made({2, 20, 4, 37})},
           .attrs = {attr("blocksize", int64_t{2}), attr("mode", std::string("DCR"))},
           .least = bits_of(dtype) == 8 ? 2 : 1});
    check({.op = "Pad", .in = {made({1, 16, 5, 6}), integers({0, 0, 2, 1, 0, 0, 1, 3})}});
  }
}

constexpr CaseList lists[] = {
    {"Pads", pads},
    {"Moves", moves},
    {"BlockedMoves", blocked_moves},
};

}  // namespace
const CaseFile move_cases{lists};
}  // namespace tessera::test
