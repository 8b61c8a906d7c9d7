// WebP through libwebp; color profile, EXIF and XMP through its container library.
#include <webp/decode.h>
#include <webp/demux.h>
#include <webp/encode.h>
#include <webp/mux.h>

#include <cstring>
#include <memory>

#include "upscale/codecs/codec.h"

namespace tessera::upscale {
namespace {

template <class T, void (*Delete)(T*)>
struct Deleter {
  void operator()(T* object) const { Delete(object); }
};
template <class T, void (*Delete)(T*)>
using Handle = std::unique_ptr<T, Deleter<T, Delete>>;

const uint8_t* raw(const std::byte* data) { return reinterpret_cast<const uint8_t*>(data); }

Bytes chunk(const WebPDemuxer* file, const char* name) {
  WebPChunkIterator found;
  Bytes out;
  if (WebPDemuxGetChunk(file, name, 1, &found)) {
    const auto* first = reinterpret_cast<const std::byte*>(found.chunk.bytes);
    out.assign(first, first + found.chunk.size);
    WebPDemuxReleaseChunkIterator(&found);
  }
  return out;
}

/// The first frame of an animation on its canvas.
void decode_first_frame(List<std::byte> bytes, Picture& picture) {
  const WebPData data{raw(bytes.data()), bytes.size()};
  WebPAnimDecoderOptions options;
  WebPAnimDecoderOptionsInit(&options);
  options.color_mode = MODE_RGBA;
  const Handle<WebPAnimDecoder, WebPAnimDecoderDelete> decoder(WebPAnimDecoderNew(&data, &options));
  uint8_t* pixels = nullptr;
  int time = 0;
  if (!decoder || !WebPAnimDecoderGetNext(decoder.get(), &pixels, &time))
    fail(Error::Kind::file, "corrupt WebP: its first frame cannot be decoded");
  WebPAnimInfo info;
  WebPAnimDecoderGetInfo(decoder.get(), &info);
  if (info.canvas_width != picture.width || info.canvas_height != picture.height)
    fail(Error::Kind::file, "corrupt WebP: its canvas has another size");
  picture.channels = 4;
  picture.allocate();
  std::memcpy(picture.samples.data(), pixels, picture.samples.size());
  if (info.frame_count > 1) picture.notes.push_back("an animation: only its first frame is upscaled");
}

/// Adds the container's chunks around an encoded picture.
Bytes with_metadata(const Picture& picture, const uint8_t* data, size_t size) {
  const Handle<WebPMux, WebPMuxDelete> mux(WebPMuxNew());
  const WebPData image{data, size};
  bool good = mux && WebPMuxSetImage(mux.get(), &image, 0) == WEBP_MUX_OK;
  const std::pair<const char*, const Bytes*> chunks[] = {
      {"ICCP", &picture.icc}, {"EXIF", &picture.exif}, {"XMP ", &picture.xmp}};
  for (const auto& [name, bytes] : chunks) {
    if (bytes->empty()) continue;
    const WebPData content{raw(bytes->data()), bytes->size()};
    good = good && WebPMuxSetChunk(mux.get(), name, &content, 1) == WEBP_MUX_OK;
  }
  WebPData assembled{};
  good = good && WebPMuxAssemble(mux.get(), &assembled) == WEBP_MUX_OK;
  if (!good) fail(Error::Kind::file, "the WebP cannot be assembled");
  Bytes out;
  try {
    const auto* first = reinterpret_cast<const std::byte*>(assembled.bytes);
    out.assign(first, first + assembled.size);
  } catch (...) {
    WebPDataClear(&assembled);
    throw;
  }
  WebPDataClear(&assembled);
  return out;
}

/// Gray samples as RGB: WebP stores nothing else.
Bytes widen_gray(const Picture& picture) {
  const int out_channels = picture.has_alpha() ? 4 : 3;
  Bytes out(static_cast<size_t>(picture.width * picture.height * out_channels));
  const std::byte* in = picture.samples.data();
  std::byte* to = out.data();
  for (int64_t i = 0; i < picture.width * picture.height; ++i, in += picture.channels, to += out_channels) {
    to[0] = to[1] = to[2] = in[0];
    if (out_channels == 4) to[3] = in[1];
  }
  return out;
}

}  // namespace

Picture decode_webp(List<std::byte> bytes, const DecodeLimits& limits) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(raw(bytes.data()), bytes.size(), &features) != VP8_STATUS_OK)
    fail(Error::Kind::file, "corrupt or truncated WebP: its header cannot be read");
  Picture picture;
  picture.width = features.width;
  picture.height = features.height;
  check_extents(picture.width, picture.height, limits);
  const WebPData data{raw(bytes.data()), bytes.size()};
  const Handle<WebPDemuxer, WebPDemuxDelete> file(WebPDemux(&data));
  if (!file) fail(Error::Kind::file, "corrupt or truncated WebP");
  if (features.has_animation) {
    decode_first_frame(bytes, picture);
  } else {
    picture.channels = features.has_alpha ? 4 : 3;
    picture.allocate();
    auto* out = reinterpret_cast<uint8_t*>(picture.samples.data());
    const auto stride = static_cast<int>(picture.row_bytes());
    const auto decode = features.has_alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
    if (!decode(raw(bytes.data()), bytes.size(), out, picture.samples.size(), stride))
      fail(Error::Kind::file, "corrupt or truncated WebP");
  }
  picture.icc = chunk(file.get(), "ICCP");
  picture.exif = chunk(file.get(), "EXIF");
  picture.xmp = chunk(file.get(), "XMP ");
  static constexpr Text prefix{"Exif\0\0", 6};
  if (picture.exif.size() > 6 && std::memcmp(picture.exif.data(), prefix.data(), 6) == 0)
    picture.exif.erase(picture.exif.begin(), picture.exif.begin() + 6);
  return picture;
}

