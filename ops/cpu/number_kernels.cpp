// Operators of ops/elementwise.def on integers, and Exp of float64. Clip is Max by one bound, then Min by the other.
#include <cstring>

#include "ops/cpu/attrs.h"
#include "ops/cpu/chain.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/pieces.h"
#include "ops/cpu/simd/numbers.h"

namespace tessera::cpu {
namespace {

constexpr int64_t bytes_per_task = 1 << 16, piece_bytes = 1 << 13;

// A kernel's member is its function; its form, what that is applied to.
enum Form { unary, folded, clip };

int type_of(DType type) {
  switch (type) {
    case DType::int32: return static_cast<int>(Element::int32);
    case DType::int64: return static_cast<int>(Element::int64);
    case DType::int8: return static_cast<int>(Element::int8);
    case DType::uint8: return static_cast<int>(Element::uint8);
    case DType::float64: return static_cast<int>(Element::float64);
    default: return -1;
  }
}

NumbersSimd::Groups groups_of(DType type, int function) {
  const int element = type_of(type);
  return element < 0 ? nullptr : numbers_simd(level()).groups[element][function];
}

bool accepts(const CpuKernel& kernel, const Problem& problem) {
  const Shape& out = problem.out[0].shape;
  if (!groups_of(problem.out[0].dtype, kernel.member) || out.rank() > Space::max_rank) return false;
  if (kernel.form == unary) return true;
  if (kernel.form == clip) return problem.node.op->since >= 11;
  const size_t inputs = problem.node.op_inputs();
  if (inputs < 2 || inputs > Space::max_operands || problem.node.opset < 8) return false;
  return std::all_of(problem.in.begin(), problem.in.begin() + static_cast<ptrdiff_t>(inputs),
                     [&](const Type& in) { return broadcasts_to(in.shape, out); });
}

// Elements side by side, or one that stands for all.
struct Operand {
  const std::byte* data = nullptr;
  bool one = false;
};

// A group that an operand is repeated in, or its rest is copied to.
struct Group {
  std::byte bytes[NumbersSimd::group] = {};
  void fill(const std::byte* element, int64_t size) {
    std::memcpy(bytes, element, static_cast<size_t>(size));
    for (int64_t have = size; have < NumbersSimd::group; have *= 2)
      std::memcpy(bytes + have, bytes, static_cast<size_t>(have));
  }
};

// out = function(x, y) of n elements.
void apply(NumbersSimd::Groups function, int64_t size, Operand x, Operand y, std::byte* out, int64_t n) {
  const int64_t whole = n * size / NumbersSimd::group;
  const auto done = whole * NumbersSimd::group, rest = n * size - done;
  Group own[2], result;
  Operand* const operands[] = {&x, &y};
  int64_t steps[2];
  for (int i = 0; i < 2; ++i) {
    steps[i] = operands[i]->one ? 0 : NumbersSimd::group;
    if (!operands[i]->one) continue;
    own[i].fill(operands[i]->data, size);
    operands[i]->data = own[i].bytes;
  }
  function(x.data, steps[0], y.data, steps[1], out, whole);
  if (rest == 0) return;
  for (int i = 0; i < 2; ++i)
    if (!operands[i]->one) std::memcpy(own[i].bytes, operands[i]->data + done, static_cast<size_t>(rest));
  function(own[0].bytes, 0, own[1].bytes, 0, result.bytes, 1);
  std::memcpy(out + done, result.bytes, static_cast<size_t>(rest));
}

void run(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const View& out = args.out[0];
  if (out.elements() == 0) return;
  Space space(out.shape());
  const size_t inputs = args.node().op_inputs();
  for (size_t i = 0; i < inputs; ++i) space.add(args.has_in(i) ? args.in[i].shape() : Shape{});
  space.collapse(false);
  const int64_t length = space.row_length(), size = bits_of(out.type.dtype) / 8;
  const auto function = groups_of(out.type.dtype, kernel.member);
  const auto below = groups_of(out.type.dtype, static_cast<int>(NumberFunction::min));
  const auto body = [&](int64_t row, int64_t at, int64_t n) {
    const auto operand = [&](size_t i) -> Operand {
      const auto place = static_cast<int>(i);
      const bool one = length > 1 && space.scalar_along_row(place);
      return {args.in[i].data + (space.offset(place, row) + (one ? 0 : at)) * size, one};
    };
    std::byte* to = out.data + (row * length + at) * size;
    Operand x = operand(0);
    if (kernel.form == unary) return apply(function, size, x, x, to, n);
    for (size_t i = 1; i < inputs; ++i) {
      if (!args.has_in(i)) continue;
      apply(kernel.form == clip && i == 2 ? below : function, size, x, operand(i), to, n);
      x = {to};
    }
    if (x.data != to) std::memcpy(to, x.data, static_cast<size_t>(n * size));  // a Clip without bounds
  };
  for_pieces(space.rows(), length, piece_bytes / size, bytes_per_task / size, threads, body);
}

constexpr CpuKernel kernel(Text op, Form form, NumberFunction function) {
  return {.op = op,
          .name = "numbers",
          .form = form,
          .member = static_cast<int>(function),
          .in_place = true,
          .accepts = accepts,
          .run = run};
}

constexpr CpuKernel kernels[] = {
    kernel("Relu", unary, NumberFunction::relu), kernel("Abs", unary, NumberFunction::abs),
    kernel("Neg", unary, NumberFunction::neg),   kernel("Sign", unary, NumberFunction::sign),
    kernel("Exp", unary, NumberFunction::exp),   kernel("Add", folded, NumberFunction::add),
    kernel("Sub", folded, NumberFunction::sub),  kernel("Mul", folded, NumberFunction::mul),
    kernel("Min", folded, NumberFunction::min),  kernel("Max", folded, NumberFunction::max),
    kernel("Div", folded, NumberFunction::div),  kernel("Clip", clip, NumberFunction::max),
};

}  // namespace

extern const KernelFile number_kernels;
const KernelFile number_kernels{kernels};

}  // namespace tessera::cpu
