// Attention: the one that the optimizer makes of what exporters spell out, and the standard's without a cache; see
// shaders/attention.comp, attention_tile.comp and attention_matrix.comp.

#include <cmath>
#include <limits>

#include "ops/attend.h"
#include "ops/strided_attention.h"
#include "ops/vulkan/matrix_tiles.h"

namespace tessera::vulkan {

#include "shaders/params/attention.h"
#include "shaders/params/attention_tile.h"

namespace {

using ops::StridedAttention;

// What a workgroup holds: a query in shared memory, and a result in registers.
constexpr int64_t most_depth = 1024, most_values = 512;

HeadStrides strides_of(const ops::StridedHeads& s) {
  return {word(s.offset), word(s.batch), word(s.head), word(s.position), word(s.channel)};
}

BiasStrides strides_of(const ops::StridedBias& s) {
  return {word(s.period), word(s.batch), word(s.head), word(s.query), word(s.key)};
}

bool fits(int64_t depth, int64_t value_depth) { return depth <= most_depth && value_depth <= most_values; }

// Many queries go through the keys together.
Dispatch& record_tiles(AttentionParams params, Recorder& recorder) {
  const uint32_t lanes = tile_lanes / (tile_queries / 4);  // that share four queries
  params.count = params.count / params.queries * groups_of(params.queries, tile_queries);
  Dispatch& dispatch = recorder.dispatch("attention_tile", params);
  dispatch.set("each_v", groups_of(params.value_depth, lanes));
  dispatch.set("value_keys", params.value_depth <= 96 ? 16 : 8);
  spread(params.count, dispatch);
  return dispatch;
}

// A workgroup makes the result of one query.
Dispatch& record_single(const AttentionParams& params, Recorder& recorder) {
  Dispatch& dispatch = recorder.dispatch("attention", params);
  dispatch.set("most_depth", params.depth);
  dispatch.set("values_per_lane", groups_of(params.value_depth, attention_lanes));
  spread(params.count, dispatch);
  return dispatch;
}

// --- By matrix units -----------------------------------------------------------------------------

// Of attention_matrix.comp, as it names them.
struct MatrixTiles {
  uint32_t warps, tile_keys, depth_vectors, value_vectors;

