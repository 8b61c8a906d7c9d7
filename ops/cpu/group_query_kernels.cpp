// GroupQueryAttention of float32: first the cache is written, keys turned on the way, then every head attends to it. As
// in StridedAttention scores lie transposed, [keys, columns], so that keys and values are left operands where they lie.
// A column is a query; of a single query, a head of those that share their keys.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/simd/attention.h"
#include "ops/cpu/simd/gemm.h"
#include "runtime/base/rounding.h"
#include "runtime/base/run_scope.h"

namespace tessera::cpu {
namespace {

enum In { q_in, k_in, v_in, past_k_in, past_v_in, lengths_in, total_in, cos_in, sin_in, positions_in, scores_in };

constexpr int64_t slack = 64;  // floats behind a piece that whole vectors may read

struct GroupQuery {
  int64_t batch, sequence, heads, kv_heads, depth, past, present, window, width;
  bool packed, rotary, interleaved;
  float scale;

  template <class Shapes>
  GroupQuery(const AttrReader& attrs, const Shapes& shape, bool is_packed, bool has_past)
      : heads(attrs.integer("num_heads")),
        kv_heads(attrs.integer("kv_num_heads")),
        window(attrs.integer("local_window_size")),
        packed(is_packed),
        rotary(attrs.integer("do_rotary") != 0),
        interleaved(attrs.integer("rotary_interleaved") != 0) {
    const Shape& q = shape(q_in);
    batch = q[0], sequence = q[1], width = q[2];
    depth = width / (packed ? heads + 2 * kv_heads : heads);
    past = has_past ? shape(past_k_in)[2] : 0;
    present = 0;  // read from the output
    const float named = attrs.has("scale") ? attrs.real("scale") : 0;
    scale = named != 0 ? named : static_cast<float>(1 / std::sqrt(static_cast<double>(depth)));
  }
  int64_t group() const { return heads / kv_heads; }
  bool by_heads() const { return sequence == 1; }
  int64_t queries() const { return by_heads() ? group() : sequence; }
};

GroupQuery sizes_of(const Args& args) {
  GroupQuery g(
      args, [&](size_t i) -> const Shape& { return args.in[i].shape(); }, !args.has_in(k_in), args.has_in(past_k_in));
  g.present = args.out[1].shape()[2];
  return g;
}

GroupQuery sizes_of(const Problem& problem) {
  GroupQuery g(
      AttrReader(problem.node), [&](size_t i) -> const Shape& { return problem.in[i].shape; },
      !has_input(problem, k_in), has_input(problem, past_k_in));
  g.present = problem.out[1].shape[2];
  return g;
}

// Where a thread's pieces of scratch begin, in floats; turned queries of all threads lie before them.
struct Cut {
  int64_t width, columns, query, scores, results, inverse, bias, floats = 0, turned = 0;

  explicit Cut(const GroupQuery& g) {
    width = std::min(round_up(g.queries(), 16), round_up(g.present > 512 ? 32 : 64, gemm_simd(level()).nr));
    columns = round_up(width, gemm_simd(level()).nr);
    const auto take = [&](int64_t count) {
      const int64_t at = floats;
      floats += round_up(count, 16) + slack;
      return at;
    };
    query = take(columns * g.depth);
    scores = take(width * g.present);
    results = take(width * g.depth);
    inverse = take(width);
    bias = take(g.present + columns);
    if (g.rotary) turned = round_up(g.batch * g.sequence * g.heads * g.depth, 16) + slack;
  }
};

bool accepts(const CpuKernel&, const Problem& problem) {
  const Node& node = problem.node;
  const AttrReader attrs(node);
  for (const size_t i : {q_in, k_in, v_in, past_k_in, past_v_in, cos_in, sin_in})
    if (has_input(problem, i) && !is_float32(problem.in[i])) return false;
  for (size_t i = scores_in; i < node.op_inputs(); ++i)
    if (has_input(problem, i)) return false;
  if (has_input(problem, k_in) && problem.in[k_in].shape[1] != problem.in[q_in].shape[1]) return false;
  const bool caches = node.out.size() == 3 && node.out[1] != absent && node.out[2] != absent;
  return caches && has_input(problem, past_k_in) == has_input(problem, past_v_in) && attrs.real("softcap") == 0 &&
         attrs.integer("smooth_softmax") <= 0 && attrs.integer("causal") && !attrs.integer("sliding_window_cache") &&
         problem.out[0].shape.elements() > 0;
}

int64_t scratch(const CpuKernel&, const Problem& problem, int threads) {
  const Cut cut(sizes_of(problem));
  return (cut.turned + cut.floats * threads) * static_cast<int64_t>(sizeof(float));
}

// How many keys lie before the first query. The first call may be padded behind each prompt; later ones append.
int64_t before(const GroupQuery& g, const Args& args, int64_t b) {
  const int64_t place = args.in[lengths_in].as<const int32_t>()[b] + int64_t{1} - g.sequence;
  return g.past == 0 || (g.sequence > 1 && place < 0) ? 0 : place;
}

// Of a first prompt, the first is told for all.
int64_t position(const GroupQuery& g, const Args& args, int64_t b, int64_t t) {
  if (args.has_in(positions_in) && *args.in[total_in].as<const int32_t>() == g.sequence)
    return args.in[positions_in].as<const int64_t>()[0] + t;
  const int64_t i = b * g.sequence + t;
  if (!args.has_in(positions_in) || i >= args.in[positions_in].elements()) return before(g, args, b) + t;
  return args.in[positions_in].as<const int64_t>()[i];
}

// Lengths within the cache, positions within the tables.
bool takes(const CpuKernel&, const Args& args) {
  const GroupQuery g = sizes_of(args);
  for (int64_t b = 0; b < g.batch; ++b) {
    const int64_t first = before(g, args, b);
    if (first < 0 || first + g.sequence > g.present) return false;
    for (int64_t t = 0; g.rotary && t < g.sequence; ++t) {
      const int64_t place = position(g, args, b, t);
      if (place < 0 || place >= args.in[cos_in].shape()[0]) return false;
    }
  }
  return true;
}

class Run {
 public:
  explicit Run(const Args& args)
      : args_(args), g_(sizes_of(args)), gemm_(gemm_simd(level())), simd_(attention_simd(level())), cut_(g_) {
    turned_ = reinterpret_cast<float*>(args.scratch);
  }

