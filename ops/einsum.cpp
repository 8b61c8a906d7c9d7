// Einsum: sums of products over the letters that the result does not name.
#include <algorithm>

#include "ops/elements.h"
#include "ops/indices.h"
#include "ops/numbers.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

// Letters of one term, with the axes of "..." as numbers below 'A' (the last such axis is 0).
using Term = std::vector<int>;

struct Equation {
  std::vector<Term> in;
  Term out;
  RunVector<std::pair<int, int64_t>> extents;  ///< of every letter: those of the result first
};

Term read_term(Text text, int rank) {
  Term term;
  int letters = 0;
  for (const char c : text) letters += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') continue;
    if (text.substr(i, 3) == "...") {
      for (int d = rank - letters - 1; d >= 0; --d) term.push_back(d);
      i += 2;
    } else if ((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z')) {
      term.push_back(text[i]);
    } else {
      fail(Error::Kind::model, "attribute \"equation\" has a '", text[i], "'");
    }
  }
  return term;
}

int64_t* extent_of(Equation& e, int letter) {
  for (auto& [known, extent] : e.extents)
    if (known == letter) return &extent;
  return nullptr;
}

Equation read_equation(Text text, const std::vector<Shape>& shapes) {
  Equation e;
  const size_t arrow = text.find("->");
  Text left = text.substr(0, arrow);
  RunVector<std::pair<int, int64_t>> seen;
  int broadcast_rank = 0;
  for (const Shape& shape : shapes) {
    const size_t comma = left.find(',');
    e.in.push_back(read_term(left.substr(0, comma), shape.rank()));
    left = comma == Text::npos ? Text{} : left.substr(comma + 1);
    const Term& term = e.in.back();
    if (term.size() != shape.size()) fail(Error::Kind::shape, "an operand ", shape, " does not fit \"", text, "\"");
    for (size_t i = 0; i < term.size(); ++i) {
      if (term[i] < 'A') broadcast_rank = std::max(broadcast_rank, term[i] + 1);
      if (int64_t* extent = extent_of(e, term[i])) {
        if (*extent != shape[i] && *extent != 1 && shape[i] != 1)
          fail(Error::Kind::shape, "extents ", *extent, " and ", shape[i], " of one letter in \"", text, "\"");
        if (*extent == 1) *extent = shape[i];
      } else {
        e.extents.emplace_back(term[i], shape[i]);
      }
    }
  }
  if (!left.empty()) fail(Error::Kind::model, "equation \"", text, "\" for ", shapes.size(), " operands");
  if (arrow != Text::npos) {
    const Text right = text.substr(arrow + 2);
    int letters = 0;
    for (const char c : right) letters += c != '.' && c != ' ';
    e.out = read_term(right, letters + broadcast_rank);
  } else {  // all "..." axes, then letters that come once, sorted
    for (int d = broadcast_rank - 1; d >= 0; --d) e.out.push_back(d);
    Term all;
    for (const Term& term : e.in) all.insert(all.end(), term.begin(), term.end());
    std::sort(all.begin(), all.end());
    for (const int letter : all)
      if (letter >= 'A' && std::count(all.begin(), all.end(), letter) == 1) e.out.push_back(letter);
  }
  for (size_t i = e.out.size(); i-- > 0;) {
    const auto at =
        std::find_if(e.extents.begin(), e.extents.end(), [&](const auto& x) { return x.first == e.out[i]; });
    if (at == e.extents.end() || std::count(e.out.begin(), e.out.end(), e.out[i]) > 1)
      fail(Error::Kind::model, "the result of \"", text, "\" names a letter that no operand has, or twice");
    std::rotate(e.extents.begin(), at, at + 1);
  }
  return e;
}

std::string equation_text(const AttrReader& n) { return std::string(n.text("equation")); }

void infer_einsum(Infer& n) {
  std::vector<Shape> shapes;
  for (int i = 0; i < n.inputs(); ++i) shapes.push_back(n.shape(i));
  const Equation e = read_equation(equation_text(n), shapes);
  Shape out, sums;
  for (size_t i = 0; i < e.extents.size(); ++i) (i < e.out.size() ? out : sums).push_back(e.extents[i].second);
  constexpr int64_t most = int64_t{1} << 28;  // their offsets are listed
  if (sums.elements() > most) fail(Error::Kind::memory, "each result is a sum of ", sums.elements(), " products");
  n.set(0, out);
}

template <class T>
void contract(const Args& a, const Equation& e) {
  Shape outer, inner;
  for (size_t i = 0; i < e.extents.size(); ++i) (i < e.out.size() ? outer : inner).push_back(e.extents[i].second);
  std::vector<Read<T>> operands;
  std::vector<Shape> outer_strides, inner_strides;
  for (size_t k = 0; k < e.in.size(); ++k) {
    operands.emplace_back(a.in[k]);
    const Shape& shape = a.in[k].shape();
    const Shape own = strides_of(shape);
    Shape all(e.extents.size(), 0);
    for (size_t i = 0; i < shape.size(); ++i)
      for (size_t l = 0; l < e.extents.size(); ++l)
        if (e.extents[l].first == e.in[k][i] && shape[i] != 1) all[l] += own[i];
    const List<int64_t> strides(all);
    outer_strides.emplace_back(strides.first(e.out.size()));
    inner_strides.emplace_back(strides.subspan(e.out.size()));
  }
  Write<T> y(a.out[0]);
  const size_t count = operands.size();
  std::vector<RunVector<int64_t>> starts(count), steps(count);
  for (size_t k = 0; k < count; ++k) {
    for_each_offset(outer, outer_strides[k], [&](int64_t, int64_t o) { starts[k].push_back(o); });
    for_each_offset(inner, inner_strides[k], [&](int64_t, int64_t o) { steps[k].push_back(o); });
  }
  for (const int64_t i : Steps(outer.elements())) {
    std::conditional_t<std::is_floating_point_v<T>, double, T> sum = 0;
    for (const int64_t round : Elements(inner.elements())) {
      const auto j = static_cast<size_t>(round);
      decltype(sum) product = 1;
      for (size_t k = 0; k < count; ++k) product *= operands[k][starts[k][static_cast<size_t>(i)] + steps[k][j]];
      sum += product;
    }
    y[i] = static_cast<T>(sum);
  }
}

void einsum_reference(const Args& a) {
  std::vector<Shape> shapes;
  for (const View& view : a.in) shapes.push_back(view.shape());
  const Equation e = read_equation(equation_text(a), shapes);
  if (!is_float(a.in[0].type.dtype)) return contract<uint64_t>(a, e);
  visit_real(a.in[0].type.dtype, [&]<class T>() { contract<T>(a, e); });
}

constexpr AttrDef attrs[] = {{"equation", 0, {}, true}};
const OpDef defs[] = {{.name = "Einsum",
                       .since = 12,
                       .in = {1, many},
                       .types = "T=numeric : T... -> T",
                       .attrs = attrs,
                       .infer = infer_einsum,
                       .reference = einsum_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile einsum;
const OpFile einsum{defs};

}  // namespace tessera::ops
