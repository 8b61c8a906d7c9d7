// Every operator of ops/elementwise.def on float32, with the chain of functions in its epilogue, in one
// pass over memory; the same on float16, a chunk at a time as floats; variadic Sum, Mean, Max and Min; Where.
#include <algorithm>

#include "ops/cpu/attrs.h"
#include "ops/cpu/chain.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/pieces.h"
#include "ops/cpu/simd/convert.h"
#include "ops/elementwise.h"

namespace tessera::cpu {
namespace {

constexpr int64_t chunk = 1024;  // floats that go through the whole chain at a time
constexpr int64_t floats_per_task = 1 << 14;

// A kernel's member is its function; its form, what that is applied to: one input, two, or a list one by one, whose
// result is then perhaps divided by their number.
enum Form { unary, binary, folded, averaged };

ChainStep unary_step(uint16_t function, const Args& args) {
  const auto number = [&](size_t i, float* value) {
    if (i < args.node().op_inputs() && args.has_in(i)) *value = static_cast<float>(element_as_double(args.in[i], 0));
    return true;
  };
  elementwise::UnaryFunction read;
  elementwise::read_unary(args, function, number, &read);
  ChainStep step;
  step.function = read.function, step.a = read.a, step.b = read.b;
  return step;
}

int given_inputs(const Args& args) {
  int count = 0;
  for (size_t i = 0; i < args.node().op_inputs() && args.has_in(i); ++i) ++count;
  return count;
}

// The node as one chain: its own functions, then its epilogue. The value starts as input 0.
Chain whole_chain(const CpuKernel& kernel, const Args& args, Space* space) {
  Chain chain;
  const auto function = static_cast<uint16_t>(kernel.member);
  if (kernel.form == unary) {
    chain.steps[chain.count++] = unary_step(function, args);
  } else {
    const int inputs = given_inputs(args);
    for (int i = 1; i < inputs; ++i) {
      ChainStep& step = chain.steps[chain.count++];
      step.function = function;
      step.input = i;
      if (space) step.operand = space->add(args.in[static_cast<size_t>(i)].shape());
    }
    if (inputs == 1 || kernel.form == averaged) {
      ChainStep& scale = chain.steps[chain.count++];
      scale.function = elementwise::Affine;
      scale.a = 1.0f / static_cast<float>(kernel.form == averaged ? inputs : 1);
    }
  }
  chain.append_epilogue(args, space);
  return chain;
}

size_t count_inputs(const Problem& problem) {
  size_t count = 0;
  for (size_t i = 0; i < problem.node.op_inputs(); ++i) count += problem.node.in[i] != absent;
  return count;
}

bool accepts_types(const CpuKernel& kernel, const Problem& problem, DType type) {
  if (problem.out[0].dtype != type || problem.out[0].shape.rank() > Space::max_rank) return false;
  for (size_t i = 0; i < problem.node.op_inputs(); ++i)
    if (problem.node.in[i] != absent && problem.in[i].dtype != type) return false;
  return has_function(static_cast<uint16_t>(kernel.member));
}

bool accepts_pair(const Problem& problem) {
  const Shape& out = problem.out[0].shape;
  const bool same = problem.in[0].shape == out && problem.in[1].shape == out;
  return same || (problem.node.opset >= 7 && broadcasts_to(problem.in[0].shape, out) &&
                  broadcasts_to(problem.in[1].shape, out));
}

bool accepts_shapes(const CpuKernel& kernel, const Problem& problem) {
  if (kernel.form == unary) return problem.in[0].shape == problem.out[0].shape;
  const size_t inputs = count_inputs(problem);
  if (kernel.form == binary) return inputs == 2 && accepts_pair(problem);
  if (inputs == 0 || inputs + problem.node.epilogue.size() + 2 > Chain::max_steps) return false;
  if (inputs == 2 && problem.node.opset >= 8) return accepts_pair(problem);
  for (size_t i = 0; i < inputs; ++i)
    if (problem.node.in[i] == absent || !broadcasts_to(problem.in[i].shape, problem.out[0].shape)) return false;
  return problem.in[0].shape == problem.out[0].shape;
}

bool accepts(const CpuKernel& kernel, const Problem& problem) {
  return accepts_types(kernel, problem, DType::float32) && accepts_shapes(kernel, problem);
}
bool accepts_halves(const CpuKernel& kernel, const Problem& problem) {
  return accepts_types(kernel, problem, DType::float16) && accepts_shapes(kernel, problem);
}

// Reads an operand's floats where they lie, and its halves into a chunk of floats.
template <class S>
struct Chunk {
  const ConvertSimd& convert;
  float own[chunk];

