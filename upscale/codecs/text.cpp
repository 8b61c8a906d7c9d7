// Text and IPTC records between the forms that formats have for them.
#include <cstring>

#include "upscale/codecs/codec.h"

namespace tessera::upscale {
namespace {

/// A resource in Photoshop's block: its signature, the number of the IPTC records, and no name.
constexpr Text signature = "8BIM";
constexpr uint32_t iptc_number = 0x0404;

uint32_t read(List<std::byte> bytes, size_t at, size_t size) {
  uint32_t value = 0;
  for (size_t i = 0; i < size; ++i) value = value << 8 | std::to_integer<uint32_t>(bytes[at + i]);
  return value;
}

/// Length of the UTF-8 character there and its number; 0 if it is none.
size_t decode_character(Text text, uint32_t& number) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  const size_t length = first < 0x80                    ? 1
                        : first >= 0xc2 && first < 0xe0 ? 2
                        : first >= 0xe0 && first < 0xf0 ? 3
                        : first >= 0xf0 && first < 0xf5 ? 4
                                                        : 0;
  if (length == 0 || text.size() < length) return 0;
  number = length == 1 ? first : first & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    number = number << 6 | (byte(i) & 0x3fu);
  }
  const bool shortest = length < 3 || number >= (length == 3 ? 0x800u : 0x10000u);
  return shortest && number < 0x110000 && (number < 0xd800 || number >= 0xe000) ? length : 0;
}

}  // namespace

Bytes wrap_iptc(List<std::byte> records) {
  Bytes block;
  for (const char c : signature) block.push_back(static_cast<std::byte>(c));
  const auto put = [&](uint32_t value, int size) {
    while (size--) block.push_back(static_cast<std::byte>(value >> 8 * size));
  };
  put(iptc_number, 2);
  put(0, 2);
  put(static_cast<uint32_t>(records.size()), 4);
  block.insert(block.end(), records.begin(), records.end());
  if (records.size() % 2) put(0, 1);
  return block;
}

Bytes unwrap_iptc(List<std::byte> block) {
  constexpr auto record = std::byte{0x1c};
  if (!block.empty() && block[0] == record) return Bytes(block.begin(), block.end());
  while (block.size() >= 12 && std::memcmp(block.data(), signature.data(), signature.size()) == 0) {
    const uint32_t number = read(block, 4, 2);
    const size_t name = (read(block, 6, 1) + 2) / 2 * 2;
    if (block.size() < 6 + name + 4) break;
    const size_t size = read(block, 6 + name, 4), start = 10 + name;
    if (block.size() - start < size) break;
    if (number == iptc_number)
      return Bytes(block.begin() + static_cast<std::ptrdiff_t>(start),
                   block.begin() + static_cast<std::ptrdiff_t>(start + size));
    block = block.subspan(std::min(block.size(), start + size + size % 2));
  }
  return {};
}

std::string utf8_of(Text text) {
  std::string latin;
  uint32_t number = 0;
  for (Text rest = text;;) {
    if (rest.empty()) return std::string(text);
    const size_t length = decode_character(rest, number);
    if (length == 0) break;
    rest.remove_prefix(length);
  }
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x80)
      latin += c;
    else
      (latin += static_cast<char>(0xc0 | byte >> 6)) += static_cast<char>(0x80 | (byte & 0x3f));
  }
  return latin;
}

std::optional<std::string> latin1_of(Text utf8) {
  std::string text;
  for (uint32_t number = 0; !utf8.empty();) {
    const size_t length = decode_character(utf8, number);
    if (length == 0 || number > 0xff) return std::nullopt;
    text += static_cast<char>(number);
    utf8.remove_prefix(length);
  }
  return text;
}

}  // namespace tessera::upscale
