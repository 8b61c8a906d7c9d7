// The operators of ops/elementwise.def, all from the one table: unary ones, binary ones with
// numpy's broadcasting (and the `axis` of opsets 1 to 6), and those that fold a list of inputs.
#include "ops/elementwise.h"

#include <algorithm>

#include "ops/elementwise_math.h"
#include "ops/numbers.h"
#include "ops/pairs.h"
#include "runtime/graph/reach.h"

namespace tessera::elementwise {

namespace math {
namespace {

#include "ops/elementwise_functions.h"

}  // namespace
}  // namespace math

namespace {

constexpr int unary_functions = 64, binary_functions = 64;
constexpr bool NUMERIC = true, FLOAT = false;

// The number type that an expression is evaluated in, for elements of type S.
template <class S>
using Number = std::conditional_t<std::is_floating_point_v<S>, S, math::Int<S>>;
template <class S>
S plain(S x) {
  return x;
}
template <class S>
S plain(math::Int<S> x) {
  return x.v;
}

template <class S>
using Unary = void (*)(const S* x, S* out, int64_t n, float a, float b);
template <class S>
using Binary = void (*)(const S* x, int64_t x_step, const S* y, int64_t y_step, S* out, int64_t n);

template <class Function, class S>
void run_unary(const S* x, S* out, int64_t n, float a, float b) {
  using T = Number<S>;
  for (int64_t i = 0; i < n; ++i) out[i] = plain<S>(Function::of(T(x[i]), T(a), T(b)));
}

template <class Function, class S>
void run_binary(const S* x, int64_t x_step, const S* y, int64_t y_step, S* out, int64_t n) {
  using T = Number<S>;
  for (int64_t i = 0; i < n; ++i) out[i] = plain<S>(Function::of(T(x[i * x_step]), T(y[i * y_step])));
}

// The functions as loops over elements of type S; null where one is for floats only.
template <class S>
struct Loops {
  Unary<S> unary[unary_functions] = {};
  Binary<S> binary[binary_functions] = {};

