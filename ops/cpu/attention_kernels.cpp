// StridedAttention of float32. Scores are made transposed, [keys, queries]: the softmax then runs down
// columns, and its result is the right operand of the second product as it lies.
#include <algorithm>

#include "ops/cpu/kernel.h"
#include "ops/cpu/simd/attention.h"
#include "ops/cpu/simd/gemm.h"
#include "ops/strided_attention.h"
#include "runtime/base/rounding.h"
#include "runtime/base/run_scope.h"

namespace tessera::cpu {
namespace {

using ops::StridedAttention;
using ops::StridedBias;

constexpr int64_t slack = 64;  // floats behind a piece that whole vectors may read

// How the work is cut, and where a thread's pieces of scratch begin, in floats.
struct Cut {
  int64_t width;    // queries of one block of scores
  int64_t pieces;   // of a head's queries
  int64_t queries;  // of one piece: whole blocks
  int64_t keys, values, query, scores, results, inverse, bias[StridedAttention::max_biases], floats;

  Cut(const StridedAttention& a, const GemmSimd& simd, int threads) {
    width = std::min(round_up(a.queries, simd.nr), round_up(a.keys > 512 ? 32 : 64, simd.nr));
    const int64_t blocks = ceil_div(a.queries, width), items = a.batch * a.heads;
    const int64_t wanted = threads == 1 ? 1 : ceil_div(4 * threads, items);
    queries = ceil_div(blocks, std::min(blocks, wanted)) * width;
    pieces = ceil_div(a.queries, queries);
    floats = 0;
    const auto take = [&](int64_t count) {
      const int64_t at = floats;
      floats += round_up(count, 16) + slack;
      return at;
    };
    keys = take(a.keys * a.depth);
    values = take(a.keys * a.value_depth);
    query = take(width * a.depth);
    scores = take(width * a.keys);
    results = take(width * a.value_depth);
    inverse = take(width);
    for (int64_t& at : bias) at = take(width * a.keys);
  }
};

bool accepts(const CpuKernel&, const Problem& problem) {
  return problem.in[0].dtype == DType::float32 && problem.out[0].shape.elements() > 0;
}

int64_t scratch(const CpuKernel&, const Problem& problem, int threads) {
  const StridedAttention a{AttrReader(problem.node)};
  return Cut(a, gemm_simd(level()), threads).floats * threads * static_cast<int64_t>(sizeof(float));
}

class Attention {
 public:
  Attention(const Args& args, int threads)
      : args_(args), a_(args), gemm_(gemm_simd(level())), simd_(attention_simd(level())), cut_(a_, gemm_, threads) {}

  int64_t items() const { return a_.batch * a_.heads * cut_.pieces; }

  void run(int64_t item, int worker) const {
    const int64_t head = item / cut_.pieces % a_.heads, batch = item / cut_.pieces / a_.heads;
    float* own = reinterpret_cast<float*>(args_.scratch) + worker * cut_.floats;
    const float* q = args_.in[0].as<const float>() + a_.q.at(batch, head);
    const float* k = args_.in[1].as<const float>() + a_.k.at(batch, head);
    const float* v = args_.in[2].as<const float>() + a_.v.at(batch, head);
    float* y = args_.out[0].as<float>() + a_.y.at(batch, head);
    const Left keys = left(k, a_.k.position, a_.k.channel, a_.keys, a_.depth, own + cut_.keys);
    const Left values = left(v, a_.v.channel, a_.v.position, a_.value_depth, a_.keys, own + cut_.values);
    const int64_t begin = item % cut_.pieces * cut_.queries, end = std::min(a_.queries, begin + cut_.queries);
    for (int64_t i = begin; i < end; i += cut_.width) {
      const int64_t queries = std::min(cut_.width, end - i), columns = round_up(queries, gemm_.nr);
      for (int64_t c = 0; c < queries; c += gemm_.nr)
        gemm_.pack_b(q + (i + c) * a_.q.position, a_.q.channel, a_.q.position, a_.depth,
                     static_cast<int>(std::min<int64_t>(gemm_.nr, queries - c)), a_.scale,
                     own + cut_.query + c * a_.depth);
      // Sums begin with the first bias that differs between queries; softmax adds the others.
      ScoreBias start, biases[StridedAttention::max_biases];
      int others = 0;
      for (int b = 0; b < StridedAttention::max_biases; ++b)
        if (const ScoreBias here = bias(b, batch, head, i, queries, own + cut_.bias[b]); here.row)
          (start.row || here.one ? biases[others++] : start) = here;
      // Columns behind the last query are made of zeros, and nobody reads them.
      for (int64_t c = 0; c < columns; c += gemm_.nr)
        multiply(keys, own + cut_.query + c * a_.depth, gemm_.nr, own + cut_.scores + c, columns,
                 start.row ? start.row + c : nullptr, start.key);
      simd_.softmax(own + cut_.scores, columns, a_.keys, columns, biases, own + cut_.inverse);
      for (int64_t c = 0; c < columns; c += gemm_.nr)
        multiply(values, own + cut_.scores + c, columns, own + cut_.results + c, columns);
      simd_.store(own + cut_.results, columns, own + cut_.inverse, queries, a_.value_depth, a_.y.position, a_.y.channel,
                  y + i * a_.y.position);
    }
  }

