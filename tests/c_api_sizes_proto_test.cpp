// Structs of tessera.h, stated in every size.
#include "tests/onnx_pen.h"
#include "tests/struct_sizes.h"

namespace tessera {
namespace {

using test::check_read;
using test::check_written;

/// y = x scaled by the mean of its pixels: pictures of three channels.
std::string model() {
  test::Pen pen;
  pen.graph->clear_input();
  auto* input = pen.graph->add_input();
  input->set_name("x");
  auto* type = input->mutable_type()->mutable_tensor_type();
  type->set_elem_type(TESSERA_FLOAT32);
  for (const char* extent : {"1", "3", "h", "w"}) {
    auto* dim = type->mutable_shape()->add_dim();
    *extent <= '9' ? dim->set_dim_value(*extent - '0') : dim->set_dim_param(extent);
  }
  pen.node("GlobalAveragePool", {"x"}, {"m"});
  pen.node("Mul", {"x", "m"}, {"y"});
  return pen.model.SerializeAsString();
}

class StructSizes : public testing::Test {
 protected:
  StructSizes() { EXPECT_EQ(test::told(load(&options(), &session_)), "0 "); }
  ~StructSizes() override { tessera_session_free(session_); }

  tessera_status* load(const tessera_options* options, tessera_session** session) const {
    return tessera_session_load_memory(model_.data(), model_.size(), options, session);
  }
  const tessera_options& options() {
    tessera_options_init(&options_);
    options_.device = "cpu";
    options_.precision = "fp32";
    options_.threads = 1;
    options_.name = "sized";
    return options_;
  }

