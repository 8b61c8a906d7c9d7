// Structs of upscale.h, stated in every size.
#include "tests/places.h"
#include "tests/struct_sizes.h"

namespace tessera::upscale {
namespace {

using test::check_read;
using test::check_written;

TEST(UpscaleStructSizes, OfEveryStruct) {
  tessera_upscaler_options options;
  TESSERA_INIT(&options);
  options.devices = "cpu";
  options.precision = "fp32";
  options.name = "sized";
  const tessera_fixed_input fixed{"nothing", 1};
  options.fixed = &fixed;
  options.fixed_count = 1;
  options.range = options.range_out = "0:1";
  options.order = "rgb";
  options.output = "out";
  // Options are read before the file is.
  check_read(options, [](const tessera_upscaler_options* given) {
    tessera_upscaler* made = nullptr;
    return tessera_upscaler_open("/nonexistent/model.onnx", given, &made);
  });

  tessera_upscaler* upscaler = nullptr;
  TESSERA_INIT(&options);
  options.devices = "cpu";
  ASSERT_EQ(test::told(tessera_upscaler_open(nullptr, &options, &upscaler)), "0 ");
  std::vector<uint8_t> small(3 * 8 * 8, 90), large(3 * 16 * 16);
  tessera_picture source, result;
  TESSERA_INIT(&source);
  source.width = source.height = 8;
  source.channels = 3;
  source.dtype = TESSERA_UINT8;
  source.data = small.data();
  source.row_stride = 24;
  source.pixel_stride = 3;
  source.channel_stride = 1;
  result = source;
  result.width = result.height = 16;
  result.data = large.data();
  result.row_stride = 48;
  tessera_upscale_options how;
  TESSERA_INIT(&how);
  how.width = how.height = 16;
  how.progress = [](void*, double) { return 0; };
  how.context = &how;
  ASSERT_EQ(tessera_cancel_create(const_cast<tessera_cancel**>(&how.cancel)), nullptr);
  const auto run = [&](const tessera_picture* from, const tessera_picture* to, const tessera_upscale_options* options) {
    return tessera_upscale(upscaler, from, to, options, nullptr);
  };
  check_read(source, [&](const tessera_picture* given) { return run(given, &result, &how); });
  check_read(result, [&](const tessera_picture* given) { return run(&source, given, &how); });
  check_read(how, [&](const tessera_upscale_options* given) { return run(&source, &result, given); });

  check_written<tessera_upscaler_facts>([&](tessera_upscaler_facts* to) { return tessera_upscaler_ask(upscaler, to); });
  check_written<tessera_upscale_forecast>(
      [&](tessera_upscale_forecast* to) { return tessera_upscaler_forecast(upscaler, 8, 8, 3, to); });
  tessera_upscale_report* report = nullptr;
  ASSERT_EQ(test::told(tessera_upscale(upscaler, &source, &result, &how, &report)), "0 ");
  check_written<tessera_upscale_summary>(
      [&](tessera_upscale_summary* to) { return tessera_upscale_report_get(report, to); });
  tessera_upscale_report_free(report);
  tessera_cancel_free(const_cast<tessera_cancel*>(how.cancel));
  tessera_upscaler_free(upscaler);
}

TEST(UpscaleStructSizes, OfFilesOfPictures) {
  const auto create = [](const tessera_picture_writer_options* given) {
    tessera_picture_writer* writer = nullptr;
    tessera_status* status = tessera_picture_writer_create_memory(given, &writer);
    tessera_picture_writer_free(writer);
    return status;
  };
  tessera_picture_writer_options writing;
  TESSERA_INIT(&writing);
  writing.width = writing.height = 1;
  writing.channels = 1;
  writing.dtype = TESSERA_UINT8;
  writing.format = "png";
  writing.threads = writing.dither = 1;
  const tessera_picture_text text{"Title", "one pixel"};
  writing.texts = &text;
  writing.text_count = 1;
  writing.density_x = writing.density_y = 1000;
  check_read(writing, create);

  tessera_picture_writer* writer = nullptr;
  ASSERT_EQ(test::told(tessera_picture_writer_create_memory(&writing, &writer)), "0 ");
  uint8_t sample = 7;
  tessera_picture rows;
  TESSERA_INIT(&rows);
  rows.width = rows.height = rows.channels = 1;
  rows.dtype = TESSERA_UINT8;
  rows.data = &sample;
  ASSERT_EQ(test::told(tessera_picture_writer_write(writer, &rows)), "0 ");
  ASSERT_EQ(test::told(tessera_picture_writer_finish(writer)), "0 ");
  const void* data = nullptr;
  size_t bytes = 0;
  ASSERT_EQ(test::told(tessera_picture_writer_bytes(writer, &data, &bytes)), "0 ");
  tessera_picture_reader* reader = nullptr;
  const auto open = [&](const tessera_picture_reader_options* given) {
    tessera_picture_reader* opened = nullptr;
    tessera_status* status = tessera_picture_reader_open_memory(data, bytes, given, &opened);
    tessera_picture_reader_free(opened);
    return status;
  };
  tessera_picture_reader_options reading;
  TESSERA_INIT(&reading);
  reading.most_pixels = 10;
  reading.name = "sized";
  check_read(reading, open);
  ASSERT_EQ(test::told(tessera_picture_reader_open_memory(data, bytes, &reading, &reader)), "0 ");
  check_written<tessera_picture_facts>(
      [&](tessera_picture_facts* to) { return tessera_picture_reader_ask(reader, to); });
  tessera_picture_reader_free(reader);
  tessera_picture_writer_free(writer);
}

}  // namespace
}  // namespace tessera::upscale
