// Equal, Greater, GreaterOrEqual, Less and LessOrEqual of float32, int32 and int64; IsInf and IsNaN of float32 and
// float16.
#include "ops/cpu/attrs.h"
#include "ops/cpu/chain.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/pieces.h"
#include "ops/cpu/simd/compare.h"

namespace tessera::cpu {
namespace {

constexpr int64_t elements_per_task = 1 << 14;

int type_of(DType type) {
  switch (type) {
    case DType::float32: return static_cast<int>(Compared::float32);
    case DType::int32: return static_cast<int>(Compared::int32);
    case DType::int64: return static_cast<int>(Compared::int64);
    default: return -1;
  }
}

// Of operands that change places.
Relation turned(Relation relation) {
  switch (relation) {
    case Relation::equal: break;
    case Relation::less: return Relation::greater;
    case Relation::less_or_equal: return Relation::greater_or_equal;
    case Relation::greater: return Relation::less;
    case Relation::greater_or_equal: return Relation::less_or_equal;
  }
  return relation;
}

bool accepts(const CpuKernel&, const Problem& problem) {
  const Shape& out = problem.out[0].shape;
  return problem.node.op->since >= 7 && type_of(problem.in[0].dtype) >= 0 && out.rank() <= Space::max_rank &&
         broadcasts_to(problem.in[0].shape, out) && broadcasts_to(problem.in[1].shape, out);
}

void run(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const View& out = args.out[0];
  if (out.elements() == 0) return;
  Space space(out.shape());
  for (size_t i = 0; i < 2; ++i) space.add(args.in[i].shape());
  space.collapse(false);
  const int64_t length = space.row_length(), bytes = bits_of(args.in[0].type.dtype) / 8;
  const bool one[2] = {length > 1 && space.scalar_along_row(0), length > 1 && space.scalar_along_row(1)};
  // A single number is the second operand. A row has one at most.
  const bool turns = one[0];
  const auto relation = static_cast<Relation>(kernel.member);
  const auto compare =
      compare_simd(level())
          .compare[type_of(args.in[0].type.dtype)][static_cast<int>(turns ? turned(relation) : relation)];
  for_pieces(space.rows(), length, elements_per_task, elements_per_task, threads,
             [&](int64_t row, int64_t at, int64_t n) {
               const std::byte* in[2];
               for (int k = 0; k < 2; ++k)
                 in[k] = args.in[static_cast<size_t>(k)].data + (space.offset(k, row) + (one[k] ? 0 : at)) * bytes;
               compare(in[turns ? 1 : 0], in[turns ? 0 : 1], one[0] || one[1], out.data + row * length + at, n);
             });
}

bool accepts_floats(const CpuKernel&, const Problem& problem) {
  return is_float32(problem.in[0]) || problem.in[0].dtype == DType::float16;
}

enum Special { nan, infinite };

// The special floats of a node are those whose bits, without some, lie in a range.
template <class Bits, class Within>
void run_special(bool finds_nan, const AttrReader& attrs, const View& in, const View& out, Within within,
                 Threads& threads) {
  constexpr auto all = static_cast<Bits>(~Bits{0}), magnitude = static_cast<Bits>(all >> 1);
  constexpr auto infinity = static_cast<Bits>(sizeof(Bits) == 4 ? 0x7f800000 : 0x7c00);
  Bits mask = magnitude, first = infinity, rest = 0;
  if (finds_nan) {
    first = infinity + 1, rest = magnitude - first;
  } else {
    const bool positive = attrs.integer("detect_positive") != 0, negative = attrs.integer("detect_negative") != 0;
    if (!positive || !negative) mask = all;
    if (!positive) first = negative ? static_cast<Bits>(infinity | ~magnitude) : Bits{1};
    if (!positive && !negative) mask = 0;  // what is never met
  }
  threads.parallel(out.elements(), elements_per_task, [&](int64_t begin, int64_t end, int) {
    within(in.as<const Bits>() + begin, mask, first, rest, out.as<uint8_t>() + begin, end - begin);
  });
}

void run_floats(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const View &in = args.in[0], &out = args.out[0];
  const CompareSimd& simd = compare_simd(level());
  if (is_float32(in.type))
    run_special<uint32_t>(kernel.member == nan, args, in, out, simd.within32, threads);
  else
    run_special<uint16_t>(kernel.member == nan, args, in, out, simd.within16, threads);
}

constexpr CpuKernel special(Text op, Special member) {
  return {.op = op, .name = "compare", .member = member, .accepts = accepts_floats, .run = run_floats};
}
constexpr CpuKernel kernel(Text op, Relation relation) {
  return {.op = op, .name = "compare", .member = static_cast<int>(relation), .accepts = accepts, .run = run};
}
constexpr CpuKernel kernels[] = {kernel("Equal", Relation::equal),
                                 kernel("Less", Relation::less),
                                 kernel("LessOrEqual", Relation::less_or_equal),
                                 kernel("Greater", Relation::greater),
                                 kernel("GreaterOrEqual", Relation::greater_or_equal),
                                 special("IsNaN", nan),
                                 special("IsInf", infinite)};

}  // namespace

extern const KernelFile compare_kernels;
const KernelFile compare_kernels{kernels};

}  // namespace tessera::cpu
