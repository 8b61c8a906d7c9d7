// ONNX's ImageDecoder, which the library of picture files adds.
#include <gmock/gmock.h>

#include "include/tessera/pictures.h"
#include "include/tessera/tessera.hpp"
#include "tests/onnx_pen.h"
#include "tests/upscale_pictures.h"
#include "upscale/codecs/codec.h"

namespace tessera {
namespace {

using testing::HasSubstr;
using upscale::Bytes;
using upscale::Format;
using upscale::Picture;

std::string model(const char* pixel_format) {
  test::ModelProto model;
  model.set_ir_version(9);
  model.add_opset_import()->set_version(20);
  test::GraphProto* graph = model.mutable_graph();
  test::add_input(graph, "file", DType::uint8);
  graph->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_param("n");
  graph->add_output()->set_name("picture");
  test::NodeProto* node = test::add_node(graph->mutable_node(), "ImageDecoder", {"file"}, {"picture"});
  if (pixel_format) {
    test::AttributeProto* attribute = node->add_attribute();
    attribute->set_name("pixel_format");
    attribute->set_type(test::AttributeProto::STRING);
    attribute->set_s(pixel_format);
  }
  return model.SerializeAsString();
}

struct Decoder {
  tessera_session* session = nullptr;

  explicit Decoder(const char* pixel_format) {
    tessera_options options;
    tessera_options_init(&options);
    tessera_operators* operators = nullptr;
    api::check(tessera_operators_create(&operators));
    api::check(tessera_pictures_add_operators(operators));
    options.operators = operators;
    const std::string bytes = model(pixel_format);
    tessera_status* status = tessera_session_load_memory(bytes.data(), bytes.size(), &options, &session);
    tessera_operators_free(operators);
    api::check(status);
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { tessera_session_free(session); }

  /// Shape, and bytes behind it.
  std::pair<std::vector<int64_t>, Bytes> operator()(const Bytes& file) const {
    const int64_t dims[] = {static_cast<int64_t>(file.size())};
    const tessera_tensor in = {TESSERA_UINT8, 1, dims, const_cast<std::byte*>(file.data()), file.size()};
    tessera_result* result = nullptr;
    api::check(tessera_run(session, &in, 1, nullptr, &result));
    tessera_tensor out;
    api::check(tessera_result_tensor(result, 0, &out));
    EXPECT_EQ(out.dtype, TESSERA_UINT8);
    const auto* first = static_cast<const std::byte*>(out.data);
    std::pair<std::vector<int64_t>, Bytes> made{{out.dims, out.dims + out.rank}, Bytes(first, first + out.bytes)};
    tessera_result_free(result);
    return made;
  }
};

Bytes bytes_of(std::initializer_list<int> numbers) {
  Bytes bytes;
  for (const int number : numbers) bytes.push_back(static_cast<std::byte>(number));
  return bytes;
}

Bytes file_of(int64_t width, int channels, const Bytes& samples, Format format, int bits = 8) {
  Picture picture = upscale::blank(width, 1, channels, bits);
  picture.samples = samples;
  std::vector<std::string> notes;
  return upscale::encode(picture, format, {}, notes);
}

TEST(ImageDecoder, gives_the_channels_that_are_asked_for) {
  const Bytes file = file_of(2, 3, bytes_of({10, 20, 30, 200, 100, 50}), Format::png);
  const std::vector<int64_t> colors{1, 2, 3}, gray{1, 2, 1};
  EXPECT_EQ(Decoder(nullptr)(file), std::pair(colors, bytes_of({10, 20, 30, 200, 100, 50})));
  EXPECT_EQ(Decoder("RGB")(file), std::pair(colors, bytes_of({10, 20, 30, 200, 100, 50})));
  EXPECT_EQ(Decoder("BGR")(file), std::pair(colors, bytes_of({30, 20, 10, 50, 100, 200})));
  EXPECT_EQ(Decoder("Grayscale")(file), std::pair(gray, bytes_of({18, 124})));
}

TEST(ImageDecoder, takes_gray_alpha_and_16_bits) {
  const std::vector<int64_t> colors{1, 1, 3};
  EXPECT_EQ(Decoder("RGB")(file_of(1, 1, bytes_of({77}), Format::png)), std::pair(colors, bytes_of({77, 77, 77})));
  EXPECT_EQ(Decoder("RGB")(file_of(1, 4, bytes_of({1, 2, 3, 9}), Format::png)), std::pair(colors, bytes_of({1, 2, 3})));
  EXPECT_EQ(Decoder("RGB")(file_of(1, 3, bytes_of({0, 0, 255, 255, 128, 128}), Format::tiff, 16)),
            std::pair(colors, bytes_of({0, 255, 128})));
}

TEST(ImageDecoder, what_is_no_picture_is_an_empty_matrix) {
  const std::vector<int64_t> colors{0, 0, 3}, gray{0, 0, 1};
  EXPECT_EQ(Decoder("RGB")(bytes_of({1, 2, 3})), std::pair(colors, Bytes{}));
  Bytes cut = file_of(2, 3, bytes_of({10, 20, 30, 200, 100, 50}), Format::png);
  cut.resize(cut.size() / 2);
  EXPECT_EQ(Decoder("Grayscale")(cut), std::pair(gray, Bytes{}));
}

TEST(ImageDecoder, refuses_a_pixel_format_that_is_not_known) {
  try {
    const Decoder decoder("YUV");
    FAIL();
  } catch (const api::Failure& failure) {
    EXPECT_THAT(failure.what(), HasSubstr("pixel_format \"YUV\": RGB, BGR and Grayscale are known"));
  }
}

}  // namespace
}  // namespace tessera