  // The cache of one head of keys, one of values, or the turned queries of one head.
  int64_t heads() const { return g_.batch * (2 * g_.kv_heads + (g_.rotary ? g_.heads : 0)); }
  void write(int64_t item) const {
    const int64_t b = item % g_.batch, head = item / g_.batch, h = head % g_.kv_heads;
    if (head >= 2 * g_.kv_heads) {
      const int64_t q = head - 2 * g_.kv_heads;
      for (int64_t t = 0; t < g_.sequence; ++t)
        turn(b, t, query_of(b, t, q), turned_ + ((b * g_.sequence + t) * g_.heads + q) * g_.depth);
      return;
    }
    const bool keys = head < g_.kv_heads;
    const int64_t first = before(g_, args_, b), plane = (b * g_.kv_heads + h) * g_.present * g_.depth;
    float* cache = args_.out[keys ? 1 : 2].as<float>() + plane;
    if (g_.past)
      std::copy_n(args_.in[keys ? past_k_in : past_v_in].as<const float>() + (b * g_.kv_heads + h) * g_.past * g_.depth,
                  g_.past * g_.depth, cache);
    std::fill(cache + g_.past * g_.depth, cache + g_.present * g_.depth, 0.0f);
    const int64_t own_width = g_.packed ? g_.width : g_.kv_heads * g_.depth;
    const float* from = args_.in[g_.packed ? q_in
                                 : keys    ? k_in
                                           : v_in]
                            .as<const float>() +
                        (g_.packed ? g_.heads + (keys ? 0 : g_.kv_heads) : 0) * g_.depth + h * g_.depth;
    for (int64_t t = 0; t < g_.sequence; ++t) {
      const float* x = from + (b * g_.sequence + t) * own_width;
      float* to = cache + (first + t) * g_.depth;
      if (keys && g_.rotary)
        turn(b, t, x, to);
      else
        std::copy_n(x, g_.depth, to);
    }
  }

