// Fourier transforms of short axes as products with the matrix of their roots of unity.
#include <cmath>
#include <numbers>

#include "ops/move.h"
#include "optimizer/spelling.h"

namespace tessera::optimizer {
namespace {

constexpr int64_t longest = 1024;  // beyond, fewer products are worth more
constexpr int64_t most_coefficients = int64_t{1} << 22;

struct Transform {
  int64_t given, parts, length, bins, out_parts;  // what is read along the axis, and what is written
  bool inverse, onesided;
};

// [given * parts, bins * out_parts]: the part of each number that is read in each that is written.
ValueId roots_of(Spelling& s, const Transform& t) {
  Tensor matrix = Tensor::make({DType::float32, {t.given * t.parts, t.bins * t.out_parts}});
  const double scale = t.inverse ? 1 / static_cast<double>(t.length) : 1, sign = t.inverse ? 1 : -1;
  std::vector<double> sums(static_cast<size_t>(matrix.type.shape.elements()));
  for (int64_t k = 0; k < t.length; ++k) {
    // The other half of a one-sided spectrum is its mirror image.
    const bool mirrored = t.inverse && t.onesided && k > t.length / 2;
    const int64_t from = mirrored ? t.length - k : k;
    if (from >= t.given) continue;
    for (int64_t bin = 0; bin < t.bins; ++bin) {
      const double angle =
          2 * std::numbers::pi * static_cast<double>(k * bin % t.length) / static_cast<double>(t.length);
      const double real = scale * std::cos(angle), imaginary = scale * sign * std::sin(angle);
      const auto add = [&](int64_t part, int64_t out_part, double value) {
        if (part < t.parts && out_part < t.out_parts)
          sums[static_cast<size_t>((from * t.parts + part) * t.bins * t.out_parts + bin * t.out_parts + out_part)] +=
              value;
      };
      const double turned = mirrored ? -1 : 1;
      add(0, 0, real), add(0, 1, imaginary);
      add(1, 0, -turned * imaginary), add(1, 1, turned * real);
    }
  }
  for (size_t i = 0; i < sums.size(); ++i) matrix.as<float>()[i] = static_cast<float>(sums[i]);
  return s.constant(std::move(matrix));
}

bool is_short(const Transform& t) {
  return t.length <= longest && t.given * t.parts * t.bins * t.out_parts <= most_coefficients;
}

}  // namespace

bool spell_fourier_transform(Spelling& s) {
  const AttrReader attrs(s.node());
  const Shape x = s.shape(s.in(0)), out = s.shape(s.node().out[0]);
  const Tensor *axis_in = s.has(2) ? s.value(s.in(2)) : nullptr, *length_in = s.has(1) ? s.value(s.in(1)) : nullptr;
  if ((s.has(1) && !length_in) || (s.has(2) && !axis_in) || out.elements() == 0 || x.elements() == 0) return false;
  const int64_t named = s.node().op->since < 20 ? attrs.integer("axis")
                        : axis_in               ? as_integers(axis_in->view()).at(0)
                                                : -2;
  const auto axis = static_cast<size_t>(normalize_axis(named, x.rank()));
  Transform t{
      x[axis], x.back(), 0, out[axis], out.back(), attrs.integer("inverse") != 0, attrs.integer("onesided") != 0};
  const auto length = length_in ? as_integers(length_in->view()).at(0) : int64_t{0};
  t.length = length > 0 ? length : t.inverse && t.onesided ? 2 * (t.given - 1) : t.given;
  if (!is_short(t)) return false;
  const int64_t outer = x.elements(0, axis), inner = x.elements(axis + 1, x.size() - 1);
  ValueId lines = s.in(0);
  if (inner != 1) lines = s.transpose(s.reshape(lines, {outer, t.given, inner, t.parts}), {0, 2, 1, 3});
  lines = s.reshape(lines, {outer * inner, t.given * t.parts});
  ValueId y = s.op("MatMul", 13, {lines, roots_of(s, t)});
  if (inner != 1) y = s.transpose(s.reshape(y, {outer, inner, t.bins, t.out_parts}), {0, 2, 1, 3});
  s.becomes(0, s.reshape(y, out));
  return true;
}

bool spell_short_transforms(Spelling& s) {
  enum { signal, step, window, length };
  const AttrReader attrs(s.node());
  const Shape x = s.shape(s.in(signal)), out = s.shape(s.node().out[0]);
  const Tensor *every = s.value(s.in(step)), *named = s.has(length) ? s.value(s.in(length)) : nullptr;
  if (!every || (s.has(length) && !named) || out.elements() == 0) return false;
  const auto number = [](const Tensor* tensor) { return as_integers(tensor->view()).at(0); };
  const int64_t parts = x.size() == 3 ? x[2] : 1, count = out[1];
  Transform t{0, parts, named ? number(named) : 0, out[2], 2, false, attrs.integer("onesided") != 0};
  if (t.length <= 0) t.length = s.has(window) ? s.shape(s.in(window)).elements() : x[1];
  t.given = t.length;
  if (!is_short(t)) return false;
  Tensor places = Tensor::make({DType::int64, {count, t.length}});
  for (int64_t frame = 0; frame < count; ++frame)
    for (int64_t i = 0; i < t.length; ++i) places.as<int64_t>()[frame * t.length + i] = frame * number(every) + i;
  ValueId frames = s.op("Gather", 13, {s.reshape(s.in(signal), {x[0], x[1], parts}), s.constant(std::move(places))},
                        {{"axis", int64_t{1}}});
  if (s.has(window)) frames = s.op("Mul", 14, {frames, s.reshape(s.in(window), {t.length, 1})});
  frames = s.reshape(frames, {x[0] * count, t.length * parts});
  s.becomes(0, s.reshape(s.op("MatMul", 13, {frames, roots_of(s, t)}), out));
  return true;
}

}  // namespace tessera::optimizer
