// Pad of any dtype by rows: a row is fetched from the place that its coordinates map to, and only
// its ends are mapped element by element. In nchw16c an element is a pixel of 16 channels.
#include <algorithm>
#include <cstring>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/strided.h"

namespace tessera::cpu {
namespace {

constexpr int max_rank = 8;
constexpr int64_t bytes_per_task = 1 << 15;

enum class Mode { constant, edge, reflect, wrap };

Mode mode_of(const AttrReader& attrs) {
  const Text text = attrs.text("mode");
  return text == "edge" ? Mode::edge : text == "reflect" ? Mode::reflect : text == "wrap" ? Mode::wrap : Mode::constant;
}

// The element of an axis that lies at `i`, or -1 for the constant.
int64_t source_of(int64_t i, int64_t extent, Mode mode) {
  if (i >= 0 && i < extent) return i;
  if (mode == Mode::edge) return i < 0 ? 0 : extent - 1;
  if (mode == Mode::wrap) return (i % extent + extent) % extent;
  if (mode == Mode::reflect) {
    if (extent == 1) return 0;
    const int64_t period = 2 * (extent - 1), k = (i % period + period) % period;
    return k < extent ? k : period - k;
  }
  return -1;
}

// The problem in units of `bytes`: extents, what lies before each axis, and the constant.
struct Padding {
  int rank = 0;
  int64_t in[max_rank] = {}, out[max_rank] = {}, before[max_rank] = {};
  int64_t bytes = 0;
  Mode mode = Mode::constant;
  alignas(16) std::byte unit[64] = {};
};

// Borders are short: a call for each unit would take longer than what lies between them.
void copy_unit(std::byte* to, const std::byte* from, int64_t bytes) {
  switch (bytes) {
    case 1: *to = *from; return;
    case 2: std::memcpy(to, from, 2); return;
    case 4: std::memcpy(to, from, 4); return;
    case 8: std::memcpy(to, from, 8); return;
    default: std::memcpy(to, from, static_cast<size_t>(bytes)); return;
  }
}

void fill_units(const Padding& p, std::byte* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) copy_unit(to + i * p.bytes, p.unit, p.bytes);
}

void pad_row(const Padding& p, const std::byte* from, std::byte* to) {
  const int64_t extent = p.in[p.rank - 1], length = p.out[p.rank - 1], before = p.before[p.rank - 1];
  const int64_t begin = std::clamp<int64_t>(before, 0, length);
  const int64_t end = std::clamp<int64_t>(before + extent, begin, length);
  const auto border = [&](int64_t i) {
    const int64_t source = source_of(i - before, extent, p.mode);
    copy_unit(to + i * p.bytes, source < 0 ? p.unit : from + source * p.bytes, p.bytes);
  };
  for (int64_t i = 0; i < begin; ++i) border(i);
  if (end > begin)
    std::memcpy(to + begin * p.bytes, from + (begin - before) * p.bytes, static_cast<size_t>((end - begin) * p.bytes));
  for (int64_t i = end; i < length; ++i) border(i);
}

// The row of the source that row `row` of the result comes from, whose axes are the first `axes`; or -1.
int64_t source_row(const Padding& p, int64_t row, int axes) {
  int64_t source = 0, stride = 1;
  for (int d = axes - 1; d >= 0; --d) {
    const int64_t at = source_of(row % p.out[d] - p.before[d], p.in[d], p.mode);
    row /= p.out[d];
    source = at < 0 || source < 0 ? -1 : source + at * stride;
    stride *= p.in[d];
  }
  return source;
}

// Divisions are for planes, not for rows.
void pad(const Padding& p, const std::byte* from, std::byte* to, Threads& threads) {
  int64_t rows = 1;
  for (int d = 0; d + 1 < p.rank; ++d) rows *= p.out[d];
  const int64_t row_bytes = p.out[p.rank - 1] * p.bytes, source_bytes = p.in[p.rank - 1] * p.bytes;
  if (rows * row_bytes == 0) return;
  const int last = std::max(p.rank - 2, 0);
  const int64_t height = p.rank > 1 ? p.out[last] : 1, from_height = p.rank > 1 ? p.in[last] : 1;
  const bool nothing = p.in[p.rank - 1] == 0 && p.mode == Mode::constant;
  threads.parallel(rows, std::max<int64_t>(1, bytes_per_task / row_bytes), [&](int64_t begin, int64_t end, int) {
    int64_t y = begin % height, plane = source_row(p, begin / height, last);
    for (int64_t row = begin; row < end; ++row, ++y) {
      if (y == height) y = 0, plane = source_row(p, row / height, last);
      const int64_t at = p.rank > 1 ? source_of(y - p.before[last], from_height, p.mode) : 0;
      if (plane < 0 || at < 0 || nothing)
        fill_units(p, to + row * row_bytes, p.out[p.rank - 1]);
      else
        pad_row(p, from + (plane * from_height + at) * source_bytes, to + row * row_bytes);
    }
  });
}

// What lies before each axis. Amounts were attributes before opset 11.
void read_before(const AttrReader& attrs, const View* pads, const View* axes, int rank, int64_t* before) {
  if (attrs.node().opset < 11) {
    const List<int64_t> list = attrs.integers(attrs.has("pads") ? "pads" : "paddings");
    std::copy_n(list.begin(), rank, before);
    return;
  }
  const Integers list(*pads);
  const Integers named = axes ? Integers(*axes) : Integers();
  const int count = axes ? named.count : rank;
  for (int i = 0; i < count; ++i) {
    const int64_t axis = axes ? (named[i] < 0 ? named[i] + rank : named[i]) : i;
    before[axis] = list[i];
  }
}

Padding decode(const Args& args) {
  Padding p;
  p.mode = mode_of(args);
  p.rank = args.in[0].shape().rank();
  std::copy_n(args.in[0].shape().begin(), p.rank, p.in);
  std::copy_n(args.out[0].shape().begin(), p.rank, p.out);
  const bool axes = args.node().op_inputs() > 3 && args.has_in(3);
  read_before(args, args.in.size() > 1 ? &args.in[1] : nullptr, axes ? &args.in[3] : nullptr, p.rank, p.before);
  p.bytes = movable_bytes(args.in[0].type.dtype);
  if (args.node().opset < 11) {
    set_element({{args.in[0].type.dtype, {}}, p.unit}, 0, args.real("value"));
  } else if (args.node().op_inputs() > 2 && args.has_in(2) && args.in[2].elements() > 0) {
    std::memcpy(p.unit, args.in[2].data, static_cast<size_t>(p.bytes));
  }
  return p;
}

bool accepts(const CpuKernel&, const Problem& problem) {
  const int rank = problem.in[0].shape.rank();
  return movable_bytes(problem.in[0].dtype) > 0 && rank > 0 && rank <= max_rank;
}

void run(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  pad(decode(args), args.in[0].data, args.out[0].data, threads);
}

bool is_zero_or_absent(const Problem& problem) {
  if (problem.node.opset < 11) return AttrReader(problem.node).real("value") == 0;
  if (!has_input(problem, 2)) return true;
  const Tensor* value = problem.constants[2];
  return value && (value->type.shape.elements() == 0 || element_as_double(value->view(), 0) == 0);
}

// Height and width only; a constant must be the zero that padding channels hold.
bool accepts_blocked(const CpuKernel&, const Problem& problem) {
  const Shape &in = problem.in[0].shape, &out = problem.out[0].shape;
  if (!is_float32(problem.in[0]) || in.size() != 4 || problem.constants[0]) return false;
  if (in[0] != out[0] || in[1] != out[1]) return false;
  const bool by_input = problem.node.opset >= 11;
  const bool axes = has_input(problem, 3);
  if (by_input && (!problem.constants[1] || (axes && !problem.constants[3]))) return false;
  int64_t before[max_rank] = {};
  const View pads = by_input ? problem.constants[1]->view() : View{};
  const View named = axes ? problem.constants[3]->view() : View{};
  read_before(AttrReader(problem.node), &pads, axes ? &named : nullptr, 4, before);
  if (before[0] != 0 || before[1] != 0) return false;
  return mode_of(AttrReader(problem.node)) != Mode::constant || in[1] % block_size == 0 || is_zero_or_absent(problem);
}

void run_blocked(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  Padding p = decode(args);
  for (int copy = 1; copy < 16; ++copy) std::memcpy(p.unit + copy * 4, p.unit, 4);
  p.in[1] = p.out[1] = blocks_of(args.in[0].shape());
  p.bytes = 64;
  pad(p, args.in[0].data, args.out[0].data, threads);
}

constexpr CpuKernel kernels[] = {
    {.op = "Pad", .name = "pad", .accepts = accepts, .run = run},
    {.op = "Pad", .name = "pad.nchw16c", .in = nchw16c, .out = nchw16c, .accepts = accepts_blocked, .run = run_blocked},
};

}  // namespace

extern const KernelFile pad_kernels;
const KernelFile pad_kernels{kernels};

}  // namespace tessera::cpu
