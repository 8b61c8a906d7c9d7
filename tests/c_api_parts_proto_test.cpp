// Parts of a model, inputs made numbers, and pools, through the C interface.
#include <gmock/gmock.h>

#include <cmath>

#include "include/tessera/tessera.h"
#include "tests/onnx_pen.h"
#include "tests/statuses.h"

namespace tessera {
namespace {

using test::expect_failure;
using testing::HasSubstr;

void add_picture(test::GraphProto* graph, const std::string& name) {
  auto* input = graph->add_input();
  input->set_name(name);
  auto* type = input->mutable_type()->mutable_tensor_type();
  type->set_elem_type(TESSERA_FLOAT32);
  for (const int64_t extent : {1, 2, -1, -1}) {
    auto* dim = type->mutable_shape()->add_dim();
    if (extent > 0) dim->set_dim_value(extent);
  }
}

/// y = relu(x) * sigmoid(mean of relu(x)) * gain, where gain has a default of 3; the file says something of itself.
std::string squeezing_model() {
  test::Pen pen;
  pen.graph->clear_input();
  add_picture(pen.graph, "x");
  test::add_input(pen.graph, "gain");
  pen.graph->mutable_input(1)->mutable_type()->mutable_tensor_type()->mutable_shape()->clear_dim();
  const float gain = 3;
  *pen.graph->add_initializer() =
      test::raw_tensor("gain", DType::float32, {}, {reinterpret_cast<const char*>(&gain), sizeof gain});
  pen.node("Relu", {"x"}, {"r"});
  pen.node("GlobalAveragePool", {"r"}, {"m"});
  pen.node("Sigmoid", {"m"}, {"s"});
  pen.node("Mul", {"r", "s"}, {"t"});
  pen.node("Mul", {"t", "gain"}, {"y"});
  auto* entry = pen.model.add_metadata_props();
  entry->set_key("colour");
  entry->set_value("green");
  return pen.model.SerializeAsString();
}

struct Owner {
  tessera_session* session = nullptr;
  Owner() = default;
  explicit Owner(const std::string& bytes, const tessera_fixed_input* fixed = nullptr, size_t count = 0) {
    tessera_options options;
    tessera_options_init(&options);
    options.device = "cpu";
    options.name = "squeezer";
    options.fixed = fixed;
    options.fixed_count = count;
    EXPECT_EQ(tessera_session_load_memory(bytes.data(), bytes.size(), &options, &session), nullptr);
  }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
  ~Owner() { tessera_session_free(session); }
};

std::vector<float> run(const tessera_session* session, const std::vector<tessera_tensor>& in) {
  tessera_result* result = nullptr;
  tessera_status* status = tessera_run(session, in.data(), in.size(), nullptr, &result);
  EXPECT_EQ(status, nullptr) << tessera_status_text(status);
  if (status) return {};
  tessera_tensor out;
  EXPECT_EQ(tessera_result_tensor(result, 0, &out), nullptr);
  const auto* values = static_cast<const float*>(out.data);
  std::vector<float> copy(values, values + out.bytes / sizeof(float));
  tessera_result_free(result);
  return copy;
}

constexpr int64_t dims[] = {1, 2, 4, 6}, pooled_dims[] = {1, 2, 1, 1};

struct Input {
  std::vector<float> values = std::vector<float>(48);
  Input() {
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 11) / 5 - 1;
  }
  tessera_tensor tensor() { return {TESSERA_FLOAT32, 4, dims, values.data(), values.size() * sizeof(float)}; }
};

TEST(CApiParts, RunOneAfterTheOther) {
  const Owner whole(squeezing_model());
  Input input;
  const std::vector<float> expected = run(whole.session, {input.tensor()});
  ASSERT_EQ(expected.size(), 48u);

  const char* const mean[] = {"m"};
  tessera_part wish;
  TESSERA_INIT(&wish);
  wish.wanted = mean;
  wish.wanted_count = 1;
  Owner first, second, apart;
  ASSERT_EQ(tessera_session_part(whole.session, &wish, nullptr, &first.session), nullptr);
  std::vector<float> pooled = run(first.session, {input.tensor()});
  ASSERT_EQ(pooled.size(), 2u);

  TESSERA_INIT(&wish);
  const tessera_tensor given{TESSERA_FLOAT32, 4, pooled_dims, pooled.data(), pooled.size() * sizeof(float)};
  wish.given = mean;
  wish.given_types = &given;
  wish.given_count = 1;
  tessera_options options;
  tessera_options_init(&options);
  options.device = "cpu";
  options.threads = 1;
  ASSERT_EQ(tessera_session_part(whole.session, &wish, nullptr, &second.session), nullptr);
  ASSERT_EQ(tessera_session_part(whole.session, &wish, &options, &apart.session), nullptr);
  for (const Owner* owner : {&second, &apart}) {
    ASSERT_EQ(tessera_session_input_count(owner->session), 2u);
    EXPECT_EQ(run(owner->session, {input.tensor(), given}), expected);
  }
  const char* const unknown[] = {"nobody"};
  wish.given = unknown;
  tessera_session* none = nullptr;
  expect_failure(tessera_session_part(whole.session, &wish, nullptr, &none), TESSERA_USAGE, "no value \"nobody\"");
}

TEST(CApiParts, PoolsAreNamed) {
  const Owner whole(squeezing_model());
  Input input;
  const tessera_tensor type = input.tensor();
  tessera_reach_query query;
  TESSERA_INIT(&query);
  query.input_axes[0] = query.output_axes[0] = 2;
  query.input_axes[1] = query.output_axes[1] = 3;
  tessera_reach* reach = nullptr;
  ASSERT_EQ(tessera_session_reach(whole.session, &type, 1, &query, &reach), nullptr);
  tessera_reach_facts facts;
  TESSERA_INIT(&facts);
  ASSERT_EQ(tessera_reach_get(reach, &facts), nullptr);
  EXPECT_TRUE(facts.followed);
  EXPECT_FALSE(facts.global);
  EXPECT_STREQ(facts.reason, "GlobalAveragePool");
  ASSERT_EQ(facts.pool_count, 1u);
  tessera_pool pool;
  TESSERA_INIT(&pool);
  ASSERT_EQ(tessera_reach_pool(reach, 0, &pool), nullptr);
  EXPECT_STREQ(pool.in, "r");
  EXPECT_STREQ(pool.out, "m");
  EXPECT_EQ(pool.dtype, TESSERA_FLOAT32);
  EXPECT_EQ(std::vector<int64_t>(pool.dims, pool.dims + pool.rank), std::vector<int64_t>(pooled_dims, pooled_dims + 4));
  EXPECT_EQ(pool.largest, 0);
  EXPECT_EQ(pool.pooled, TESSERA_POOLED_MEAN);
  EXPECT_EQ(facts.stretch_count, 0u);
  tessera_stretch stretch;
  TESSERA_INIT(&stretch);
  expect_failure(tessera_reach_stretch(reach, 0, &stretch), TESSERA_USAGE, "stretch 0");
  float weight = 0;
  expect_failure(tessera_reach_weights(reach, 0, 0, 0, 1, 0, 1, &weight), TESSERA_USAGE, "stretch 0");
  EXPECT_EQ(pool.axes[1], 3u);
  EXPECT_EQ(pool.step[0], 1);
  tessera_reach_free(reach);
}

TEST(CApiParts, InputsMadeNumbers) {
  const std::string model = squeezing_model();
  Input input;
  const std::vector<float> usual = run(Owner(model).session, {input.tensor()});
  const tessera_fixed_input six{"gain", 6};
  const Owner fixed(model, &six, 1);
  EXPECT_EQ(tessera_session_input_count(fixed.session), 1u);
  EXPECT_EQ(tessera_session_optional_input_count(fixed.session), 0u);
  const std::vector<float> twice = run(fixed.session, {input.tensor()});
  ASSERT_EQ(twice.size(), usual.size());
  for (size_t i = 0; i < usual.size(); ++i) EXPECT_FLOAT_EQ(twice[i], 2 * usual[i]);
  tessera_options options;
  tessera_options_init(&options);
  const tessera_fixed_input wrong{"volume", 6};
  options.fixed = &wrong;
  options.fixed_count = 1;
  tessera_session* none = nullptr;
  expect_failure(tessera_session_load_memory(model.data(), model.size(), &options, &none), TESSERA_USAGE,
                 "the model has no input \"volume\"");
}

TEST(CApiParts, MetadataOfTheFile) {
  const Owner whole(squeezing_model());
  tessera_model told;
  TESSERA_INIT(&told);
  ASSERT_EQ(tessera_session_model(whole.session, &told), nullptr);
  EXPECT_STREQ(told.path, "squeezer");
  EXPECT_EQ(told.node_count, 5u);
  EXPECT_EQ(told.operator_count, 4u);
  ASSERT_EQ(told.metadata_count, 1u);
  const char *key = nullptr, *value = nullptr;
  ASSERT_EQ(tessera_session_metadata(whole.session, 0, &key, &value), nullptr);
  EXPECT_STREQ(key, "colour");
  EXPECT_STREQ(value, "green");
}

}  // namespace
}  // namespace tessera
