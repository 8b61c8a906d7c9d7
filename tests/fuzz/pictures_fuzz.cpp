// Fuzzes files of pictures: any bytes are decoded, whole and row by row, or end in one Error; what was decoded is
// encoded, and decoded again, as any format.
#include <algorithm>

#include "tests/fuzz/fuzz.h"
#include "tests/upscale_pictures.h"
#include "upscale/codecs/animation.h"
#include "upscale/codecs/codec.h"

namespace tessera::test {
namespace {

using namespace upscale;

constexpr int format_count = static_cast<int>(Format::pfm) + 1;
constexpr DecodeLimits limits{int64_t{1} << 14};

// The text of the Error that it ends in; empty where it ends in none.
template <class F>
std::string refusal(const F& act) {
  try {
    act();
    return "";
  } catch (const Error& error) {
    const Text text = error.what();
    if (text.empty() || text.find('\n') != Text::npos) finding(cat("an error is not one line: ", text));
    if (error.kind() != Error::Kind::file && error.kind() != Error::Kind::memory &&
        error.kind() != Error::Kind::unsupported)
      finding(cat("an error of an unexpected kind: ", text));
    return std::string(text);
  }
}

// As decode gives it, a few rows at a time.
Picture by_rows(List<std::byte> bytes, int64_t at_once) {
  const auto reader = open_reader(bytes, limits);
  Picture picture(reader->head());
  picture.allocate();
  for (int64_t y = 0; y < picture.height; y += at_once)
    reader->rows(std::min(at_once, picture.height - y), picture.row(y));
  return picture;
}

void encode_again(const Picture& picture, Format format, int quality) {
  if (!is_built(format) || !is_written(format) || std::max(picture.width, picture.height) > largest_extent(format))
    return;
  std::vector<std::string> notes;
  Bytes bytes;
  if (!refusal([&] { bytes = encode(picture, format, {.quality = quality, .threads = 1}, notes); }).empty()) return;
  Picture back;
  const std::string why = refusal([&] { back = decode(bytes, {int64_t{1} << 40}); });
  const std::string name = extension_of(format) == "" ? "?" : std::string(extension_of(format));
  if (!why.empty()) finding(cat("what was encoded as ", name, " is refused: ", why));
  if (back.width != picture.width || back.height != picture.height)
    finding(cat(name, " is ", back.width, 'x', back.height, ", not ", picture.width, 'x', picture.height));
  if ((format == Format::tiff || (format == Format::png && picture.bits < 32)) && back.samples != picture.samples)
    finding(cat("samples differ behind ", name));
}

// The file of a picture behind the choices of what is done with it.
std::string seed_of(Format format, int channels, int bits) {
  std::vector<std::string> notes;
  Picture picture = noise(9, 7, channels, bits);
  if (bits == 32) std::fill(picture.samples.begin(), picture.samples.end(), std::byte{0});
  const Bytes bytes = encode(picture, format, {.threads = 1}, notes);
  return std::string{static_cast<char>(format), '\3', '\x60'} +
         std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> made;
  for (int f = 0; f < format_count; ++f) {
    const auto format = static_cast<Format>(f);
    if (!is_built(format) || !is_written(format)) continue;
    for (const int channels : {1, 3, 4})
      for (const int bits : {8, 16, 32}) refusal([&] { made.push_back(seed_of(format, channels, bits)); });
  }
  // A GIF of one pixel; and PNM as people write it.
  constexpr unsigned char gif[] = {'G', 'I',  'F', '8', '9', 'a', 1, 0, 1, 0, 0x80, 0, 0, 255,  0, 0, 0,   0,
                                   0,   0x2c, 0,   0,   0,   0,   1, 0, 1, 0, 0,    2, 2, 0x44, 1, 0, 0x3b};
  made.push_back(std::string("\0\3\x60", 3) + std::string(reinterpret_cast<const char*>(gif), sizeof gif));
  made.push_back(std::string("\0\3\x60", 3) + "P2 # gray\n3 2 15 0 1 2 3 4 15");
  made.push_back(std::string("\0\3\x60", 3) + "P1 3 2 010101");
  return made;
}

// What the fuzzer does with its bytes.
void decode_and_encode(Choices choices) {
  const auto format = static_cast<Format>(choices.below(format_count));
  const int64_t at_once = choices.roll(1, 5);
  const int quality = static_cast<int>(choices.roll(-1, 100));
  const List<uint8_t> rest = choices.rest(1 << 16);
  const List<std::byte> bytes(reinterpret_cast<const std::byte*>(rest.data()), rest.size());
  Picture whole, rows;
  const std::string no_whole = refusal([&] { whole = decode(bytes, limits); });
  const std::string no_rows = refusal([&] { rows = by_rows(bytes, at_once); });
  if (no_whole.empty() != no_rows.empty()) finding(cat("whole: \"", no_whole, "\", by rows: \"", no_rows, '"'));
  refusal([&] { decode_animation(bytes, limits); });
  if (!no_whole.empty()) return;
  if (whole.samples != rows.samples) finding("rows are not those of the whole");
  encode_again(whole, format, quality);
}

}  // namespace tessera::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tessera::test::decode_and_encode(tessera::test::Choices(tessera::List<uint8_t>(data, size)));
  return 0;
}
