// Netpbm's formats: PBM, PGM and PPM as text or bytes, and PAM. They hold pixels and no words about them.
#include <algorithm>
#include <bit>
#include <cctype>
#include <cstring>

#include "upscale/codecs/formats.h"

namespace tessera::upscale {
namespace {

/// The words and numbers of a head, and of the formats that are text.
class Words {
 public:
  explicit Words(List<std::byte> bytes) : bytes_(bytes) {}

  size_t at() const { return at_; }
  void skip(size_t count) { at_ += count; }
  bool ended() const { return at_ >= bytes_.size(); }
  char peek() const { return ended() ? '\0' : std::to_integer<char>(bytes_[at_]); }

  std::string word() {
    skip_space();
    std::string text;
    while (!ended() && !std::isspace(static_cast<unsigned char>(peek())) && text.size() < 80) text += take();
    if (text.empty()) fail(Error::Kind::file, "truncated PNM");
    return text;
  }
  int64_t number() {
    skip_space();
    int64_t value = 0;
    if (!std::isdigit(static_cast<unsigned char>(peek())))
      fail(Error::Kind::file, ended() ? "truncated PNM" : "corrupt PNM: a number is missing");
    while (std::isdigit(static_cast<unsigned char>(peek())) && value < int64_t{1} << 40)
      value = value * 10 + (take() - '0');
    return value;
  }
  /// A number of one digit, which the next may follow at once.
  int64_t bit() {
    skip_space();
    if (peek() != '0' && peek() != '1') fail(Error::Kind::file, ended() ? "truncated PNM" : "corrupt PNM: not a bit");
    return take() - '0';
  }
  std::string line() {
    std::string text;
    while (!ended() && peek() != '\n') text += take();
    if (!ended()) take();
    return text;
  }

 private:
  char take() { return std::to_integer<char>(bytes_[at_++]); }
  void skip_space() {
    while (!ended() && (std::isspace(static_cast<unsigned char>(peek())) || peek() == '#'))
      if (take() == '#') line();
  }

  List<std::byte> bytes_;
  size_t at_ = 0;
};

class PnmReader : public Reader {
 public:
  PnmReader(List<std::byte> bytes, const DecodeLimits& limits) : bytes_(bytes), words_(bytes) {
    kind_ = std::to_integer<char>(bytes[1]);
    words_.skip(2);
    if (kind_ == '7')
      read_pam_head();
    else
      read_head();
    check_extents(head_.width, head_.height, limits);
    if (most_ < 1 || most_ > 65535) fail(Error::Kind::file, "corrupt PNM: its largest sample is ", most_);
    head_.bits = most_ > 255 ? 16 : 8;
    text_ = kind_ < '4';
    // One byte parts the header of the others from their samples.
    if (kind_ != '7' && !text_) words_.skip(1);
    stored_row_ = kind_ == '4' ? (head_.width + 7) / 8 : head_.row_bytes();
    if (!text_ &&
        head_.height > static_cast<int64_t>(bytes_.size() - std::min(bytes_.size(), words_.at())) / stored_row_)
      fail(Error::Kind::file, "truncated PNM");
  }

  void rows(int64_t count, std::byte* to) override {
    for (; count > 0; --count, to += head_.row_bytes()) read_row(to);
  }

 private:
  void read_head() {
    head_.width = words_.number();
    head_.height = words_.number();
    bits_ = kind_ == '1' || kind_ == '4';
    most_ = bits_ ? 1 : words_.number();
    head_.channels = kind_ == '3' || kind_ == '6' ? 3 : 1;
  }
  void read_pam_head() {
    words_.line();
    int64_t depth = 0;
    for (std::string key = words_.word(); key != "ENDHDR"; key = words_.word()) {
      if (key == "WIDTH")
        head_.width = words_.number();
      else if (key == "HEIGHT")
        head_.height = words_.number();
      else if (key == "DEPTH")
        depth = words_.number();
      else if (key == "MAXVAL")
        most_ = words_.number();
      words_.line();
    }
    words_.line();
    if (depth < 1 || depth > 4) fail(Error::Kind::file, "a PAM of ", depth, " channels is no picture");
    head_.channels = static_cast<int>(depth);
  }

  void read_row(std::byte* to) {
    const int64_t samples = head_.width * head_.channels;
    const auto* from = reinterpret_cast<const uint8_t*>(bytes_.data()) + words_.at();
    const auto sample = [&](int64_t i) -> uint32_t {
      if (text_) return static_cast<uint32_t>(bits_ ? words_.bit() : words_.number());
      if (bits_) return from[i / 8] >> (7 - i % 8) & 1u;
      return head_.bits == 8 ? from[i] : static_cast<uint32_t>(from[2 * i] << 8 | from[2 * i + 1]);
    };
    const auto most = static_cast<uint32_t>(most_), top = head_.bits == 8 ? 255u : 65535u;
    for (int64_t i = 0; i < samples; ++i) {
      const uint32_t given = std::min(sample(i), most);
      // A bit of a PBM is ink.
      const uint32_t value = bits_ ? 255 * (1 - given) : most == top ? given : (given * top + most / 2) / most;
      if (head_.bits == 8)
        reinterpret_cast<uint8_t*>(to)[i] = static_cast<uint8_t>(value);
      else
        reinterpret_cast<uint16_t*>(to)[i] = static_cast<uint16_t>(value);
    }
    if (!text_) words_.skip(static_cast<size_t>(stored_row_));
  }