  uint32_t shared_bytes(const MatrixShape& matrix) const {
    const uint32_t key_stride = depth_vectors + 1, value_stride = value_vectors + 1;
    const uint32_t scores = std::max(tile_keys / 4 + 1, tile_keys / 8 + 1 + matrix.n / 4);
    const uint32_t strip = matrix.m * std::max({scores, key_stride, value_stride});
    return (tile_keys * (key_stride + value_stride) + warps * strip) * vector_bytes;
  }
};

// Few subgroups together where there are few queries, so that all processors have some; a block of keys so large that
// two workgroups have room on a processor.
MatrixTiles choose_matrix_tiles(const AttentionParams& params, const Facts& facts) {
  constexpr uint32_t half_a_processor = 24 << 10, usual_processors = 32;
  const auto vectors = [](uint32_t channels) { return (channels + 15) / 16 * block_vectors; };
  MatrixTiles tiles{4, 32, vectors(params.depth), vectors(params.value_depth)};
  const uint32_t planes = params.count / params.queries,
                 processors = facts.processors ? facts.processors : usual_processors;
  while (tiles.warps > 1 && planes * groups_of(params.queries, tiles.warps * facts.matrix.m) < processors)
    tiles.warps /= 2;
  while (tiles.warps > 1 && !fits(tiles.warps, tiles.shared_bytes(facts.matrix), facts)) tiles.warps /= 2;
  MatrixTiles more = tiles;
  more.tile_keys = 64;
  const bool has_room = fits(more.warps, more.shared_bytes(facts.matrix), facts) &&
                        more.shared_bytes(facts.matrix) <= half_a_processor && !is_emulated(facts.matrix);
  return has_room && params.keys > tiles.tile_keys ? more : tiles;
}

uint32_t width_of(const HeadStrides& s, uint32_t channels) {
  return s.channel == 1 ? common_width({s.offset, s.batch, s.head, s.position, channels}) : 1;
}

Dispatch& record_matrix(AttentionParams params, Recorder& recorder) {
  const Facts& facts = recorder.facts();
  const MatrixTiles tiles = choose_matrix_tiles(params, facts);
  params.count = params.count / params.queries * groups_of(params.queries, tiles.warps * facts.matrix.m);
  Dispatch& dispatch = recorder.dispatch("attention_matrix", params);
  set_matrices(tiles.warps, facts, dispatch);
  dispatch.set("warps", tiles.warps);
  dispatch.set("tile_keys", tiles.tile_keys);
  dispatch.set("depth_vectors", tiles.depth_vectors);
  dispatch.set("value_vectors", tiles.value_vectors);
  dispatch.set("row_lanes", facts.subgroup / facts.matrix.m);
  dispatch.set("capped", params.softcap > 0);
  dispatch.set("q_width", width_of(params.q, params.depth));
  dispatch.set("k_width", width_of(params.k, params.depth));
  dispatch.set("v_width", width_of(params.v, params.value_depth));
  dispatch.set("y_width", width_of(params.y, params.value_depth));
  spread(params.count, dispatch);
  return dispatch;
}

constexpr int64_t fewest_queries = 8, most_together = 128;

bool fits_matrices(int64_t queries, int64_t depth, int64_t value_depth) {
  return queries >= fewest_queries && depth <= most_together && value_depth <= most_together;
}

bool is_by_matrices(const VkKernel& kernel) { return kernel.rank > 0; }

// --- Both ----------------------------------------------------------------------------------------

// q, k, v and the biases from input 3 on.
Dispatch& record(const VkKernel& kernel, const Problem& problem, const AttentionParams& params, uint32_t biases,
                 Recorder& recorder) {
  const bool together = params.queries >= fewest_queries && params.value_depth <= most_together;
  Dispatch& dispatch = is_by_matrices(kernel) ? record_matrix(params, recorder)
                       : together             ? record_tiles(params, recorder)
                                              : record_single(params, recorder);
  dispatch.set("biases", biases);
  const auto operand = [&](size_t i) {
    return is_by_matrices(kernel) ? halves_of(i, problem, recorder) : recorder.in(i);
  };
  dispatch.bind("q", operand(0));
  dispatch.bind("k", operand(1));
  dispatch.bind("v", operand(2));
  dispatch.bind("y", recorder.out(0));
  return dispatch;
}

// --- As the optimizer makes it -----------------------------------------------------------------

uint32_t biases_of(const Problem& problem) {
  uint32_t biases = 0;
  while (is_float_input(problem, StridedAttention::first_bias + biases)) ++biases;
  return biases;
}

bool accepts_strided(const VkKernel& kernel, const Problem& problem) {
  const StridedAttention a{AttrReader(problem.node)};
  if (is_by_matrices(kernel) && !fits_matrices(a.queries, a.depth, a.value_depth)) return false;
  return problem.node.epilogue.empty() && fits(a.depth, a.value_depth) &&
         problem.in.size() == StridedAttention::first_bias + biases_of(problem);
}

void record_strided(const VkKernel& kernel, const Problem& problem, Recorder& recorder) {
  const StridedAttention a{AttrReader(problem.node)};
  AttentionParams params{};
  params.heads = word(a.heads), params.queries = word(a.queries), params.keys = word(a.keys);
  params.depth = word(a.depth), params.value_depth = word(a.value_depth);
  params.group = 1;
  params.count = word(a.batch * a.heads * a.queries);
  params.scale = a.scale;
  params.unseen = std::numeric_limits<float>::quiet_NaN();
  params.q = strides_of(a.q), params.k = strides_of(a.k), params.v = strides_of(a.v), params.y = strides_of(a.y);
  const uint32_t biases = biases_of(problem);
  for (uint32_t i = 0; i < biases; ++i) params.bias[i] = strides_of(a.bias[i]);
  Dispatch& dispatch = record(kernel, problem, params, biases, recorder);
  for (uint32_t i = 0; i < biases; ++i) dispatch.bind(cat("bias_", i), recorder.in(StridedAttention::first_bias + i));
}

// --- As the standard has it --------------------------------------------------------------------

enum In { q_in, k_in, v_in, mask_in, first_cache_in };

HeadStrides strides_of(const ops::AttentionOperand& operand) {
  const ops::Heads heads = operand.heads_of(nullptr);
  return {0, word(heads.batch), word(heads.head), word(heads.position), 1};
}

struct Operands {
  ops::AttentionOperand q, k, v, y;
  explicit Operands(const Problem& problem) : Operands(problem, AttrReader(problem.node)) {}

