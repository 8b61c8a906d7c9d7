// Every shared model that ONNX Runtime runs, run by both on the same inputs. ONNX Runtime is found by
// TESSERA_ORT, or in the build folder where tools/fetch_ort puts it if TESSERA_FETCH_ORT=1 allows it.
#include <algorithm>
#include <cmath>

#include "bench/peers/ort.h"
#include "runtime/onnx/load.h"
#include "runtime/session/session.h"
#include "tests/support.h"
#include "tools/inputs.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;

const peers::Ort* ort() {
  static const std::unique_ptr<peers::Ort> loaded = []() -> std::unique_ptr<peers::Ort> {
    const std::string prepared = binary_dir() + "/ort";
    std::string library = peers::Ort::find(prepared);
    const char* allowed = std::getenv("TESSERA_FETCH_ORT");
    if (library.empty() && allowed && std::string(allowed) == "1") {
      const std::string command = "'" + source_dir() + "/tools/fetch_ort' '" + prepared + "' >&2";
      if (std::system(command.c_str()) == 0) library = peers::Ort::find(prepared);
    }
    if (library.empty()) return nullptr;
    return std::make_unique<peers::Ort>(library);
  }();
  return loaded.get();
}

// What a model needs but does not state: shapes whose extents must divide or name a length, and inputs
// that are pictures of 0 to 255 (in a picture of 0 to 1, rounding is all that such a model magnifies).
struct ModelShapes {
  Text model;
  std::vector<std::string> shapes;
  int64_t default_dim = 64;
  float scale = 1;
  std::vector<std::pair<Text, double>> numbers = {};  // inputs that are sizes or settings
};
const ModelShapes model_shapes[] = {
    {"ort_bert_toy_optimized.onnx", {}, 16},
    {"openwakeword_melspectrogram.onnx", {"input=1x16000"}},
    {"silero_vad_16k_op15.onnx", {"input=1x576", "state=2x1x128"}},
    {"waifu2x_util_tta_merge.onnx", {"x=8x3x32x32"}},
    {"retinaface_mbnet0.25.onnx", {}, 320},
    {"yunet_n_dynamic.onnx", {}, 320},
    {"winml_fns-candy.onnx", {}, 64, 255},
    {"ort_tiny_gpt2_greedysearch_with_init_decoder.onnx", {}, 8, 1, {{"max_length", 16}, {"repetition_penalty", 1}}},
    {"waifu2x_util_create_seam_blending_filter.onnx", {}, 64, 1, {{"scale", 2}, {"offset", 8}, {"tile_size", 64}}},
};

// Full-size pictures take the reference kernels of some machines too long; open extents are small.
tools::InputOptions options_of(const fs::path& model) {
  tools::InputOptions options;
  options.seed = 1;
  for (const ModelShapes& row : model_shapes)
    if (model.string().ends_with(row.model)) {
      options.shapes = row.shapes;
      options.default_dim = row.default_dim;
    }
  return options;
}

void scale_inputs(const fs::path& model, List<Port> ports, const std::vector<Tensor>& in) {
  for (const ModelShapes& row : model_shapes) {
    if (!model.string().ends_with(row.model)) continue;
    if (row.scale != 1)
      for (const Tensor& tensor : in)
        for (int64_t i = 0; i < tensor.type.shape.elements(); ++i) tensor.as<float>()[i] *= row.scale;
    for (const auto& [name, number] : row.numbers)
      for (size_t k = 0; k < in.size(); ++k)
        for (int64_t i = 0; ports[k].name == name && i < in[k].type.shape.elements(); ++i)
          set_element(in[k].view(), i, number);
  }
}

// The step of an output that lies on a grid, as quantized models' do: the least distance of two values.
double quantum_of(const Tensor& tensor) {
  std::vector<double> values = elements(tensor);
  std::sort(values.begin(), values.end());
  double least = INFINITY;
  for (size_t i = 1; i < values.size(); ++i) {
    const double gap = values[i] - values[i - 1];
    if (gap > 1e-5 * (values.back() - values.front())) least = std::min(least, gap);
  }
  return std::isfinite(least) ? least : 0;
}

double range_of(const Tensor& tensor) {
  double low = INFINITY, high = -INFINITY;
  for (const double value : elements(tensor))
    if (std::isfinite(value)) low = std::min(low, value), high = std::max(high, value);
  // An output of one value, or all the same, has no range: its size stands in.
  return high > low ? high - low : std::max(std::abs(high), 1e-3);
}

// The largest difference, relative to the range of `expected`; infinite where only one is NaN. One unit
// in the last place of 1 does not count: ONNX Runtime's logistic function is no more exact than that,
// which shows in an output where nothing was detected and every probability is near 0.
double relative_difference(const Tensor& actual, const Tensor& expected) {
  double worst = 0;
  const int64_t count = expected.type.shape.elements();
  for (int64_t i = 0; i < count; ++i) {
    const double a = element_as_double(actual.view(), i), b = element_as_double(expected.view(), i);
    if (a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= 0x1p-23) continue;
    worst = std::max(worst, std::isnan(a - b) ? INFINITY : std::abs(a - b));
  }
  return worst / range_of(expected);
}