  explicit Chunk(const ConvertSimd& simd) : convert(simd) {}
  const float* read(const S* from, int64_t n) {
    if constexpr (std::is_same_v<S, float>) return from;
    convert.convert[static_cast<int>(Number::float16)][static_cast<int>(Number::float32)](from, own, n);
    return own;
  }
};

// S: float, or float16.
template <class S>
void run(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  constexpr bool halves = !std::is_same_v<S, float>;
  const ConvertSimd& convert = convert_simd(level());
  const View& out = args.out[0];
  if (out.elements() == 0) return;
  Space space(out.shape());
  const int first = space.add(args.in[0].shape());
  const Chain chain = whole_chain(kernel, args, &space);
  space.collapse(false);
  const MapSimd& simd = map_simd(level());
  const int64_t length = space.row_length(), piece = std::min(length, chunk);
  const int64_t pieces = (length + piece - 1) / piece;
  const bool row_is_one = length == 1;
  const auto body = [&](int64_t begin, int64_t end, int) {
    Chunk<S> x_chunk(convert), y_chunk(convert);
    float wide[halves ? chunk : 1];
    for (int64_t item = begin; item < end; ++item) {
      const int64_t row = item / pieces, at = item % pieces * piece, n = std::min(piece, length - at);
      S* target = out.as<S>() + row * length + at;
      float* to = wide;
      if constexpr (!halves) to = target;
      const bool x_one = !row_is_one && space.scalar_along_row(first);
      const float* x =
          x_chunk.read(args.in[0].as<const S>() + space.offset(first, row) + (x_one ? 0 : at), x_one ? 1 : n);
      for (int s = 0; s < chain.count; ++s) {
        const ChainStep& step = chain.steps[s];
        const float* y = nullptr;
        bool y_one = false;
        if (step.operand >= 0) {
          y_one = !row_is_one && space.scalar_along_row(step.operand);
          y = y_chunk.read(args.in[static_cast<size_t>(step.input)].as<const S>() + space.offset(step.operand, row) +
                               (y_one ? 0 : at),
                           y_one ? 1 : n);
        }
        apply(simd, step, s ? to : x, y,
              s == 0 && x_one ? Along::x_one : along(step, y_one ? Along::y_one : Along::both), to, n);
      }
      if constexpr (halves)
        convert.convert[static_cast<int>(Number::float32)][static_cast<int>(Number::float16)](to, target, n);
    }
  };
  threads.parallel(space.rows() * pieces, std::max<int64_t>(1, floats_per_task / piece), body);
}

// How an operand lies beside a value in nchw16c.
enum class Beside : uint8_t {
  no,     ///< in no way that this kernel takes
  full,   ///< nchw16c of the same shape
  lanes,  ///< 16 numbers per block of channels, in nchw16c
  plain,  ///< one number per channel, row-major
  one,    ///< one number per image or for all
};

struct BesideView {
  Beside how = Beside::no;
  int64_t image_step = 0;  ///< elements from one image to the next
};

Shape as_four(const Shape& shape) {
  Shape four = shape;
  while (four.size() < 4) four.insert(0, 1);
  return four;
}

BesideView beside(const Shape& operand, bool blocked, const Shape& out) {
  if (operand.size() > 4) return {};
  const Shape shape = as_four(operand);
  const int64_t blocks = blocked ? blocks_of(shape[1]) * block_size : shape[1];
  if (blocked && shape == out) return {Beside::full, 0};
  if (shape[2] != 1 || shape[3] != 1 || (shape[0] != 1 && shape[0] != out[0])) return {};
  const int64_t step = shape[0] == 1 ? 0 : blocks;
  if (shape[1] == 1) return {Beside::one, step};
  if (shape[1] != out[1]) return {};
  return {blocked ? Beside::lanes : Beside::plain, step};
}

bool fits_blocked(const Problem& problem, size_t input) {
  const Type& type = problem.in[input];
  const bool blocked = !problem.constants[input] && type.shape.size() == 4;
  return beside(type.shape, blocked, problem.out[0].shape).how != Beside::no;
}

// One of the first two inputs is the whole value, and every other one fits beside it.
bool accepts_blocked(const CpuKernel& kernel, const Problem& problem) {
  const Shape& out = problem.out[0].shape;
  if (out.size() != 4 || !accepts(kernel, problem)) return false;
  if (kernel.form == unary) return !problem.constants[0];
  const auto whole = [&](size_t i) {
    return i < problem.in.size() && problem.in[i].shape == out && !problem.constants[i];
  };
  if (!whole(0) && !whole(1)) return false;
  for (size_t i = 0; i < problem.node.op_inputs(); ++i)
    if (problem.node.in[i] != absent && !fits_blocked(problem, i)) return false;
  return true;
}

bool accepts_blocked_epilogue(const CpuKernel& kernel, const Problem& problem) {
  if (!chain_fits(kernel, problem)) return false;
  for (const Fused& fused : problem.node.epilogue)
    if (fused.operand >= 0 && !fits_blocked(problem, static_cast<size_t>(fused.operand))) return false;
  return true;
}

// The numbers of one operand for one block of channels; `own` holds them where they are not in place.
struct BlockOperand {
  const float* data = nullptr;
  Along y = Along::both;
  float own[block_size];