Bytes encode_webp(const Picture& picture, const EncodeOptions& options, std::vector<std::string>&) {
  WebPConfig config;
  WebPPicture image;
  bool good = WebPConfigInit(&config) && WebPPictureInit(&image);
  if (options.quality < 0) {
    // Beyond this level the time grows by half and more, and files hardly shrink.
    good = good && WebPConfigLosslessPreset(&config, 2);
    config.exact = 1;
  } else {
    config.quality = static_cast<float>(options.quality);
    config.use_sharp_yuv = 1;
  }
  config.thread_level = 1;
  if (!good) fail(Error::Kind::file, "libwebp does not match its headers");
  const Bytes widened = picture.channels < 3 ? widen_gray(picture) : Bytes();
  const Bytes& samples = picture.channels < 3 ? widened : picture.samples;
  const int channels = picture.has_alpha() ? 4 : 3;
  image.use_argb = options.quality < 0;
  image.width = static_cast<int>(picture.width);
  image.height = static_cast<int>(picture.height);
  WebPMemoryWriter writer;
  WebPMemoryWriterInit(&writer);
  image.writer = WebPMemoryWrite;
  image.custom_ptr = &writer;
  const auto import = channels == 4 ? WebPPictureImportRGBA : WebPPictureImportRGB;
  good = import(&image, raw(samples.data()), static_cast<int>(picture.width) * channels) && WebPEncode(&config, &image);
  WebPPictureFree(&image);
  const std::unique_ptr<WebPMemoryWriter, void (*)(WebPMemoryWriter*)> owner(&writer, WebPMemoryWriterClear);
  if (!good) fail(Error::Kind::file, "the WebP cannot be written (libwebp error ", int{image.error_code}, ")");
  if (picture.icc.empty() && picture.exif.empty() && picture.xmp.empty()) {
    const auto* first = reinterpret_cast<const std::byte*>(writer.mem);
    return Bytes(first, first + writer.size);
  }
  return with_metadata(picture, writer.mem, writer.size);
}

}  // namespace tessera::upscale