  constexpr Loops() {
#define TESSERA_UNARY(id, Op, CLASS, expression) \
  if constexpr (CLASS || std::is_floating_point_v<S>) unary[id] = run_unary<math::Op##Function, S>;
#define TESSERA_BINARY(id, Op, CLASS, expression) \
  if constexpr (CLASS || std::is_floating_point_v<S>) binary[id - unary_functions] = run_binary<math::Op##Function, S>;
#include "ops/elementwise.def"
#undef TESSERA_UNARY
#undef TESSERA_BINARY
  }
};
template <class S>
constexpr Loops<S> loops;

template <class S>
constexpr bool is_half = std::is_same_v<S, float16> || std::is_same_v<S, bfloat16>;

constexpr int64_t chunk = 256;  // halves are widened this many at a time

[[noreturn]] void fail_function(uint16_t function, DType dtype) {
  fail(Error::Kind::type, "elementwise function ", function, " has no implementation for ", name_of(dtype));
}

template <class S>
void unary_of(uint16_t function, float a, float b, const View& in, const View& out) {
  const int64_t n = out.elements();
  const S* x = in.as<S>();
  S* result = out.as<S>();
  if constexpr (is_half<S>) {
    const Unary<float> loop = loops<float>.unary[function];
    float wide[chunk];
    for (int64_t i = 0; i < n; i += chunk) {
      const int64_t count = std::min(chunk, n - i);
      for (int64_t k = 0; k < count; ++k) wide[k] = x[i + k];
      loop(wide, wide, count, a, b);
      for (int64_t k = 0; k < count; ++k) result[i + k] = S(wide[k]);
    }
  } else {
    const Unary<S> loop = loops<S>.unary[function];
    if (!loop) fail_function(function, in.type.dtype);
    loop(x, result, n, a, b);
  }
}

template <class S>
void binary_of(uint16_t function, const View& x, const View& y, const View& out) {
  S* result = out.as<S>();
  const auto strides =
      std::array{ops::broadcast_strides(x.shape(), out.shape()), ops::broadcast_strides(y.shape(), out.shape())};
  ops::walk(out.shape(), strides, [&](const auto& at, const auto& step, int64_t n) {
    const S* px = x.as<S>() + at[0];
    const S* py = y.as<S>() + at[1];
    if constexpr (is_half<S>) {
      float wide_x[chunk], wide_y[chunk];
      for (int64_t i = 0; i < n; i += chunk) {
        const int64_t count = std::min(chunk, n - i);
        for (int64_t k = 0; k < count; ++k) wide_x[k] = px[(i + k) * step[0]], wide_y[k] = py[(i + k) * step[1]];
        loops<float>.binary[function - unary_functions](wide_x, 1, wide_y, 1, wide_x, count);
        for (int64_t k = 0; k < count; ++k) result[i + k] = S(wide_x[k]);
      }
    } else {
      const Binary<S> loop = loops<S>.binary[function - unary_functions];
      if (!loop) fail_function(function, x.type.dtype);
      loop(px, step[0], py, step[1], result, n);
    }
    result += n;
  });
}

}  // namespace

void apply_unary(uint16_t function, float a, float b, const View& in, const View& out) {
  visit(in.type.dtype, [&]<class S>() {
    if constexpr (!std::is_same_v<S, bool>)
      unary_of<S>(function, a, b, in, out);
    else
      fail_function(function, in.type.dtype);
  });
}

void apply_binary(uint16_t function, const View& x, const View& y, const View& out) {
  visit(x.type.dtype, [&]<class S>() {
    if constexpr (!std::is_same_v<S, bool>)
      binary_of<S>(function, x, y, out);
    else
      fail_function(function, x.type.dtype);
  });
}

std::optional<uint16_t> function_of(const OpDef& op) {
  struct Name {
    Text op;
    uint16_t function;
  };
  static constexpr Name names[] = {
#define TESSERA_UNARY(id, Op, CLASS, expression) {#Op, id},
#define TESSERA_BINARY(id, Op, CLASS, expression) {#Op, id},
#include "ops/elementwise.def"
#undef TESSERA_UNARY
#undef TESSERA_BINARY
  };
  if (!op.domain.empty() && op.domain != internal_domain) return std::nullopt;
  const auto* found = std::find_if(std::begin(names), std::end(names), [&](const Name& n) { return n.op == op.name; });
  return found == std::end(names) ? std::nullopt : std::optional(found->function);
}

UnaryFunction read_attributes(const AttrReader& attrs, uint16_t function) {
  switch (function) {
    case LeakyRelu:
    case Elu:
    case Celu:
    case ThresholdedRelu:
    case Swish: return {function, attrs.real("alpha")};
    case HardSigmoid:
    case Affine: return {function, attrs.real("alpha"), attrs.real("beta")};
    case Selu: return {function, attrs.real("alpha"), attrs.real("gamma")};
    case Quantum: return {function, attrs.real("scale"), attrs.real("zero_point")};
    case Shrink: return {function, attrs.real("lambd"), attrs.real("bias")};
    case Clip: return {function, attrs.real("min"), attrs.real("max")};
    case Gelu: return {attrs.text("approximate") == "tanh" ? GeluTanh : Gelu};
    default: return {function};
  }
}

}  // namespace tessera::elementwise

