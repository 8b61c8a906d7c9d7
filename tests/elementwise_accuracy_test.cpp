// How exact the functions of ops/elementwise.def are: the vector loops of every level that this machine has, and the
// reference, against float64. Float32 by a sample of all its bit patterns, evenly through every exponent and sign (as
// many as TESSERA_ACCURACY_SAMPLES says), and whole where functions turn; float16 and bfloat16 exhaustively.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>

#include "ops/cpu/level.h"
#include "ops/cpu/simd/map.h"
#include "ops/elementwise.h"
#include "tests/support.h"

namespace tessera::test {
namespace {

using namespace elementwise;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double tiny = 0x1p-126;  // the least normal float32
// An exponential below the normal numbers may be lost, and what is 100 times that with it.
constexpr double lost = 100 * tiny;

double sigmoid(double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

// What a function is, and what its results may be off: units in the last place of the exact result, and a part of the
// argument, where the result is what is left of it: gelu adds an erf of seven units to one (the operator Erf has two,
// and takes nearly twice as long), its logistic form rounds the exponent.
struct Unary {
  const char* name;
  uint16_t function;
  double (*exact)(double x, double a, double b);
  double units = 2;
  double of_x = 0;
  float a = 0, b = 0;
};
#define EXACT(expression) \
  [](double x, [[maybe_unused]] double a, [[maybe_unused]] double b) -> double { return expression; }
const Unary unary_functions[] = {
    {"LeakyRelu", LeakyRelu, EXACT(x < 0 ? a * x : x), 0.5, 0, 0.01f},
    {"Sigmoid", Sigmoid, EXACT(sigmoid(x))},
    {"Tanh", Tanh, EXACT(std::tanh(x))},
    {"HardSwish", HardSwish, EXACT(x* std::clamp(x / 6 + 0.5, 0.0, 1.0))},
    {"Elu", Elu, EXACT(x < 0 ? a * std::expm1(x) : x), 2, 0, 1.5f},
    {"Selu", Selu, EXACT(x > 0 ? b * x : b * a * std::expm1(x)), 2, 0, 1.6732632f, 1.0507010f},
    {"Softplus", Softplus, EXACT(softplus(x))},
    {"Softsign", Softsign, EXACT(x / (1 + std::abs(x)))},
    {"Erf", Erf, EXACT(std::erf(x))},
    {"Exp", Exp, EXACT(std::exp(x))},
    {"Log", Log, EXACT(std::log(x))},
    {"Sqrt", Sqrt, EXACT(std::sqrt(x)), 0.5},
    {"Reciprocal", Reciprocal, EXACT(1 / x), 0.5},
    {"Swish", Swish, EXACT(x* sigmoid(a* x)), 2, 0, 1.0f},
    {"Mish", Mish, EXACT(x* std::tanh(softplus(x)))},
    {"Gelu", Gelu, EXACT(0.5 * x * std::erfc(-x * 0.70710678118654752440)), 2, 0x1p-22},
    {"GeluTanh", GeluTanh, EXACT(x* sigmoid(2 * 0.79788456080286536 * (x + 0.044715 * x * x * x))), 2.5, 0x1p-26},
    {"Sin", Sin, EXACT(std::sin(x))},
    {"Cos", Cos, EXACT(std::cos(x))},
    {"Tan", Tan, EXACT(std::tan(x))},
    {"Asin", Asin, EXACT(std::asin(x))},
    {"Acos", Acos, EXACT(std::acos(x))},
    {"Atan", Atan, EXACT(std::atan(x))},
    {"Sinh", Sinh, EXACT(std::sinh(x))},
    {"Cosh", Cosh, EXACT(std::cosh(x))},
    {"Asinh", Asinh, EXACT(std::asinh(x))},
    {"Acosh", Acosh, EXACT(std::acosh(x))},
    {"Atanh", Atanh, EXACT(std::atanh(x))},
    {"Celu", Celu, EXACT(x > 0 ? x : a * std::expm1(x / a)), 2, 0, 0.75f},
};

// The distance of two neighbours of float32 around a number.
double unit_of(double exact) {
  if (!(std::abs(exact) > tiny)) return 0x1p-149;
  return std::ldexp(1, std::max(std::ilogb(exact), -126) - 23);
}

struct Worst {
  double units = 0, x = 0, got = 0, exact = 0;
};

// Takes a result into account; one that overflows is due where the exact one leaves the range.
void judge(double x, float got, double exact, double of_x, Worst* worst) {
  if (std::isnan(got) || std::isnan(exact)) {
    if (std::isnan(got) != std::isnan(exact)) *worst = {infinity, x, got, exact};
    return;
  }
  if (std::isinf(got) || std::abs(exact) > std::numeric_limits<float>::max()) {
    const double limit = std::numeric_limits<float>::max(), unit = unit_of(limit);
    const double off = std::isinf(got) ? std::max(0.0, limit - std::abs(exact)) : std::abs(limit) - std::abs(got);
    if ((got < 0) != (exact < 0) || off / unit > worst->units) *worst = {off / unit, x, got, exact};
    return;
  }
  const double off = std::abs(static_cast<double>(got) - exact) - of_x * std::abs(x), units = off / unit_of(exact);
  if (off > lost && units > worst->units) *worst = {units, x, got, exact};
}

int64_t samples() {
  const char* wanted = std::getenv("TESSERA_ACCURACY_SAMPLES");
  return wanted ? std::atoll(wanted) : 200'000;
}

// Bit patterns of all float32, evenly; then the neighbourhoods of where functions turn.
class Sample {
 public:
  explicit Sample(int64_t count) {
    const uint64_t step = std::max<uint64_t>(1, (uint64_t{1} << 32) / static_cast<uint64_t>(count));
    for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += step) {
      state_ = state_ * 6364136223846793005u + 1442695040888963407u;
      add(static_cast<uint32_t>(bits + (state_ >> 33) % step));
    }
    const double turns[] = {0,     0.1,   0.25,  0.34657359, 0.41421356, 0.5,   0.69314718, 1,     1.0397208, 1.5707963,
                            2,     2.414, 3,     3.1415927,  3.92,       4.712, 5,          6.283, 8,         9,
                            20,    87.3,  88.37, 88.72,      100,        103.9, 355,        500,   999.9,     1000,
                            98765, 1e6,   1e15,  3e38,       1e-38,      1e-10, 1e-4,       4e-5,  0.01,      5.5};
    for (const double turn : turns)
      for (int64_t near = -200; near < 200; ++near)
        for (const uint32_t sign : {0u, 0x80000000u})
          add((std::bit_cast<uint32_t>(static_cast<float>(turn)) + static_cast<uint32_t>(near)) ^ sign);
    for (const float x : {0.0f, -0.0f, INFINITY, -INFINITY, NAN}) values_.push_back(x);
  }
  const std::vector<float>& values() const { return values_; }

 private:
  // Of NaNs quiet ones only: pow(signaling, 0) is another number from libm to libm.
  void add(uint32_t bits) {
    const auto x = std::bit_cast<float>(bits);
    values_.push_back(std::isnan(x) ? NAN : x);
  }
  uint64_t state_ = 1;
  std::vector<float> values_;
};

View view_of(const float* data, int64_t count) {
  return {{DType::float32, {count}}, reinterpret_cast<std::byte*>(const_cast<float*>(data))};
}

// Those that have loops of their own.
std::vector<cpu::Level> levels() {
  std::vector<cpu::Level> own{cpu::Level::baseline, cpu::Level::avx2, cpu::Level::avx512};
  std::erase_if(own, [](cpu::Level level) { return level > cpu::best_level(); });
  return own;
}

// Tells the worst of each level where all of a large sample was asked for.
void expect_within(const std::string& name, const std::vector<std::pair<std::string, Worst>>& found, double units) {
  if (std::getenv("TESSERA_ACCURACY_SAMPLES")) {
    std::printf("%-10s", name.c_str());
    for (const auto& [level, worst] : found) std::printf("  %s %.3g of %.9g", level.c_str(), worst.units, worst.x);
    std::printf("\n");
  }
  for (const auto& [level, worst] : found)
    EXPECT_LE(worst.units, units) << name << " by " << level << " of " << worst.x << " is " << worst.got << ", not "
                                  << worst.exact;
}

// A piece of the sample at a time: results of 10^8 numbers are not held.
constexpr int64_t piece = 1 << 16;

TEST(ElementwiseAccuracy, UnaryFunctions) {
  const Sample sample(samples());
  const auto& x = sample.values();
  std::vector<float> got(piece);
  std::vector<double> exact(piece);
  for (const Unary& row : unary_functions) {
    std::vector<std::pair<std::string, Worst>> found;
    for (size_t begin = 0; begin < x.size(); begin += piece) {
      const auto count = static_cast<int64_t>(std::min<size_t>(piece, x.size() - begin));
      const float* from = x.data() + begin;
      for (int64_t i = 0; i < count; ++i)
        exact[static_cast<size_t>(i)] = row.exact(from[i], static_cast<double>(row.a), static_cast<double>(row.b));
      size_t at = 0;
      const auto take = [&](std::string_view name) {
        if (begin == 0) found.emplace_back(name, Worst{});
        Worst& worst = found[at++].second;
        for (int64_t i = 0; i < count; ++i)
          judge(from[i], got[static_cast<size_t>(i)], exact[static_cast<size_t>(i)], row.of_x, &worst);
      };
      apply_unary(row.function, row.a, row.b, view_of(from, count), view_of(got.data(), count));
      take("reference");
      for (const cpu::Level level : levels()) {
        cpu::map_simd(level).unary[row.function](from, got.data(), count, row.a, row.b);
        take(cpu::name_of(level));
      }
    }
    expect_within(row.name, found, row.units);
  }
}

// Of two arguments: bases evenly from all float32, with exponents whose powers lie within it, and the same for others.
TEST(ElementwiseAccuracy, BinaryFunctions) {
  struct Binary {
    const char* name;
    uint16_t function;
    double (*exact)(double x, double y);
    double units;
  };
  const Binary functions[] = {
      {"Div", Div, [](double x, double y) { return x / y; }, 0.5},
      {"Pow", Pow, [](double x, double y) { return std::pow(x, y); }, 1.5},
  };
  const Sample sample(samples());
  constexpr double exponents[] = {2, 3, 0.5, -0.5, -1, 1.25, 7, -13.75, 0, 100.5, 1, 1e-3, 3e6, INFINITY};
  const auto count = static_cast<int64_t>(sample.values().size());
  const std::vector<float>& x = sample.values();
  std::vector<float> got(x.size());
  for (const Binary& row : functions)
    for (const double y : exponents) {
      std::vector<std::pair<std::string, Worst>> found;
      const auto exponent = static_cast<float>(y);
      const auto take = [&](std::string_view name) {
        Worst worst;
        for (size_t i = 0; i < x.size(); ++i)
          judge(x[i], got[i], row.exact(x[i], static_cast<double>(exponent)), 0, &worst);
        found.emplace_back(name, worst);
      };
      const View in = view_of(x.data(), count), to = view_of(got.data(), count);
      apply_binary(row.function, in, view_of(&exponent, 1), to);
      take("reference");
      for (const cpu::Level level : levels()) {
        const auto along = static_cast<int>(cpu::Along::y_one);
        cpu::map_simd(level).binary[row.function - 64][along](x.data(), &exponent, got.data(), count);
        take(cpu::name_of(level));
      }
      expect_within(cat(row.name, " ", y), found, row.units);
    }
}

// What has no digits to lose has its sign, too.
TEST(ElementwiseAccuracy, PowersAtTheEdges) {
  const std::vector<float> edges{
      0,      -0.0f,   1,     -1,     2,    -2,    0.5f, -0.5f, 3,           -3,          INFINITY,    -INFINITY, NAN,
      1e-45f, -1e-45f, 3e38f, -3e38f, 1e9f, -1e9f, 2.5f, -2.5f, 16777217.0f, 16777215.0f, 0.99999994f, 1.0000001f};
  std::vector<float> x, y;
  for (const float base : edges)
    for (const float exponent : edges) x.push_back(base), y.push_back(exponent);
  std::vector<float> got(x.size());
  for (const cpu::Level level : levels()) {
    const auto along = static_cast<int>(cpu::Along::both);
    cpu::map_simd(level).binary[Pow - 64][along](x.data(), y.data(), got.data(), static_cast<int64_t>(x.size()));
    for (size_t i = 0; i < x.size(); ++i) {
      const float exact = std::pow(x[i], y[i]);
      const bool same = std::isnan(exact)
                            ? std::isnan(got[i])
                            : std::signbit(exact) == std::signbit(got[i]) &&
                                  (exact == got[i] || std::abs(exact - got[i]) <= 1e-7f * std::abs(exact));
      EXPECT_TRUE(same) << x[i] << " ^ " << y[i] << " is " << got[i] << " by " << cpu::name_of(level) << ", not "
                        << exact;
    }
  }
}

// Every float16 and bfloat16: the function in float32, rounded once more.
template <class Half>
void check_halves(DType type) {
  std::vector<Half> x(65536), got(x.size());
  for (size_t i = 0; i < x.size(); ++i) x[i].bits = static_cast<uint16_t>(i);
  const View in{{type, {65536}}, reinterpret_cast<std::byte*>(x.data())};
  for (const Unary& row : unary_functions) {
    apply_unary(row.function, row.a, row.b, in, {in.type, reinterpret_cast<std::byte*>(got.data())});
    for (size_t i = 0; i < x.size(); ++i) {
      const double exact = row.exact(x[i], static_cast<double>(row.a), static_cast<double>(row.b));
      // What float32 may have lost of it, and one unit for the bounds' own rounding; half a unit of the type is exact.
      const double size = std::isinf(x[i]) ? 0 : std::abs(static_cast<double>(x[i]));
      const double off = std::isinf(exact) ? 0 : (row.units + 1) * unit_of(exact) + row.of_x * size + lost;
      const Half low(static_cast<float>(exact - off)), high(static_cast<float>(exact + off));
      const float result = got[i];
      if (std::isnan(exact) ? std::isnan(result) : result >= low && result <= high) continue;
      ADD_FAILURE() << row.name << " of " << name_of(type) << ' ' << static_cast<float>(x[i]) << " is " << result
                    << ", not " << exact;
      break;
    }
  }
}

TEST(ElementwiseAccuracy, EveryHalf) {
  check_halves<float16>(DType::float16);
  check_halves<bfloat16>(DType::bfloat16);
}

}  // namespace
}  // namespace tessera::test
