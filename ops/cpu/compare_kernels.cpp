// Equal, Greater, GreaterOrEqual, Less and LessOrEqual of float32, int32 and int64.
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

constexpr CpuKernel kernel(Text op, Relation relation) {
  return {.op = op, .name = "compare", .member = static_cast<int>(relation), .accepts = accepts, .run = run};
}
constexpr CpuKernel kernels[] = {kernel("Equal", Relation::equal), kernel("Less", Relation::less),
                                 kernel("LessOrEqual", Relation::less_or_equal), kernel("Greater", Relation::greater),
                                 kernel("GreaterOrEqual", Relation::greater_or_equal)};

}  // namespace

extern const KernelFile compare_kernels;
const KernelFile compare_kernels{kernels};

}  // namespace tessera::cpu
