// JPEG XL through libjxl.
#include <jxl/decode.h>
#include <jxl/encode.h>
#include <jxl/thread_parallel_runner.h>
#include <jxl/version.h>

#include <algorithm>
#include <cstring>

#include "upscale/codecs/formats.h"

namespace tessera::upscale {
namespace {

struct DestroyDecoder {
  void operator()(JxlDecoder* decoder) const { JxlDecoderDestroy(decoder); }
};
struct DestroyEncoder {
  void operator()(JxlEncoder* encoder) const { JxlEncoderDestroy(encoder); }
};
struct DestroyRunner {
  void operator()(void* runner) const { JxlThreadParallelRunnerDestroy(runner); }
};
using Runner = std::unique_ptr<void, DestroyRunner>;

Runner make_runner(int threads) {
  return Runner(JxlThreadParallelRunnerCreate(nullptr, static_cast<size_t>(Threads(threads).count())));
}

JxlPixelFormat format_of(const Frame& frame) {
  const JxlDataType type = frame.bits == 32 ? JXL_TYPE_FLOAT : frame.bits == 16 ? JXL_TYPE_UINT16 : JXL_TYPE_UINT8;
  return {static_cast<uint32_t>(frame.channels), type, JXL_NATIVE_ENDIAN, 0};
}

#if JPEGXL_MAJOR_VERSION > 0 || JPEGXL_MINOR_VERSION >= 9
JxlDecoderStatus size_of_profile(JxlDecoder* decoder, size_t* size) {
  return JxlDecoderGetICCProfileSize(decoder, JXL_COLOR_PROFILE_TARGET_DATA, size);
}
JxlDecoderStatus copy_profile(JxlDecoder* decoder, Bytes& icc) {
  return JxlDecoderGetColorAsICCProfile(decoder, JXL_COLOR_PROFILE_TARGET_DATA, reinterpret_cast<uint8_t*>(icc.data()),
                                        icc.size());
}
JxlDecoderStatus read_encoding(JxlDecoder* decoder, JxlColorEncoding* encoding) {
  return JxlDecoderGetColorAsEncodedProfile(decoder, JXL_COLOR_PROFILE_TARGET_DATA, encoding);
}
#else
JxlDecoderStatus size_of_profile(JxlDecoder* decoder, size_t* size) {
  return JxlDecoderGetICCProfileSize(decoder, nullptr, JXL_COLOR_PROFILE_TARGET_DATA, size);
}
JxlDecoderStatus copy_profile(JxlDecoder* decoder, Bytes& icc) {
  return JxlDecoderGetColorAsICCProfile(decoder, nullptr, JXL_COLOR_PROFILE_TARGET_DATA,
                                        reinterpret_cast<uint8_t*>(icc.data()), icc.size());
}
JxlDecoderStatus read_encoding(JxlDecoder* decoder, JxlColorEncoding* encoding) {
  return JxlDecoderGetColorAsEncodedProfile(decoder, nullptr, JXL_COLOR_PROFILE_TARGET_DATA, encoding);
}
#endif

class JxlReader : public WholeReader {
 public:
  JxlReader(List<std::byte> bytes, const DecodeLimits& limits) : bytes_(bytes) {
    read_head(limits);
    check_extents(head_.width, head_.height, limits);
  }
  /// The library turns pixels itself.
  int orientation() const override { return 1; }

 private:
  using Decoder = std::unique_ptr<JxlDecoder, DestroyDecoder>;
  [[noreturn]] static void corrupt() { fail(Error::Kind::file, "corrupt or truncated JPEG XL"); }

  Decoder start(int events) const {
    Decoder decoder(JxlDecoderCreate(nullptr));
    if (!decoder) fail(Error::Kind::memory, "no memory for libjxl");
    if (JxlDecoderSubscribeEvents(decoder.get(), events) != JXL_DEC_SUCCESS) corrupt();
    if (JxlDecoderSetInput(decoder.get(), reinterpret_cast<const uint8_t*>(bytes_.data()), bytes_.size()) !=
        JXL_DEC_SUCCESS)
      corrupt();
    return decoder;
  }

