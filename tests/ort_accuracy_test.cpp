// How exact float32 is: every shared model of float32 against itself in float64, run by the references; and how
// exact ONNX Runtime is, where it is there (TESSERA_ORT).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
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
      if (auto* body = std::get_if<std::shared_ptr<Graph>>(&attr)) *body = std::make_shared<Graph>(widened(**body));
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
  double worst = 0;              // of an output's range
  int64_t count = 0, equal = 0;  // values, and those that are the same as 8-bit pixels
  double percent() const { return 100 * static_cast<double>(equal) / static_cast<double>(count); }
};

void compare(const Tensor& actual, const Tensor& expected, Exactness* exactness) {
  const int64_t count = expected.type.shape.elements();
  double low = INFINITY, high = -INFINITY, worst = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double value = expected.as<double>()[i];
    low = std::min(low, value), high = std::max(high, value);
    worst = std::max(worst, std::abs(actual.as<float>()[i] - value));
  }
  const double white = high > 2 ? 1 : 255;
  const auto pixel = [&](double value) { return std::lround(std::clamp(value * white, 0.0, 255.0)); };
  for (int64_t i = 0; i < count; ++i)
    exactness->equal += pixel(actual.as<float>()[i]) == pixel(expected.as<double>()[i]);
  exactness->count += count;
  exactness->worst = std::max(exactness->worst, worst / (high > low ? high - low : std::max(1.0, std::abs(high))));
}

// All outputs that are numbers; others are the same.
Exactness compare(const std::vector<Tensor>& actual, const std::vector<Tensor>& expected) {
  Exactness exactness;
  EXPECT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(actual[i].type.shape, expected[i].type.shape);
    if (actual[i].type.shape != expected[i].type.shape) return exactness;
    if (expected[i].type.dtype == DType::float64)
      compare(actual[i], expected[i], &exactness);
    else
      EXPECT_EQ(
          std::memcmp(actual[i].bytes.get(), expected[i].bytes.get(), static_cast<size_t>(expected[i].type.bytes())),
          0);
  }
  return exactness;
}

// What is promised, of the range: by fp32, and by exact.
struct Bounds {
  Text model;
  double fp32, exact;
};
constexpr Bounds usual{"", 5e-6, 3e-6};
// Of the first every layer makes its part; of the others ONNX Runtime has 6.9e-6, 8.7e-4 and 1.0e-4, the last a
// logarithm of what is nearly nothing.
constexpr Bounds excesses[] = {
    {"2xNomosUni_compact_otf_medium.onnx", 8e-6, 3e-6},
    {"4x-ClearRealityV1_SPAN.onnx", 7e-6, 6e-6},
    {"yunet_n_dynamic.onnx", 8e-6, 6e-6},
    {"basic_pitch_nmp.onnx", 1.1e-4, 1.1e-4},
    {"winml_fns-candy.onnx", 6e-5, 1.5e-5},
};

// Models whose input of 0 to 1 would be all but black.
constexpr Text of_255[] = {"pytorch_super_resolution_dyn.onnx", "winml_fns-candy.onnx"};

void print(const char* name, const Exactness& exactness) {
  std::printf("  %-12s at most %.2e of the range, %.4f %% of 8-bit values equal\n", name, exactness.worst,
              exactness.percent());
}

Exactness check(const std::string& path, const std::string& precision, const std::vector<Tensor>& in,
                const std::vector<Tensor>& expected) {
  SessionOptions options;
  options.device = "cpu";
  options.precision = precision;
  const Exactness exactness = compare(Session(path, options).run(in), expected);
  print(precision.c_str(), exactness);
  Bounds bounds = usual;
  for (const Bounds& row : excesses)
    if (path.ends_with(row.model)) bounds = row;
  // Without fused multiply-add every product is rounded too.
  const double roundings = cpu::level() == cpu::Level::baseline ? 2 : 1;
  EXPECT_LE(exactness.worst, (precision == "exact" ? bounds.exact : bounds.fp32) * roundings) << precision;
  // One in ten thousand, and one more where there are not many more than that; as many more as the bounds are wider.
  EXPECT_LE(static_cast<double>(exactness.count - exactness.equal),
            static_cast<double>(exactness.count) * 1e-4 * roundings * std::max(1.0, bounds.fp32 / usual.fp32) + 1)
      << precision;
  return exactness;
}

