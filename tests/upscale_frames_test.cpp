// Models of videos take pictures: each is shown to them as frames that are alike.
#include <gmock/gmock.h>

#include "tests/graph_builder.h"
#include "tests/support.h"
#include "tests/upscale_pictures.h"
#include "tests/upscale_sessions.h"
#include "upscale/tiler.h"

namespace tessera::upscale {
namespace {

using test::GraphBuilder;

/// Each pixel twice on either side; over frames [1,T,3,H,W] or [1,3,T,H,W] that were mixed with their neighbours, or
/// over their mean.
std::unique_ptr<Upsampler> video_model(bool channels_first, int64_t frames, bool one_result) {
  GraphBuilder g;
  const tessera::Type type{DType::float32, channels_first ? Shape{1, 3, frames, -1, -1} : Shape{1, frames, 3, -1, -1}};
  ValueId x = g.input("frames", type);
  const auto list = [](std::vector<int64_t> values) -> Attr { return values; };
  if (one_result)
    x = g.node("ReduceMean", {x}, {{"axes", list({channels_first ? 2 : 1})}, {"keepdims", int64_t{0}}}, 13);
  const std::vector<double> scales = one_result ? std::vector<double>{1, 1, 2, 2} : std::vector<double>{1, 1, 1, 2, 2};
  g.output(g.node("Resize", {x, absent, g.constant(test::floats({static_cast<int64_t>(scales.size())}, scales))},
                  {{"mode", std::string("nearest")},
                   {"coordinate_transformation_mode", std::string("asymmetric")},
                   {"nearest_mode", std::string("floor")}}));
  ModelOptions options;
  options.device = "cpu";
  return with_still_frames(open_graph(std::move(g.graph), options));
}

TEST(UpscaleFrames, models_of_videos_take_pictures) {
  const Picture picture = noise(45, 33, 3);
  for (const bool channels_first : {false, true})
    for (const int64_t frames : {-1, 1, 5})
      for (const bool one_result : {false, true}) {
        SCOPED_TRACE(cat(channels_first ? "[N,C,T,H,W] " : "[N,T,C,H,W] ", frames, one_result ? " to one" : ""));
        const auto model = video_model(channels_first, frames, one_result);
        EXPECT_EQ(model->frames(), frames < 0 ? 3 : frames);
        Report report;
        TilerOptions options;
        options.tile = 32;
        const Picture large = Tiler(*model, options).upscale(picture, report);
        ASSERT_EQ(large.width, 90);
        ASSERT_EQ(large.height, 66);
        for (int64_t y = 0; y < 66; ++y)
          for (int64_t x = 0; x < 90; ++x)
            ASSERT_EQ(std::memcmp(large.row(y) + 3 * x, picture.row(y / 2) + 3 * (x / 2), 3), 0) << x << ',' << y;
      }
}

TEST(UpscaleFrames, what_is_found_tells_so) {
  const auto model = video_model(false, 5, false);
  const Knowledge knowledge = examine(*model);
  const auto told = std::find_if(knowledge.findings.begin(), knowledge.findings.end(),
                                 [](const Finding& finding) { return finding.what == "frames"; });
  ASSERT_NE(told, knowledge.findings.end());
  EXPECT_EQ(told->value, "5");
}

}  // namespace
}  // namespace tessera::upscale