  /// All but the pixels.
  void read_head(const DecodeLimits& limits) {
    const Decoder decoder = start(JXL_DEC_BASIC_INFO | JXL_DEC_COLOR_ENCODING | JXL_DEC_BOX);
    JxlDecoderSetDecompressBoxes(decoder.get(), JXL_TRUE);
    Bytes box;
    Bytes* place = nullptr;
    size_t cut = 0;
    const auto end_box = [&] {
      if (!place) return;
      box.resize(box.size() - JxlDecoderReleaseBoxBuffer(decoder.get()));
      if (box.size() > cut && place->empty()) place->assign(box.begin() + static_cast<std::ptrdiff_t>(cut), box.end());
      place = nullptr;
    };
    const auto grow = [&](size_t filled) {
      constexpr size_t most = size_t{64} << 20;
      if (box.size() > most) corrupt();
      box.resize(std::max<size_t>(1 << 16, 2 * box.size()));
      JxlDecoderSetBoxBuffer(decoder.get(), reinterpret_cast<uint8_t*>(box.data()) + filled, box.size() - filled);
    };
    while (true) {
      const JxlDecoderStatus status = JxlDecoderProcessInput(decoder.get());
      if (status == JXL_DEC_BASIC_INFO) {
        read_basics(decoder.get());
        check_extents(head_.width, head_.height, limits);
      } else if (status == JXL_DEC_COLOR_ENCODING) {
        read_colors(decoder.get());
      } else if (status == JXL_DEC_BOX) {
        end_box();
        JxlBoxType type;
        if (JxlDecoderGetBoxType(decoder.get(), type, JXL_TRUE) != JXL_DEC_SUCCESS) corrupt();
        const bool exif = std::memcmp(type, "Exif", 4) == 0;
        if (!exif && std::memcmp(type, "xml ", 4) != 0) continue;
        place = exif ? &head_.exif : &head_.xmp;
        cut = exif ? 4 : 0;  // where the TIFF structure begins
        box.clear();
        grow(0);
      } else if (status == JXL_DEC_BOX_NEED_MORE_OUTPUT) {
        grow(box.size() - JxlDecoderReleaseBoxBuffer(decoder.get()));
      } else if (status == JXL_DEC_SUCCESS) {
        end_box();
        break;
      } else {
        // The end; damaged pixels tell of themselves.
        end_box();
        break;
      }
    }
    if (head_.width == 0) corrupt();
  }

  void read_basics(JxlDecoder* decoder) {
    JxlBasicInfo info;
    if (JxlDecoderGetBasicInfo(decoder, &info) != JXL_DEC_SUCCESS) corrupt();
    head_.width = info.xsize;
    head_.height = info.ysize;
    head_.channels = (info.num_color_channels == 1 ? 1 : 3) + (info.alpha_bits ? 1 : 0);
    head_.bits = info.exponent_bits_per_sample ? 32 : info.bits_per_sample > 8 ? 16 : 8;
    premultiplied_ = info.alpha_premultiplied;
    if (info.have_animation) head_.notes.push_back("an animation: only its first picture is upscaled");
  }

  void read_colors(JxlDecoder* decoder) {
    JxlColorEncoding encoding;
    const bool srgb = read_encoding(decoder, &encoding) == JXL_DEC_SUCCESS &&
                      (encoding.color_space == JXL_COLOR_SPACE_GRAY || encoding.primaries == JXL_PRIMARIES_SRGB) &&
                      encoding.white_point == JXL_WHITE_POINT_D65 &&
                      encoding.transfer_function == JXL_TRANSFER_FUNCTION_SRGB;
    size_t size = 0;
    if (srgb || size_of_profile(decoder, &size) != JXL_DEC_SUCCESS || size == 0) return;
    head_.icc.resize(size);
    if (copy_profile(decoder, head_.icc) != JXL_DEC_SUCCESS) head_.icc.clear();
  }

  void decode(Picture& picture) override {
    const Runner runner = make_runner(0);
    const Decoder decoder = start(JXL_DEC_FULL_IMAGE);
    JxlDecoderSetParallelRunner(decoder.get(), JxlThreadParallelRunner, runner.get());
    const JxlPixelFormat format = format_of(picture);
    while (true) {
      const JxlDecoderStatus status = JxlDecoderProcessInput(decoder.get());
      if (status == JXL_DEC_NEED_IMAGE_OUT_BUFFER) {
        size_t size = 0;
        if (JxlDecoderImageOutBufferSize(decoder.get(), &format, &size) != JXL_DEC_SUCCESS ||
            size != picture.samples.size() ||
            JxlDecoderSetImageOutBuffer(decoder.get(), &format, picture.samples.data(), size) != JXL_DEC_SUCCESS)
          corrupt();
      } else if (status == JXL_DEC_FULL_IMAGE) {
        break;
      } else {
        corrupt();
      }
    }
    if (premultiplied_ && picture.has_alpha())
      divide_by_alpha(picture, picture.width * picture.height, picture.samples.data());
  }

  List<std::byte> bytes_;
  bool premultiplied_ = false;
};

class JxlWriter : public WholeWriter {
 public:
  JxlWriter(const Head& head, const EncodeOptions& options, Sink sink)
      : WholeWriter(head, std::move(sink)), options_(options) {}

 private:
  static void demand(JxlEncoderStatus status) {
    if (status != JXL_ENC_SUCCESS) fail(Error::Kind::file, "the JPEG XL cannot be written");
  }

