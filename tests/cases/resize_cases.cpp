// Resizing along rows and columns.
#include "tests/cases/case.h"
#include "tests/tensors.h"

namespace tessera::test {
extern const CaseFile resize_cases;
namespace {

void resize(const Taker& check) {
  struct Mode {
    const char *mode, *place, *nearest;
  };
  constexpr Mode modes[] = {
      {"nearest", "asymmetric", "floor"},
      {"nearest", "half_pixel", "round_prefer_floor"},
      {"nearest", "half_pixel", "round_prefer_ceil"},
      {"nearest", "align_corners", "ceil"},
      {"linear", "half_pixel", "floor"},
      {"linear", "align_corners", "floor"},
      {"linear", "asymmetric", "floor"},
      {"linear", "pytorch_half_pixel", "floor"},
      {"linear", "half_pixel_symmetric", "floor"},
      {"cubic", "half_pixel", "floor"},
      {"cubic", "align_corners", "floor"},
  };
  for (const Mode& m : modes)
    for (const auto& [height, width] : {std::pair{2.0, 2.0}, {3.0, 4.0}, {1.5, 0.6}, {1.0, 0.3}}) {
      const Attrs attrs{{"mode", std::string(m.mode)},
                        {"coordinate_transformation_mode", std::string(m.place)},
                        {"nearest_mode", std::string(m.nearest)}};
      for (const Shape& shape : {Shape{1, 3, 5, 7}, Shape{2, 17, 6, 4}}) {
        check({.op = "Resize",
               .opset = 19,
               .in = {random(shape), {}, {floats({4}, {1, 1, height, width}), true}},
               .attrs = attrs,
               .relative = 1e-4,
               .absolute = 1e-5,
               .least = 2});
        check({.op = "Resize",
               .opset = 19,
               .in = {random(shape), {}, {}, integers({shape[0], shape[1], 9, 8})},
               .attrs = attrs,
               .relative = 1e-4,
               .absolute = 1e-5,
               .least = 2});
      }
    }
  for (const char* mode : {"nearest", "linear"})
    for (const auto& [height, width] : {std::pair{2.0, 2.0}, {0.6, 1.7}})
      check({.op = "Resize",
             .opset = 10,
             .in = {random({1, 3, 5, 7}), {floats({4}, {1, 1, height, width}), true}},
             .attrs = {attr("mode", std::string(mode))},
             .relative = 1e-4,
             .absolute = 1e-5,
             .least = 2});
  check({.op = "Upsample", .opset = 9, .in = {random({1, 3, 5, 7}), {floats({4}, {1, 1, 2, 3}), true}}, .least = 2});
}

constexpr CaseList lists[] = {
    {"Resize", resize},
};

}  // namespace
const CaseFile resize_cases{lists};
}  // namespace tessera::test
