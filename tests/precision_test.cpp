// What bf16 and bf16x3 cost: upscalers against themselves in float32. Where this machine gains nothing from a
// precision, the results must be the same.
#include <cmath>
#include <cstdio>

#include "ops/cpu/backend.h"
#include "ops/cpu/level.h"
#include "runtime/session/session.h"
#include "tests/support.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;

// Smooth, with an edge, between 0 and 1.
Tensor picture(const Shape& shape) {
  Tensor made = Tensor::make({DType::float32, shape});
  const int64_t height = shape[2], width = shape[3];
  for (int64_t i = 0; i < shape.elements(); ++i) {
    const int64_t x = i % width, y = i / width % height, c = i / width / height;
    const double wave = std::sin(0.37 * static_cast<double>(x + c)) * std::cos(0.23 * static_cast<double>(y));
    made.as<float>()[i] = static_cast<float>(0.5 + 0.25 * wave + (x + 2 * y > width ? 0.2 : -0.2));
  }
  return made;
}

Tensor run(const std::string& model, const std::string& precision, const Tensor& in, int* steps) {
  SessionOptions options;
  options.precision = precision;
  options.device = "cpu";
  const Session session(model, options);
  for (const StepInfo& step : session.steps(List<Type>(&in.type, 1))) *steps += step.kernel.find("bf16") != Text::npos;
  return session.run(List<Tensor>(&in, 1)).at(0);
}

// Of pictures between 0 and 1.
double decibels(const Tensor& a, const Tensor& b) {
  double squares = 0;
  const int64_t count = a.type.shape.elements();
  for (int64_t i = 0; i < count; ++i)
    squares += std::pow(element_as_double(a.view(), i) - element_as_double(b.view(), i), 2);
  return 10 * std::log10(static_cast<double>(count) / squares);
}

void check(const std::string& model, const Shape& shape) {
  const Tensor in = picture(shape);
  int steps = 0;
  const Tensor exact = run(model, "fp32", in, &steps);
  EXPECT_EQ(steps, 0);
  for (const auto& [name, precision, least] :
       {std::tuple("bf16", Precision::bf16, 48.0), std::tuple("bf16x3", Precision::bf16x3, 100.0)}) {
    steps = 0;
    const Tensor rounded = run(model, name, in, &steps);
    const double likeness = decibels(rounded, exact);
    std::printf("%-6s %s: %d steps, %.1f dB\n", name, fs::path(model).stem().c_str(), steps, likeness);
    EXPECT_GT(likeness, least) << model << " " << name;
    EXPECT_TRUE(cpu::gains_from(precision) || steps == 0);
    EXPECT_TRUE(cpu::level() < cpu::Level::amx || steps > 3);
  }
}

TEST(Precision, BundledModel) { check(source_dir() + "/models/photo-x2.onnx", {1, 3, 40, 52}); }

TEST(Precision, SharedUpscalers) {
  TESSERA_REQUIRE_SHARED(shared);
  const fs::path folder = shared / "models" / "upscale";
  for (const char* name : {"2x_AnimeJaNai_HD_V3_Compact", "realesr-animevideov3_x4", "4x-ClearRealityV1_SPAN",
                           "2xNomosUni_compact_otf_medium", "RLFN_x4"})
    check((folder / (std::string(name) + ".onnx")).string(), {1, 3, 40, 52});
}

}  // namespace
}  // namespace tessera::test
