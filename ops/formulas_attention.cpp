// Attention between other things: of quantized inputs, of sequences without padding, with gates and rotations.
#include "ops/formula.h"

namespace tessera::ops {
namespace {

// Of Attention; of those of other names, some.
constexpr AttrDef projecting_attrs[] = {
    {.name = "num_heads", .required = true}, {"unidirectional"},  {"scale"},
    {"mask_filter_value", -10000},           {"do_rotary"},       {"rotary_embedding_dim"},
    {"past_present_share_buffer"},           {"qkv_hidden_sizes"}};
constexpr AttrDef packed_attrs[] = {{.name = "num_heads", .required = true}, {"scale"}, {"mask_filter_value", -10000}};
constexpr AttrDef projected_attrs[] = {{.name = "num_heads", .required = true}, {"scale"}, {"qkv_hidden_sizes"}};
constexpr AttrDef decoder_attrs[] = {{.name = "num_heads", .required = true},
                                     {"scale"},
                                     {"mask_filter_value", -10000},
                                     {"past_present_share_buffer"},
                                     {"output_qk"}};
constexpr AttrDef decoder_attention_attrs[] = {{.name = "num_heads", .required = true}, {"mask_filter_value", -10000}};
constexpr AttrDef gate_attrs[] = {{.name = "num_heads", .required = true}};
constexpr AttrDef window_attrs[] = {{.name = "num_heads", .required = true}, {.name = "window", .required = true}};
constexpr AttrDef bias_attrs[] = {{"is_bidirectional"}, {.name = "max_distance", .required = true}};
constexpr AttrDef epsilon[] = {{"epsilon", 1e-5}};
constexpr AttrDef multimodal_attrs[] = {{"interleaved"},
                                        {"num_heads"},
                                        {"rotary_embedding_dim"},
                                        {"mrope_layout"},
                                        {.name = "mrope_section", .required = true},
                                        {"scale"},
                                        {"is_packed_batching"}};
constexpr AttrDef causal_attrs[] = {
    {"activation", 0, "none"}, {"ndim", 1}, {"dilation", 1}, {"channels_last"}, {"state_window"}};

// What Attention and its kin share: queries, keys and values by one product ...
#define PROJECTED                                                          \
  "?bias all = Add(MatMul(x, w), bias); !bias all = MatMul(x, w);"         \
  "?$qkv_hidden_sizes qs, ks, v = Split<axis=-1>(all, $qkv_hidden_sizes);" \
  "!$qkv_hidden_sizes qs, ks, v = Split<axis=-1, num_outputs=3>(all);"
// ... the cache as two ...
#define CACHED                                         \
  "?past pk, pv = Split<axis=0, num_outputs=2>(past);" \
  "?past old_k = Squeeze(pk, [0]); ?past old_v = Squeeze(pv, [0]); !past old_k = _; !past old_v = _;"
// ... and attention of queries and keys that may be turned, by angles of their places. A cache with room for more wants
// to be told how much of it is used.
#define ATTENDED                                                                                                      \
  "?$do_rotary!past first = 0; ?$do_rotary?past!past_length first = Squeeze(Shape<start=3, end=4>(past));"            \
  "?$do_rotary?past?past_length first = Cast<to=7>(Squeeze(past_length));"                                            \
  "?$do_rotary?$rotary_embedding_dim turned = $rotary_embedding_dim;"                                                 \
  "?$do_rotary!$rotary_embedding_dim turned = Div(Squeeze(Shape<start=2>(qs)), $num_heads);"                          \
  "?$do_rotary places = Cast<to=1>(Range(first, Add(first, Squeeze(Shape<start=1, end=2>(qs))), 1));"                 \
  "?$do_rotary slowness = Pow(10000.0, Div(Cast<to=1>(Range(0, turned, 2)), Cast<to=1>(turned)));"                    \
  "?$do_rotary angles = Div(Unsqueeze(places, [1]), slowness);"                                                       \
  "?$do_rotary c = CastLike(Cos(angles), qs); ?$do_rotary s = CastLike(Sin(angles), qs);"                             \
  "?$do_rotary q = ms.RotaryEmbedding<num_heads=$num_heads, rotary_embedding_dim=$rotary_embedding_dim>(qs, [0], c, " \
  "s);"                                                                                                               \
  "?$do_rotary k = ms.RotaryEmbedding<num_heads=$num_heads, rotary_embedding_dim=$rotary_embedding_dim>(ks, [0], c, " \
  "s);"                                                                                                               \
  "!$do_rotary q = qs; !$do_rotary k = ks;"                                                                           \
  "attended, new_k, new_v = ms.MultiHeadAttention<num_heads=$num_heads, scale=$scale, "                               \
  "unidirectional=$unidirectional, mask_filter_value=$mask_filter_value|-10000.0>("                                   \
  "q, k, v, _, mask, scores, old_k, old_v, past_length, beam_of);"                                                    \
  "!past y = attended; ?past?past_length y = attended; ?past!past_length!$past_present_share_buffer y = attended;"

const OpDef defs[] = {
    formula("Attention", {{2, 7}, {1, 2}}, "T=float : T, T, T, int32, T, T, int32 -> T, T", projecting_attrs,
            "x, w, bias, mask, past, scores, past_length, beams, beam_of -> y, present:" PROJECTED CACHED ATTENDED
            "?present present = Concat<axis=0>(Unsqueeze(new_k, [0]), Unsqueeze(new_v, [0]))"),
    // Of keys in the cache, so many numbers as a device reads at once lie together.
    formula("DecoderMaskedSelfAttention", {{5, 9}, {1, 2}},
            "T=float16|float32 : T, T, T, int32, T, T, int32, int32, int32 -> T, T", projecting_attrs,
            "x, w, bias, mask, past, scores, past_length, beams, beam_of -> y, present:" PROJECTED
            "pk, pv = Split<axis=0, num_outputs=2>(past); rows = Squeeze(pk, [0]); old_v = Squeeze(pv, [0]);"
            "unit = Unsqueeze(Where(Equal(CastLike(1.0002, x), CastLike(1, x)), 8, 4), [0]);"
            "units = Div(Shape<start=3>(rows), unit); length = Shape<start=2, end=3>(rows);"
            "old_k = Reshape(Transpose<perm=[0, 1, 3, 2, 4]>(Reshape(rows, Concat<axis=0>(Shape<end=2>(rows), units, "
            "length, unit))), Shape(rows));" ATTENDED
            "?present new_rows = Reshape(Transpose<perm=[0, 1, 3, 2, 4]>(Reshape(new_k, Concat<axis=0>("
            "Shape<end=3>(new_k), units, unit))), Shape(new_k));"
            "?present present = Concat<axis=0>(Unsqueeze(new_rows, [0]), Unsqueeze(new_v, [0]))"),
    formula("QAttention", {{5, 9}, {1, 2}},
            "X=int8|uint8; W=int8|uint8; T=float16|float32 : X, W, T, T, T, int32, X, W, T -> T, T", projecting_attrs,
            "x, w, bias, x_scale, w_scale, mask, x_zero, w_zero, past, past_length, beams, beam_of -> y, present:"
            "all = ms.MatMulIntegerToFloat(x, w, x_scale, w_scale, x_zero, w_zero, bias); scores = _;"
            "qs, ks, v = Split<axis=-1, num_outputs=3>(all);" CACHED ATTENDED
            "?present present = Concat<axis=0>(Unsqueeze(new_k, [0]), Unsqueeze(new_v, [0]))",
            true),
    formula("DecoderMaskedMultiHeadAttention", {{1, 11}, {1, 4}},
            "T=float16|float32 : T, T, T, int32, T, T, T, int32, int32, int32, T -> T, T, T, T", decoder_attrs,
            "query, key, value, mask, scores, past_k, past_v, past_length, beams, beam_of, bias -> y, k, v, qk:"
            "?key q = query; ?key new_k = key; ?key new_v = value;"
            "!key q, new_k, new_v = Split<axis=-1, num_outputs=3>(query);"
            "y, k, v, qk = ms.MultiHeadAttention<num_heads=$num_heads, scale=$scale, "
            "mask_filter_value=$mask_filter_value|-10000.0>(q, new_k, new_v, bias, mask, scores, past_k, past_v, "
            "past_length, beam_of)"),
    // What is attended to is a cache, what the key gives and what the query gives, each of its length or of none.
    formula("DecoderAttention", {{12, 12}, {1, 3}},
            "T=float16|float32 : T, T, T, T, T, boolean, T, T, boolean, boolean, boolean, boolean -> T, T, T",
            decoder_attention_attrs,
            "query, key, q_w, kv_w, bias, mask, k_cache, v_cache, fixed, use_past, state, masked -> y, new_k, new_v:"
            "bq, bk, bv = Split<axis=0, num_outputs=3>(bias); kw, vw = Split<axis=1, num_outputs=2>(kv_w);"
            "q = Transpose<perm=[1, 0, 2]>(Add(MatMul(query, q_w), bq)); by_heads = [0, 0, $num_heads, -1];"
            "own_k = Transpose<perm=[1, 2, 0, 3]>(Reshape(Add(MatMul(query, kw), bk), by_heads));"
            "own_v = Transpose<perm=[1, 2, 0, 3]>(Reshape(Add(MatMul(query, vw), bv), by_heads));"
            "key_k = Transpose<perm=[1, 2, 0, 3]>(Reshape(Add(MatMul(key, kw), bk), by_heads));"
            "key_v = Transpose<perm=[1, 2, 0, 3]>(Reshape(Add(MatMul(key, vw), bv), by_heads));"
            "cross = Reshape(fixed, [1]); cached = And(Reshape(use_past, [1]), Reshape(state, [1]));"
            "owns = Mul(Shape<end=1>(query), Cast<to=7>(Not(cross)));"
            "keys = Mul(Shape<end=1>(key), Cast<to=7>(And(cross, Not(cached))));"
            "?k_cache olds = Mul(Shape<start=2, end=3>(k_cache), Cast<to=7>(cached));"
            "?k_cache k = Concat<axis=2>(Slice(k_cache, [0], olds, [2]), Slice(key_k, [0], keys, [2]), "
            "Slice(own_k, [0], owns, [2]));"
            "?v_cache v = Concat<axis=2>(Slice(v_cache, [0], olds, [2]), Slice(key_v, [0], keys, [2]), "
            "Slice(own_v, [0], owns, [2]));"
            "!k_cache k = Concat<axis=2>(Slice(key_k, [0], keys, [2]), Slice(own_k, [0], owns, [2]));"
            "!v_cache v = Concat<axis=2>(Slice(key_v, [0], keys, [2]), Slice(own_v, [0], owns, [2]));"
            "?mask length = Shape<start=2, end=3>(k); ?mask told = Mul(length, Cast<to=7>(Reshape(masked, [1])));"
            "?mask open = Expand(Cast<to=9>(0), Concat<axis=0>(Shape<end=1>(mask), Sub(length, told)));"
            "?mask hidden = Unsqueeze(Concat<axis=1>(Slice(mask, [0], told, [1]), open), [1, 2]);"
            "?mask scores = Where(hidden, CastLike(-3e38, query), CastLike(0, query)); !mask scores = _;"
            "seen = ms.MultiHeadAttention<num_heads=$num_heads>(q, k, v, _, _, scores);"
            "y = Transpose<perm=[1, 0, 2]>(seen); ?new_k new_k = k; ?new_v new_v = v"),
    formula(
        "PackedAttention", {{5, 6}}, "T=float16|float32 : T, T, T, int32, int32, T -> T", projected_attrs,
        "x, w, bias, offsets, lengths, scores -> y:"
        "all = Add(MatMul(x, w), bias);"
        "?$qkv_hidden_sizes q, k, v = Split<axis=-1>(all, $qkv_hidden_sizes);"
        "!$qkv_hidden_sizes q, k, v = Split<axis=-1, num_outputs=3>(all);"
        "y = ms.PackedMultiHeadAttention<num_heads=$num_heads, scale=$scale>(q, k, v, _, offsets, lengths, scores)"),
    // Keys behind a sequence's end are hidden from all.
    formula("PackedMultiHeadAttention", {{6, 7}}, "T=float16|float32 : T, T, T, T, int32, int32, T -> T", packed_attrs,
            "query, key, value, bias, offsets, lengths, scores -> y:"
            "?key q = query; ?key k = key; ?key v = value;"
            "!key a, b, c = Split<axis=2, num_outputs=3>(query);"
            "!key q = Reshape(a, [0, -1]); !key k = Reshape(b, [0, -1]); !key v = Reshape(c, [0, -1]);"
            "count = Sub(Slice(lengths, [1], [9223372036854775807]), Slice(lengths, [0], [-1]));"
            "all = ms.MultiHeadAttention<num_heads=$num_heads, scale=$scale, mask_filter_value=-3e38>("
            "ms.RestorePadding(q, offsets), ms.RestorePadding(k, offsets), ms.RestorePadding(v, offsets), bias, count, "
            "scores);"
            "rows = Reshape(all, Concat<axis=0>([-1], Shape<start=2>(all)));"
            "y = Gather(rows, Slice(Reshape(offsets, [-1]), [0], Shape<end=1>(query)))"),
    formula("RestorePadding", {{2, 2}}, "T=float16|float32 : T, int32 -> T", {},
            "x, offsets -> y:"
            "flat = Reshape(offsets, [-1]); width = Shape<start=1>(x);"
            "zeros = Expand(CastLike(0, x), Concat<axis=0>(Shape(flat), width));"
            "places = Unsqueeze(Cast<to=7>(Slice(flat, [0], Shape<end=1>(x))), [-1]);"
            "y = Reshape(ScatterND(zeros, places, x), Concat<axis=0>(Shape(offsets), width))"),
    formula("RemovePadding", {{2, 2}, {4, 4}}, "T=float16|float32 : T, int32 -> T, int32, int32, int32", {},
            "x, count -> y, offsets, lengths, longest:"
            "shape = Shape<end=2>(x); extents = Cast<to=6>(shape);"
            "columns = Range(CastLike(0, count), Squeeze(Slice(extents, [1], [2])), CastLike(1, count));"
            "real = Reshape(Less(columns, Unsqueeze(count, [1])), [-1]);"
            "all = Range(CastLike(0, count), ReduceProd<keepdims=0>(extents, [0]), CastLike(1, count));"
            "rows = Reshape(x, Concat<axis=0>([-1], Shape<start=2>(x)));"
            "y = Compress<axis=0>(rows, real);"
            "offsets = Reshape(Concat<axis=0>(Compress<axis=0>(all, real), Compress<axis=0>(all, Not(real))), shape);"
            "lengths = Concat<axis=0>(CastLike([0], count), CumSum(count, 0)); longest = ReduceMax(count, [0])"),
    formula("GatedRelativePositionBias", {{6, 7}}, "T=float16|float32 : T, T, T, T, T, T, int32 -> T", gate_attrs,
            "query, query_bias, positions, weight, bias, eco, offsets -> y:"
            "?offsets rows = ms.RestorePadding(query, offsets); !offsets rows = query;"
            "q = Transpose<perm=[0, 2, 1, 3]>(Reshape(Add(rows, query_bias), [0, 0, $num_heads, -1]));"
            "h = Reshape(Add(MatMul(q, weight), bias), [0, 0, 0, 2, -1]);"
            "u, r = Split<axis=-1, num_outputs=2>(Sigmoid(ReduceSum<keepdims=0>(h, [-1])));"
            "gate = Add(Mul(u, Sub(Mul(r, eco), CastLike(1, u))), CastLike(2, u)); y = Mul(gate, positions)"),
    // All see their neighbours and those who are global; these see all, by products of their own.
    formula("LongformerAttention", {{7, 7}}, "T=float16|float32 : T, T, T, T, T, T, int32 -> T", window_attrs,
            "x, w, bias, mask, global_w, global_bias, global -> y:"
            "q, k, v = Split<axis=-1, num_outputs=3>(Add(MatMul(x, w), bias));"
            "qg, kg, vg = Split<axis=-1, num_outputs=3>(Add(MatMul(x, global_w), global_bias));"
            "is_global = Cast<to=9>(global); hidden = Unsqueeze(mask, [1, 2]);"
            "places = Range(0, Squeeze(Shape<start=1, end=2>(x)), 1);"
            "near = LessOrEqual(Abs(Sub(Unsqueeze(places, [1]), places)), $window);"
            "seen = Or(near, Unsqueeze(is_global, [1, 2]));"
            "local = ms.MultiHeadAttention<num_heads=$num_heads>(q, k, v, _, _, Add(hidden, Where(seen, "
            "CastLike(0, x), CastLike(-30000, x))));"
            "whole = ms.MultiHeadAttention<num_heads=$num_heads>(qg, kg, vg, _, _, Expand(hidden, "
            "Concat<axis=0>([1, 1], Shape<start=1, end=2>(x), [1])));"
            "y = Where(Unsqueeze(is_global, [2]), whole, local)"),
    // Distances by buckets: one each for near ones, then logarithms of them.
    formula("RelativePositionBias", {{3, 3}}, "T=float16|float32 : T, int64, int64 -> T", bias_attrs,
            "table, queries, keys -> y:"
            "all = Shape<end=1>(table); half = Div(all, 2);"
            "?$is_bidirectional buckets = half; !$is_bidirectional buckets = all;"
            "away = Sub(Unsqueeze(Range(0, Reshape(queries, []), 1), [1]), Range(0, Reshape(keys, []), 1));"
            "?$is_bidirectional side = Where(Less(away, 0), half, 0); ?$is_bidirectional far = Abs(away);"
            "!$is_bidirectional side = 0; !$is_bidirectional far = Max(away, 0);"
            "exact = Div(buckets, 2); near = Cast<to=1>(exact);"
            "logarithm = Div(Log(Div(Cast<to=1>(Max(far, 1)), near)), Log(Div(Cast<to=1>($max_distance), near)));"
            "steps = Cast<to=7>(Mul(logarithm, Cast<to=1>(Sub(buckets, exact))));"
            "bucket = Add(side, Where(Less(far, exact), far, Min(Add(exact, steps), Sub(buckets, 1))));"
            "by_heads = Reshape(table, Concat<axis=0>(Shape<start=1>(table), all));"
            "y = Unsqueeze(Gather<axis=1>(by_heads, bucket), [0])"),
    formula("GemmaRotaryEmbedding", {{5, 5}, {2, 2}}, "T=float : float32, T, T, T, T -> T, T", {},
            "angles, q, q_turned, k, k_turned -> new_q, new_k:"
            "s = Unsqueeze(CastLike(Sin(angles), q), [1]); c = Unsqueeze(CastLike(Cos(angles), q), [1]);"
            "new_q = Add(Mul(q, c), Mul(q_turned, s)); new_k = Add(Mul(k, c), Mul(k_turned, s))"),
    // Times, rows and columns take turns with the angles, or have a part of them each.
    formula("MRotaryEmbedding", {{4, 4}}, "T=float : T, int64, T, T -> T", multimodal_attrs,
            "x, positions, cos, sin -> y:"
            "c = Gather(cos, positions); s = Gather(sin, positions);"
            "?$mrope_layout=0 c0, c1, c2 = Split<axis=-1>(c, $mrope_section);"
            "?$mrope_layout=0 s0, s1, s2 = Split<axis=-1>(s, $mrope_section);"
            "?$mrope_layout=0 new_c = Concat<axis=-1>(Gather(c0, 0), Gather(c1, 1), Gather(c2, 2));"
            "?$mrope_layout=0 new_s = Concat<axis=-1>(Gather(s0, 0), Gather(s1, 1), Gather(s2, 2));"
            "?$mrope_layout=1 place = Range(0, Squeeze(Shape<start=1>(cos)), 1); ?$mrope_layout=1 turn = Mod(place, 3);"
            "?$mrope_layout=1 ends = Mul($mrope_section, 3);"
            "?$mrope_layout=1 row = And(Equal(turn, 1), Less(place, Gather(ends, 1)));"
            "?$mrope_layout=1 column = And(Equal(turn, 2), Less(place, Gather(ends, 2)));"
            "?$mrope_layout=1 new_c = Where(row, Gather(c, 1), Where(column, Gather(c, 2), Gather(c, 0)));"
            "?$mrope_layout=1 new_s = Where(row, Gather(s, 1), Where(column, Gather(s, 2), Gather(s, 0)));"
            "y = RotaryEmbedding<interleaved=$interleaved, num_heads=$num_heads, "
            "rotary_embedding_dim=$rotary_embedding_dim>(x, new_c, new_s)"),
    formula("LinearAttentionGate", {{3, 4}, {1, 2}}, "T=float : T, float32, float32, T -> T, T", {},
            "a, bias, scale, b -> decay, beta:"
            "decay = CastLike(Mul(Softplus(Add(Cast<to=1>(a), bias)), scale), a); ?b beta = Sigmoid(b)"),
    // Dilated, between zeros in its weights. The states after the last few positions are windows of what is convolved;
    // those from before the first are zeros.
    formula("CausalConvWithState", {{2, 4}, {1, 2}}, "T=float : T, T, T, T -> T, T", causal_attrs,
            "x, w, bias, past -> y, present:"
            "?$channels_last line = Transpose<perm=[0, 2, 1]>(Reshape(x, [0, 0, -1])); !$channels_last line = x;"
            "?past?$state_window slot = Gather<axis=0>(past, -1); ?past!$state_window slot = past;"
            "?past?$channels_last old = Transpose<perm=[0, 2, 1]>(Reshape(slot, [0, 0, -1]));"
            "?past!$channels_last old = slot; !past old = _; ?$dilation=1 taps = w;"
            "!$dilation=1 gaps = Concat<axis=0>([0, 0, 0, 0, 0, 0, 0], Sub([$dilation], [1]));"
            "!$dilation=1 spread = Reshape(Pad(Unsqueeze(w, [3]), gaps), [0, 0, -1]);"
            "!$dilation=1 taps = Slice(spread, [0], Sub([1], [$dilation]), [2]);"
            "conv, state = CausalConvWithState<activation=$activation>(line, taps, bias, old);"
            "?$ndim=1!$channels_last y = conv; ?$ndim=1?$channels_last y = Reshape(Transpose<perm=[0, 2, 1]>(conv), "
            "Shape(x));"
            "length = Shape<start=2, end=3>(state); ?$channels_last features = Shape<start=2>(x);"
            "?$state_window before = Sub(Shape<start=2, end=3>(line), [$state_window]);"
            "?$state_window last = Unsqueeze(Add(Range(0, $state_window, 1), before), [1]);"
            "?$state_window places = Max(Add(last, Range(1, Add(Squeeze(length), 1), 1)), 0);"
            "?$state_window?past all = Concat<axis=2>(old, line);"
            "?$state_window!past all = Concat<axis=2>(Expand(CastLike(0, x), Shape(state)), line);"
            "?$state_window ends = Transpose<perm=[2, 0, 1, 3]>(Gather<axis=2>(all, places));"
            "?$state_window live = Unsqueeze(GreaterOrEqual(last, 0), [1, 2]);"
            "?$state_window window = Where(live, ends, CastLike(0, x));"
            "?$state_window!$channels_last present = window; !$state_window!$channels_last present = state;"
            "?$state_window?$channels_last present = Reshape(Transpose<perm=[0, 1, 3, 2]>(window), "
            "Concat<axis=0>([$state_window], Shape<end=1>(x), length, features));"
            "!$state_window?$channels_last present = Reshape(Transpose<perm=[0, 2, 1]>(state), "
            "Concat<axis=0>(Shape<end=1>(x), length, features))"),
    formula("EngramGate", {{5, 6}, {1, 2}}, "T=float : T, T, T, T, T, T -> T, T", epsilon,
            "key, query, value, key_scale, query_scale, scale -> y, normed:"
            "e = CastLike($epsilon|1e-5, key);"
            "k = Mul(Div(key, Sqrt(Add(ReduceMean(Mul(key, key), [-1]), e))), key_scale);"
            "q = Mul(Div(query, Sqrt(Add(ReduceMean(Mul(query, query), [-1]), e))), query_scale);"
            "dot = Div(ReduceSum(Mul(k, q), [-1]), Sqrt(CastLike(Shape<start=-1>(key), key)));"
            "gate = Sigmoid(Mul(Sign(dot), Sqrt(Max(Abs(dot), CastLike(1e-6, key)))));"
            "y = Mul(gate, Unsqueeze(value, [2]));"
            "?scale normed = Mul(Div(y, Sqrt(Add(ReduceMean(Mul(y, y), [-1]), e))), scale)"),
};

}  // namespace

extern const OpFile formulas_attention;
const OpFile formulas_attention{defs};

}  // namespace tessera::ops
