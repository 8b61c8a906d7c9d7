// Conversion between any two element types: what Cast and CastLike do.
#pragma once

#include <algorithm>
#include <cctype>
#include <charconv>

#include "ops/elements.h"
#include "ops/elementwise_math.h"
#include "ops/move.h"

namespace tessera::ops {

/// How numbers become float8 and powers of two.
struct Rounding {
  bool saturate = true;  ///< float8: the largest finite number instead of infinity or NaN
  Text mode = "up";      ///< float8e8m0: up, down or nearest
};

namespace convert_detail {

constexpr int64_t chunk = 256;

/// A stretch of elements in the widest type of their kind.
struct Wide {
  enum Kind { real, integer, natural } kind;
  union {
    double reals[chunk];
    int64_t integers[chunk];
    uint64_t naturals[chunk];
  };
};

inline Wide::Kind kind_of(DType type) {
  switch (type) {
    case DType::uint64: return Wide::natural;
    case DType::int8:
    case DType::int16:
    case DType::int32:
    case DType::int64:
    case DType::uint8:
    case DType::uint16:
    case DType::uint32:
    case DType::boolean:
    case DType::int4:
    case DType::uint4:
    case DType::int2:
    case DType::uint2: return Wide::integer;
    default: return Wide::real;
  }
}

inline void load(const View& view, int64_t begin, int64_t count, Wide& wide) {
  wide.kind = kind_of(view.type.dtype);
  if (bits_of(view.type.dtype) < 8 || (wide.kind == Wide::real && bits_of(view.type.dtype) == 8)) {
    for (int64_t i = 0; i < count; ++i) {
      const double value = element_as_double(view, begin + i);
      if (wide.kind == Wide::real)
        wide.reals[i] = value;
      else
        wide.integers[i] = static_cast<int64_t>(value);
    }
    return;
  }
  visit(view.type.dtype, [&]<class T>() {
    const T* from = view.as<T>() + begin;
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (std::is_same_v<T, uint64_t>)
        wide.naturals[i] = from[i];
      else if constexpr (std::is_integral_v<T>)
        wide.integers[i] = static_cast<int64_t>(from[i]);
      else
        wide.reals[i] = static_cast<double>(from[i]);
    }
  });
}

/// `value` as a float whose last bit remembers what was cut off, so that rounding it once more to
/// fewer bits gives the same as rounding `value` directly.
inline float sticky(double value) {
  float rounded = static_cast<float>(value);
  if (static_cast<double>(rounded) == value || !std::isfinite(rounded) || !std::isfinite(value)) return rounded;
  if (std::fabs(static_cast<double>(rounded)) > std::fabs(value)) rounded = std::nextafter(rounded, 0.0f);
  return std::bit_cast<float>(std::bit_cast<uint32_t>(rounded) | 1u);
}

template <class T>
T narrow(const Wide& wide, int64_t i) {
  if constexpr (std::is_same_v<T, bool>) {
    return wide.kind == Wide::real ? wide.reals[i] != 0 : wide.naturals[i] != 0;
  } else if constexpr (std::is_integral_v<T>) {
    return wide.kind == Wide::real ? elementwise::math::truncated<T>(wide.reals[i]) : static_cast<T>(wide.naturals[i]);
  } else if constexpr (std::is_floating_point_v<T>) {
    if (wide.kind == Wide::real) return static_cast<T>(wide.reals[i]);
    return wide.kind == Wide::integer ? static_cast<T>(wide.integers[i]) : static_cast<T>(wide.naturals[i]);
  } else {
    if (wide.kind == Wide::real) return T(sticky(wide.reals[i]));
    return T(sticky(
        static_cast<double>(wide.kind == Wide::integer ? wide.integers[i] : static_cast<double>(wide.naturals[i]))));
  }
}

/// The exponent of the power of two next to `value`, as float8e8m0 stores it.
inline uint8_t power_of_two(double value, const Rounding& rounding) {
  if (std::isnan(value)) return 255;
  const double magnitude = std::fabs(value);
  if (std::isinf(magnitude)) return rounding.saturate ? 254 : 255;
  if (magnitude == 0) return 0;
  int exponent;
  const double mantissa = 2 * std::frexp(magnitude, &exponent);  // in [1, 2)
  --exponent;
  if (rounding.mode == "up" ? mantissa > 1 : rounding.mode == "nearest" && mantissa >= 1.5) ++exponent;
  if (exponent > 127) return rounding.saturate ? 254 : 255;
  return static_cast<uint8_t>(std::max(exponent + 127, 0));
}

template <class T>
void store_small(const Wide& wide, const View& view, int64_t begin, int64_t count, const Rounding& rounding) {
  for (int64_t i = 0; i < count; ++i) view.as<T>()[begin + i] = T(sticky(narrow<double>(wide, i)), rounding.saturate);
}

inline void store(const Wide& wide, const View& view, int64_t begin, int64_t count, const Rounding& rounding) {
  const DType dtype = view.type.dtype;
  switch (dtype) {
    case DType::float8e4m3fn: return store_small<float8e4m3fn>(wide, view, begin, count, rounding);
    case DType::float8e4m3fnuz: return store_small<float8e4m3fnuz>(wide, view, begin, count, rounding);
    case DType::float8e5m2: return store_small<float8e5m2>(wide, view, begin, count, rounding);
    case DType::float8e5m2fnuz: return store_small<float8e5m2fnuz>(wide, view, begin, count, rounding);
    case DType::float8e8m0:
      for (int64_t i = 0; i < count; ++i)
        view.as<uint8_t>()[begin + i] = power_of_two(narrow<double>(wide, i), rounding);
      return;
    case DType::float4e2m1:
      for (int64_t i = 0; i < count; ++i) set_element(view, begin + i, sticky(narrow<double>(wide, i)));
      return;
    default: break;
  }
  if (const int bits = bits_of(dtype); bits < 8) {
    const bool is_signed = dtype == DType::int4 || dtype == DType::int2;
    for (int64_t i = 0; i < count; ++i) {
      const auto low = static_cast<int>(narrow<int64_t>(wide, i) & ((1 << bits) - 1));
      set_element(view, begin + i, is_signed && low >> (bits - 1) ? low - (1 << bits) : low);
    }
    return;
  }
  visit(dtype, [&]<class T>() {
    T* to = view.as<T>() + begin;
    for (int64_t i = 0; i < count; ++i) to[i] = narrow<T>(wide, i);
  });
}

inline double parse_real(Text text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  const Text whole = text;
  const bool negative = !text.empty() && text.front() == '-';
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range)
    value = text.find("e-") != Text::npos || text.find("E-") != Text::npos ? 0 : HUGE_VAL;
  else if (error != std::errc() || end != text.data() + text.size())
    fail(Error::Kind::type, "\"", whole, "\" is not a number");
  return negative ? -value : value;
}

