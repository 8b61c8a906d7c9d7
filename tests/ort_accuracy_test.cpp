// How exact float32 is: every shared upscaler against itself in float64, run by the references; and how
// exact ONNX Runtime is, where it is there (TESSERA_ORT).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "bench/peers/ort.h"
#include "ops/cpu/level.h"
#include "runtime/onnx/load.h"
#include "runtime/session/session.h"
#include "tests/graph_builder.h"
#include "tests/support.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;

Tensor widened(const Tensor& tensor) {
  if (tensor.type.dtype != DType::float32) return tensor;
  const Tensor aligned = tensor.aligned();
  Tensor wide = Tensor::make({DType::float64, tensor.type.shape});
  std::copy_n(aligned.as<const float>(), tensor.type.shape.elements(), wide.as<double>());
  return wide;
}

// The graph with float64 wherever it has float32, but where an operator asks for float32: the factors
// of a resize.
Graph widened(Graph graph) {
  std::set<ValueId> kept;
  for (const Node& node : graph.nodes)
    if (node.op->name == "Resize" || node.op->name == "Upsample") kept.insert(node.in.begin() + 1, node.in.end());
  for (ValueId id = 0; id < graph.values.size(); ++id) {
    Value& value = graph.values[id];
    if (kept.contains(id)) continue;
    if (value.type.dtype == DType::float32) value.type.dtype = DType::float64;
    if (value.constant) value.constant = std::make_shared<const Tensor>(widened(*value.constant));
  }
  for (Node& node : graph.nodes) {
    if (!node.attrs) continue;
    Attrs attrs = *node.attrs;
    for (auto& [name, attr] : attrs) {
      if (auto* number = std::get_if<int64_t>(&attr); number && name == "to" && *number == 1)
        *number = static_cast<int64_t>(DType::float64);
      const bool keep = std::any_of(node.out.begin(), node.out.end(), [&](ValueId id) { return kept.contains(id); });
      if (auto* tensor = std::get_if<Tensor>(&attr); tensor && !keep) *tensor = widened(*tensor);
    }
    node.attrs = std::make_shared<const Attrs>(std::move(attrs));
  }
  return graph;
}

// Waves and an edge, between 0 and `top`.
Tensor picture(const Shape& shape, float top) {
  Tensor made = Tensor::make({DType::float32, shape});
  const int64_t width = shape.back(), height = shape[shape.size() - 2], planes = shape.elements() / (width * height);
  for (int64_t c = 0; c < planes; ++c)
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) {
        const double wave = std::sin(0.37 * static_cast<double>(x + c)) * std::cos(0.23 * static_cast<double>(y));
        const double value = 0.5 + 0.25 * wave + (x + 2 * y > width ? 0.2 : -0.2);
        made.as<float>()[(c * height + y) * width + x] = static_cast<float>(value) * top;
      }
  return made;
}

bool has_float32_weights_only(const Model& model) {
  const auto half = [](const Value& value) {
    const DType type = value.constant ? value.constant->type.dtype : value.type.dtype;
    return type == DType::float16 || type == DType::bfloat16 || type == DType::int8 || type == DType::uint8;
  };
  return std::none_of(model.graph.values.begin(), model.graph.values.end(), half);
}

struct Exactness {
  double worst = 0;              // of the output's range
  int64_t count = 0, equal = 0;  // values, and those that are the same as 8-bit pixels
  double percent() const { return 100 * static_cast<double>(equal) / static_cast<double>(count); }
};

Exactness compare(const Tensor& actual, const Tensor& expected) {
  const int64_t count = expected.type.shape.elements();
  double low = INFINITY, high = -INFINITY, worst = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double value = expected.as<double>()[i];
    low = std::min(low, value), high = std::max(high, value);
    worst = std::max(worst, std::abs(actual.as<float>()[i] - value));
  }
  const double white = high > 2 ? 1 : 255;
  const auto pixel = [&](double value) { return std::lround(std::clamp(value * white, 0.0, 255.0)); };
  int64_t equal = 0;
  for (int64_t i = 0; i < count; ++i) equal += pixel(actual.as<float>()[i]) == pixel(expected.as<double>()[i]);
  return {worst / (high - low), count, equal};
}

// What is promised, of the range: by fp32, and by exact.
struct Bounds {
  Text model;
  double fp32, exact;
};
constexpr Bounds usual{"", 5e-6, 3e-6};
// Of the first every layer makes its part; the second is where ONNX Runtime has 6.9e-6.
constexpr Bounds excesses[] = {
    {"2xNomosUni_compact_otf_medium.onnx", 8e-6, 3e-6},
    {"4x-ClearRealityV1_SPAN.onnx", 7e-6, 6e-6},
};