  void take(const View& view, const Shape& out, int64_t image, int64_t block, int64_t at) {
    const bool blocked = view.type.layout == nchw16c;
    const BesideView how = beside(view.shape(), blocked, out);
    const float* base = view.as<const float>() + image * how.image_step;
    const int64_t plane = out[2] * out[3] * block_size;
    y = Along::y_lane;
    switch (how.how) {
      case Beside::full:
        data = view.as<const float>() + (image * blocks_of(out) + block) * plane + at;
        y = Along::both;
        break;
      case Beside::lanes: data = base + block * block_size; break;
      case Beside::plain: {
        const int64_t channels = channels_in(block, out[1]);
        std::fill_n(own, block_size, 0.0f);
        std::copy_n(base + block * block_size, channels, own);
        data = own;
        break;
      }
      default: data = base; y = Along::y_one;
    }
  }
};

void run_blocked(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const View& out = args.out[0];
  const Shape& shape = out.shape();
  if (out.elements() == 0) return;
  const Chain chain = whole_chain(kernel, args, nullptr);
  const MapSimd& simd = map_simd(level());
  const int64_t plane = shape[2] * shape[3] * block_size, piece = std::min(plane, chunk);
  const int64_t pieces = (plane + piece - 1) / piece, blocks = blocks_of(shape);
  const int rest = static_cast<int>(shape[1] % block_size);
  const auto body = [&](int64_t begin, int64_t end, int) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t at = item % pieces * piece, n = std::min(piece, plane - at);
      const int64_t block = item / pieces % blocks, image = item / pieces / blocks;
      float* to = out.as<float>() + item / pieces * plane + at;
      BlockOperand x, y;
      x.take(args.in[0], shape, image, block, at);
      for (int s = 0; s < chain.count; ++s) {
        const ChainStep& step = chain.steps[s];
        if (step.input >= 0) y.take(args.in[static_cast<size_t>(step.input)], shape, image, block, at);
        const bool spread = s == 0 && x.y != Along::both;
        apply(simd, step, s ? to : x.data, y.data, spread ? mirrored(x.y) : along(step, y.y), to, n);
      }
      if (rest && block == blocks - 1) clear_lanes(to, n, rest);
    }
  };
  threads.parallel(shape[0] * blocks * pieces, std::max<int64_t>(1, floats_per_task / piece), body);
}

