// Hosts have floating-point environments of their own: results do not depend on them, nothing traps, and they are
// afterwards what they were.

#include <fenv.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "include/tessera/tessera.h"
#include "tests/onnx_pen.h"

namespace tessera::test {
namespace {

constexpr int64_t dims[] = {1, 8, 12, 12};
constexpr size_t elements = 8 * 12 * 12;

void add_weights(Pen& pen, const std::string& name, uint32_t seed) {
  const Tensor weights = random_tensor(DType::float32, {8, 8, 3, 3}, seed, -0.3, 0.3);
  *pen.graph->add_initializer() = raw_tensor(
      name, DType::float32, {8, 8, 3, 3},
      std::string(reinterpret_cast<const char*>(weights.bytes.get()), static_cast<size_t>(weights.type.bytes())));
}

// A model from x to y that `write` makes of nodes, as bytes.
template <class Write>
std::string model_of(const Write& write) {
  Pen pen;
  auto* shape = pen.graph->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  shape->clear_dim();
  for (const int64_t dim : dims) shape->add_dim()->set_dim_value(dim);
  write(pen);
  return pen.model.SerializeAsString();
}

std::string one_operator(const std::string& op) {
  return model_of([&](Pen& pen) { pen.node(op, {"x"}, {"y"}); });
}

// Blocks of an attention-free upscaler: y = (conv + x) * (sigmoid(conv) - 0.5), and a constant that is folded.
std::string gated_convolutions() {
  return model_of([](Pen& pen) {
    const float half = 0.5f;
    *pen.graph->add_initializer() =
        raw_tensor("half", DType::float32, {}, std::string(reinterpret_cast<const char*>(&half), sizeof half));
    pen.node("Exp", {"half"}, {"folded"});
    std::string x = "x";
    for (uint32_t i = 0; i < 3; ++i) {
      const std::string n = std::to_string(i);
      add_weights(pen, "w" + n, i);
      NodeProto* conv = pen.node("Conv", {x, "w" + n}, {"c" + n});
      auto* pads = add_attr(conv, "pads", AttributeProto::INTS);
      for (int k = 0; k < 4; ++k) pads->add_ints(1);
      pen.node("Sigmoid", {"c" + n}, {"s" + n});
      pen.node("Sub", {"s" + n, "half"}, {"g" + n});
      pen.node("Add", {"c" + n, x}, {"a" + n});
      pen.node("Mul", {"a" + n, "g" + n}, {"m" + n});
      x = "m" + n;
    }
    pen.node("Mul", {x, "folded"}, {"y"});
  });
}

// Ordinary numbers, and such as make exponentials overflow, underflow and become subnormal.
std::vector<float> picture() {
  const Tensor values = random_tensor(DType::float32, {static_cast<int64_t>(elements)}, 5, -4, 4);
  std::vector<float> x(values.as<float>(), values.as<float>() + elements);
  const float odd[] = {-1e4f, 1e4f, -100, 88.5f, -88.5f, 1e-40f, -1e-40f, 3e38f, -0.0f, 1e-7f};
  std::copy(std::begin(odd), std::end(odd), x.begin());
  return x;
}

// Loads and runs a model; no arithmetic of the test's own in between.
std::vector<float> run(const std::string& model, std::vector<float> x, int threads) {
  std::vector<float> y(elements);
  tessera_options options;
  tessera_options_init(&options);
  options.device = "cpu";
  options.threads = threads;
  tessera_session* session = nullptr;
  tessera_status* status = tessera_session_load_memory(model.data(), model.size(), &options, &session);
  EXPECT_EQ(status, nullptr) << tessera_status_text(status);
  const tessera_tensor in{TESSERA_FLOAT32, 4, dims, x.data(), x.size() * sizeof(float)};
  const tessera_tensor out{TESSERA_FLOAT32, 4, dims, y.data(), y.size() * sizeof(float)};
  status = tessera_run_into(session, &in, 1, &out, 1, nullptr);
  EXPECT_EQ(status, nullptr) << tessera_status_text(status);
  tessera_session_free(session);
  return y;
}

// Runs every model in the environment that `enter` makes; `state` says what must be the same afterwards.
template <class Enter, class State>
void expect_the_same_bits(const Enter& enter, const State& state) {
  std::vector<std::string> models{gated_convolutions()};
  for (const char* op : {"Sigmoid", "Elu", "Selu", "Celu", "Softmax", "LogSoftmax", "Tanh", "Exp", "Softplus", "Erf"})
    models.push_back(one_operator(op));
  const std::vector<float> x = picture();
  for (size_t i = 0; i < models.size(); ++i)
    for (const int threads : {1, 3}) {
      const std::vector<float> plain = run(models[i], x, threads);
      fenv_t before;
      fegetenv(&before);
      enter();
      const auto entered = state();
      const std::vector<float> got = run(models[i], x, threads);
      const auto left = state();
      fesetenv(&before);
      EXPECT_EQ(entered, left) << "model " << i;
      EXPECT_EQ(std::memcmp(plain.data(), got.data(), elements * sizeof(float)), 0) << "model " << i;
    }
}

#if defined(__GLIBC__) && defined(__x86_64__)
TEST(FloatEnvironment, TrapsOfTheHost) {
  expect_the_same_bits(
      [] {
        feclearexcept(FE_ALL_EXCEPT);
        feenableexcept(FE_ALL_EXCEPT);
      },
      [] { return std::pair(fegetexcept(), fetestexcept(FE_ALL_EXCEPT)); });
}

TEST(FloatEnvironment, SubnormalNumbersFlushed) {
  expect_the_same_bits([] { _mm_setcsr(_mm_getcsr() | 0x8040); }, [] { return _mm_getcsr() & 0x8040; });
}
#endif

TEST(FloatEnvironment, RoundingOfTheHost) {
  for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO})
    expect_the_same_bits([&] { fesetround(mode); }, [] { return fegetround(); });
}

}  // namespace
}  // namespace tessera::test