  int64_t items() const { return g_.batch * (g_.by_heads() ? g_.kv_heads : g_.heads) * pieces(); }
  void attend(int64_t item, int worker) const {
    const int64_t piece = item % pieces(), unit = item / pieces(), each = g_.by_heads() ? g_.kv_heads : g_.heads;
    const int64_t b = unit / each, h = unit % each, kv = g_.by_heads() ? h : h / g_.group();
    const int64_t head = g_.by_heads() ? h * g_.group() : h, i = piece * cut_.width;
    const int64_t queries = std::min(cut_.width, g_.queries() - i), columns = round_up(queries, 16);
    float* own = turned_ + cut_.turned + worker * cut_.floats;
    // The keys that one of these queries sees.
    const int64_t here = before(g_, args_, b) + (g_.by_heads() ? 0 : i),
                  last = g_.by_heads() ? here : here + queries - 1;
    const int64_t first = g_.window > 0 ? std::max<int64_t>(0, here - g_.window + 1) : 0, keys = last + 1 - first;
    const int64_t plane = ((b * g_.kv_heads + kv) * g_.present + first) * g_.depth;

    const float* q = g_.rotary ? turned_ + (b * g_.sequence * g_.heads + head) * g_.depth : query_of(b, 0, head);
    const int64_t row = g_.by_heads() ? g_.depth : g_.rotary ? g_.heads * g_.depth : g_.width;
    for (int64_t c = 0; c < columns; c += gemm_.nr)
      gemm_.pack_b(q + (i + c) * row, 1, row, g_.depth, static_cast<int>(std::clamp<int64_t>(queries - c, 0, gemm_.nr)),
                   g_.scale, own + cut_.query + c * g_.depth);
    const float* bias = g_.by_heads() ? nullptr : hide(here, last, first, columns, own + cut_.bias);
    float* scores = own + cut_.scores;
    for (int64_t c = 0; c < columns; c += gemm_.nr)
      multiply(args_.out[1].as<const float>() + plane, g_.depth, 1, keys, g_.depth, own + cut_.query + c * g_.depth,
               gemm_.nr, scores + c, columns, columns - c, bias ? bias + c : nullptr);
    const ScoreBias none[2];
    simd_.softmax(scores, columns, keys, columns, none, own + cut_.inverse);
    for (int64_t c = 0; c < columns; c += gemm_.nr)
      multiply(args_.out[2].as<const float>() + plane, 1, g_.depth, g_.depth, keys, scores + c, columns,
               own + cut_.results + c, columns, columns - c, nullptr);
    const int64_t out_row = g_.heads * g_.depth;
    float* y = args_.out[0].as<float>() + (b * g_.sequence + (g_.by_heads() ? 0 : i)) * out_row +
               (head + (g_.by_heads() ? i : 0)) * g_.depth;
    simd_.store(own + cut_.results, columns, own + cut_.inverse, queries, g_.depth, g_.by_heads() ? g_.depth : out_row,
                1, y);
  }

 private:
  int64_t pieces() const { return ceil_div(g_.queries(), cut_.width); }
  const float* query_of(int64_t b, int64_t t, int64_t head) const {
    return args_.in[q_in].as<const float>() + (b * g_.sequence + t) * g_.width + head * g_.depth;
  }

  void turn(int64_t b, int64_t t, const float* x, float* y) const {
    const int64_t half = args_.in[cos_in].shape()[1], at = position(g_, args_, b, t) * half;
    const float *cos = args_.in[cos_in].as<const float>() + at, *sin = args_.in[sin_in].as<const float>() + at;
    simd_.turn(x, cos, sin, half, g_.interleaved, 1, y);
    std::copy(x + 2 * half, x + g_.depth, y + 2 * half);
  }

  // What is added to the scores of the first key; each further key's begins a number earlier, because what a query sees
  // depends on how far behind it a key lies.
  const float* hide(int64_t here, int64_t last, int64_t first, int64_t columns, float* room) const {
    const int64_t length = last - first + columns;
    for (int64_t x = 0; x < length; ++x) {
      const int64_t behind = here - last + x;
      const bool seen = behind >= 0 && (g_.window <= 0 || behind < g_.window);
      room[x] = seen ? 0 : -std::numeric_limits<float>::infinity();
    }
    return room + (last - first);
  }

  // c = start + left * right over up to nr columns; each row's start begins a number before the one above.
  void multiply(const float* left, int64_t row, int64_t along, int64_t rows, int64_t depth, const float* right,
                int64_t stride, float* c, int64_t ldc, int64_t columns, const float* start) const {
    for (int64_t i = 0; i < rows; i += gemm_.mr)
      gemm_.tile({.rows = static_cast<int>(std::min<int64_t>(gemm_.mr, rows - i)),
                  .columns = static_cast<int>(std::min<int64_t>(gemm_.nr, columns)),
                  .depth = depth,
                  .a = left + i * row,
                  .a_row = row,
                  .a_depth = along,
                  .b = right,
                  .b_stride = stride,
                  .c = c + i * ldc,
                  .ldc = ldc,
                  .start = start ? start - i : nullptr,
                  .start_row = -1});
  }

  const Args& args_;
  const GroupQuery g_;
  const GemmSimd& gemm_;
  const AttentionSimd& simd_;
  const Cut cut_;
  float* turned_;
};

void run(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const Run run(args);
  threads.parallel(run.heads(), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end && !stop_requested(); ++i) run.write(i);
  });
  threads.parallel(run.items(), 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end && !stop_requested(); ++i) run.attend(i, worker);
  });
}

constexpr CpuKernel kernels[] = {{.op = "GroupQueryAttention",
                                  .name = "group_query",
                                  .domain = "com.microsoft",
                                  .accepts = accepts,
                                  .scratch = scratch,
                                  .takes = takes,
                                  .run = run}};

}  // namespace

extern const KernelFile group_query_kernels;
const KernelFile group_query_kernels{kernels};

}  // namespace tessera::cpu
