// What is found out of a model: checked by a picture, told with its evidence, kept in the cache folder.
#include "upscale/knowledge.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>

#include "runtime/base/disk_cache.h"
#include "tests/support.h"
#include "upscale/explain.h"
#include "upscale/identity.h"

namespace tessera::upscale {
namespace {

namespace fs = std::filesystem;

/// Each pixel as a square of `scale` pixels a side, its samples changed by a formula.
Tensor enlarged(const Tensor& input, int64_t scale, const std::function<double(double)>& of) {
  const Shape& in = input.type.shape;
  const Tensor output = Tensor::make({DType::float32, {1, 3, scale * in[2], scale * in[3]}});
  const int64_t width = in[3], wide = scale * width;
  for (int64_t i = 0; i < output.type.shape.elements(); ++i)
    set_element(output.view(), i, of(element_as_double(input.view(), i / (scale * wide) * width + i % wide / scale)));
  return output;
}

/// Each pixel four times, its samples changed by a formula.
struct Formula : Upsampler {
  std::function<double(double sample)> of = [](double v) { return v; };
  std::string name;
  mutable int runs = 0;
  std::vector<Port> ports = {port()};

  static Port port() {
    Port made;
    made.name = "in";
    made.type = {DType::float32, {1, 3, -1, -1}};
    made.ranked = true;
    return made;
  }
  List<Port> inputs() const override { return ports; }
  List<Port> outputs() const override { return ports; }
  std::vector<Type> output_types(const Type& input) const override {
    return {{DType::float32, {1, 3, 2 * input.shape[2], 2 * input.shape[3]}}};
  }
  std::vector<Tensor> run(const Tensor& input) const override {
    ++runs;
    return {enlarged(input, 2, of)};
  }
  int64_t run_bytes(const Type& input) const override { return input.bytes(); }
  std::string identity() const override { return name; }
};

/// A cache folder of its own.
class UpscaleKnowledge : public testing::Test {
 protected:
  void SetUp() override {
    const char* before = std::getenv("TESSERA_CACHE");
    before_ = before ? before : "";
    folder_ = fs::temp_directory_path() / cat("tessera-knowledge-", ::getpid());
    fs::remove_all(folder_);
    ::setenv("TESSERA_CACHE", folder_.c_str(), 1);
  }
  void TearDown() override {
    fs::remove_all(folder_);
    before_.empty() ? ::unsetenv("TESSERA_CACHE") : ::setenv("TESSERA_CACHE", before_.c_str(), 1);
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    if (fs::exists(folder_))
      for (const auto& entry : fs::directory_iterator(folder_)) found.push_back(entry.path());
    return found;
  }
  static int runs_of(const ConventionOptions& options = {}, const std::string& name = "a model") {
    Formula model;
    model.name = name;
    model.of = [](double v) { return 255 * v; };
    const Knowledge found = know(model, options);
    EXPECT_EQ(found.convention.out_levels[2].white, 255);
    EXPECT_EQ(found.convention.in_levels[2].white, options.in.empty() ? 1 : options.in[0].white);
    EXPECT_EQ(found.convention.scale, 2);
    EXPECT_FALSE(found.findings.empty());
    return model.runs;
  }