bool accepts_where(const CpuKernel&, const Problem& problem) {
  const Shape& out = problem.out[0].shape;
  if (problem.in[0].dtype != DType::boolean || bits_of(problem.out[0].dtype) != 32) return false;
  for (size_t i = 0; i < 3; ++i)
    if (!broadcasts_to(problem.in[i].shape, out)) return false;
  return out.rank() <= Space::max_rank;
}

void run_where(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const View& out = args.out[0];
  if (out.elements() == 0) return;
  Space space(out.shape());
  for (const View& in : args.in) space.add(in.shape());
  space.collapse(false);
  const MapSimd& simd = map_simd(level());
  const int64_t length = space.row_length();
  int steps[3];
  for (int i = 0; i < 3; ++i) steps[i] = space.scalar_along_row(i) ? 0 : 1;
  for_pieces(space.rows(), length, chunk, floats_per_task, threads, [&](int64_t row, int64_t at, int64_t n) {
    int64_t from[3];
    for (int i = 0; i < 3; ++i) from[i] = space.offset(i, row) + at * steps[i];
    simd.select(args.in[0].as<const uint8_t>() + from[0], args.in[1].as<const float>() + from[1],
                args.in[2].as<const float>() + from[2], steps, out.as<float>() + row * length + at, n);
  });
}

constexpr CpuKernel map(Text op, Text domain, Form form, int function) {
  return {.op = op,
          .name = "map",
          .domain = domain,
          .form = form,
          .member = function,
          .in_place = true,
          .accepts = accepts,
          .accepts_epilogue = chain_fits,
          .run = run<float>};
}
constexpr CpuKernel half(CpuKernel kernel) {
  kernel.name = "map.half";
  kernel.accepts = accepts_halves;
  kernel.accepts_epilogue = nullptr;
  kernel.run = run<float16>;
  return kernel;
}
constexpr CpuKernel blocked(CpuKernel kernel) {
  kernel.accepts_epilogue = accepts_blocked_epilogue;
  return in_blocks(kernel, "map.nchw16c", accepts_blocked, run_blocked);
}

// Three kernels per operator.
#define TESSERA_KERNELS(Op, domain, form, function) \
  map(Op, domain, form, function), blocked(map(Op, domain, form, function)), half(map(Op, domain, form, function)),

constexpr CpuKernel kernels[] = {
#define TESSERA_UNARY(id, Op, CLASS, expression) TESSERA_KERNELS(#Op, "", unary, id)
#define TESSERA_BINARY(id, Op, CLASS, expression) \
  TESSERA_KERNELS(#Op, "", id == elementwise::Min || id == elementwise::Max ? folded : binary, id)
#include "ops/elementwise.def"
#undef TESSERA_UNARY
#undef TESSERA_BINARY
    // clang-format off
    TESSERA_KERNELS("Gate", "tessera", binary, elementwise::Gate)
    TESSERA_KERNELS("Quantum", "tessera", unary, elementwise::Quantum)
    TESSERA_KERNELS("Sum", "", folded, elementwise::Add)
    TESSERA_KERNELS("Mean", "", averaged, elementwise::Add)
    // clang-format on
    {.op = "Where", .name = "where", .accepts = accepts_where, .run = run_where},
};

}  // namespace

extern const KernelFile elementwise_kernels;
const KernelFile elementwise_kernels{kernels};

}  // namespace tessera::cpu