  List<std::byte> bytes_;
  Words words_;
  char kind_;
  int64_t most_ = 255;  ///< the largest sample
  bool text_ = false, bits_ = false;
  int64_t stored_row_ = 0;
};

class PnmWriter : public Writer {
 public:
  PnmWriter(const Head& head, Sink sink, bool pam) : sink_(std::move(sink)), row_bytes_(head.row_bytes()) {
    swap_ = head.bits == 16 && std::endian::native == std::endian::little;
    const int most = head.bits == 16 ? 65535 : 255;
    static constexpr const char* kinds[] = {"GRAYSCALE", "GRAYSCALE_ALPHA", "RGB", "RGB_ALPHA"};
    const std::string text =
        pam ? cat("P7\nWIDTH ", head.width, "\nHEIGHT ", head.height, "\nDEPTH ", head.channels, "\nMAXVAL ", most,
                  "\nTUPLTYPE ", kinds[head.channels - 1], "\nENDHDR\n")
            : cat(head.channels == 1 ? "P5\n" : "P6\n", head.width, " ", head.height, "\n", most, "\n");
    sink_.write({reinterpret_cast<const std::byte*>(text.data()), text.size()});
  }

  void rows(const std::byte* from, int64_t count) override {
    const List<std::byte> all{from, static_cast<size_t>(count * row_bytes_)};
    if (!swap_) return sink_.write(all);
    swapped_.assign(all.begin(), all.end());
    for (size_t i = 0; i + 1 < swapped_.size(); i += 2) std::swap(swapped_[i], swapped_[i + 1]);
    sink_.write(swapped_);
  }
  void finish() override {}

 private:
  Sink sink_;
  int64_t row_bytes_;
  bool swap_;
  Bytes swapped_;
};

/// Floats, from the lowest row up.
class PfmReader : public WholeReader {
 public:
  PfmReader(List<std::byte> bytes, const DecodeLimits& limits) : bytes_(bytes) {
    Words words(bytes);
    const std::string kind = words.word();
    head_.channels = kind == "PF" ? 3 : 1;
    head_.bits = 32;
    head_.width = words.number();
    head_.height = words.number();
    check_extents(head_.width, head_.height, limits);
    big_endian_ = words.word()[0] != '-';
    words.skip(1);
    at_ = words.at();
    if (at_ > bytes.size() || head_.height > static_cast<int64_t>(bytes.size() - at_) / head_.row_bytes())
      fail(Error::Kind::file, "truncated PFM");
  }

 private:
  void decode(Picture& picture) override {
    const auto row = static_cast<size_t>(picture.row_bytes());
    const bool swap = big_endian_ != (std::endian::native == std::endian::big);
    for (int64_t y = 0; y < picture.height; ++y) {
      const std::byte* from = bytes_.data() + at_ + static_cast<size_t>(picture.height - 1 - y) * row;
      for (size_t i = 0; i < row; ++i) picture.row(y)[i] = from[swap ? i / 4 * 4 + 3 - i % 4 : i];
    }
  }

  List<std::byte> bytes_;
  size_t at_ = 0;
  bool big_endian_ = false;
};

class PfmWriter : public WholeWriter {
 public:
  PfmWriter(const Head& head, Sink sink) : WholeWriter(head, std::move(sink)) {}

 private:
  void encode(const Picture& picture) override {
    const bool big_endian = std::endian::native == std::endian::big;
    const std::string text = cat(picture.channels == 1 ? "Pf\n" : "PF\n", picture.width, " ", picture.height, "\n",
                                 big_endian ? "1.0\n" : "-1.0\n");
    sink_.write({reinterpret_cast<const std::byte*>(text.data()), text.size()});
    for (int64_t y = picture.height; y-- > 0;) sink_.write({picture.row(y), static_cast<size_t>(picture.row_bytes())});
  }
};

}  // namespace

std::unique_ptr<Reader> open_pfm(List<std::byte> bytes, const DecodeLimits& limits) {
  return std::make_unique<PfmReader>(bytes, limits);
}

std::unique_ptr<Writer> write_pfm(const Head& head, const EncodeOptions&, Sink sink, std::vector<std::string>&) {
  return std::make_unique<PfmWriter>(head, std::move(sink));
}

std::unique_ptr<Reader> open_pnm(List<std::byte> bytes, const DecodeLimits& limits) {
  return std::make_unique<PnmReader>(bytes, limits);
}

std::unique_ptr<Writer> write_pnm(const Head& head, const EncodeOptions&, Sink sink, std::vector<std::string>&) {
  return std::make_unique<PnmWriter>(head, std::move(sink), false);
}

std::unique_ptr<Writer> write_pam(const Head& head, const EncodeOptions&, Sink sink, std::vector<std::string>&) {
  return std::make_unique<PnmWriter>(head, std::move(sink), true);
}

}  // namespace tessera::upscale