  fs::path folder_;
  std::string before_;
};

TEST_F(UpscaleKnowledge, is_paid_for_once) {
  EXPECT_GT(runs_of(), 0);
  EXPECT_EQ(files().size(), 1u);
  EXPECT_EQ(runs_of(), 0);
  EXPECT_GT(runs_of({}, "another model"), 0);
  const ConventionOptions said{.in = {{0, 1}}, .out = {{0, 255}}};
  EXPECT_GT(runs_of(said), 0) << "what a user says is another question";
  EXPECT_EQ(runs_of(said), 0);
  EXPECT_GT(runs_of({}, ""), 0) << "nothing is kept of a model without a name";
  EXPECT_GT(runs_of({}, ""), 0);
}

TEST_F(UpscaleKnowledge, that_is_spoiled_is_found_out_again) {
  runs_of();
  ASSERT_EQ(files().size(), 1u);
  const fs::path file = files()[0];
  const auto size = fs::file_size(file);
  fs::resize_file(file, size / 2);
  EXPECT_GT(runs_of(), 0);
  EXPECT_EQ(runs_of(), 0);
  std::ofstream(file) << "something else";
  EXPECT_GT(runs_of(), 0);
  // Whole under its checksum, but written by another edition.
  const char other[] = "tessera 0.0.0 edition 0\n1 2 3";
  store_cached(file.filename().string(), std::as_bytes(List<char>(other, sizeof other - 1)));
  EXPECT_GT(runs_of(), 0);
  EXPECT_EQ(runs_of(), 0);
}

TEST_F(UpscaleKnowledge, is_used_where_it_cannot_be_kept) {
  std::ofstream(folder_.string()) << "a file, not a folder";
  EXPECT_GT(runs_of(), 0);
  EXPECT_GT(runs_of(), 0);
}

TEST_F(UpscaleKnowledge, says_how_much_a_picture_resembles_itself) {
  Formula model;
  const Knowledge good = know(model, {});
  EXPECT_LT(good.unlike, 0.001);
  EXPECT_EQ(warning_of(good), "");
  model.of = [](double v) { return 1 - v; };
  const Knowledge negative = know(model, {.in = {{0, 1}}});
  EXPECT_NEAR(negative.unlike, 0.3, 0.1);
  EXPECT_NE(warning_of(negative).find("of 255 levels"), std::string::npos);
  try {
    know(model, {});
    FAIL() << "found, and refused all the same";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::unsupported);
    EXPECT_NE(Text(error.what()).find("--range"), Text::npos) << error.what();
  }
}

TEST_F(UpscaleKnowledge, has_evidence_for_all_it_says) {
  Formula model;
  const auto evidence_of = [&](const TilerOptions& options, Text what) {
    for (const Finding& finding : explain(Tiler(model, options)))
      if (finding.what == what) return finding.value + ": " + finding.evidence;
    return std::string();
  };
  EXPECT_NE(evidence_of({}, "scale").find("x2"), std::string::npos);
  EXPECT_NE(evidence_of({}, "levels").find("0..1: the answer to a test picture differs from it by 0.0"),
            std::string::npos)
      << evidence_of({}, "levels");
  TilerOptions said;
  said.convention.in = {{0, 255}};
  EXPECT_NE(evidence_of(said, "levels").find("0..255: as --range"), std::string::npos);
  for (const Text what : {"picture", "sizes", "first color", "check", "receptive field", "tiles"})
    EXPECT_NE(evidence_of({}, what), "") << what;
}

/// Beside the picture it gives others of its shape, each larger by its factor, with samples by its formula.
struct Several : Formula {
  struct Other {
    std::string name;
    int64_t scale;
    std::function<double(double)> of;
  };
  std::vector<Other> others;
  std::vector<Port> outs;

  explicit Several(std::vector<Other> given) : others(std::move(given)) {
    for (const Other& other : others) {
      outs.push_back(port());
      outs.back().name = other.name;
    }
  }
  List<Port> outputs() const override { return outs; }
  std::vector<Type> output_types(const Type& input) const override {
    std::vector<Type> types;
    for (const Other& other : others)
      types.push_back({DType::float32, {1, 3, other.scale * input.shape[2], other.scale * input.shape[3]}});
    return types;
  }
  std::vector<Tensor> run(const Tensor& input) const override {
    std::vector<Tensor> results;
    for (const Other& other : others) results.push_back(enlarged(input, other.scale, other.of));
    return results;
  }
};

const auto same = [](double v) { return v; };
const auto features = [](double v) { return std::sin(40 * v); };

TEST_F(UpscaleKnowledge, takes_the_largest_of_several_pictures) {
  const Several model({{"small", 1, same}, {"large", 4, same}, {"middle", 2, same}});
  const Knowledge found = know(model, {});
  EXPECT_EQ(found.convention.scale, 4);
  EXPECT_EQ(found.convention.output, 1);
}

TEST_F(UpscaleKnowledge, takes_no_features_for_a_picture) {
  const Several model({{"features", 8, features}, {"picture", 2, same}});
  const Knowledge found = know(model, {});
  EXPECT_EQ(found.convention.scale, 2);
  EXPECT_EQ(found.convention.output, 1);
  const auto finding = std::find_if(found.findings.begin(), found.findings.end(),
                                    [](const Finding& each) { return each.what == "output"; });
  ASSERT_NE(finding, found.findings.end());
  EXPECT_EQ(finding->value, "picture");
}

TEST_F(UpscaleKnowledge, takes_the_output_that_is_named) {
  Several model({{"small", 1, same}, {"large", 4, same}});
  model.name = "two";
  EXPECT_EQ(know(model, {}).convention.output, 1);
  EXPECT_EQ(know(model, {.output = "small"}).convention.output, 0) << "what is kept was asked without a name";
  try {
    know(model, {.output = "none"});
    FAIL() << "there is no such output";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "no output of the model is \"none\"; it has small, large");
  }
}

TEST_F(UpscaleKnowledge, refuses_outputs_that_are_all_no_picture) {
  const Several model({{"a", 2, features}, {"b", 1, [](double v) { return std::cos(60 * v); }}});
  EXPECT_THROW(know(model, {}), Error);
}

TEST(UpscaleIdentity, differs_where_bytes_differ) {
  std::vector<std::byte> bytes(1001, std::byte{7});
  std::vector<std::string> names{identity_of(bytes)};
  for (const size_t i : {0, 8, 500, 999, 1000}) {
    std::vector<std::byte> other = bytes;
    other[i] ^= std::byte{1};
    names.push_back(identity_of(other));
  }
  names.push_back(identity_of(List<std::byte>(bytes).first(1000)));
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
  EXPECT_EQ(identity_of(bytes), identity_of(bytes));
}

}  // namespace
}  // namespace tessera::upscale