bool has_type(const Model& model, DType dtype) {
  for (const Value& value : model.graph.values)
    if (value.type.dtype == dtype || (value.constant && value.constant->type.dtype == dtype)) return true;
  return false;
}

bool quantized(const Model& model) {
  for (const Node& node : model.graph.nodes)
    if (node.op && node.op->name == "DequantizeLinear") return true;
  return false;
}

void expect_same(const Tensor& actual, const Tensor& expected, double tolerance) {
  ASSERT_EQ(cat(actual.type), cat(expected.type));
  if (expected.type.dtype == DType::string) {
    for (int64_t i = 0; i < expected.type.shape.elements(); ++i)
      ASSERT_EQ(actual.as<String>()[i], expected.as<String>()[i]);
    return;
  }
  if (is_float(expected.type.dtype)) {
    EXPECT_LE(relative_difference(actual, expected), tolerance);
    return;
  }
  for (int64_t i = 0; i < expected.type.shape.elements(); ++i)
    ASSERT_EQ(element_as_double(actual.view(), i), element_as_double(expected.view(), i)) << "element " << i;
}

class OrtDifferential : public testing::TestWithParam<std::string> {};

TEST_P(OrtDifferential, SameOutputs) {
  TESSERA_REQUIRE_SHARED(shared);
  if (!ort()) GTEST_SKIP() << "skipped: no ONNX Runtime (set TESSERA_ORT, or TESSERA_FETCH_ORT=1)";
  const fs::path model = shared / "models" / GetParam();
  std::optional<peers::OrtSession> peer;
  std::vector<Tensor> in, expected;
  try {
    peer.emplace(*ort(), model.string(), 1);
    in = tools::make_inputs(peer->inputs(), options_of(model));
    scale_inputs(model, peer->inputs(), in);
    expected = peer->run(in);
  } catch (const Error& error) {
    GTEST_SKIP() << "skipped: " << error.what();
  }

  SessionOptions options;
  options.device = "cpu";
  const Session session(model.string(), options);
  ASSERT_EQ(session.inputs().size(), in.size());
  std::vector<Datum> data(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    ASSERT_EQ(session.inputs()[i].name, peer->inputs()[i].name);
    data[i].tensor = in[i];
  }
  const std::vector<Datum> actual = session.run(List<Datum>(data));
  ASSERT_EQ(actual.size(), expected.size());
  const Model as_written = onnx::load(model.string()).model;
  const double usual = has_type(as_written, DType::float16) ? 5e-3 : 1e-4;
  std::vector<Tensor> plain;  // by ONNX Runtime without its optimizer
  for (size_t i = 0; i < expected.size(); ++i) {
    SCOPED_TRACE(peer->outputs()[i]);
    if (!expected[i].bytes) {
      EXPECT_NE(static_cast<int>(actual[i].kind), static_cast<int>(Kind::tensor));
      continue;
    }
    double tolerance = usual;
    // A sum that falls near the middle of two quanta may go either way.
    const double quantum = quantized(as_written) ? quantum_of(expected[i]) / range_of(expected[i]) : 0;
    tolerance += quantum;
    // Some models magnify rounding so much that ONNX Runtime differs from itself by more than that when
    // it sums in another order; no runtime can be nearer to it than it is.
    const bool same_type = actual[i].tensor.type == expected[i].type;
    if (same_type && is_float(expected[i].type.dtype) &&
        relative_difference(actual[i].tensor, expected[i]) > tolerance) {
      if (plain.empty()) plain = peers::OrtSession(*ort(), model.string(), 1, false).run(in);
      tolerance = std::max(tolerance, relative_difference(plain[i], expected[i]) + quantum + 1e-6);
    }
    expect_same(actual[i].tensor, expected[i], tolerance);
  }
}

std::vector<std::string> models() {
  std::vector<std::string> names;
  if (const auto shared = shared_data())
    for (const auto& entry : fs::recursive_directory_iterator(*shared / "models"))
      if (entry.path().extension() == ".onnx") names.push_back(fs::relative(entry.path(), *shared / "models").string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OrtDifferential);
INSTANTIATE_TEST_SUITE_P(SharedModels, OrtDifferential, testing::ValuesIn(models()), test_name);

TEST(OrtDifferentialData, IsThere) {
  TESSERA_REQUIRE_SHARED(shared);
  EXPECT_FALSE(models().empty());
  if (!ort()) GTEST_SKIP() << "skipped: no ONNX Runtime (set TESSERA_ORT, or TESSERA_FETCH_ORT=1)";
}

}  // namespace
}  // namespace tessera::test
