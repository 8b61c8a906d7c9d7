// Normalizations over rows, planes and channels.
#include "ops/elementwise.h"

#include "tests/cases/case.h"

namespace tessera::test {
extern const CaseFile normalization_cases;
namespace {

void normalizations(const Taker& check) {
  for (const Shape& shape : {Shape{1, 768}, Shape{2, 5, 33}, Shape{7, 3}, Shape{0, 8}}) {
    const Shape row{shape.back()};
    check({.op = "LayerNormalization",
           .in = {random(shape), random(row), random(row)},
           .relative = 1e-4,
           .absolute = 1e-5});
    check({.op = "LayerNormalization",
           .in = {random(shape), random(row)},
           .outputs = 3,
           .relative = 1e-4,
           .absolute = 1e-5});
  }
  check({.op = "LayerNormalization",
         .in = {random({4, 5, 6}), random({5, 6}), random({5, 6})},
         .attrs = {attr("axis", int64_t{1})},
         .relative = 1e-4,
         .absolute = 1e-5});
  check({.op = "GroupNormalization",
         .opset = 21,
         .in = {random({3, 6, 50}), random({6}), random({6})},
         .attrs = {attr("num_groups", int64_t{3})},
         .epilogue = {{elementwise::Sigmoid}},
         .relative = 1e-3,
         .absolute = 1e-4});
  for (const Shape& shape : pictures) {
    const Shape c{shape[1]};
    check({.op = "InstanceNormalization",
           .in = {random(shape), random(c), random(c)},
           .relative = 1e-3,
           .absolute = 1e-4,
           .least = 2});
    for (const int64_t groups : {int64_t{1}, shape[1]})
      for (const int opset : {18, 21}) {
        const Shape scales{opset == 18 ? groups : shape[1]};
        check({.op = "GroupNormalization",
               .opset = opset,
               .in = {random(shape), random(scales), random(scales)},
               .attrs = {attr("num_groups", groups)},
               .relative = 1e-3,
               .absolute = 1e-4});
      }
    check({.op = "InstanceNormalization",
           .in = {random(shape), random(c), random(c)},
           .epilogue = {{elementwise::Exp}, {elementwise::Add, 0}},
           .operands = {random(shape)},
           .relative = 1e-3,
           .absolute = 1e-4,
           .least = 2});
    check({.op = "BatchNormalization",
           .in = {random(shape), random(c), random(c), random(c), random(c, 0.1, 2)},
           .epilogue = {{elementwise::Sigmoid}, {elementwise::Sub, 0, true}},
           .operands = {random(shape)},
           .relative = 1e-4,
           .absolute = 1e-5,
           .least = 2});
    check({.op = "BatchNormalization",
           .in = {random(shape), fixed(random(c)), fixed(random(c)), fixed(random(c)), fixed(random(c, 0.1, 2))},
           .relative = 1e-4,
           .absolute = 1e-5,
           .least = 2});
  }
  check({.op = "ImageScaler",
         .opset = 7,
         .in = {random({2, 3, 4, 5})},
         .attrs = {attr("scale", 0.5f), attr("bias", std::vector<float>{1, 2, 3})},
         .least = 2});
  check({.op = "BatchNormalization",
         .in = {random({3, 5}), random({5}), random({5}), random({5}), random({5}, 0.1, 2)},
         .absolute = 1e-5});
}

void root_mean_square(const Taker& check) {
  for (const char* op : {"RMSNormalization", "SimplifiedLayerNormalization"})
    for (const Shape& shape : {Shape{3, 7}, Shape{2, 5, 768}, Shape{1, 1}, Shape{2, 0}})
      check({.op = op,
             .opset = 23,
             .in = {random(shape), random({shape.back()})},
             .attrs = {attr("axis", int64_t{-1}), attr("epsilon", 1e-6f)}});
  check({.op = "RMSNormalization",
         .opset = 23,
         .in = {random({4, 3, 5}), random({3, 5})},
         .attrs = {attr("axis", int64_t{1})}});
}

constexpr CaseList lists[] = {
    {"RootMeanSquare", root_mean_square},
    {"Normalizations", normalizations},
};

}  // namespace
const CaseFile normalization_cases{lists};
}  // namespace tessera::test
