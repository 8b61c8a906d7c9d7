// RotaryEmbedding of float32.
#include <algorithm>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/simd/attention.h"
#include "ops/rotary.h"

namespace tessera::cpu {
namespace {

using ops::Rotary;
using ops::RotaryOrder;

constexpr int64_t floats_per_task = 1 << 14;

enum Form { standard, contrib };

const RotaryOrder& order_of(const CpuKernel& kernel) {
  return kernel.form == standard ? ops::standard_rotary : ops::contrib_rotary;
}

bool accepts(const CpuKernel&, const Problem& problem) { return is_float32(problem.out[0]); }

struct Positions {
  const int64_t* data = nullptr;
  int64_t count = 0;

  Positions(const Args& args, size_t input) {
    if (!args.has_in(input)) return;
    data = args.in[input].as<const int64_t>();
    count = args.in[input].elements();
  }
};

bool takes(const CpuKernel& kernel, const Args& args) {
  const RotaryOrder& order = order_of(kernel);
  const Shape& tables = args.in[order.cos].shape();
  const Rotary s(args, args.in[0].shape(), tables.back());
  const Positions positions(args, order.positions);
  for (int64_t i = 0; positions.data && i < s.batch * s.sequence; ++i) {
    const int64_t row = s.row(i / s.sequence, i % s.sequence, positions.data, positions.count);
    if (row < 0 || row >= Rotary::rows_of(tables)) return false;
  }
  return true;
}

void run(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const RotaryOrder& order = order_of(kernel);
  const int64_t width = args.in[order.cos].shape().back();
  const Rotary s(args, args.in[0].shape(), width);
  const Positions positions(args, order.positions);
  const AttentionSimd& simd = attention_simd(level());
  const bool neighbours = args.integer("interleaved") != 0;
  const float scale = args.has("scale") ? args.real("scale") : 1;
  const auto *x = args.in[0].as<const float>(), *cos = args.in[order.cos].as<const float>(),
             *sin = args.in[order.sin].as<const float>();
  auto* y = args.out[0].as<float>();
  const int64_t task = std::max<int64_t>(1, floats_per_task / std::max<int64_t>(1, s.depth));
  // In the order in which heads lie.
  const bool outer_heads = s.head_stride > s.sequence_stride;
  threads.parallel(s.batch * s.sequence * s.heads, task, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / (s.sequence * s.heads), rest = i % (s.sequence * s.heads);
      const int64_t t = outer_heads ? rest % s.sequence : rest / s.heads;
      const int64_t h = outer_heads ? rest / s.sequence : rest % s.heads;
      const int64_t at = b * s.heads * s.sequence * s.depth + t * s.sequence_stride + h * s.head_stride;
      const int64_t row = s.row(b, t, positions.data, positions.count) * width;
      simd.turn(x + at, cos + row, sin + row, s.turned / 2, neighbours, scale, y + at);
      std::copy(x + at + s.turned, x + at + s.depth, y + at + s.turned);
    }
  });
}

constexpr CpuKernel kernel(Text domain, Form form) {
  return {.op = "RotaryEmbedding",
          .name = "rotary",
          .domain = domain,
          .form = form,
          .accepts = accepts,
          .takes = takes,
          .run = run};
}
constexpr CpuKernel kernels[] = {kernel("", standard), kernel("com.microsoft", contrib)};

}  // namespace

extern const KernelFile rotary_kernels;
const KernelFile rotary_kernels{kernels};

}  // namespace tessera::cpu