 private:
  // A left matrix where it lies, or its packed panels.
  struct Left {
    const float* data;
    int64_t rows, depth, row_stride, depth_stride;
    bool packed;
  };

  int panel(int64_t rows, int64_t at) const { return static_cast<int>(std::min<int64_t>(gemm_.mr, rows - at)); }

  Left left(const float* x, int64_t row_stride, int64_t depth_stride, int64_t rows, int64_t depth, float* room) const {
    if (reads_left_in_place(row_stride, depth_stride)) return {x, rows, depth, row_stride, depth_stride, false};
    for (int64_t i = 0; i < rows; i += gemm_.mr)
      gemm_.pack_a(x + i * row_stride, row_stride, depth_stride, panel(rows, i), depth, 1, room + i * depth);
    return {room, rows, depth, depth, 1, true};
  }

  // c = start + left * right over nr columns.
  void multiply(const Left& left, const float* right, int64_t stride, float* c, int64_t ldc,
                const float* start = nullptr, int64_t start_row = 0) const {
    for (int64_t i = 0; i < left.rows; i += gemm_.mr) {
      const int rows = panel(left.rows, i);
      gemm_.tile({.rows = rows,
                  .columns = gemm_.nr,
                  .depth = left.depth,
                  .a = left.data + i * left.row_stride,
                  .a_row = left.packed ? 1 : left.row_stride,
                  .a_depth = left.packed ? rows : left.depth_stride,
                  .b = right,
                  .b_stride = stride,
                  .c = c + i * ldc,
                  .ldc = ldc,
                  .start = start ? start + i * start_row : nullptr,
                  .start_row = start_row});
    }
  }

  // Transposed into `room` as the scores are, unless it lies so (and can be read in whole vectors) or is the
  // same for every query.
  ScoreBias bias(int number, int64_t batch, int64_t head, int64_t query, int64_t queries, float* room) const {
    const size_t in = StridedAttention::first_bias + static_cast<size_t>(number);
    if (!args_.has_in(in)) return {};
    const StridedBias& s = a_.bias[number];
    const auto* all = args_.in[in].as<const float>();
    const float* from = all + s.at(batch, head) + query * s.query;
    if (s.query == 0) return {from, s.key, true};
    const float* end = from + (a_.keys - 1) * s.key + round_up(queries, gemm_.nr);
    if (s.query == 1 && end <= all + args_.in[in].elements()) return {from, s.key, false};
    gemm_.pack_a(from, s.query, s.key, static_cast<int>(queries), a_.keys, 1, room);
    return {room, queries, false};
  }

  const Args& args_;
  const StridedAttention a_;
  const GemmSimd& gemm_;
  const AttentionSimd& simd_;
  const Cut cut_;
};

void run(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const Attention attention(args, threads.count());
  threads.parallel(attention.items(), 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end && !stop_requested(); ++i) attention.run(i, worker);
  });
}

constexpr CpuKernel kernels[] = {{.op = "StridedAttention",
                                  .name = "attention",
                                  .domain = "tessera",
                                  .accepts = accepts,
                                  .scratch = scratch,
                                  .run = run}};

}  // namespace

extern const KernelFile attention_kernels;
const KernelFile attention_kernels{kernels};

}  // namespace tessera::cpu
