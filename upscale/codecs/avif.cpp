// AVIF through libavif.
#include <avif/avif.h>

#include <algorithm>
#include <cstring>

#include "upscale/codecs/formats.h"

namespace tessera::upscale {
namespace {

struct DestroyDecoder {
  void operator()(avifDecoder* decoder) const { avifDecoderDestroy(decoder); }
};
struct DestroyEncoder {
  void operator()(avifEncoder* encoder) const { avifEncoderDestroy(encoder); }
};
struct DestroyImage {
  void operator()(avifImage* image) const { avifImageDestroy(image); }
};

Bytes bytes_of(const avifRWData& data) {
  const auto* first = reinterpret_cast<const std::byte*>(data.data);
  return Bytes(first, first + data.size);
}

/// The EXIF orientation that turns pixels as the file asks for: first a quarter turn, then a mirror.
int orientation_of(const avifImage& image) {
  const int turns = image.transformFlags & AVIF_TRANSFORM_IROT ? image.irot.angle & 3 : 0;
  // By quarter turns against the clock; then those with left and right exchanged, then those with top and bottom.
  constexpr int plain[] = {1, 8, 3, 6}, across[] = {2, 7, 4, 5}, down[] = {4, 5, 2, 7};
  if (!(image.transformFlags & AVIF_TRANSFORM_IMIR)) return plain[turns];
#if AVIF_VERSION >= 1000000
  return image.imir.axis == 0 ? down[turns] : across[turns];
#else
  return image.imir.mode == 0 ? down[turns] : across[turns];
#endif
}

class AvifReader : public WholeReader {
 public:
  AvifReader(List<std::byte> bytes, const DecodeLimits& limits) : decoder_(avifDecoderCreate()) {
    if (!decoder_) fail(Error::Kind::memory, "no memory for libavif");
    decoder_->strictFlags = AVIF_STRICT_DISABLED;
    decoder_->imageSizeLimit = static_cast<uint32_t>(std::clamp<int64_t>(limits.pixels, 1, 16384 * 16384));
    demand(avifDecoderSetIOMemory(decoder_.get(), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
    demand(avifDecoderParse(decoder_.get()));
    const avifImage& image = *decoder_->image;
    head_.width = image.width;
    head_.height = image.height;
    check_extents(head_.width, head_.height, limits);
    head_.channels = decoder_->alphaPresent ? 4 : 3;
    head_.bits = image.depth > 8 ? 16 : 8;
    head_.icc = bytes_of(image.icc);
    head_.xmp = bytes_of(image.xmp);
    head_.exif = bytes_of(image.exif);
    const bool told = image.colorPrimaries > AVIF_COLOR_PRIMARIES_UNSPECIFIED;
    if (head_.icc.empty() && told && !(image.colorPrimaries == 1 && image.transferCharacteristics == 13))
      for (const int value : {int{image.colorPrimaries}, int{image.transferCharacteristics}, 0, 1})
        head_.color.cicp.push_back(static_cast<std::byte>(value));
    if (decoder_->imageCount > 1) head_.notes.push_back("an animation: only its first picture is upscaled");
  }

  /// The file's own properties say it, not EXIF.
  int orientation() const override { return orientation_of(*decoder_->image); }

 private:
  static void demand(avifResult result) {
    if (result != AVIF_RESULT_OK)
      fail(result == AVIF_RESULT_OUT_OF_MEMORY ? Error::Kind::memory : Error::Kind::file,
           "corrupt or truncated AVIF: ", avifResultToString(result));
  }

  void decode(Picture& picture) override {
    demand(avifDecoderNextImage(decoder_.get()));
    avifRGBImage rgb;
    avifRGBImageSetDefaults(&rgb, decoder_->image);
    if (rgb.width != picture.width || rgb.height != picture.height) demand(AVIF_RESULT_BMFF_PARSE_FAILED);
    rgb.depth = static_cast<uint32_t>(picture.bits);
    rgb.format = picture.has_alpha() ? AVIF_RGB_FORMAT_RGBA : AVIF_RGB_FORMAT_RGB;
    rgb.pixels = reinterpret_cast<uint8_t*>(picture.samples.data());
    rgb.rowBytes = static_cast<uint32_t>(picture.row_bytes());
    demand(avifImageYUVToRGB(decoder_->image, &rgb));
  }

  std::unique_ptr<avifDecoder, DestroyDecoder> decoder_;
};

class AvifWriter : public WholeWriter {
 public:
  AvifWriter(const Head& head, const EncodeOptions& options, Sink sink)
      : WholeWriter(head, std::move(sink)), options_(options) {}

 private:
  static void demand(avifResult result) {
    if (result != AVIF_RESULT_OK) fail(Error::Kind::file, "the AVIF cannot be written: ", avifResultToString(result));
  }

  void encode(const Picture& picture) override {
    const std::unique_ptr<avifImage, DestroyImage> image(
        avifImageCreate(static_cast<uint32_t>(picture.width), static_cast<uint32_t>(picture.height),
                        picture.bits == 16 ? 12 : 8, AVIF_PIXEL_FORMAT_YUV444));
    const std::unique_ptr<avifEncoder, DestroyEncoder> encoder(avifEncoderCreate());
    if (!image || !encoder) fail(Error::Kind::memory, "no memory for libavif");
    describe(picture, *image);
    avifRGBImage rgb;
    avifRGBImageSetDefaults(&rgb, image.get());
    rgb.depth = static_cast<uint32_t>(picture.bits);
    rgb.format = picture.has_alpha() ? AVIF_RGB_FORMAT_RGBA : AVIF_RGB_FORMAT_RGB;
    rgb.pixels = reinterpret_cast<uint8_t*>(const_cast<std::byte*>(picture.samples.data()));  // only read
    rgb.rowBytes = static_cast<uint32_t>(picture.row_bytes());
    demand(avifImageRGBToYUV(image.get(), &rgb));
    const int quality = options_.quality < 0 ? 90 : options_.quality;
#if AVIF_VERSION >= 1000000
    encoder->quality = encoder->qualityAlpha = quality;
#else
    const int quantizer = (100 - quality) * AVIF_QUANTIZER_WORST_QUALITY / 100;
    encoder->minQuantizer = encoder->maxQuantizer = quantizer;
    encoder->minQuantizerAlpha = encoder->maxQuantizerAlpha = quantizer;
#endif
    encoder->speed = 8;
    encoder->maxThreads = Threads(options_.threads).count();
    avifRWData file = AVIF_DATA_EMPTY;
    const avifResult result = avifEncoderWrite(encoder.get(), image.get(), &file);
    const std::unique_ptr<avifRWData, void (*)(avifRWData*)> owner(&file, avifRWDataFree);
    demand(result);
    sink_.write({reinterpret_cast<const std::byte*>(file.data), file.size});
  }

  /// `set` tells of failures in newer versions of the library alone.
  template <class Set>
  static void put(Set set, avifImage& image, const Bytes& bytes) {
    if (bytes.empty()) return;
    const auto* raw = reinterpret_cast<const uint8_t*>(bytes.data());
    if constexpr (std::is_void_v<decltype(set(&image, raw, bytes.size()))>)
      set(&image, raw, bytes.size());
    else
      demand(set(&image, raw, bytes.size()));
  }

  static void describe(const Picture& picture, avifImage& image) {
    if (!picture.icc.empty()) {
      put(avifImageSetProfileICC, image, picture.icc);
    } else {
      // What PNG says by the same numbers; else sRGB.
      const bool told = picture.color.cicp.size() == 4;
      const auto number = [&](size_t i, int other) {
        return told ? std::to_integer<int>(picture.color.cicp[i]) : other;
      };
      image.colorPrimaries = static_cast<avifColorPrimaries>(number(0, 1));
      image.transferCharacteristics = static_cast<avifTransferCharacteristics>(number(1, 13));
    }
    image.matrixCoefficients = AVIF_MATRIX_COEFFICIENTS_BT601;
    image.yuvRange = AVIF_RANGE_FULL;
    put(avifImageSetMetadataExif, image, picture.exif);
    put(avifImageSetMetadataXMP, image, picture.xmp);
  }

  EncodeOptions options_;
};

}  // namespace

std::unique_ptr<Reader> open_avif(List<std::byte> bytes, const DecodeLimits& limits) {
  return std::make_unique<AvifReader>(bytes, limits);
}

std::unique_ptr<Writer> write_avif(const Head& head, const EncodeOptions& options, Sink sink,
                                   std::vector<std::string>&) {
  return std::make_unique<AvifWriter>(head, options, std::move(sink));
}

}  // namespace tessera::upscale
