// StringNormalizer: drops stop words and changes the case of the rest.
#include <algorithm>

#include "ops/data_dependent.h"
#include "ops/elements.h"

namespace tessera::ops {
extern const OpFile string_normalizer;
namespace {

// Letters whose two cases lie a fixed distance apart: [from, to] are upper case.
struct Letters {
  char32_t from, to, distance;
};
constexpr Letters alphabets[] = {
    {U'A', U'Z', 32},   {0xC0, 0xD6, 32},   {0xD8, 0xDE, 32},   {0x391, 0x3A1, 32},
    {0x3A3, 0x3A9, 32}, {0x400, 0x40F, 80}, {0x410, 0x42F, 32}, {0x531, 0x556, 48},
};
// Blocks in which upper and lower case alternate; upper case is even.
constexpr Letters alternating[] = {{0x100, 0x137, 1}, {0x14A, 0x177, 1}, {0x460, 0x481, 1}, {0x48A, 0x4BF, 1}};

char32_t change_case(char32_t c, bool upper) {
  for (const Letters& a : alphabets) {
    if (!upper && c >= a.from && c <= a.to) return c + a.distance;
    if (upper && c >= a.from + a.distance && c <= a.to + a.distance) return c - a.distance;
  }
  for (const Letters& a : alternating)
    if (c >= a.from && c <= a.to) return upper ? c & ~char32_t{1} : c | 1;
  return c;
}

// Two-byte sequences are decoded, the rest of UTF-8 has no case here and passes as it is.
String with_case(Text text, bool upper) {
  String out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      out += static_cast<char>(change_case(byte, upper));
    } else if ((byte & 0xE0) == 0xC0 && i + 1 < text.size()) {
      const auto next = static_cast<unsigned char>(text[++i]);
      const char32_t c = change_case(static_cast<char32_t>((byte & 0x1F) << 6 | (next & 0x3F)), upper);
      out += static_cast<char>(0xC0 | c >> 6);
      out += static_cast<char>(0x80 | (c & 0x3F));
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<Tensor> normalized(const AttrReader& attrs, List<View> in) {
  const Shape& shape = in[0].shape();
  if (shape.empty() || shape.size() > 2 || (shape.size() == 2 && shape[0] != 1))
    fail(Error::Kind::shape, "needs [C] or [1,C], got ", shape);
  const Text action = attrs.text("case_change_action");
  if (action != "NONE" && action != "LOWER" && action != "UPPER")
    fail(Error::Kind::model, "case_change_action \"", action, "\" is not known");
  const bool sensitive = attrs.integer("is_case_sensitive") != 0;
  const auto key = [&](Text text) { return sensitive ? String(text) : with_case(text, false); };
  RunVector<String> stop, kept;
  for (const std::string& word : attrs.texts("stopwords")) stop.push_back(key(word));
  for (const int64_t i : Elements(in[0].elements())) {
    const String& word = in[0].as<String>()[i];
    if (std::find(stop.begin(), stop.end(), key(word)) != stop.end()) continue;
    kept.push_back(action == "NONE" ? word : with_case(word, action == "UPPER"));
  }
  if (kept.empty()) kept.emplace_back();
  Shape out = shape;
  out[out.size() - 1] = static_cast<int64_t>(kept.size());
  const Tensor result = Tensor::make({DType::string, out});
  std::move(kept.begin(), kept.end(), result.as<String>());
  return {result};
}

constexpr AttrDef attrs[] = {{"case_change_action", 0, "NONE"}, {"is_case_sensitive", 0}, {"locale"}, {"stopwords"}};
const OpDef defs[] = {by_value<normalized>("StringNormalizer", 10, {1, 1}, {1, 1}, "string -> string", attrs)};

}  // namespace
const OpFile string_normalizer{defs};
}  // namespace tessera::ops
