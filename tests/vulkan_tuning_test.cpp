// Which way of dividing work is taken: what shapes decide, or what was tried and kept on disk.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "ops/vulkan/tiles.h"
#include "tests/fake_device.h"
#include "tests/support.h"
#include "tests/vulkan_device.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;
using namespace vulkan;

class VulkanTuning : public VulkanDevice {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / cat("tessera-tuning-", ::getpid());
    fs::remove_all(folder_);
    setenv("TESSERA_CACHE", folder_.c_str(), 1);
    VulkanDevice::SetUp();
  }
  void TearDown() override {
    VulkanDevice::TearDown();
    setenv("TESSERA_CACHE", "/dev/null", 1);
    fs::remove_all(folder_);
  }

  void open_anew(bool tunes) {
    device_.reset();  // the last one closes it: what it kept is read again
    std::string why;
    const Tell tell = [this](const std::string& line) { told_.push_back(line); };
    device_ = make_backend(0, &why, Precision::fp32, tunes ? tell : nullptr);
    ASSERT_TRUE(device_) << why;
  }

  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder_, error))
      if (entry.path().filename().string().starts_with("tuning-")) found.push_back(entry.path());
    return found;
  }

  // A convolution and a product, of which each has ways.
  std::vector<Tensor> run() const {
    GraphBuilder b;
    const ValueId x = b.input("x", {DType::float32, {1, 5, 24, 24}});
    const ValueId w = b.constant(random_tensor(DType::float32, {20, 5, 3, 3}, 2));
    const ValueId y = b.node("Conv", {x, w}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
    b.output(b.node("MatMul", {y, b.constant(random_tensor(DType::float32, {24, 40}, 3))}));
    const auto engine = engine_with(device_, true);
    engine->plan.count_crossings = false;
    return run_on(*engine, std::move(b.graph), {random_tensor(DType::float32, {1, 5, 24, 24}, 1)});
  }

  fs::path folder_;
  std::vector<std::string> told_;
};

const KernelVariant& product() {
  for (const KernelVariant& variant : all_kernels())
    if (variant.kernel->name == "product" && !variant.halves) return variant;
  throw std::runtime_error("no product");
}

bool is_same(const Tiles& a, const Tiles& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

TEST_F(VulkanTuning, IsForShapesOfAClassAndLasts) {
  const Facts facts;
  const auto tiles_for = [&](const Tuning& tuning, int64_t n) {
    const Recorder recorder(product(), facts, Ways(&tuning));
    return choose_tiles(100, n, 1, 300, recorder);
  };
  Trial trial{2};
  const Recorder asking(product(), facts, Ways(nullptr, &trial));
  const Tiles tried = choose_tiles(100, 5000, 1, 300, asking);
  ASSERT_EQ(trial.asked.size(), 1u);
  const auto& [node, question, ways] = trial.asked[0];
  EXPECT_GE(ways.size(), 4u);

  Tuning tuning("tuning-test");
  const Tiles usual = tiles_for(tuning, 5000);
  EXPECT_FALSE(is_same(tried, usual));
  tuning.keep({{question, ways[2]}});
  EXPECT_TRUE(is_same(tiles_for(tuning, 5000), tried));
  EXPECT_TRUE(is_same(tiles_for(tuning, 8192), tried));  // of the same class
  EXPECT_FALSE(is_same(tiles_for(tuning, 8193), tried));
  EXPECT_TRUE(is_same(tiles_for(Tuning("tuning-test"), 5000), tried));
  // What no shader offers any more, and what is damaged, is as good as nothing.
  Tuning("tuning-test").keep({{question, "7 7 7 7"}});
  EXPECT_TRUE(is_same(tiles_for(Tuning("tuning-test"), 5000), usual));
  Tuning("tuning-test").keep({{question, ways[2]}});
  fs::resize_file(folder_ / "tuning-test", fs::file_size(folder_ / "tuning-test") - 1);
  EXPECT_TRUE(is_same(tiles_for(Tuning("tuning-test"), 5000), usual));
}

TEST_F(VulkanTuning, IsDoneWhereItIsAskedForAndKeptForAllRuns) {
  const std::vector<Tensor> usual = run();
  EXPECT_TRUE(files().empty());
  open_anew(true);
  const std::vector<Tensor> tuned = run();
  EXPECT_TRUE(close(tuned[0], usual[0], 1e-4, 1e-4));
  const int classes = details_of(*device_).tuned;
  EXPECT_EQ(classes, 2);
  ASSERT_EQ(files().size(), 1u);
  // A later run tries nothing, and goes the same way: bit for bit.
  const auto written = fs::last_write_time(files()[0]);
  open_anew(false);
  EXPECT_EQ(details_of(*device_).tuned, classes);
  const std::vector<Tensor> again = run();
  EXPECT_EQ(std::memcmp(again[0].bytes.get(), tuned[0].bytes.get(), static_cast<size_t>(tuned[0].type.bytes())), 0);
  EXPECT_EQ(fs::last_write_time(files()[0]), written);
  // Without the file, shapes decide.
  fs::resize_file(files()[0], 20);
  open_anew(false);
  EXPECT_EQ(details_of(*device_).tuned, 0);
  const std::vector<Tensor> plain = run();
  EXPECT_EQ(std::memcmp(plain[0].bytes.get(), usual[0].bytes.get(), static_cast<size_t>(usual[0].type.bytes())), 0);
}

// What is found by then is kept: here nothing.
TEST_F(VulkanTuning, EndsWhenItsTimeIsOverAndSaysSo) {
  setenv("TESSERA_TUNE_SECONDS", "0.001", 1);
  const std::vector<Tensor> usual = run();
  open_anew(true);
  const std::vector<Tensor> tuned = run();
  unsetenv("TESSERA_TUNE_SECONDS");
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_NE(told_[0].find(": ended early, 0 of "), std::string::npos) << told_[0];
  EXPECT_EQ(details_of(*device_).tuned, 0);
  EXPECT_EQ(std::memcmp(tuned[0].bytes.get(), usual[0].bytes.get(), static_cast<size_t>(usual[0].type.bytes())), 0);
}

}  // namespace
}  // namespace tessera::test
