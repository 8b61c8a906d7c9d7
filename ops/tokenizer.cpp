// com.microsoft Tokenizer: cuts each string where separators match, or into what an expression matches, or into
// letters.
#include <algorithm>

#include "ops/data_dependent.h"
#include "ops/elements.h"
#include "ops/regex.h"

namespace tessera::ops {
namespace {

/// A text with where its letters begin, and where the last one ends.
struct Letters {
  Text text;
  Regex::RunText points;
  RunVector<size_t> at;

  explicit Letters(Text given) : text(given), points(Regex::decode(given)) {
    for (size_t i = 0; i < text.size(); i = Regex::behind_point(text, i)) at.push_back(i);
    at.push_back(text.size());
  }
  Text part(size_t begin, size_t end) const { return text.substr(at[begin], at[end] - at[begin]); }
};

class Cutter {
 public:
  explicit Cutter(const AttrReader& n) : least_(static_cast<size_t>(std::max<int64_t>(n.integer("mincharnum"), 1))) {
    const List<std::string> separators = n.texts("separators");
    const Text expression = n.text("tokenexp");
    if (separators.empty() == expression.empty())
      fail(Error::Kind::model, "needs one of the attributes \"separators\" and \"tokenexp\"");
    letters_ = expression == "." || (separators.size() == 1 && separators[0].empty());
    if (letters_) return;
    inside_ = !expression.empty();
    if (inside_) expressions_.emplace_back(expression);
    for (const std::string& separator : separators) expressions_.emplace_back(separator);
  }

  RunVector<Text> cut(Text text) const {
    RunVector<Text> tokens{text};
    if (letters_) return pieces(text, nullptr);
    for (const Regex& expression : expressions_) {
      RunVector<Text> finer;
      for (const Text token : tokens)
        for (const Text piece : pieces(token, &expression)) finer.push_back(piece);
      tokens = std::move(finer);
    }
    return tokens;
  }

 private:
  // Of a text what the expression matches, or what is between that.
  RunVector<Text> pieces(Text text, const Regex* expression) const {
    const Letters letters(text);
    const size_t count = letters.points.size();
    RunVector<Text> found;
    const auto keep = [&](size_t begin, size_t end) {
      if (end - begin >= least_) found.push_back(letters.part(begin, end));
    };
    size_t begin = 0;  // of what is not cut yet
    for (size_t i = 0; i < count;) {
      check_cancelled();
      const size_t end = expression ? expression->longest(letters.points, i) : i + 1;
      if (end == Text::npos || end == i) {
        ++i;
        continue;
      }
      if (!expression || inside_)
        keep(i, end);
      else
        keep(begin, i);
      i = begin = end;
    }
    if (expression && !inside_) keep(begin, count);
    return found;
  }

  std::vector<Regex> expressions_;
  size_t least_;
  bool letters_ = false, inside_ = false;
};

std::vector<Tensor> tokenize(const AttrReader& n, List<View> in) {
  const Cutter cutter(n);
  Shape shape = in[0].shape();
  if (shape.rank() != 1 && shape.rank() != 2) fail(Error::Kind::shape, "input ", shape, " must have 1 or 2 axes");
  if (shape.elements() == 0) return {Tensor::make({DType::string, shape})};
  const bool marks = n.integer("mark") != 0;
  RunVector<RunVector<Text>> rows;
  size_t longest = 0;
  for (const int64_t i : Steps(shape.elements())) {
    rows.push_back(cutter.cut(in[0].as<String>()[i]));
    longest = std::max(longest, rows.back().size());
  }
  const size_t width = longest + (marks ? 2 : 0);
  shape.push_back(static_cast<int64_t>(width));
  Tensor out = Tensor::make({DType::string, shape});
  String* to = out.as<String>();
  for (const auto& row : rows) {
    String* at = to;
    if (marks) *at++ = String(1, '\2');
    for (const Text token : row) *at++ = token;
    if (marks) *at++ = String(1, '\3');
    std::fill(at, to += width, String(n.text("pad_value")));
  }
  return {out};
}

constexpr AttrDef attrs[] = {{.name = "mark", .required = true},
                             {.name = "mincharnum", .required = true},
                             {.name = "pad_value", .required = true},
                             {"separators"},
                             {"tokenexp"}};
const OpDef defs[] = {by_value<tokenize>("Tokenizer", 1, {1, 1}, {1, 1}, "string -> string", attrs, "com.microsoft")};

}  // namespace

extern const OpFile tokenizer;
const OpFile tokenizer{defs};

}  // namespace tessera::ops