 private:
  Operands(const Problem& problem, const AttrReader& attrs)
      : q(problem.in[q_in].shape, attrs.integer("q_num_heads"), "Q"),
        k(problem.in[k_in].shape, attrs.integer("kv_num_heads"), "K"),
        v(problem.in[v_in].shape, attrs.integer("kv_num_heads"), "V"),
        y(problem.out[0].shape, attrs.integer("q_num_heads"), "Y") {}
};

bool has_mask(const Problem& problem) { return problem.in.size() > mask_in && problem.node.in[mask_in] != absent; }

// A mask of truths becomes what is added to the scores.
Tensor pack_mask(const Tensor& mask, int64_t) {
  Tensor bias = Tensor::make({DType::float32, mask.type.shape});
  for (int64_t i = 0; i < mask.type.shape.elements(); ++i)
    bias.as<float>()[i] = mask.as<const bool>()[i] ? 0 : -std::numeric_limits<float>::infinity();
  return bias;
}

bool accepts_mask(const Problem& problem, int64_t keys) {
  if (!has_mask(problem)) return true;
  const Type& mask = problem.in[mask_in];
  const bool truths = mask.dtype == DType::boolean && problem.constants[mask_in];
  return (truths || mask.dtype == DType::float32) && (mask.shape.back() == 1 || mask.shape.back() == keys);
}

// Caches, and the scores as an output, are left to the CPU.
bool accepts_standard(const VkKernel& kernel, const Problem& problem) {
  for (const size_t i : {q_in, k_in, v_in})
    if (!is_float_input(problem, i)) return false;
  for (size_t i = first_cache_in; i < problem.in.size(); ++i)
    if (problem.node.in[i] != absent) return false;
  for (size_t i = 1; i < problem.out.size(); ++i)
    if (problem.node.out[i] != absent) return false;
  const Operands o(problem);
  if (is_by_matrices(kernel) && !fits_matrices(o.q.sequence, o.q.depth, o.v.depth)) return false;
  return problem.node.epilogue.empty() && fits(o.q.depth, o.v.depth) && accepts_mask(problem, o.k.sequence);
}

void record_standard(const VkKernel& kernel, const Problem& problem, Recorder& recorder) {
  const AttrReader attrs(problem.node);
  const Operands o(problem);
  AttentionParams params{};
  params.heads = word(o.q.heads), params.queries = word(o.q.sequence), params.keys = word(o.k.sequence);
  params.depth = word(o.q.depth), params.value_depth = word(o.v.depth);
  params.group = word(o.q.heads / o.k.heads);
  params.count = word(o.q.batch * o.q.heads * o.q.sequence);
  params.scale = attrs.has("scale") ? attrs.real("scale") : 1 / std::sqrt(static_cast<float>(o.q.depth));
  params.softcap = attrs.real("softcap");
  params.unseen = 0;
  params.q = strides_of(o.q), params.k = strides_of(o.k), params.v = strides_of(o.v), params.y = strides_of(o.y);
  if (has_mask(problem)) {
    const Shape& mask = problem.in[mask_in].shape;
    const auto strides = loop_over(mask).strides(mask);
    params.bias[0] = {word(o.q.batch), strides[0], strides[1], strides[2], strides[3]};
  }
  Dispatch& dispatch = record(kernel, problem, params, has_mask(problem), recorder);
  dispatch.set("causal", attrs.integer("is_causal") != 0);
  if (!has_mask(problem)) return;
  const bool truths = problem.in[mask_in].dtype == DType::boolean;
  dispatch.bind("bias_0", truths ? constant_of<pack_mask>(mask_in, 0, dispatch, recorder) : recorder.in(mask_in));
}

constexpr int by_matrices = 2;  // a rank
constexpr VkKernel list[] = {
    {"StridedAttention",
     internal_domain,
     "attention",
     {"attention", "attention_tile"},
     accepts_strided,
     record_strided},
    {"Attention", "", "attention", {"attention", "attention_tile"}, accepts_standard, record_standard},
    {"StridedAttention",
     internal_domain,
     "attention.matrix",
     {"attention_matrix"},
     accepts_strided,
     record_strided,
     {},
     in_half,
     by_matrices},
    {"Attention",
     "",
     "attention.matrix",
     {"attention_matrix"},
     accepts_standard,
     record_standard,
     {},
     in_half,
     by_matrices},
};

}  // namespace

extern const KernelFile attention_kernels;
const KernelFile attention_kernels{list};

}  // namespace tessera::vulkan
