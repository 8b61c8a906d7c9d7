// WebP through libwebp; color profile, EXIF and XMP through its container library.
#include <webp/decode.h>
#include <webp/demux.h>
#include <webp/encode.h>
#include <webp/mux.h>

#include <cstring>
#include <memory>

#include "upscale/codecs/animation.h"
#include "upscale/codecs/formats.h"

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

/// The frames of an animation, each on its canvas.
class Frames {
 public:
  explicit Frames(List<std::byte> bytes) {
    const WebPData data{raw(bytes.data()), bytes.size()};
    WebPAnimDecoderOptions options;
    WebPAnimDecoderOptionsInit(&options);
    options.color_mode = MODE_RGBA;
    decoder_.reset(WebPAnimDecoderNew(&data, &options));
    if (!decoder_ || !WebPAnimDecoderGetInfo(decoder_.get(), &info))
      fail(Error::Kind::file, "corrupt or truncated WebP");
  }
  bool next(Picture& picture) {
    uint8_t* pixels = nullptr;
    if (!WebPAnimDecoderHasMoreFrames(decoder_.get())) return false;
    if (!WebPAnimDecoderGetNext(decoder_.get(), &pixels, &end))
      fail(Error::Kind::file, "corrupt WebP: a frame cannot be decoded");
    if (info.canvas_width != picture.width || info.canvas_height != picture.height)
      fail(Error::Kind::file, "corrupt WebP: its canvas has another size");
    std::memcpy(picture.samples.data(), pixels, picture.samples.size());
    return true;
  }
  WebPAnimInfo info;
  int end = 0;  ///< of the last frame, in milliseconds

 private:
  Handle<WebPAnimDecoder, WebPAnimDecoderDelete> decoder_;
};

/// Adds the container's chunks around an encoded picture.
Bytes with_metadata(const Head& picture, const uint8_t* data, size_t size) {
  const WebPData file{data, size};
  const Handle<WebPMux, WebPMuxDelete> mux(WebPMuxCreate(&file, 0));
  bool good = mux != nullptr;
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

class WebpReader : public WholeReader {
 public:
  WebpReader(List<std::byte> bytes, const DecodeLimits& limits) : bytes_(bytes) {
    if (WebPGetFeatures(raw(bytes.data()), bytes.size(), &features_) != VP8_STATUS_OK)
      fail(Error::Kind::file, "corrupt or truncated WebP: its header cannot be read");
    head_.width = features_.width;
    head_.height = features_.height;
    check_extents(head_.width, head_.height, limits);
    const WebPData data{raw(bytes.data()), bytes.size()};
    const Handle<WebPDemuxer, WebPDemuxDelete> file(WebPDemux(&data));
    if (!file) fail(Error::Kind::file, "corrupt or truncated WebP");
    head_.channels = features_.has_alpha || features_.has_animation ? 4 : 3;
    head_.icc = chunk(file.get(), "ICCP");
    head_.exif = chunk(file.get(), "EXIF");
    head_.xmp = chunk(file.get(), "XMP ");
    static constexpr Text prefix{"Exif\0\0", 6};
    if (head_.exif.size() > 6 && std::memcmp(head_.exif.data(), prefix.data(), 6) == 0)
      head_.exif.erase(head_.exif.begin(), head_.exif.begin() + 6);
  }

 private:
  void decode(Picture& picture) override {
    if (features_.has_animation) {
      Frames frames(bytes_);
      if (!frames.next(picture)) fail(Error::Kind::file, "corrupt WebP: an animation without frames");
      if (frames.info.frame_count > 1) picture.notes.push_back("an animation: only its first frame is upscaled");
      return;
    }
    auto* out = reinterpret_cast<uint8_t*>(picture.samples.data());
    const auto stride = static_cast<int>(picture.row_bytes());
    const auto decode = features_.has_alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
    if (!decode(raw(bytes_.data()), bytes_.size(), out, picture.samples.size(), stride))
      fail(Error::Kind::file, "corrupt or truncated WebP");
  }

  List<std::byte> bytes_;
  WebPBitstreamFeatures features_;
};

/// Without loss below 0.
WebPConfig config_of(int quality) {
  WebPConfig config;
  bool good = WebPConfigInit(&config);
  if (quality < 0) {
    // The next level makes files smaller by a twentieth, and takes four times as long.
    good = good && WebPConfigLosslessPreset(&config, 0);
    config.exact = 1;
  } else {
    config.quality = static_cast<float>(quality);
    config.use_sharp_yuv = 1;  // colors keep their edges
    config.method = 2;         // beyond it, twice the time for a fiftieth
  }
  config.thread_level = 1;
  if (!good) fail(Error::Kind::file, "libwebp does not match its headers");
  return config;
}

class WebpWriter : public WholeWriter {
 public:
  WebpWriter(const Head& head, const EncodeOptions& options, Sink sink)
      : WholeWriter(head, std::move(sink)), quality_(options.quality) {}

 private:
  void encode(const Picture& picture) override {
    const WebPConfig config = config_of(quality_);
    WebPPicture image;
    if (!WebPPictureInit(&image)) fail(Error::Kind::file, "libwebp does not match its headers");
    image.use_argb = quality_ < 0;
    image.width = static_cast<int>(picture.width);
    image.height = static_cast<int>(picture.height);
    WebPMemoryWriter writer;
    WebPMemoryWriterInit(&writer);
    image.writer = WebPMemoryWrite;
    image.custom_ptr = &writer;
    const auto import = picture.has_alpha() ? WebPPictureImportRGBA : WebPPictureImportRGB;
    const bool good = import(&image, raw(picture.samples.data()), static_cast<int>(picture.row_bytes())) &&
                      WebPEncode(&config, &image);
    WebPPictureFree(&image);
    const std::unique_ptr<WebPMemoryWriter, void (*)(WebPMemoryWriter*)> owner(&writer, WebPMemoryWriterClear);
    if (!good) fail(Error::Kind::file, "the WebP cannot be written (libwebp error ", int{image.error_code}, ")");
    if (picture.icc.empty() && picture.exif.empty() && picture.xmp.empty())
      sink_.write({reinterpret_cast<const std::byte*>(writer.mem), writer.size});
    else
      sink_.write(with_metadata(picture, writer.mem, writer.size));
  }

  int quality_;
};

}  // namespace