  const std::string model_ = model();
  tessera_options options_;
  tessera_session* session_ = nullptr;
  static constexpr int64_t dims_[] = {1, 3, 4, 4};
  float values_[48] = {};
  const tessera_tensor in_{TESSERA_FLOAT32, 4, dims_, values_, sizeof values_};
};

TEST_F(StructSizes, ThatSessionsRead) {
  tessera_cancel* cancel = nullptr;
  ASSERT_EQ(tessera_cancel_create(&cancel), nullptr);
  tessera_environment_options around;
  TESSERA_INIT(&around);
  around.share_threads = around.threads = around.share_models = 1;
  around.log = [](void*, tessera_log_level, const char*) {};
  around.log_context = &around;
  tessera_environment* kept = nullptr;
  check_read(around, [&](const tessera_environment_options* given) {
    tessera_environment* made = nullptr;
    tessera_status* status = tessera_environment_create(given, &made);
    tessera_environment_free(made);
    return status;
  });
  around.threads = around.share_threads = 0;
  ASSERT_EQ(tessera_environment_create(&around, &kept), nullptr);
  const tessera_fixed_input fixed{"x", 1};
  tessera_options whole = options();
  whole.fixed = &fixed;
  whole.fixed_count = 1;
  whole.environment = kept;
  whole.cancel = cancel;
  whole.deadline_ms = 100000;
  tessera_value* value = nullptr;
  ASSERT_EQ(tessera_value_create_tensor(&in_, &value), nullptr);
  const tessera_initializer initializer{"none", value};
  whole.initializers = &initializer;
  whole.initializer_count = 1;
  check_read(whole, [&](const tessera_options* given) {
    tessera_session* made = nullptr;
    tessera_status* status = load(given, &made);
    tessera_session_free(made);
    return status;
  });
  tessera_value_free(value);
  tessera_environment_free(kept);
  tessera_run_options how;
  TESSERA_INIT(&how);
  how.cancel = cancel;
  how.progress = [](void* context, double) { return context ? *static_cast<int*>(context) : 0; };
  how.step = [](void* context, const tessera_step*) { EXPECT_TRUE(!context || *static_cast<int*>(context) == 0); };
  int zero = 0;
  how.context = &zero;
  how.deadline_ms = 100000;
  check_read(how, [&](const tessera_run_options* given) {
    tessera_result* result = nullptr;
    tessera_status* status = tessera_run_with(session_, &in_, 1, given, &result);
    tessera_result_free(result);
    return status;
  });
  tessera_cancel_free(cancel);
}

TEST_F(StructSizes, ThatOperatorsAndPartsRead) {
  tessera_operator own;
  TESSERA_INIT(&own);
  own.domain = "example";
  own.name = "Own";
  own.version = 1;
  own.types = "float -> float";
  own.min_inputs = own.max_inputs = own.min_outputs = own.max_outputs = 1;
  own.user = &own;
  own.release = [](void*) {};
  own.create = [](void*, const tessera_node*, void**) -> tessera_status* { return nullptr; };
  own.destroy = [](void*, void*) {};
  own.infer = [](void*, void*, const tessera_node*, tessera_inference*) -> tessera_status* { return nullptr; };
  own.run = [](void*, void*, const tessera_node*, tessera_call*) -> tessera_status* { return nullptr; };
  check_read(own, [&](const tessera_operator* given) {
    tessera_operators* operators = nullptr;
    EXPECT_EQ(tessera_operators_create(&operators), nullptr);
    tessera_status* status = tessera_operators_add(operators, given);
    tessera_operators_free(operators);
    return status;
  });
  tessera_reach_query query;
  TESSERA_INIT(&query);
  query.input_axes[0] = query.output_axes[0] = 2;
  query.input_axes[1] = query.output_axes[1] = 3;
  check_read(query, [&](const tessera_reach_query* given) {
    tessera_reach* reach = nullptr;
    tessera_status* status = tessera_session_reach(session_, &in_, 1, given, &reach);
    tessera_reach_free(reach);
    return status;
  });
  const char* const names[] = {"m"};
  const int64_t pooled[] = {1, 3, 1, 1};
  const tessera_tensor type{TESSERA_FLOAT32, 4, pooled, nullptr, 0};
  tessera_part part;
  TESSERA_INIT(&part);
  part.given = names;
  part.given_types = &type;
  part.given_count = 1;
  check_read(part, [&](const tessera_part* given) {
    tessera_session* made = nullptr;
    tessera_status* status = tessera_session_part(session_, given, nullptr, &made);
    tessera_session_free(made);
    return status;
  });
  const int64_t from[] = {0, 1, 2};
  const float black[] = {0, 0, 0}, white[] = {1, 1, 1};
  tessera_pixels_in in;
  TESSERA_INIT(&in);
  in.bits = 8;
  in.samples = in.channels = 3;
  in.from = from;
  in.black = black;
  in.white = white;
  tessera_pixels_out out;
  TESSERA_INIT(&out);
  out.bits = 8;
  out.channels = out.from_count = 3;
  out.batched = 1;
  out.from = from;
  out.black = black;
  out.white = white;
  const auto pixels = [&](const tessera_pixels_in* given_in, const tessera_pixels_out* given_out) {
    tessera_session* made = nullptr;
    tessera_status* status = tessera_session_pixels(session_, given_in, given_out, &made);
    tessera_session_free(made);
    return status;
  };
  ASSERT_EQ(test::told(pixels(&in, &out)), "0 ");
  check_read(in, [&](const tessera_pixels_in* given) { return pixels(given, &out); });
  check_read(out, [&](const tessera_pixels_out* given) { return pixels(&in, given); });
}

TEST_F(StructSizes, ThatAreFilled) {
  check_written<tessera_port>([&](tessera_port* to) { return tessera_session_input(session_, 0, to); });
  tessera_port port;
  tessera_port_init(&port);
  ASSERT_EQ(tessera_session_input(session_, 0, &port), nullptr);
  check_written<tessera_type_facts>([&](tessera_type_facts* to) { return tessera_type_get(port.type, to); });
  check_written<tessera_memory>([&](tessera_memory* to) { return tessera_session_forecast(session_, &in_, 1, to); });
  check_written<tessera_traffic>([&](tessera_traffic* to) { return tessera_session_traffic(session_, to); });
  check_written<tessera_facts>([&](tessera_facts* to) { return tessera_session_facts(session_, to); });
  check_written<tessera_model>([&](tessera_model* to) { return tessera_session_model(session_, to); });
  tessera_buffer* buffer = nullptr;
  ASSERT_EQ(tessera_buffer_create_around(&in_, &buffer), nullptr);
  check_written<tessera_buffer_facts>([&](tessera_buffer_facts* to) { return tessera_buffer_get(buffer, to); });
  tessera_buffer_free(buffer);
  tessera_devices* devices = nullptr;
  ASSERT_EQ(tessera_devices_list(&devices), nullptr);
  check_written<tessera_device>([&](tessera_device* to) { return tessera_devices_get(devices, 0, to); });
  tessera_devices_free(devices);
  tessera_steps* steps = nullptr;
  ASSERT_EQ(tessera_session_steps(session_, &in_, 1, &steps), nullptr);
  check_written<tessera_step_facts>([&](tessera_step_facts* to) { return tessera_steps_get(steps, 0, to); });
  tessera_steps_free(steps);
  tessera_reach_query query;
  TESSERA_INIT(&query);
  query.input_axes[0] = query.output_axes[0] = 2;
  query.input_axes[1] = query.output_axes[1] = 3;
  tessera_reach* reach = nullptr;
  ASSERT_EQ(tessera_session_reach(session_, &in_, 1, &query, &reach), nullptr);
  check_written<tessera_reach_facts>([&](tessera_reach_facts* to) { return tessera_reach_get(reach, to); });
  check_written<tessera_pool>([&](tessera_pool* to) { return tessera_reach_pool(reach, 0, to); });
  tessera_reach_free(reach);
}

}  // namespace
}  // namespace tessera
