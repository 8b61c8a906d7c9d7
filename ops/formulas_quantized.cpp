// Products of quantized numbers that give floats, and what is computed with floats between quantized numbers.
#include "ops/formula.h"

namespace tessera::ops {
namespace {

constexpr AttrDef lstm_attrs[] = {{"activations"}, {"activation_alpha"}, {"activation_beta"}, {"clip"},
                                  {"direction"},   {"hidden_size"},      {"input_forget"}};
constexpr AttrDef conv_attrs[] = {{"auto_pad"}, {"dilations"}, {"group", 1},     {"kernel_shape"},
                                  {"pads"},     {"strides"},   {"channels_last"}};
constexpr AttrDef reduce_attrs[] = {{.name = "axes", .required = true}, {.name = "keepdims", .required = true}};
constexpr AttrDef epsilon[] = {{"epsilon", 1e-12}};
constexpr AttrDef gate_attrs[] = {{.name = "K", .required = true},
                                  {.name = "N", .required = true},
                                  {"bits", 4},
                                  {.name = "block_size", .required = true},
                                  {"accuracy_level"},
                                  {.name = "activation", .required = true},
                                  {"epsilon", 1e-5}};
constexpr AttrDef projection_attrs[] = {{.name = "K", .required = true},
                                        {.name = "Nq", .required = true},
                                        {.name = "Nkv", .required = true},
                                        {"bits", 4},
                                        {.name = "block_size", .required = true},
                                        {"accuracy_level"},
                                        {"epsilon", 1e-5}};
constexpr AttrDef fp8_attrs[] = {{"block_size", 128}};
constexpr AttrDef fp4_attrs[] = {{"block_size", 16}};

const OpDef defs[] = {
    formula("MatMulIntegerToFloat", {{4, 7}},
            "A=int8|uint8; B=int8|uint8; T=float16|float32 : A, B, T, T, A, B, T -> T", {},
            "a, b, a_scale, b_scale, a_zero, b_zero, bias -> y:"
            "sums = Cast<to=1>(MatMulInteger(a, b, a_zero, b_zero));"
            "h = CastLike(Mul(sums, Mul(Cast<to=1>(a_scale), Cast<to=1>(b_scale))), a_scale);"
            "?bias y = Add(h, bias); !bias y = h",
            true),
    formula("DynamicQuantizeMatMul", {{3, 5}}, "B=int8|uint8 : float32, B, float32, B, float32 -> float32", {},
            "a, b, b_scale, b_zero, bias -> y:"
            "q, scale, zero = DynamicQuantizeLinear(a);"
            "y = ms.MatMulIntegerToFloat(q, b, scale, b_scale, zero, b_zero, bias)",
            true),
    // Weights alone are quantized; steps are computed with the numbers that they stand for.
    formula("DynamicQuantizeLSTM", {{12, 12}, {0, 3}},
            "W=int8|uint8 : float32, W, W, float32, int32, float32, float32, float32, float32, W, float32, W "
            "-> float32, float32, float32",
            lstm_attrs,
            "x, w, r, bias, lengths, h, c, p, w_scale, w_zero, r_scale, r_zero -> y, y_h, y_c:"
            "w0 = Sub(Cast<to=1>(w), Reshape(Cast<to=1>(w_zero), [0, 1, -1]));"
            "r0 = Sub(Cast<to=1>(r), Reshape(Cast<to=1>(r_zero), [0, 1, -1]));"
            "y, y_h, y_c = LSTM<activations=$activations, activation_alpha=$activation_alpha, "
            "activation_beta=$activation_beta, clip=$clip, direction=$direction, hidden_size=$hidden_size, "
            "input_forget=$input_forget>(x, Transpose<perm=[0, 2, 1]>(Mul(w0, Reshape(w_scale, [0, 1, -1]))), "
            "Transpose<perm=[0, 2, 1]>(Mul(r0, Reshape(r_scale, [0, 1, -1]))), bias, lengths, h, c, p)"),
    formula("QLinearConv", {{8, 9}},
            "X=int8|uint8; W=int8|uint8; Y=int8|uint8 : X, float32, X, W, float32, W, float32, Y, int32 -> Y",
            conv_attrs,
            "x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias -> y:"
            "?$channels_last planes = Transpose<perm=[0, 3, 1, 2]>(x); !$channels_last planes = x;"
            "h = QLinearConv<auto_pad=$auto_pad, dilations=$dilations, group=$group, kernel_shape=$kernel_shape, "
            "pads=$pads, strides=$strides>(planes, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias);"
            "?$channels_last y = Transpose<perm=[0, 2, 3, 1]>(h); !$channels_last y = h",
            true),
    formula("QLinearReduceMean", {{4, 5}}, "T=int8|uint8 : T, float32, T, float32, T -> T", reduce_attrs,
            "x, x_scale, x_zero, y_scale, y_zero -> y:"
            "h = ReduceMean<keepdims=$keepdims>(DequantizeLinear(x, x_scale, x_zero), $axes);"
            "?y_zero zero = y_zero; !y_zero zero = CastLike(0, x); y = QuantizeLinear(h, y_scale, zero)",
            true),
    formula("QLinearWhere", {{9, 9}}, "T=int8|uint8 : boolean, T, float32, T, T, float32, T, float32, T -> T", {},
            "where, x, x_scale, x_zero, y, y_scale, y_zero, z_scale, z_zero -> z:"
            "h = Where(where, DequantizeLinear(x, x_scale, x_zero), DequantizeLinear(y, y_scale, y_zero));"
            "z = QuantizeLinear(h, z_scale, z_zero)",
            true),
    formula("MulInteger", {{3, 4}}, "T=int8|uint8 : T, T, T, T -> int32", {},
            "a, a_zero, b, b_zero -> y:"
            "?a_zero x = Sub(Cast<to=6>(a), Cast<to=6>(a_zero)); !a_zero x = Cast<to=6>(a);"
            "?b_zero z = Sub(Cast<to=6>(b), Cast<to=6>(b_zero)); !b_zero z = Cast<to=6>(b); y = Mul(x, z)",
            true),
    formula("QEmbedLayerNormalization", {{18, 18}, {2, 2}},
            "T=int8|uint8 : int32, int32, T, T, T, T, T, int32, float32, float32, float32, float32, float32, T, T, T, "
            "T, T -> float32, int32",
            epsilon,
            "ids, segments, words, places, kinds, gamma, beta, mask, words_scale, places_scale, kinds_scale, "
            "gamma_scale, beta_scale, words_zero, places_zero, kinds_zero, gamma_zero, beta_zero -> y, index:"
            "word = DequantizeLinear(Gather(words, ids), words_scale, words_zero);"
            "place = DequantizeLinear(Slice(places, [0], Shape<start=1>(ids), [0]), places_scale, places_zero);"
            "both = Add(word, place);"
            "?segments all = Add(both, DequantizeLinear(Gather(kinds, segments), kinds_scale, kinds_zero));"
            "!segments all = both;"
            "y = LayerNormalization<epsilon=$epsilon|1e-12>(all, DequantizeLinear(gamma, gamma_scale, gamma_zero), "
            "DequantizeLinear(beta, beta_scale, beta_zero));"
            "?mask index = ReduceSum<keepdims=0>(mask, [1]); !mask index = ReduceSum<keepdims=0>(Sub(ids, ids), [1])",
            true),
    formula("MatMulNBitsMlp", {{8, 9}, {1, 2}}, "T=float : T, T, T, uint8, T, T, uint8, T, T -> T, T", gate_attrs,
            "a, skip, scale, gate_w, gate_s, gate_bias, up_w, up_s, up_bias -> y, sum:"
            "?skip x, _, _, sum = ms.SkipSimplifiedLayerNormalization<epsilon=$epsilon|1e-5>(a, skip, scale);"
            "!skip?scale x = RMSNormalization<epsilon=$epsilon|1e-5>(a, scale); !skip!scale x = a;"
            "gate = ms.MatMulNBits<K=$K, N=$N, bits=$bits, block_size=$block_size, accuracy_level=$accuracy_level>("
            "x, gate_w, gate_s, _, _, gate_bias);"
            "up = ms.MatMulNBits<K=$K, N=$N, bits=$bits, block_size=$block_size, accuracy_level=$accuracy_level>("
            "x, up_w, up_s, _, _, up_bias);"
            "?$activation=silu y = Mul(Swish(gate), up); ?$activation=gelu y = Mul(Gelu(gate), up);"
            "?$activation=relu y = Mul(Relu(gate), up)"),
    formula("MatMulNBitsQkv", {{11, 12}, {3, 4}},
            "T=float : T, T, T, uint8, T, T, uint8, T, T, uint8, T, T -> T, T, T, T", projection_attrs,
            "a, skip, scale, q_w, q_s, q_bias, k_w, k_s, k_bias, v_w, v_s, v_bias -> q, k, v, sum:"
            "?skip x, _, _, sum = ms.SkipSimplifiedLayerNormalization<epsilon=$epsilon|1e-5>(a, skip, scale);"
            "!skip x = RMSNormalization<epsilon=$epsilon|1e-5>(a, scale);"
            "q = ms.MatMulNBits<K=$K, N=$Nq, bits=$bits, block_size=$block_size, accuracy_level=$accuracy_level>("
            "x, q_w, q_s, _, _, q_bias);"
            "k = ms.MatMulNBits<K=$K, N=$Nkv, bits=$bits, block_size=$block_size, accuracy_level=$accuracy_level>("
            "x, k_w, k_s, _, _, k_bias);"
            "v = ms.MatMulNBits<K=$K, N=$Nkv, bits=$bits, block_size=$block_size, accuracy_level=$accuracy_level>("
            "x, v_w, v_s, _, _, v_bias)"),
    formula("MatMulBlockQuantizedFp8Weight", {{3, 5}}, "T=float16|bfloat16 : T, float8e4m3fn, float32, float32, T -> T",
            fp8_attrs,
            "a, b, b_scale, a_scale, bias -> y:"
            "w = DequantizeLinear<axis=1, block_size=$block_size|128>(b, b_scale);"
            "x = Cast<to=1>(a);"
            "?a_scale near = DequantizeLinear(QuantizeLinear<output_dtype=17>(x, a_scale), a_scale); !a_scale near = x;"
            "h = CastLike(MatMul(near, Transpose(w)), a); ?bias y = Add(h, bias); !bias y = h"),
    // Sixteen numbers are the table of e2m1; two of them lie in each byte, the lower half first.
    formula("MatMulBlockQuantizedFp4Weight", {{4, 6}}, "T=float16|bfloat16 : T, uint8, uint8, float32, float32, T -> T",
            fp4_attrs,
            "a, b, scale, whole_scale, a_scale, bias -> y:"
            "low = BitwiseAnd(b, CastLike(15, b)); high = BitShift<direction=RIGHT>(b, CastLike(4, b));"
            "which = Reshape(Concat<axis=-1>(Unsqueeze(low, [-1]), Unsqueeze(high, [-1])), [0, -1, $block_size|16]);"
            "w = Gather([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0], "
            "Cast<to=6>(which));"
            "scaled = Mul(w, Mul(Unsqueeze(Cast<to=1>(BitCast<to=17>(scale)), [-1]), whole_scale));"
            "h = CastLike(MatMul(Cast<to=1>(a), Transpose(Reshape(scaled, [0, -1]))), a);"
            "?bias y = Add(h, bias); !bias y = h"),
};

}  // namespace

extern const OpFile formulas_quantized;
const OpFile formulas_quantized{defs};

}  // namespace tessera::ops
