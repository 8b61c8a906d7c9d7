// ONNX's own tests in this process, where every rewrite is checked: see rewrite_types_test.cpp.
#include "optimizer/optimizer.h"
#include "tests/support.h"
#include "tools/conformance.h"

namespace tessera::test {
namespace {

TEST(RewriteTypesOfOnnxTests, AreKept) {
  TESSERA_REQUIRE_SHARED(shared);
  optimizer::check_rewrites(true);
  SessionOptions options;
  options.threads = 1;
  options.device = "cpu";
  int count = 0;
  for (const tools::ConformanceCase& one : tools::find_cases(shared / "onnx-tests")) {
    const tools::CaseResult result = tools::run_case(one, options);
    EXPECT_EQ(result.message.find("rewrite "), std::string::npos) << one.name << ": " << result.message;
    ++count;
  }
  EXPECT_GT(count, 1000);
}

}  // namespace
}  // namespace tessera::test