// What goes in: pictures, noise, small whole numbers; of the sizes that a model says, else of such that each takes.
Tensor input_of(const Value& value, const std::string& model) {
  Shape shape = value.type.shape;
  const bool image = shape.size() == 4 && (shape[1] < 0 || shape[1] == 1 || shape[1] == 3);
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] < 0) shape[i] = i == 0 ? 1 : image ? (i == 1 ? 3 : 64) : shape.size() == 2 && i == 1 ? 1536 : 128;
  if (model == "ort_bert_toy_optimized.onnx") shape = {1, 12};
  if (model == "silero_vad_16k_op15.onnx" && value.name == "input") shape = {1, 576};
  if (model == "silero_vad_16k_op15.onnx" && value.name == "state") shape = {2, 1, 128};
  const bool bytes = std::find(std::begin(of_255), std::end(of_255), model) != std::end(of_255);
  if (value.type.dtype == DType::float32)
    return image ? picture(shape, bytes ? 255.0f : 1.0f) : random_tensor(shape, 3);
  Tensor made = Tensor::make({value.type.dtype, shape});
  for (int64_t i = 0; i < shape.elements(); ++i) {
    const int64_t number = value.name == "sr" ? 16000 : value.name.find("mask") != Text::npos ? 1 : (i * 7) % 2;
    if (value.type.dtype == DType::int64)
      made.as<int64_t>()[i] = number;
    else if (value.type.dtype == DType::int32)
      made.as<int32_t>()[i] = static_cast<int32_t>(number);
  }
  return made;
}

class Accuracy : public testing::TestWithParam<std::string> {};

TEST_P(Accuracy, Float32IsNearFloat64) {
  TESSERA_REQUIRE_SHARED(shared);
  const fs::path path = shared / "models" / GetParam();
  const std::string name = path.filename().string();
  const Model model = onnx::load(path.string()).model;
  if (!has_float32_weights_only(model)) GTEST_SKIP() << "skipped: not a float32 model";
  for (const ValueId id : model.graph.outputs)
    if (model.graph.values[id].type.dtype != DType::float32) GTEST_SKIP() << "skipped: not only numbers come out";
  std::vector<Tensor> in, wide;
  double work = static_cast<double>(model.weight_bytes);
  for (const ValueId id : model.graph.inputs) {
    in.push_back(input_of(model.graph.values[id], name));
    wide.push_back(widened(in.back()));
    if (in.back().type.shape.size() == 4 && in.size() == 1)
      work *= static_cast<double>(in[0].type.shape[2] * in[0].type.shape[3]);
    std::printf("%s %s\n", GetParam().c_str(), cat(in.back().type.shape).c_str());
  }
  // Where all of a large sample is asked for, minutes do not count.
  if (work > 2e11 && !std::getenv("TESSERA_ACCURACY_SAMPLES"))
    GTEST_SKIP() << "skipped: the references would take minutes (set TESSERA_ACCURACY_SAMPLES)";

  const std::vector<Tensor> expected = run_graph(widened(model.graph), wide, false);
  check(path.string(), "fp32", in, expected);
  const Exactness exact = check(path.string(), "exact", in, expected);
  if (const std::string library = peers::Ort::find(binary_dir() + "/ort"); !library.empty()) {
    static const peers::Ort ort(library);
    const Exactness theirs = compare(peers::OrtSession(ort, path.string(), 1).run(in), expected);
    print("ONNX Runtime", theirs);
    // Of some numbers of a classifier the worst is by chance; of a picture's many it is not.
    const double times = GetParam().starts_with("upscale") ? 1.5 : 3;
    EXPECT_LE(exact.worst, std::max(2e-7, times * theirs.worst));
  }
}

std::vector<std::string> models() {
  std::vector<std::string> names;
  if (const auto shared = shared_data())
    for (const auto& entry : fs::recursive_directory_iterator(*shared / "models")) {
      const std::string name = fs::relative(entry.path(), *shared / "models").string();
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
INSTANTIATE_TEST_SUITE_P(SharedModels, Accuracy, testing::ValuesIn(models()), test_name);

TEST(AccuracyData, IsThere) {
  TESSERA_REQUIRE_SHARED(shared);
  EXPECT_FALSE(models().empty());
}

}  // namespace
}  // namespace tessera::test
