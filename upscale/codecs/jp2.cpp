// JPEG 2000 through OpenJPEG: files (.jp2) and bare code streams (.j2k).
#include <openjpeg.h>

#include <algorithm>
#include <cstring>

#include "upscale/codecs/formats.h"

namespace tessera::upscale {
namespace {

struct DestroyCodec {
  void operator()(opj_codec_t* codec) const { opj_destroy_codec(codec); }
};
struct DestroyStream {
  void operator()(opj_stream_t* stream) const { opj_stream_destroy(stream); }
};
struct DestroyImage {
  void operator()(opj_image_t* image) const { opj_image_destroy(image); }
};

/// Bytes in memory, as OpenJPEG reads them.
struct Memory {
  List<std::byte> bytes;
  size_t at = 0;

  static OPJ_SIZE_T read(void* to, OPJ_SIZE_T size, void* data) {
    auto& self = *static_cast<Memory*>(data);
    const size_t count = std::min(size, self.bytes.size() - self.at);
    if (count == 0) return static_cast<OPJ_SIZE_T>(-1);
    std::memcpy(to, self.bytes.data() + self.at, count);
    self.at += count;
    return count;
  }
  static OPJ_OFF_T skip(OPJ_OFF_T size, void* data) {
    auto& self = *static_cast<Memory*>(data);
    if (size < 0) return -1;
    const size_t count = std::min(static_cast<size_t>(size), self.bytes.size() - self.at);
    self.at += count;
    return static_cast<OPJ_OFF_T>(count);
  }
  static OPJ_BOOL seek(OPJ_OFF_T to, void* data) {
    auto& self = *static_cast<Memory*>(data);
    if (to < 0 || static_cast<size_t>(to) > self.bytes.size()) return OPJ_FALSE;
    self.at = static_cast<size_t>(to);
    return OPJ_TRUE;
  }
};

/// What a file holds is known when it is decoded: palettes and transparency have their say last.
class Jp2Reader : public WholeReader {
 public:
  Jp2Reader(List<std::byte> bytes, const DecodeLimits& limits) {
    load(bytes, limits);
    const opj_image_comp_t& first = image_->comps[0];
    head_.width = first.w;
    head_.height = first.h;
    check_extents(head_.width, head_.height, limits);
    size_t count = image_->numcomps;
    for (size_t i = 0; i < count; ++i)
      if (!image_->comps[i].data || image_->comps[i].prec > 32) corrupt();
    // Where the file does not say which component is transparency, the last of two and of four is.
    const bool told =
        std::any_of(image_->comps, image_->comps + count, [](const opj_image_comp_t& c) { return c.alpha; });
    for (size_t i = 0; i < count; ++i)
      if (told ? image_->comps[i].alpha != 0 : (count == 2 || count == 4) && i + 1 == count)
        alpha_ = i;
      else if (colors_.size() < 3)
        colors_.push_back(i);
    if (image_->color_space == OPJ_CLRSPC_CMYK)
      fail(Error::Kind::file, "a JPEG 2000 in inks (CMYK); convert it to RGB");
    if (colors_.empty()) corrupt();
    if (colors_.size() == 2) colors_.pop_back();
    head_.channels = static_cast<int>(colors_.size()) + (alpha_ ? 1 : 0);
    head_.bits = first.prec > 8 ? 16 : 8;
    if (image_->icc_profile_buf && image_->icc_profile_len) {
      const auto* icc = reinterpret_cast<const std::byte*>(image_->icc_profile_buf);
      head_.icc.assign(icc, icc + image_->icc_profile_len);
    }
  }

 private:
  [[noreturn]] void corrupt() const {
    fail(Error::Kind::file, "corrupt or truncated JPEG 2000", told_.empty() ? "" : ": ", told_);
  }

