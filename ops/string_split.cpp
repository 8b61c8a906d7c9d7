// StringSplit: cuts each string at a delimiter, or at white space; short rows are filled with "".
#include <algorithm>

#include "ops/data_dependent.h"
#include "ops/elements.h"

namespace tessera::ops {
extern const OpFile string_split;
namespace {

constexpr Text spaces = " \t\n\r\f\v";

RunVector<Text> at_spaces(Text text, int64_t most) {
  RunVector<Text> parts;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(spaces), text.size()));
    if (text.empty()) return parts;
    const bool last = most >= 0 && static_cast<int64_t>(parts.size()) == most;
    const size_t end = last ? text.size() : std::min(text.find_first_of(spaces), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

RunVector<Text> at_delimiter(Text text, Text delimiter, int64_t most) {
  RunVector<Text> parts;
  while (most < 0 || static_cast<int64_t>(parts.size()) < most) {
    const size_t end = text.find(delimiter);
    if (end == Text::npos) break;
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + delimiter.size());
  }
  parts.push_back(text);
  return parts;
}

std::vector<Tensor> split_all(const AttrReader& attrs, List<View> in) {
  const Text delimiter = attrs.text("delimiter");
  const int64_t most = attrs.has("maxsplit") ? attrs.integer("maxsplit") : -1;
  const int64_t count = in[0].elements();
  RunVector<RunVector<Text>> rows;
  size_t longest = 0;
  for (const int64_t i : Elements(count)) {
    const Text text = in[0].as<String>()[i];
    rows.push_back(delimiter.empty() ? at_spaces(text, most) : at_delimiter(text, delimiter, most));
    longest = std::max(longest, rows.back().size());
  }
  Shape shape = in[0].shape();
  const Tensor counts = Tensor::make({DType::int64, shape});
  shape.push_back(static_cast<int64_t>(longest));
  const Tensor parts = Tensor::make({DType::string, shape});
  for (size_t i = 0; i < rows.size(); ++i) {
    counts.as<int64_t>()[i] = static_cast<int64_t>(rows[i].size());
    std::copy(rows[i].begin(), rows[i].end(), parts.as<String>() + i * longest);
  }
  return {parts, counts};
}

constexpr AttrDef attrs[] = {{"delimiter"}, {"maxsplit"}};
const OpDef defs[] = {by_value<split_all>("StringSplit", 20, {1, 1}, {1, 2}, "string -> string, int64", attrs)};

}  // namespace
const OpFile string_split{defs};
}  // namespace tessera::ops
