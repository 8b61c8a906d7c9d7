// CPU kernels that move, resample and convert elements.
#include "tests/kernel_case.h"

namespace tessera::test {
namespace {

TEST(CpuKernels, Pads) {
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
  check({.op = "Pad", .opset = 18, .in = {random({2, 3, 4}), integers({1, 2, 3, 4}), {}, integers({2, 0})}});
  check({.op = "Pad",
         .opset = 2,
         .in = {random({2, 3, 4, 5})},
         .attrs = {attr("pads", list({0, 0, 1, 2, 0, 0, 3, 0})), attr("value", 0.0f)},
         .least = 2});
  check({.op = "Pad", .in = {random({5, 3}, 0, 99, DType::int64), integers({1, 0, 0, 2})}});
}

TEST(CpuKernels, Moves) {
  for (const DType dtype : {DType::float32, DType::uint8, DType::float16, DType::int64}) {
    const auto made = [&](const Shape& shape) { return random(shape, 0, 99, dtype); };
    const auto transpose = [&](const Shape& shape, std::initializer_list<int64_t> perm) {
      check({.op = "Transpose", .in = {made(shape)}, .attrs = {attr("perm", list(perm))}});
    };
    transpose({7, 9}, {1, 0});
    transpose({130, 67}, {1, 0});
    transpose({2, 3, 40, 50}, {0, 2, 3, 1});
    transpose({2, 40, 50, 3}, {0, 3, 1, 2});
    transpose({2, 5, 6, 64}, {0, 2, 1, 3});
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
TEST(CpuKernels, BlockedMoves) {
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

TEST(CpuKernels, Resize) {
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

TEST(CpuKernels, Casts) {
  const DType types[] = {DType::float32, DType::float16, DType::float64, DType::int32,
                         DType::int64,   DType::uint8,   DType::int8,    DType::boolean};
  for (const DType from : types)
    for (const DType to : types)
      for (const int64_t n : {0, 1, 8, 1003}) {
        const bool is_unsigned = to == DType::uint8 || from == DType::uint8;
        const Input x =
            random({n}, from == DType::boolean || is_unsigned ? 0 : -99, from == DType::boolean ? 2 : 99, from);
        check({.op = "Cast", .in = {x}, .attrs = {attr("to", static_cast<int64_t>(to))}, .least = 0});
      }
  // Every half, and floats around what a half can hold.
  Tensor halves = Tensor::make({DType::float16, {65536}});
  for (int i = 0; i < 65536; ++i) halves.as<uint16_t>()[i] = static_cast<uint16_t>(i);
  check({.op = "Cast", .in = {{halves}}, .attrs = {attr("to", int64_t{1})}, .relative = 0, .absolute = 0});
  for (const double scale : {1e-8, 1e-6, 1e-4, 1.0, 7e4})
    check({.op = "Cast",
           .in = {random({999}, -scale, scale)},
           .attrs = {attr("to", int64_t{10})},
           .relative = 0,
           .absolute = 0});
}

TEST(CpuKernels, Quantization) {
  for (const DType dtype : {DType::uint8, DType::int8}) {
    const Input zero = random({}, 0, 99, dtype), zeros = random({5}, 0, 99, dtype);
    check({.op = "QuantizeLinear", .in = {random({3, 500}, -9, 9), number(0.037f), zero}, .absolute = 0});
    check({.op = "QuantizeLinear", .in = {random({3, 5, 40}, -9, 9), random({5}, 0.01, 0.1), zeros}, .absolute = 0});
    check({.op = "QuantizeLinear",
           .in = {random({3, 4, 5}, -9, 9), random({5}, 0.01, 0.1), zeros},
           .attrs = {attr("axis", int64_t{-1})},
           .absolute = 0});
    check({.op = "DequantizeLinear", .in = {random({3, 500}, 0, 99, dtype), number(0.037f), zero}});
    check({.op = "DequantizeLinear", .in = {random({3, 5, 4}, 0, 99, dtype), random({5}), zeros}});
  }
  check({.op = "DequantizeLinear", .in = {random({7}, -999, 999, DType::int32), number(0.5f)}});
}

}  // namespace
}  // namespace tessera::test
