// Hostile and damaged files: each loads or ends in an Error that names the file, in time.
#include <gmock/gmock.h>

#include <ctime>

#include "runtime/onnx/load.h"
#include "tests/support.h"

namespace tessera::test {
namespace {

std::string outcome_of(const std::filesystem::path& path) {
  try {
    onnx::load(path.string());
    return "";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith(path.string() + ": "));
    return error.what();
  }
}

TEST(OnnxHostile, EveryFileLoadsOrIsRefusedInTime) {
  TESSERA_REQUIRE_SHARED(data);
  int refused = 0, files = 0;
  for (const char* folder : {"onnx-derived", "onnx-ort-invalid", "go-fuzz-protobuf"})
    for (const auto& entry : std::filesystem::recursive_directory_iterator(data / "malformed" / folder)) {
      if (!entry.is_regular_file()) continue;
      const std::clock_t start = std::clock();  // of this process: others may keep it waiting
      refused += !outcome_of(entry.path()).empty();
      ++files;
      EXPECT_LT(std::clock() - start, 10 * CLOCKS_PER_SEC) << entry.path();
    }
  EXPECT_GT(files, 1000);
  EXPECT_GT(refused, 900);
}

TEST(OnnxHostile, FilesThatMustBeRefusedAre) {
  TESSERA_REQUIRE_SHARED(data);
  for (const char* name : {"cycle",
                           "empty",
                           "ext_devzero",
                           "ext_empty_loc",
                           "ext_missing",
                           "ext_nonnumeric",
                           "ext_proc",
                           "ff_4k",
                           "function_recursive",
                           "group_wiretype",
                           "init_bad_dtype",
                           "init_dims_overflow64",
                           "init_long_raw",
                           "init_raw_not_multiple",
                           "init_undefined_dtype",
                           "ir_99999",
                           "len_overflow_varint",
                           "missing_input",
                           "nested_if_200",
                           "no_graph",
                           "no_opset",
                           "one_byte_0a",
                           "opset_9999",
                           "too_many_inputs",
                           "trunc_0.1",
                           "trunc_0.9",
                           "trunc_minus1",
                           "varint_11bytes",
                           "wiretype7",
                           "zeros_4k"}) {
    const auto path = data / "malformed/onnx-derived" / (std::string(name) + ".onnx");
    ASSERT_TRUE(std::filesystem::exists(path)) << path;
    EXPECT_NE(outcome_of(path), "") << name;
  }
  EXPECT_EQ(outcome_of(data / "malformed/onnx-derived/chain_100k_relu.onnx"), "") << "large, but sound";
}

TEST(OnnxHostile, EveryModelAtHandLoads) {
  TESSERA_REQUIRE_SHARED(data);
  int models = 0;
  for (const char* folder : {"models", "onnx-tests"})
    for (const auto& entry : std::filesystem::recursive_directory_iterator(data / folder))
      if (entry.path().extension() == ".onnx") {
        EXPECT_EQ(outcome_of(entry.path()), "");
        ++models;
      }
  EXPECT_GT(models, 1900);
}

}  // namespace
}  // namespace tessera::test