  void encode(const Picture& picture) override {
    const bool lossless = options_.quality < 0;
    const Runner runner = make_runner(options_.threads);
    const std::unique_ptr<JxlEncoder, DestroyEncoder> encoder(JxlEncoderCreate(nullptr));
    if (!encoder) fail(Error::Kind::memory, "no memory for libjxl");
    demand(JxlEncoderSetParallelRunner(encoder.get(), JxlThreadParallelRunner, runner.get()));
    if (!picture.exif.empty() || !picture.xmp.empty()) demand(JxlEncoderUseBoxes(encoder.get()));
    JxlBasicInfo info;
    JxlEncoderInitBasicInfo(&info);
    info.xsize = static_cast<uint32_t>(picture.width);
    info.ysize = static_cast<uint32_t>(picture.height);
    info.bits_per_sample = static_cast<uint32_t>(picture.bits);
    info.exponent_bits_per_sample = picture.bits == 32 ? 8 : 0;
    info.num_color_channels = static_cast<uint32_t>(picture.color_channels());
    if (picture.has_alpha()) {
      info.num_extra_channels = 1;
      info.alpha_bits = info.bits_per_sample;
      info.alpha_exponent_bits = info.exponent_bits_per_sample;
    }
    info.uses_original_profile = lossless;
    demand(JxlEncoderSetBasicInfo(encoder.get(), &info));
    if (picture.icc.empty()) {
      JxlColorEncoding color;
      const JXL_BOOL gray = picture.color_channels() == 1;
      if (picture.bits == 32)
        JxlColorEncodingSetToLinearSRGB(&color, gray);
      else
        JxlColorEncodingSetToSRGB(&color, gray);
      demand(JxlEncoderSetColorEncoding(encoder.get(), &color));
    } else {
      demand(JxlEncoderSetICCProfile(encoder.get(), reinterpret_cast<const uint8_t*>(picture.icc.data()),
                                     picture.icc.size()));
    }
    add_box(encoder.get(), "Exif", picture.exif, 4);
    add_box(encoder.get(), "xml ", picture.xmp, 0);
    JxlEncoderFrameSettings* settings = JxlEncoderFrameSettingsCreate(encoder.get(), nullptr);
    // More effort takes several times as long, and gains a few hundredths.
    demand(JxlEncoderFrameSettingsSetOption(settings, JXL_ENC_FRAME_SETTING_EFFORT, lossless ? 3 : 4));
    if (lossless)
      demand(JxlEncoderSetFrameLossless(settings, JXL_TRUE));
    else
      demand(JxlEncoderSetFrameDistance(settings, distance_of(options_.quality)));
    const JxlPixelFormat format = format_of(picture);
    demand(JxlEncoderAddImageFrame(settings, &format, picture.samples.data(), picture.samples.size()));
    JxlEncoderCloseInput(encoder.get());
    std::vector<uint8_t> part(1 << 16);
    for (JxlEncoderStatus status = JXL_ENC_NEED_MORE_OUTPUT; status == JXL_ENC_NEED_MORE_OUTPUT;) {
      uint8_t* next = part.data();
      size_t room = part.size();
      status = JxlEncoderProcessOutput(encoder.get(), &next, &room);
      if (status == JXL_ENC_ERROR) demand(status);
      sink_.write({reinterpret_cast<const std::byte*>(part.data()), part.size() - room});
    }
  }

  static void add_box(JxlEncoder* encoder, const char* kind, const Bytes& bytes, size_t zeros) {
    if (bytes.empty()) return;
    Bytes content(zeros);
    content.insert(content.end(), bytes.begin(), bytes.end());
    JxlBoxType type;
    std::memcpy(type, kind, 4);
    demand(
        JxlEncoderAddBox(encoder, type, reinterpret_cast<const uint8_t*>(content.data()), content.size(), JXL_FALSE));
  }

  /// What JPEG's quality looks like, in units of what is just seen.
  static float distance_of(int quality) {
    const auto q = static_cast<float>(quality);
    return quality >= 100  ? 0.01f
           : quality >= 30 ? 0.1f + (100 - q) * 0.09f
                           : 53.0f / 3000 * q * q - 23.0f / 20 * q + 25;
  }

  EncodeOptions options_;
};

}  // namespace

std::unique_ptr<Reader> open_jxl(List<std::byte> bytes, const DecodeLimits& limits) {
  return std::make_unique<JxlReader>(bytes, limits);
}

std::unique_ptr<Writer> write_jxl(const Head& head, const EncodeOptions& options, Sink sink,
                                  std::vector<std::string>&) {
  return std::make_unique<JxlWriter>(head, options, std::move(sink));
}

}  // namespace tessera::upscale
