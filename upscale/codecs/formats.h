// What the files of the formats share: one reader and one writer of each, and what converts rows between them.
#pragma once

#include <exception>

#include "runtime/base/threads.h"
#include "upscale/codecs/codec.h"

namespace tessera::upscale {

std::unique_ptr<Reader> open_png(List<std::byte> bytes, const DecodeLimits& limits);
std::unique_ptr<Reader> open_jpeg(List<std::byte> bytes, const DecodeLimits& limits);
std::unique_ptr<Reader> open_webp(List<std::byte> bytes, const DecodeLimits& limits);
std::unique_ptr<Reader> open_pnm(List<std::byte> bytes, const DecodeLimits& limits);
std::unique_ptr<Reader> open_pfm(List<std::byte> bytes, const DecodeLimits& limits);
std::unique_ptr<Reader> open_tiff(List<std::byte> bytes, const DecodeLimits& limits);
std::unique_ptr<Reader> open_bmp(List<std::byte> bytes, const DecodeLimits& limits);
std::unique_ptr<Reader> open_gif(List<std::byte> bytes, const DecodeLimits& limits);
std::unique_ptr<Reader> open_avif(List<std::byte> bytes, const DecodeLimits& limits);
std::unique_ptr<Reader> open_jxl(List<std::byte> bytes, const DecodeLimits& limits);
std::unique_ptr<Reader> open_jp2(List<std::byte> bytes, const DecodeLimits& limits);

/// The head is one that the format can hold.
using Write = std::unique_ptr<Writer>(const Head& head, const EncodeOptions& options, Sink sink,
                                      std::vector<std::string>& notes);
Write write_png, write_jpeg, write_webp, write_pnm, write_pam, write_pfm, write_tiff, write_bmp, write_avif, write_jxl;

/// The head of what the format can hold of the picture, and notes of what it cannot.
Head fit_head(const Head& given, Format format, std::vector<std::string>& notes);

/// A format that gives all rows or none: they are decoded when the first is asked for.
class WholeReader : public Reader {
 public:
  int64_t held_bytes() const override { return head_.height * head_.row_bytes(); }
  void rows(int64_t count, std::byte* to) override;
  Picture whole() override;

 protected:
  /// The samples of `picture`, which is the head and has room for them; notes may be added to it.
  virtual void decode(Picture& picture) = 0;

 private:
  void load();
  Picture picture_;
  int64_t next_ = 0;
  bool loaded_ = false;
};

/// A format that takes all rows or none.
class WholeWriter : public Writer {
 public:
  WholeWriter(const Head& head, Sink sink) : sink_(std::move(sink)), picture_(head) {}
  int64_t held_bytes() const override { return picture_.height * picture_.row_bytes(); }
  void rows(const std::byte* from, int64_t count) override;
  void finish() override;
  void whole(Picture picture) override;

 protected:
  virtual void encode(const Picture& picture) = 0;
  Sink sink_;

 private:
  Picture picture_;
};

/// Rows of the reader, turned as its EXIF orientation asks for.
std::unique_ptr<Reader> turn_upright(std::unique_ptr<Reader> reader);

/// Calls body(i) for each i < count, on any thread; throws what the first of them threw.
template <class Body>
void in_parallel(Threads& threads, int64_t count, const Body& body) {
  std::vector<std::exception_ptr> errors(static_cast<size_t>(count));
  threads.parallel(count, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) try {
        body(i);
      } catch (...) {
        errors[static_cast<size_t>(i)] = std::current_exception();
      }
  });
  for (const auto& error : errors)
    if (error) std::rethrow_exception(error);
}

/// Rows that wait until there are enough of them to be compressed at once.
class WaitingRows {
 public:
  void make_room(const Frame& frame, int64_t rows) {
    row_bytes_ = frame.row_bytes();
    room_ = std::min(rows, frame.height);
    left_ = frame.height;
    rows_.reserve(static_cast<size_t>(room_ * row_bytes_));
  }
  /// How many there may be.
  int64_t room() const { return room_; }
  const std::byte* row(int64_t y) const { return rows_.data() + y * row_bytes_; }
  /// Takes rows, and calls compress(count) for those that wait whenever there is no more room, or no more picture.
  template <class Compress>
  void add(const std::byte* from, int64_t count, const Compress& compress) {
    while (count > 0) {
      const int64_t taken = std::min(count, room_ - count_);
      rows_.insert(rows_.end(), from, from + taken * row_bytes_);
      from += taken * row_bytes_;
      count -= taken;
      count_ += taken;
      left_ -= taken;
      if (count_ < room_ && left_ > 0) continue;
      compress(count_);
      rows_.clear();
      count_ = 0;
    }
  }

 private:
  Bytes rows_;
  int64_t row_bytes_ = 0, room_ = 0, count_ = 0, left_ = 0;
};

/// Turns pixels into those of another form: colors without transparency lie on white, grays become colors. Floats are
/// light, and become samples of sRGB's curve, and the reverse, unless a profile says what they are (`light` is false).
class RowConverter {
 public:
  RowConverter(const Frame& from, const Frame& to, const EncodeOptions& options = {}, bool light = true);
  /// Rows of a picture from `y` on.
  void run(const std::byte* in, int64_t y, int64_t rows, std::byte* out) const;

 private:
  Frame from_, to_;
  EncodeOptions options_;
  bool light_;
};

/// Colors that were multiplied by their alpha, to colors of their own.
void divide_by_alpha(const Frame& frame, int64_t pixels, std::byte* samples);

/// What TIFF has tags for, and what PNG calls it.
struct TiffText {
  uint16_t tag;
  const char* key;
};
inline constexpr TiffText tiff_texts[] = {
    {269, "Title"}, {270, "Description"}, {305, "Software"}, {315, "Author"}, {33432, "Copyright"}};

/// CMYK samples (4 per pixel; `inverted`: the most is no ink, as Adobe writes them) to RGB in sRGB, through the profile
/// if it is one for CMYK.
class InkConverter {
 public:
  InkConverter(const Bytes& icc, int bits, bool inverted);
  ~InkConverter();
  /// What became of the colors, for the user.
  std::string note() const;
  void run(const std::byte* in, int64_t pixels, std::byte* out) const;

 private:
  struct Managed;
  std::unique_ptr<Managed> managed_;
  int bits_;
  bool inverted_;
};

}  // namespace tessera::upscale
