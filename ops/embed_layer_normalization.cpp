// com.microsoft EmbedLayerNormalization: sums of word, position and segment embeddings, normalized.
#include "ops/normalization.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum In { ids_in, segments_in, words_in, positions_in, segment_table_in, gamma_in, beta_in, mask_in, position_ids_in };

void infer_embed(Infer& n) {
  const Shape &ids = n.shape(ids_in), &words = n.shape(words_in), &positions = n.shape(positions_in);
  if (ids.rank() != 2 || words.rank() != 2 || positions.rank() != 2 || positions[1] != words[1])
    fail(Error::Kind::shape, "ids ", ids, " with tables ", words, " and ", positions);
  const int64_t hidden = words[1];
  for (const In i : {gamma_in, beta_in})
    if (!(n.shape(i) == Shape{hidden})) fail(Error::Kind::shape, "input ", int(i), " is ", n.shape(i));
  if (n.has_input(segments_in) &&
      (!(n.shape(segments_in) == ids) || n.rank(segment_table_in) != 2 || n.shape(segment_table_in)[1] != hidden))
    fail(Error::Kind::shape, "segments ", n.shape(segments_in), " for ids ", ids);
  if (n.has_input(position_ids_in)) check_broadcast(n.shape(position_ids_in), ids);
  if (!n.has_input(position_ids_in) && ids[1] > positions[0])
    fail(Error::Kind::shape, "a sequence of ", ids[1], " for ", positions[0], " positions");
  if (n.has_input(mask_in) && !(n.shape(mask_in) == ids)) fail(Error::Kind::shape, "mask ", n.shape(mask_in));
  n.set(0, {ids[0], ids[1], hidden});
  n.set(1, DType::int32, {ids[0]});
  n.set(2, n.in(words_in).dtype, {ids[0], ids[1], hidden});
}

// Row `index` of input `table`.
const float* row_of(const Args& a, In table, const Read<float>& values, int64_t index) {
  const Shape& shape = a.in[table].shape();
  return values.data() + checked_index(index, shape[0]) * shape[1];
}

void store_mask_index(const Args& a, int64_t batch, int64_t sequence) {
  if (a.out.size() < 2 || !a.out[1]) return;
  for (int64_t b = 0; b < batch; ++b) {
    int32_t count = 0;
    for (int64_t t = 0; t < sequence && a.has_in(mask_in); ++t)
      count += a.in[mask_in].as<int32_t>()[b * sequence + t] == 1;
    a.out[1].as<int32_t>()[b] = count;
  }
}

void embed_reference(const Args& a) {
  const int64_t batch = a.in[ids_in].shape()[0], sequence = a.in[ids_in].shape()[1];
  const int64_t hidden = a.in[words_in].shape()[1];
  const Read<int64_t> ids(a.in[ids_in]);
  const Read<int64_t> segments(a.has_in(segments_in) ? a.in[segments_in] : View{});
  const Read<int64_t> places(a.has_in(position_ids_in) ? a.in[position_ids_in] : View{});
  const Read<float> words(a.in[words_in]), positions(a.in[positions_in]);
  const Read<float> kinds(a.has_in(segment_table_in) ? a.in[segment_table_in] : View{});
  const Read<double> gamma(a.in[gamma_in]), beta(a.in[beta_in]);
  const double epsilon = static_cast<double>(a.real("epsilon"));
  Write<float> y(a.out[0]), total(a.out.size() > 2 ? a.out[2] : View{});
  RunVector<double> row(static_cast<size_t>(hidden));
  for (int64_t i = 0; i < batch * sequence; ++i) {
    const float* word = row_of(a, words_in, words, ids[i]);
    const int64_t place = !places ? i % sequence : places[places.size() == ids.size() ? i : i % sequence];
    const float* position = row_of(a, positions_in, positions, place);
    const float* kind = segments && kinds ? row_of(a, segment_table_in, kinds, segments[i]) : nullptr;
    for (int64_t d = 0; d < hidden; ++d) {
      const float sum = word[d] + position[d] + (kind ? kind[d] : 0.0f);
      row[static_cast<size_t>(d)] = static_cast<double>(sum);
      if (total) total[i * hidden + d] = sum;
    }
    const Moments m = moments(row.data(), hidden);
    const double inverse = 1 / std::sqrt(m.variance + epsilon);
    for (int64_t d = 0; d < hidden; ++d)
      y[i * hidden + d] = static_cast<float>((row[static_cast<size_t>(d)] - m.mean) * inverse * gamma[d] + beta[d]);
  }
  store_mask_index(a, batch, sequence);
}

constexpr AttrDef attrs[] = {{"epsilon", 1e-12}, {"mask_index_type"}};
const OpDef defs[] = {{.name = "EmbedLayerNormalization",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {1, 9},
                       .out = {1, 3},
                       .types = "T=float : int32, int32, T, T, T, T, T, int32, int32 -> T, int32, T",
                       .attrs = attrs,
                       .infer = infer_embed,
                       .reference = embed_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile embed_layer_normalization;
const OpFile embed_layer_normalization{defs};

}  // namespace tessera::ops