std::unique_ptr<Reader> open_webp(List<std::byte> bytes, const DecodeLimits& limits) {
  return std::make_unique<WebpReader>(bytes, limits);
}

std::optional<Animation> animation_in_webp(List<std::byte> bytes, const DecodeLimits& limits) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(raw(bytes.data()), bytes.size(), &features) != VP8_STATUS_OK || !features.has_animation)
    return std::nullopt;
  const Head head = open_reader(bytes, limits)->head();
  Frames frames(bytes);
  check_frames(frames.info.frame_count, head, limits);
  Animation animation;
  animation.loops = static_cast<int>(frames.info.loop_count);
  Picture picture(head);
  picture.allocate();
  for (int start = 0; frames.next(picture); start = frames.end) {
    animation.frames.push_back(picture);
    animation.milliseconds.push_back(frames.end - start);
  }
  return animation;
}

void write_webp_animation(const Animation& animation, const EncodeOptions& options, const Sink& sink) {
  const WebPConfig config = config_of(options.quality);
  const Head& head = animation.frames[0];
  WebPAnimEncoderOptions settings;
  if (!WebPAnimEncoderOptionsInit(&settings)) fail(Error::Kind::file, "libwebp does not match its headers");
  settings.anim_params.loop_count = animation.loops;
  const Handle<WebPAnimEncoder, WebPAnimEncoderDelete> encoder(
      WebPAnimEncoderNew(static_cast<int>(head.width), static_cast<int>(head.height), &settings));
  bool good = encoder != nullptr;
  int time = 0;
  for (size_t i = 0; good && i < animation.frames.size(); time += animation.milliseconds[i++]) {
    const Picture& frame = animation.frames[i];
    WebPPicture image;
    good = WebPPictureInit(&image);
    image.use_argb = 1;
    image.width = static_cast<int>(frame.width);
    image.height = static_cast<int>(frame.height);
    const auto import = frame.has_alpha() ? WebPPictureImportRGBA : WebPPictureImportRGB;
    good = good && import(&image, raw(frame.samples.data()), static_cast<int>(frame.row_bytes())) &&
           WebPAnimEncoderAdd(encoder.get(), &image, time, &config);
    WebPPictureFree(&image);
  }
  WebPData data{};
  good = good && WebPAnimEncoderAdd(encoder.get(), nullptr, time, nullptr) &&
         WebPAnimEncoderAssemble(encoder.get(), &data);
  const std::unique_ptr<WebPData, void (*)(WebPData*)> owner(&data, WebPDataClear);
  if (!good)
    fail(Error::Kind::file,
         "the WebP cannot be written: ", encoder ? WebPAnimEncoderGetError(encoder.get()) : "no memory for libwebp");
  sink.write(with_metadata(head, data.bytes, data.size));
}

std::unique_ptr<Writer> write_webp(const Head& head, const EncodeOptions& options, Sink sink,
                                   std::vector<std::string>&) {
  return std::make_unique<WebpWriter>(head, options, std::move(sink));
}

}  // namespace tessera::upscale
