// The ends of an upscaler: pixels to planes, and back.
#include "tests/cases/case.h"

namespace tessera::test {
extern const CaseFile pixel_cases;
namespace {

void pixels(const Taker& check) {
  const auto to_planes = [&](DType dtype, const Shape& shape, const std::vector<int64_t>& from) {
    const std::vector<float> black{-1, 0, 16, 0.25f}, span{2, 255, 219, -1};
    const auto channels = static_cast<std::ptrdiff_t>(from.size());
    check({.op = "PixelsToPlanes",
           .opset = 1,
           .in = {random(shape, 0, dtype == DType::uint8 ? 256 : 65536, dtype)},
           .attrs = {attr("from", from), attr("black", std::vector<float>(black.begin(), black.begin() + channels)),
                     attr("span", std::vector<float>(span.begin(), span.begin() + channels))},
           .domain = std::string(internal_domain)});
  };
  const auto to_pixels = [&](int64_t bits, const Shape& shape, const std::vector<int64_t>& from, int64_t gray) {
    const std::vector<float> black{-1, 0, 0.25f, -2}, unit{0.5f, 1, 0.75f, 0.25f};
    const auto channels = static_cast<std::ptrdiff_t>(shape[1]);
    check({.op = "PlanesToPixels",
           .opset = 1,
           .in = {random(shape, -1, 1.5)},
           .attrs = {attr("from", from), attr("black", std::vector<float>(black.begin(), black.begin() + channels)),
                     attr("unit", std::vector<float>(unit.begin(), unit.begin() + channels)), attr("gray", gray),
                     attr("bits", bits)},
           .outputs = 2,
           .domain = std::string(internal_domain)});
  };
  for (const int depth : {8, 16}) {
    const DType dtype = depth == 8 ? DType::uint8 : DType::uint16;
    to_planes(dtype, {7, 9, 3}, {0, 1, 2});
    to_planes(dtype, {1, 1, 3}, {2, 1, 0});
    to_planes(dtype, {5, 7, 1}, {0, 0, 0});
    to_planes(dtype, {5, 7, 1}, {0});
    to_planes(dtype, {3, 10, 4}, {0, 1, 2, 3});
    to_planes(dtype, {6, 5, 2}, {0, 0, 0, 1});
    to_planes(dtype, {6, 5, 3}, {2, 1, 0, -1});
    to_planes(dtype, {0, 5, 3}, {0, 1, 2});
    to_planes(dtype, {190, 171, 3}, {0, 1, 2});
    to_pixels(depth, {1, 3, 7, 9}, {0, 1, 2}, 0);
    to_pixels(depth, {1, 3, 1, 1}, {2, 1, 0}, 0);
    to_pixels(depth, {1, 3, 5, 7}, {0, 1, 2}, 1);
    to_pixels(depth, {1, 1, 5, 7}, {0}, 0);
    to_pixels(depth, {1, 4, 3, 10}, {0, 1, 2, 3}, 0);
    to_pixels(depth, {1, 4, 6, 5}, {0, 1, 2}, 0);
    to_pixels(depth, {1, 4, 6, 5}, {2, 1, 0, 3}, 1);
    to_pixels(depth, {1, 3, 190, 171}, {0, 1, 2}, 0);
  }
}

constexpr CaseList lists[] = {{.name = "Pixels", .give = pixels}};

}  // namespace
const CaseFile pixel_cases{lists};
}  // namespace tessera::test