inline void from_strings(const View& in, const View& out, const Rounding& rounding) {
  Wide wide;
  for (const int64_t i : Elements(in.elements())) {
    const Text text = in.as<String>()[i];
    int64_t whole = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
    if (error == std::errc() && end == text.data() + text.size() && !text.empty()) {
      wide.kind = Wide::integer;
      wide.integers[0] = whole;
    } else {
      wide.kind = Wide::real;
      wide.reals[0] = parse_real(text);
    }
    store(wide, out, i, 1, rounding);
  }
}

template <class T>
std::string shortest(T value) {
  if (value != value) return "NaN";
  if constexpr (std::is_floating_point_v<T>)
    if (std::isinf(value)) return value < 0 ? "-INF" : "INF";
  char buffer[64];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

inline void to_strings(const View& in, const View& out) {
  const DType from = in.type.dtype;
  Wide wide;
  for (const int64_t i : Elements(in.elements())) {
    load(in, i, 1, wide);
    String& text = out.as<String>()[i];
    if (wide.kind == Wide::real)
      text = from == DType::float64 ? shortest(wide.reals[0]) : shortest(static_cast<float>(wide.reals[0]));
    else
      text = wide.kind == Wide::natural ? shortest(wide.naturals[0]) : shortest(wide.integers[0]);
  }
}

}  // namespace convert_detail

/// out = in, element by element in the dtype of `out`. Integers that do not fit, and
/// numbers that become 2- and 4-bit ones, keep their low bits; others are kept within range. Throws Error::type for a
/// string that is no number.
inline void convert(const View& in, const View& out, const Rounding& rounding) {
  using namespace convert_detail;
  if (in.type.dtype == out.type.dtype) return copy_elements(in, out);
  if (in.type.dtype == DType::string) return from_strings(in, out, rounding);
  if (out.type.dtype == DType::string) return to_strings(in, out);
  const int64_t n = out.elements();
  Wide wide;
  for (int64_t i = 0; i < n; i += chunk) {
    const int64_t count = std::min(chunk, n - i);
    load(in, i, count, wide);
    store(wide, out, i, count, rounding);
  }
}

/// Reads the attributes of Cast and CastLike.
inline Rounding rounding_of(const AttrReader& attrs) {
  const Text mode = attrs.text("round_mode");
  return {attrs.integer("saturate") != 0, mode};
}

inline constexpr AttrDef rounding_attrs[] = {
    {"to", 0, {}, true}, {"saturate", 1, {}, false, 19}, {"round_mode", 0, "up", false, 24}};

}  // namespace tessera::ops