namespace tessera::ops {

extern const OpFile elementwise;

namespace {

namespace function = tessera::elementwise;

void infer_same(Infer& infer) { infer.set(0, infer.shape(0)); }

template <uint16_t Function>
void unary(const Args& args) {
  const function::UnaryFunction f = function::read_attributes(args, Function);
  function::apply_unary(f.function, f.a, f.b, args.in[0], args.out[0]);
}

// An integer is shrunk as a number, not modulo its range.
void shrink(const Args& args) {
  if (is_float(args.in[0].type.dtype)) return unary<function::Shrink>(args);
  const double lambd = args.real("lambd"), bias = args.real("bias");
  for (int64_t i = 0, n = args.out[0].elements(); i < n; ++i) {
    const double x = element_as_double(args.in[0], i);
    set_element(args.out[0], i, x < -lambd ? x + bias : x > lambd ? x - bias : 0);
  }
}

// --- Clip: bounds are attributes before opset 11, inputs since --------------------------------

template <class S>
void clip_of(const Args& args, const S* low, const S* high) {
  const S* x = args.in[0].as<S>();
  S* out = args.out[0].as<S>();
  for (int64_t i = 0, n = args.out[0].elements(); i < n; ++i) {
    S value = x[i];
    if (low && value < *low) value = *low;
    if (high && *high < value) value = *high;
    out[i] = value;
  }
}

void clip_attributes(const Args& args) {
  visit(args.in[0].type.dtype, [&]<class S>() {
    const S low = S(args.real("min")), high = S(args.real("max"));
    clip_of<S>(args, &low, &high);
  });
}

void clip(const Args& args) {
  visit(args.in[0].type.dtype, [&]<class S>() {
    clip_of<S>(args, args.has_in(1) ? args.in[1].as<S>() : nullptr, args.has_in(2) ? args.in[2].as<S>() : nullptr);
  });
}

void infer_clip(Infer& infer) {
  for (const int i : {1, 2})
    if (infer.has_input(i) && infer.shape(i).elements() != 1)
      fail(Error::Kind::shape, "bound ", infer.in(i), " is not a scalar");
  infer.set(0, infer.shape(0));
}

// --- Binary operators -------------------------------------------------------------------------

template <uint16_t Function>
void binary(const Args& args) {
  function::apply_binary(Function, args.in[0], args.in[1], args.out[0]);
}

template <uint16_t Function>
void old_binary(const Args& args) {
  function::apply_binary(Function, args.in[0], old_operand(args), args.out[0]);
}

// PRelu's slope: one number or one per channel before opset 7, unidirectional broadcasting since.
Shape old_slope(const Shape& x, const Shape& slope) {
  if (slope.size() != 1 || slope[0] == 1 || x.size() < 2) return slope;
  Shape shape = slope;
  while (shape.size() + 1 < x.size()) shape.push_back(1);
  return shape;
}

void infer_old_prelu(Infer& infer) {
  const Shape& x = infer.shape(0);
  if (broadcast(x, old_slope(x, infer.shape(1))) != x)
    fail(Error::Kind::shape, "slope ", infer.shape(1), " does not fit ", x);
  infer.set(0, x);
}

void old_prelu(const Args& args) {
  View slope = args.in[1];
  slope.type.shape = old_slope(args.in[0].shape(), slope.shape());
  function::apply_binary(function::PRelu, args.in[0], slope, args.out[0]);
}

void infer_prelu(Infer& infer) {
  const Shape& x = infer.shape(0);
  if (broadcast(x, infer.shape(1)) != x) fail(Error::Kind::shape, "slope ", infer.shape(1), " does not fit ", x);
  infer.set(0, x);
}

// --- Pow: base and exponent may differ in type ------------------------------------------------

template <class S>
S integer_power(S base, int64_t exponent) {
  using T = function::math::Int<S>;
  T x(base), result(1);
  if (exponent < 0) {
    const T inverse = T(1) / x;  // 1 and -1 have one; of anything else only 0 is left
    return exponent % 2 ? inverse.v : (inverse * inverse).v;
  }
  for (; exponent; exponent >>= 1, x = x * x)
    if (exponent & 1) result = result * x;
  return result.v;
}

// Exponents of all types are read as whole numbers of 64 bits, or as doubles.
template <class S, class E>
void power_of(const View& x, const View& y, const View& out) {
  S* result = out.as<S>();
  const Read<E> exponents(y);
  const auto strides = std::array{broadcast_strides(x.shape(), out.shape()), broadcast_strides(y.shape(), out.shape())};
  walk(out.shape(), strides, [&](const auto& at, const auto& step, int64_t n) {
    const S* px = x.as<S>() + at[0];
    for (int64_t i = 0, e = at[1]; i < n; ++i, px += step[0], e += step[1], ++result) {
      if constexpr (std::is_integral_v<S> && std::is_integral_v<E>)
        *result = integer_power(*px, exponents[e]);
      else if constexpr (std::is_integral_v<S>)
        *result = function::math::truncated<S>(std::pow(static_cast<double>(*px), exponents[e]));
      else if constexpr (std::is_same_v<S, double>)
        *result = std::pow(*px, exponents[e]);
      else
        *result = S(static_cast<float>(std::pow(static_cast<double>(*px), exponents[e])));
    }
  });
}

void power(const Args& args) {
  const View &x = args.in[0], &y = args.in[1], &out = args.out[0];
  if (x.type.dtype == y.type.dtype && is_float(x.type.dtype)) return function::apply_binary(function::Pow, x, y, out);
  visit(x.type.dtype, [&]<class S>() {
    if constexpr (std::is_same_v<S, bool>)
      fail(Error::Kind::type, "Pow has no implementation for ", x.type, " and ", y.type);
    else if (std::is_integral_v<S> && !is_float(y.type.dtype))
      power_of<S, int64_t>(x, y, out);
    else
      power_of<S, double>(x, y, out);
  });
}

// --- Min, Max, Sum, Mean over any number of inputs --------------------------------------------

void infer_variadic(Infer& infer) {
  Shape shape = infer.shape(0);
  for (int i = 1; i < infer.inputs(); ++i) shape = broadcast(shape, infer.shape(i));
  infer.set(0, shape);
}

template <uint16_t Function>
void variadic(const Args& args) {
  const View& out = args.out[0];
  const View& first = args.in[0];
  if (args.in.size() > 1) {
    function::apply_binary(Function, first, args.in[1], out);
  } else {
    visit_bits(out.type.dtype, [&]<class S>() { std::copy_n(first.as<S>(), out.elements(), out.as<S>()); });
  }
  for (size_t i = 2; i < args.in.size(); ++i) function::apply_binary(Function, out, args.in[i], out);
}

void mean(const Args& args) {
  variadic<function::Add>(args);
  const View& out = args.out[0];
  const auto count = static_cast<float>(args.in.size());
  visit(out.type.dtype, [&]<class S>() {
    for (int64_t i = 0, n = out.elements(); i < n; ++i) out.as<S>()[i] = S(out.as<S>()[i] / S(count));
  });
}

// --- Definitions ------------------------------------------------------------------------------

constexpr Text floats = "T=float : T -> T", numbers = "T=numeric : T -> T";
constexpr Text two_floats = "T=float : T, T -> T", two_numbers = "T=numeric : T, T -> T";

constexpr AttrDef alpha_001[] = {{"alpha", 0.01}};
constexpr AttrDef alpha_1[] = {{"alpha", 1.0}};
constexpr AttrDef hard_sigmoid_attrs[] = {{"alpha", 0.2}, {"beta", 0.5}};
constexpr AttrDef old_selu_attrs[] = {{"alpha", 1.6732}, {"gamma", 1.0507}};
constexpr AttrDef selu_attrs[] = {{"alpha", 1.67326319217681884765625}, {"gamma", 1.05070102214813232421875}};
constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr AttrDef clip_attrs[] = {{.name = "min", .number = -infinite, .last = 10},
                                  {.name = "max", .number = infinite, .last = 10}};
constexpr AttrDef affine_attrs[] = {{"alpha", 1.0}, {"beta", 0.0}};
constexpr AttrDef quantum_attrs[] = {{"scale", 1.0}, {"zero_point", 0.0}};
constexpr AttrDef shrink_attrs[] = {{"bias", 0.0}, {"lambd", 0.5}};
constexpr AttrDef gelu_attrs[] = {{"approximate", 0, "none"}};

template <uint16_t Function>
constexpr OpDef one_to_one(Text name, int since, Text types, List<AttrDef> attrs = {}) {
  return {name, "", since, {1, 1}, {1, 1}, types, attrs, infer_same, unary<Function>, reach::pointwise};
}
template <uint16_t Function>
constexpr OpDef old_two(Text name, Text types) {
  return {name, "", 1, {2, 2}, {1, 1}, types, old_pair_attrs, infer_old_pair, old_binary<Function>, reach::pointwise};
}
template <uint16_t Function>
constexpr OpDef two(Text name, Text types) {
  return {name, "", 7, {2, 2}, {1, 1}, types, {}, infer_pair, binary<Function>, reach::pointwise};
}
template <uint16_t Function>
constexpr OpDef several(Text name, Text types) {
  return {name, "", 1, {1, many}, {1, 1}, types, {}, infer_variadic, variadic<Function>, reach::pointwise};
}

const OpDef defs[] = {
    one_to_one<function::Relu>("Relu", 1, numbers),
    one_to_one<function::LeakyRelu>("LeakyRelu", 1, floats, alpha_001),
    one_to_one<function::Sigmoid>("Sigmoid", 1, floats),
    one_to_one<function::Tanh>("Tanh", 1, floats),
    {"Clip", "", 1, {1, 1}, {1, 1}, floats, clip_attrs, infer_same, clip_attributes, reach::pointwise},
    {"Clip", "", 11, {1, 3}, {1, 1}, "T=numeric : T, T, T -> T", clip_attrs, infer_clip, clip, reach::pointwise},
    one_to_one<function::HardSigmoid>("HardSigmoid", 1, floats, hard_sigmoid_attrs),
    one_to_one<function::HardSwish>("HardSwish", 14, floats),
    one_to_one<function::Elu>("Elu", 1, floats, alpha_1),
    one_to_one<function::Celu>("Celu", 12, floats, alpha_1),
    one_to_one<function::Selu>("Selu", 1, floats, old_selu_attrs),
    one_to_one<function::Selu>("Selu", 6, floats, selu_attrs),
    one_to_one<function::Softplus>("Softplus", 1, floats),
    one_to_one<function::Softsign>("Softsign", 1, floats),
    one_to_one<function::Erf>("Erf", 9, floats),
    one_to_one<function::Exp>("Exp", 1, floats),
    one_to_one<function::Log>("Log", 1, floats),
    one_to_one<function::Sqrt>("Sqrt", 1, floats),
    one_to_one<function::Reciprocal>("Reciprocal", 1, floats),
    one_to_one<function::Abs>("Abs", 1, numbers),
    one_to_one<function::Neg>("Neg", 1, numbers),
    one_to_one<function::Floor>("Floor", 1, floats),
    one_to_one<function::Ceil>("Ceil", 1, floats),
    one_to_one<function::Round>("Round", 11, floats),
    one_to_one<function::Sign>("Sign", 9, numbers),
    one_to_one<function::ThresholdedRelu>("ThresholdedRelu", 1, floats, alpha_1),
    // An experimental operator that old exporters wrote, and ours of the same meaning.
    one_to_one<function::Affine>("Affine", 1, floats, affine_attrs),
    {"Affine",
     "tessera",
     1,
     {1, 1},
     {1, 1},
     floats,
     affine_attrs,
     infer_same,
     unary<function::Affine>,
     reach::pointwise},
    // What QuantizeLinear to bytes and DequantizeLinear leave of a number; the zero point counts from the lowest byte.
    {"Quantum",
     "tessera",
     1,
     {1, 1},
     {1, 1},
     floats,
     quantum_attrs,
     infer_same,
     unary<function::Quantum>,
     reach::pointwise},
    {"Shrink", "", 9, {1, 1}, {1, 1}, numbers, shrink_attrs, infer_same, shrink, reach::pointwise},
    one_to_one<function::Swish>("Swish", 24, floats, alpha_1),
    one_to_one<function::Mish>("Mish", 18, floats),
    {"Gelu", "", 20, {1, 1}, {1, 1}, floats, gelu_attrs, infer_same, unary<function::Gelu>, reach::pointwise},
    one_to_one<function::Sin>("Sin", 7, floats),
    one_to_one<function::Cos>("Cos", 7, floats),
    one_to_one<function::Tan>("Tan", 7, floats),
    one_to_one<function::Asin>("Asin", 7, floats),
    one_to_one<function::Acos>("Acos", 7, floats),
    one_to_one<function::Atan>("Atan", 7, floats),
    one_to_one<function::Sinh>("Sinh", 9, floats),
    one_to_one<function::Cosh>("Cosh", 9, floats),
    one_to_one<function::Asinh>("Asinh", 9, floats),
    one_to_one<function::Acosh>("Acosh", 9, floats),
    one_to_one<function::Atanh>("Atanh", 9, floats),
    old_two<function::Add>("Add", two_numbers),
    two<function::Add>("Add", two_numbers),
    old_two<function::Sub>("Sub", two_numbers),
    two<function::Sub>("Sub", two_numbers),
    old_two<function::Mul>("Mul", two_numbers),
    two<function::Mul>("Mul", two_numbers),
    old_two<function::Div>("Div", two_numbers),
    two<function::Div>("Div", two_numbers),
    old_two<function::Pow>("Pow", two_floats),
    {"Pow", "", 7, {2, 2}, {1, 1}, "T=numeric; U=numeric : T, U -> T", {}, infer_pair, power, reach::pointwise},
    {"PRelu", "", 1, {2, 2}, {1, 1}, two_floats, {}, infer_old_prelu, old_prelu, reach::pointwise},
    {"PRelu", "", 7, {2, 2}, {1, 1}, two_numbers, {}, infer_prelu, binary<function::PRelu>, reach::pointwise},
    // The parameter-free attention of SPAN: what comes in is added to what a block made, and weighted by it.
    {"Gate", "tessera", 1, {2, 2}, {1, 1}, two_floats, {}, infer_pair, binary<function::Gate>, reach::pointwise},
    several<function::Min>("Min", "T=numeric : T... -> T"),
    several<function::Max>("Max", "T=numeric : T... -> T"),
    several<function::Add>("Sum", "T=float : T... -> T"),
    {"Mean", "", 1, {1, many}, {1, 1}, "T=float : T... -> T", {}, infer_variadic, mean, reach::pointwise},
};

}  // namespace

const OpFile elementwise{defs};

}  // namespace tessera::ops
