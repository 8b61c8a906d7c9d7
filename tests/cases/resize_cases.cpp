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

// Other numbers of axes than four, all of them resized or few; what lies outside of a crop; filters that widen.
void resize_axes(const Taker& check) {
  const auto resize = [&](const Shape& shape, std::initializer_list<double> scales, Attrs attrs, Input region = {}) {
    const std::vector<double> values(scales);
    check({.op = "Resize",
           .opset = 19,
           .in = {random(shape), std::move(region), {floats({static_cast<int64_t>(values.size())}, values), true}},
           .attrs = std::move(attrs),
           .relative = 1e-4,
           .absolute = 1e-5,
           .least = 0});
  };
  for (const char* mode : {"nearest", "linear", "cubic"}) {
    const Attrs attrs{attr("mode", std::string(mode))};
    resize({7}, {1.7}, attrs);
    resize({2, 3, 9}, {1, 1, 2.5}, attrs);
    resize({1, 2, 3, 4, 5}, {1, 1, 2, 1.5, 0.6}, attrs);
    resize({2, 3, 5, 4}, {2, 0.7, 1, 1.5}, attrs);
    resize({2, 2, 2, 2, 3, 5}, {1, 1, 1, 1, 2, 2}, attrs);
    resize({2, 3, 5, 4}, {1, 1, 1, 1}, attrs);
    Attrs crop = attrs;
    crop.push_back(attr("coordinate_transformation_mode", std::string("tf_crop_and_resize")));
    crop.push_back(attr("extrapolation_value", 7.5f));
    resize({1, 2, 6, 5}, {1, 1, 1.5, 2}, crop, {floats({8}, {0, 0, 0.2, -0.3, 1, 1, 1.4, 0.8}), true});
    if (std::string(mode) == "nearest") continue;
    Attrs wide = attrs;
    wide.push_back(attr("antialias", int64_t{1}));
    resize({1, 2, 12, 17}, {1, 1, 0.3, 0.45}, wide);
    Attrs inner = attrs;
    inner.push_back(attr("exclude_outside", int64_t{1}));
    resize({1, 2, 6, 5}, {1, 1, 1.5, 2}, inner);
  }
}

constexpr CaseList lists[] = {
    {"Resize", resize},
    {"ResizeAxes", resize_axes},
};

}  // namespace
const CaseFile resize_cases{lists};
}  // namespace tessera::test