  void load(List<std::byte> bytes, const DecodeLimits& limits) {
    const bool bare = std::to_integer<int>(bytes[0]) == 0xff;
    const std::unique_ptr<opj_codec_t, DestroyCodec> codec(opj_create_decompress(bare ? OPJ_CODEC_J2K : OPJ_CODEC_JP2));
    const std::unique_ptr<opj_stream_t, DestroyStream> stream(opj_stream_create(size_t{1} << 20, OPJ_TRUE));
    if (!codec || !stream) fail(Error::Kind::memory, "no memory for OpenJPEG");
    const auto listen = [](const char* text, void* told) {
      auto& line = *static_cast<std::string*>(told);
      if (line.empty()) line = Text(text).substr(0, Text(text).find('\n'));
    };
    opj_set_error_handler(codec.get(), listen, &told_);
    Memory memory{bytes};
    opj_stream_set_user_data(stream.get(), &memory, nullptr);
    opj_stream_set_user_data_length(stream.get(), bytes.size());
    opj_stream_set_read_function(stream.get(), Memory::read);
    opj_stream_set_skip_function(stream.get(), Memory::skip);
    opj_stream_set_seek_function(stream.get(), Memory::seek);
    opj_dparameters_t parameters;
    opj_set_default_decoder_parameters(&parameters);
    opj_image_t* image = nullptr;
    const bool begun =
        opj_setup_decoder(codec.get(), &parameters) && opj_read_header(stream.get(), codec.get(), &image);
    image_.reset(image);
    if (!begun || !image_ || image_->x1 <= image_->x0 || image_->y1 <= image_->y0) corrupt();
    check_extents(int64_t{image_->x1} - image_->x0, int64_t{image_->y1} - image_->y0, limits);
    constexpr uint32_t most_components = 5;
    if (image_->numcomps < 1 || image_->numcomps > most_components)
      fail(Error::Kind::file, "a JPEG 2000 of ", image_->numcomps, " components: 1 to ", most_components, " are known");
    if (!opj_decode(codec.get(), stream.get(), image_.get()) || !opj_end_decompress(codec.get(), stream.get()))
      corrupt();
    if (image_->numcomps < 1) corrupt();
  }

  /// A sample as a part of the most that it can be.
  static float sample(const opj_image_comp_t& component, int64_t x, int64_t y, const Frame& frame) {
    const int64_t column = x * component.w / frame.width, row = y * component.h / frame.height;
    const double top = static_cast<double>((uint64_t{1} << component.prec) - 1);
    const double shift = component.sgnd ? static_cast<double>(uint64_t{1} << (component.prec - 1)) : 0;
    const double value = component.data[row * component.w + column] + shift;
    return static_cast<float>(std::clamp(value / top, 0.0, 1.0));
  }

  void decode(Picture& picture) override {
    const size_t colors = colors_.size();
    const bool luma = colors == 3 && (image_->color_space == OPJ_CLRSPC_SYCC || image_->color_space == OPJ_CLRSPC_EYCC);
    std::vector<std::vector<float>> rows(colors + 1, std::vector<float>(static_cast<size_t>(picture.width)));
    for (int64_t y = 0; y < picture.height; ++y) {
      for (size_t c = 0; c < colors + (alpha_ ? 1 : 0); ++c)
        for (int64_t x = 0; x < picture.width; ++x)
          rows[c][static_cast<size_t>(x)] = sample(image_->comps[c < colors ? colors_[c] : *alpha_], x, y, picture);
      if (luma) turn_to_rgb(rows);
      for (int c = 0; c < picture.channels; ++c)
        picture.store(0, y, picture.width, c, rows[static_cast<size_t>(c)].data());
    }
    if (alpha_ && image_->comps[*alpha_].alpha == 2)
      divide_by_alpha(picture, picture.width * picture.height, picture.samples.data());
    image_.reset();
  }

  static void turn_to_rgb(std::vector<std::vector<float>>& rows) {
    for (size_t x = 0; x < rows[0].size(); ++x) {
      const float y = rows[0][x], blue = rows[1][x] - 0.5f, red = rows[2][x] - 0.5f;
      rows[0][x] = y + 1.402f * red;
      rows[1][x] = y - 0.344136f * blue - 0.714136f * red;
      rows[2][x] = y + 1.772f * blue;
    }
  }

  std::string told_;
  std::unique_ptr<opj_image_t, DestroyImage> image_;
  std::vector<size_t> colors_;
  std::optional<size_t> alpha_;
};

}  // namespace

std::unique_ptr<Reader> open_jp2(List<std::byte> bytes, const DecodeLimits& limits) {
  return std::make_unique<Jp2Reader>(bytes, limits);
}

}  // namespace tessera::upscale
