// Einsum of two operands as one product of matrices, its operands and its result transposed where they have to be.
#include <algorithm>

#include "optimizer/spelling.h"

namespace tessera::optimizer {
namespace {

// The letters of a term; empty if it has anything else in it.
std::string letters_of(Text term) {
  std::string letters;
  for (const char c : term) {
    if (c == ' ') continue;
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) || letters.find(c) != std::string::npos) return {};
    letters.push_back(c);
  }
  return letters;
}

bool has(const std::string& letters, char c) { return letters.find(c) != std::string::npos; }

// The letters of `from` that a test takes, in their order.
template <class Test>
std::string taken(const std::string& from, const Test& test) {
  std::string out;
  std::copy_if(from.begin(), from.end(), std::back_inserter(out), test);
  return out;
}

std::vector<int64_t> order(const std::string& from, const std::string& to) {
  std::vector<int64_t> perm;
  for (const char c : to) perm.push_back(static_cast<int64_t>(from.find(c)));
  return perm;
}

ValueId arranged(Spelling& s, ValueId id, const std::string& from, const std::string& to) {
  return from == to ? id : s.transpose(id, order(from, to));
}

}  // namespace

bool spell_einsum(Spelling& s) {
  const std::string equation(AttrReader(s.node()).text("equation"));
  const size_t arrow = equation.find("->"), comma = equation.find(',');
  if (s.node().in.size() != 2 || arrow == std::string::npos || comma == std::string::npos) return false;
  const std::string x = letters_of(Text(equation).substr(0, comma));
  const std::string y = letters_of(Text(equation).substr(comma + 1, arrow - comma - 1));
  const std::string z = letters_of(Text(equation).substr(arrow + 2));
  const Shape xs = s.shape(s.in(0)), ys = s.shape(s.in(1));
  if (x.empty() || y.empty() || x.size() != xs.size() || y.size() != ys.size()) return false;
  if (z.empty() && Text(equation).substr(arrow + 2).find_first_not_of(' ') != Text::npos) return false;
  if (xs.elements() == 0 || ys.elements() == 0) return false;
  const auto extent = [&](char c) { return has(x, c) ? xs[x.find(c)] : ys[y.find(c)]; };
  for (const char c : x)
    if (has(y, c) && xs[x.find(c)] != ys[y.find(c)]) return false;  // an axis of one that repeats
  // Letters of one operand that the result lacks are summed alone: rare, and left to the reference.
  for (const std::string* term : {&x, &y})
    for (const char c : *term)
      if (!has(z, c) && !(has(x, c) && has(y, c))) return false;
  const auto batch_test = [&](char c) { return has(x, c) && has(y, c); };
  const std::string batch = taken(z, batch_test);
  const std::string rows = taken(z, [&](char c) { return has(x, c) && !has(y, c); });
  const std::string columns = taken(z, [&](char c) { return !has(x, c) && has(y, c); });
  const std::string sums = taken(x, [&](char c) { return has(y, c) && !has(z, c); });
  const auto product = [&](const std::string& letters) {
    int64_t all = 1;
    for (const char c : letters) all *= extent(c);
    return all;
  };
  const auto matrices = [&](int64_t m, int64_t n) { return batch.empty() ? Shape{m, n} : Shape{product(batch), m, n}; };
  const int64_t m = product(rows), n = product(columns), k = product(sums);
  // A product that begins with the columns needs no transposed result.
  const bool turned = !columns.empty() && z == batch + columns + rows && z != batch + rows + columns;
  const std::string &first = turned ? columns : rows, &second = turned ? rows : columns;
  const ValueId left = turned ? s.in(1) : s.in(0), right = turned ? s.in(0) : s.in(1);
  const std::string &l = turned ? y : x, &r = turned ? x : y;
  const int64_t height = turned ? n : m, width = turned ? m : n;
  const ValueId a = s.reshape(arranged(s, left, l, batch + first + sums), matrices(height, k));
  const ValueId b = s.reshape(arranged(s, right, r, batch + sums + second), matrices(k, width));
  ValueId result = s.op("MatMul", 13, {a, b});
  Shape open;
  const std::string made = batch + first + second;
  for (const char c : made) open.push_back(extent(c));
  result = s.reshape(result, open);
  s.becomes(0, arranged(s, result, made, z));
  return true;
}

}  // namespace tessera::optimizer
