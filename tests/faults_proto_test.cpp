// The C interface when memory is short: a status says so, nothing leaks, and the session goes on.

#include "include/tessera/tessera.h"
#include "tests/allocations.h"
#include "tests/onnx_pen.h"

namespace tessera::test {
namespace {

// A convolution, and a cut: what the input `shape` holds gives the result its shape.
std::string model() {
  Pen pen;
  auto* dims = pen.graph->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  dims->clear_dim();
  for (const int64_t dim : {1, 4, 6, 6}) dims->add_dim()->set_dim_value(dim);
  add_input(pen.graph, "shape", DType::int64);
  const Tensor weights = random_tensor(DType::float32, {4, 4, 3, 3}, 1);
  *pen.graph->add_initializer() = raw_tensor(
      "w", DType::float32, {4, 4, 3, 3},
      std::string(reinterpret_cast<const char*>(weights.bytes.get()), static_cast<size_t>(weights.type.bytes())));
  pen.node("Conv", {"x", "w"}, {"c"});
  pen.node("Sigmoid", {"c"}, {"s"});
  pen.node("Softmax", {"s"}, {"m"});
  pen.node("Reshape", {"m", "shape"}, {"r"});
  pen.node("Relu", {"r"}, {"y"});
  return pen.model.SerializeAsString();
}

struct Caller {
  std::string bytes = model();
  std::vector<float> x = std::vector<float>(144, 0.5f), y = std::vector<float>(64);
  int64_t x_dims[4] = {1, 4, 6, 6}, shape_dims[1] = {2}, y_dims[2] = {8, 8}, shape[2] = {8, 8};
  tessera_tensor in[2] = {{TESSERA_FLOAT32, 4, x_dims, x.data(), x.size() * 4},
                          {TESSERA_INT64, 1, shape_dims, shape, 16}};
  tessera_tensor out{TESSERA_FLOAT32, 2, y_dims, y.data(), y.size() * 4};

  std::vector<tessera_code> codes;  // of all that failed

  Caller() { codes.reserve(4); }

  // Loads, runs in both ways and frees everything; whether it could be loaded. `y` is what the last run gave.
  bool use(FailingAllocations* failing) {
    codes.clear();
    const auto note = [&](tessera_status* status) {
      if (!status) return true;
      codes.push_back(tessera_status_code(status));
      tessera_status_free(status);
      return false;
    };
    tessera_options options;
    tessera_options_init(&options);
    options.device = "cpu";
    options.threads = 2;
    tessera_session* session = nullptr;
    if (!note(tessera_session_load_memory(bytes.data(), bytes.size(), &options, &session))) return false;
    tessera_result* result = nullptr;
    if (note(tessera_run(session, in, 2, nullptr, &result))) tessera_result_free(result);
    note(tessera_run_into(session, in, 2, &out, 1, nullptr));
    // Then memory is there again, and the session is as good as ever.
    if (failing) failing->stop();
    std::fill(y.begin(), y.end(), -1.0f);
    EXPECT_TRUE(note(tessera_run_into(session, in, 2, &out, 1, nullptr)));
    tessera_session_free(session);
    return true;
  }
};

TEST(Faults, TheCInterfaceSurvivesEveryAllocationThatFails) {
  Caller caller;
  caller.use(nullptr);
  ASSERT_TRUE(caller.codes.empty());
  const std::vector<float> right = caller.y;
  caller.use(nullptr);
  int64_t failed = 0, loaded = 0, living = living_allocations;
  for (const bool all : {false, true})
    for (int64_t number = 1;; number += all ? 7 : 1) {
      FailingAllocations failing(number, all ? std::numeric_limits<int64_t>::max() : number + 1);
      const bool was_loaded = caller.use(&failing);
      failing.stop();
      if (failing.failed() == 0) break;
      ++failed;
      for (const tessera_code code : caller.codes) EXPECT_EQ(code, TESSERA_MEMORY) << "allocation " << number;
      loaded += was_loaded;
      EXPECT_TRUE(!was_loaded || caller.y == right) << "allocation " << number;
    }
  EXPECT_GT(failed, 300);
  EXPECT_GT(loaded, 100);
  EXPECT_LT(living_allocations - living, 20);
}

}  // namespace
}  // namespace tessera::test
