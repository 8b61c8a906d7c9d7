#include "runtime/graph/reach_field.h"

#include <algorithm>
#include <numeric>

namespace tessera::reach {

Ratio::Ratio(int64_t n, int64_t d) {
  const int64_t common = std::gcd(n, d), sign = d < 0 ? -1 : 1;
  num = common ? sign * n / common : 0;
  den = common ? sign * d / common : 1;
}
Ratio operator+(Ratio a, Ratio b) { return {a.num * b.den + b.num * a.den, a.den * b.den}; }
Ratio operator-(Ratio a, Ratio b) { return {a.num * b.den - b.num * a.den, a.den * b.den}; }
Ratio operator*(Ratio a, Ratio b) { return {a.num * b.num, a.den * b.den}; }
Ratio operator/(Ratio a, Ratio b) { return {a.num * b.den, a.den * b.num}; }
bool operator<(Ratio a, Ratio b) { return a.num * b.den < b.num * a.den; }
Ratio common_multiple(Ratio a, Ratio b) { return {std::lcm(a.num, b.num), std::gcd(a.den, b.den)}; }

bool on_picture(const Digits& digits) {
  return std::any_of(digits.begin(), digits.end(), [](const Digit& digit) { return digit.side != none; });
}

bool Field::on_picture() const {
  return std::any_of(axes.begin(), axes.end(), [](const Digits& digits) { return reach::on_picture(digits); });
}

void Field::mix(const Digit& digit, bool stays) {
  if (digit.side == none) return;
  if (stays) low[digit.side] = low[digit.side] - digit.span();
  high[digit.side] = high[digit.side] + digit.span();
}

Field plain_field(const Shape& shape) {
  Field field;
  for (const int64_t extent : shape) field.axes.push_back(extent == 1 ? Digits{} : Digits{{none, extent, 0}});
  return field;
}

bool recut(Field& field, const Shape& from, const Shape& to) {
  // All digits in the order of the bytes.
  Digits all;
  for (size_t i = 0; i < field.axes.size(); ++i) {
    if (field.axes[i].empty() && from[i] != 1) all.push_back({none, from[i], 0});
    all.insert(all.end(), field.axes[i].begin(), field.axes[i].end());
  }
  std::reverse(all.begin(), all.end());
  std::vector<Digits> axes(to.size());
  for (size_t i = 0; i < to.size(); ++i)
    for (int64_t wanted = to[i]; wanted > 1;) {
      if (all.empty()) return false;
      Digit next = all.back();
      all.pop_back();
      if (next.extent > wanted) {
        // Its coarse part is what this axis takes; the fine part stays for the next.
        if (next.extent % wanted) return false;
        Digit fine = next;
        fine.extent = next.extent / wanted;
        next.extent = wanted;
        next.step = next.step * Ratio(fine.extent);
        all.push_back(fine);
      }
      if (wanted % next.extent) return false;
      wanted /= next.extent;
      axes[i].push_back(next);
    }
  field.axes = std::move(axes);
  return true;
}

bool settle(Field& field, size_t axis) {
  Digits& digits = field.axes[axis];
  if (!on_picture(digits)) return true;
  Digit whole = digits[0];
  if (whole.side == none) return false;
  for (size_t i = 1; i < digits.size(); ++i) {
    const Digit& fine = digits[i];
    const Ratio step = whole.step / Ratio(fine.extent);
    if (fine.side == none) {
      // Channels that became pixels: each sees what its block does.
      field.low[whole.side] = field.low[whole.side] - step * Ratio(fine.extent - 1);
    } else if (fine.side != whole.side || !(fine.step == step)) {
      return false;
    }
    whole.extent *= fine.extent;
    whole.step = step;
  }
  digits = {whole};
  return true;
}

bool unite(std::vector<Field> fields, Field& result) {
  result = {};
  result.axes.resize(fields[0].axes.size());
  for (size_t axis = 0; axis < result.axes.size(); ++axis) {
    Digits& digits = result.axes[axis];
    for (const bool settled : {false, true}) {
      bool agree = true;
      digits.clear();
      for (Field& field : fields) {
        if (settled && !settle(field, axis)) return false;
        const Digits& more = field.axes[axis];
        agree = agree && !(on_picture(digits) && on_picture(more) && digits != more);
        if (digits.empty() || on_picture(more)) digits = more;
      }
      if (agree) break;
      if (settled) return false;
    }
  }
  bool first[2] = {true, true};
  for (const Field& field : fields) {
    if (!field.on_picture()) continue;
    Field seen = field;
    // Digits of blocks that this operand lacks: its element serves all their indices. (Where it has none of
    // a side, it has seen the whole side.)
    bool along[2] = {};
    for (const Digits& digits : field.axes)
      for (const Digit& digit : digits)
        if (digit.side != none) along[digit.side] = true;
    for (size_t axis = 0; axis < result.axes.size(); ++axis)
      if (!reach::on_picture(field.axes[axis]))
        for (const Digit& digit : result.axes[axis])
          if (digit.side != none && along[digit.side]) seen.low[digit.side] = seen.low[digit.side] - digit.span();
    for (const int side : {rows, columns}) {
      if (first[side] || seen.low[side] < result.low[side]) result.low[side] = seen.low[side];
      if (first[side] || result.high[side] < seen.high[side]) result.high[side] = seen.high[side];
      first[side] = false;
    }
  }
  return true;
}

}  // namespace tessera::reach