// Models whose input of 0 to 1 would be all but black.
constexpr Text of_255[] = {"pytorch_super_resolution_dyn.onnx"};

void print(const char* name, const Exactness& exactness) {
  std::printf("  %-12s at most %.2e of the range, %.4f %% of 8-bit values equal\n", name, exactness.worst,
              exactness.percent());
}

Exactness check(const std::string& path, const std::string& precision, const Tensor& in, const Tensor& expected) {
  SessionOptions options;
  options.device = "cpu";
  options.precision = precision;
  const Tensor actual = Session(path, options).run(List<Tensor>(&in, 1)).at(0);
  EXPECT_EQ(actual.type.shape, expected.type.shape);
  const Exactness exactness = compare(actual, expected);
  print(precision.c_str(), exactness);
  Bounds bounds = usual;
  for (const Bounds& row : excesses)
    if (path.ends_with(row.model)) bounds = row;
  // Without fused multiply-add every product is rounded too.
  const double roundings = cpu::level() == cpu::Level::baseline ? 2 : 1;
  EXPECT_LE(exactness.worst, (precision == "exact" ? bounds.exact : bounds.fp32) * roundings) << precision;
  // One in ten thousand, and one more where there are not many more than that.
  EXPECT_LE(static_cast<double>(exactness.count - exactness.equal),
            static_cast<double>(exactness.count) * 1e-4 * roundings + 1)
      << precision;
  return exactness;
}

class Accuracy : public testing::TestWithParam<std::string> {};

TEST_P(Accuracy, Float32IsNearFloat64) {
  TESSERA_REQUIRE_SHARED(shared);
  const fs::path path = shared / "models" / "upscale" / GetParam();
  const Model model = onnx::load(path.string()).model;
  if (!has_float32_weights_only(model)) GTEST_SKIP() << "skipped: not a float32 model";
  if (model.graph.inputs.size() != 1) GTEST_SKIP() << "skipped: more than a picture goes in";
  Type type = model.graph.values[model.graph.inputs[0]].type;
  if (type.dtype != DType::float32 || type.shape.size() != 4) GTEST_SKIP() << "skipped: no picture goes in";
  double work = static_cast<double>(model.weight_bytes);
  for (size_t i = 0; i < 4; ++i) {
    if (type.shape[i] < 0) type.shape[i] = i == 0 ? 1 : i == 1 ? 3 : 64;
    if (i > 1) work *= static_cast<double>(type.shape[i]);
  }
  if (work > 3e10) GTEST_SKIP() << "skipped: the references would take too long";
  const bool bytes = std::find(std::begin(of_255), std::end(of_255), GetParam()) != std::end(of_255);
  const Tensor in = picture(type.shape, bytes ? 255.0f : 1.0f);
  std::printf("%s %s\n", GetParam().c_str(), cat(type.shape).c_str());

  const Tensor expected = run_graph(widened(model.graph), {widened(in)}, false).at(0);
  ASSERT_EQ(expected.type.dtype, DType::float64);
  check(path.string(), "fp32", in, expected);
  const Exactness exact = check(path.string(), "exact", in, expected);
  if (const std::string library = peers::Ort::find(binary_dir() + "/ort"); !library.empty()) {
    static const peers::Ort ort(library);
    const Exactness theirs =
        compare(peers::OrtSession(ort, path.string(), 1).run(List<Tensor>(&in, 1)).at(0), expected);
    print("ONNX Runtime", theirs);
    EXPECT_LE(exact.worst, 1.5 * theirs.worst);
  }
}

std::vector<std::string> upscalers() {
  std::vector<std::string> names;
  if (const auto shared = shared_data())
    for (const auto& entry : fs::directory_iterator(*shared / "models" / "upscale")) {
      const std::string name = entry.path().filename().string();
      if (name.ends_with(".onnx") && name.find("_util_") == std::string::npos) names.push_back(name);
    }
  std::sort(names.begin(), names.end());
  return names;
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Accuracy);
INSTANTIATE_TEST_SUITE_P(SharedUpscalers, Accuracy, testing::ValuesIn(upscalers()), test_name);

TEST(AccuracyData, IsThere) {
  TESSERA_REQUIRE_SHARED(shared);
  EXPECT_FALSE(upscalers().empty());
}

}  // namespace
}  // namespace tessera::test
