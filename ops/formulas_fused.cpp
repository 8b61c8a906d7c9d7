// What exporters and optimizers fuse for other devices: sums with a bias, curves, norms, convolutions of pictures whose
// channels come last, and operators of the standard under older names.
#include "ops/formula.h"

namespace tessera::ops {
namespace {

constexpr AttrDef seed[] = {{"seed"}};
constexpr AttrDef softmax_attrs[] = {{"axis", 1}, {.name = "is_inner_broadcast", .required = true}};
constexpr AttrDef epsilon[] = {{"epsilon", 1e-5}};
constexpr AttrDef group_attrs[] = {{"epsilon", 1e-5},
                                   {.name = "groups", .required = true},
                                   {.name = "activation", .required = true},
                                   {"channels_last", 1}};
constexpr AttrDef product_attrs[] = {{"alpha", 1},         {"transA"},
                                     {"transB"},           {"transBatchA"},
                                     {"transBatchB"},      {.name = "activation", .required = true},
                                     {"activation_alpha"}, {"activation_beta"},
                                     {"activation_gamma"}, {"activation_axis"}};
constexpr AttrDef sparse_attrs[] = {{"alpha", 1}, {"transA"}, {"transB"}};
constexpr AttrDef metric[] = {{"metric", 0, "sqeuclidean"}};
constexpr AttrDef fourier_attrs[] = {{"normalized"}, {"onesided", 1}, {"signal_ndim", 1}};
constexpr AttrDef conv_attrs[] = {{"auto_pad"}, {"dilations"}, {"group", 1}, {"kernel_shape"}, {"pads"}, {"strides"}};
constexpr AttrDef fused_attrs[] = {{"auto_pad"}, {"dilations"}, {"group", 1},   {"kernel_shape"},
                                   {"pads"},     {"strides"},   {"activation"}, {"activation_params"}};
constexpr AttrDef pool_attrs[] = {
    {"auto_pad"}, {"ceil_mode"}, {"dilations"}, {.name = "kernel_shape", .required = true}, {"pads"}, {"strides"}};
constexpr AttrDef transposed_attrs[] = {{"auto_pad"},     {"dilations"},      {"group", 1},
                                        {"kernel_shape"}, {"output_padding"}, {"strides"}};
constexpr AttrDef masked_attrs[] = {{"auto_pad"}, {"kernel_shape"}, {"pads"}, {"storage_order"}, {"strides"}};
constexpr AttrDef unfold_attrs[] = {{"dim", -1}, {.name = "size", .required = true}, {"step", 1}};
constexpr AttrDef word_attrs[] = {{"embedding_size"}, {"conv_window_size"}, {"char_embedding_size"}};
constexpr AttrDef pad_attrs[] = {{"mode", 0, "constant"}};

const OpDef defs[] = {
    formula("BiasAdd", {{3, 3}}, "T=float : T, T, T -> T", {}, "x, bias, skip -> y: y = Add(Add(x, bias), skip)"),
    formula("BiasDropout", {{2, 5}, {1, 2}}, "T=float; R=float : T, T, T, R, boolean -> T, boolean", seed,
            "x, bias, residual, ratio, training -> y, mask:"
            "h, mask = Dropout<seed=$seed>(Add(x, bias), ratio, training); ?residual y = Add(h, residual); "
            "!residual y = h"),
    formula("BitmaskDropout", {{1, 3}, {1, 2}}, "T=float; R=float : T, R, boolean -> T, uint32", seed,
            "x, ratio, training -> y, mask:"
            "y, kept = Dropout<seed=$seed>(x, ratio, training);"
            // A bit for each element, in words of 32.
            "flat = Cast<to=7>(Reshape(kept, [-1])); none = Mod(Sub(0, Shape(flat)), 32);"
            "words = Reshape(Concat<axis=0>(flat, Expand(0, none)), [-1, 32]);"
            "mask = Cast<to=12>(ReduceSum<keepdims=0>(Mul(words, Pow(2, Range(0, 32, 1))), [1]))"),
    formula("BitmaskBiasDropout", {{2, 5}, {1, 2}}, "T=float; R=float : T, T, T, R, boolean -> T, uint32", seed,
            "x, bias, residual, ratio, training -> y, mask:"
            "h, mask = ms.BitmaskDropout<seed=$seed>(Add(x, bias), ratio, training);"
            "?residual y = Add(h, residual); !residual y = h"),
    formula("BiasSoftmax", {{2, 2}}, "T=float : T, T -> T", softmax_attrs,
            "x, bias -> y: h = Add(x, bias); y = Reshape(Softmax<axis=-1>(Flatten<axis=$axis>(h)), Shape(h))"),
    formula("BiasSplitGelu", {{2, 2}}, "T=float : T, T -> T", {},
            "x, bias -> y: a, b = Split<axis=-1, num_outputs=2>(Add(x, bias)); y = Mul(a, Gelu(b))"),
    formula("GatedAdd", {{3, 3}}, "T=float : T, T, T -> T", {}, "x, other, gate -> y: y = Add(x, Mul(other, gate))"),
    formula("GatedRMSNorm", {{3, 3}}, "T=float : T, T, T -> T", epsilon,
            "x, scale, gate -> y:"
            "rows = Reshape(x, Concat<axis=0>([-1], Shape(scale)));"
            "h = RMSNormalization<epsilon=$epsilon|1e-5>(rows, scale); y = Mul(Reshape(h, Shape(x)), Swish(gate))"),
    formula("SkipGroupNorm", {{4, 5}, {1, 2}}, "T=float16|bfloat16|float32; S=float : T, S, S, T, T -> T, T",
            group_attrs,
            "x, gamma, beta, skip, bias -> y, sum:"
            // A skip of [n, c] or [n, 1, 1, c] too.
            "?$channels_last rows = Concat<axis=0>([0, -1], Shape(gamma));"
            "?$channels_last h = Reshape(Add(Reshape(x, rows), Reshape(skip, rows)), Shape(x));"
            "!$channels_last h = Add(x, skip); ?bias?$channels_last sum = Add(h, bias);"
            "?bias!$channels_last sum = Add(h, Reshape(bias, [-1, 1, 1])); !bias sum = h;"
            "y = ms.GroupNorm<groups=$groups, activation=$activation, epsilon=$epsilon|1e-5, "
            "channels_last=$channels_last|1>(sum, gamma, beta)"),
    formula("GemmFastGelu", {{2, 3}}, "T=float : T, T, T -> T", {},
            "x, w, bias -> y: y = ms.FastGelu(MatMul(x, w), bias)"),
    formula("FusedMatMulActivation", {{2, 2}}, "T=float : T, T -> T", product_attrs,
            "a, b -> y:"
            "h = ms.FusedMatMul<alpha=$alpha|1.0, transA=$transA, transB=$transB, transBatchA=$transBatchA, "
            "transBatchB=$transBatchB>(a, b);"
            "?$activation=Relu y = Relu(h); ?$activation=Sigmoid y = Sigmoid(h); ?$activation=Tanh y = Tanh(h);"
            "?$activation=Softplus y = Softplus(h); ?$activation=Softsign y = Softsign(h);"
            "?$activation=LeakyRelu y = LeakyRelu<alpha=$activation_alpha>(h);"
            "?$activation=Elu y = Elu<alpha=$activation_alpha>(h);"
            "?$activation=ThresholdedRelu y = ThresholdedRelu<alpha=$activation_alpha>(h);"
            "?$activation=HardSigmoid y = HardSigmoid<alpha=$activation_alpha, beta=$activation_beta>(h);"
            "?$activation=Selu y = Selu<alpha=$activation_alpha, gamma=$activation_gamma>(h);"
            "?$activation=Softmax y = Softmax<axis=$activation_axis|-1>(h)"),
    formula("SparseToDenseMatMul", {{2, 2}}, "T=float|int32|int64|uint32|uint64 : T, T -> T", sparse_attrs,
            "a, b -> y: y = ms.FusedMatMul<alpha=$alpha|1.0, transA=$transA, transB=$transB>(a, b)"),
    formula("CDist", {{2, 2}}, "T=float32|float64 : T, T -> T", metric,
            "a, b -> y:"
            "aa = ReduceSumSquare(a, [1]); bb = Transpose(ReduceSumSquare(b, [1]));"
            "h = Relu(Add(Add(aa, bb), ms.FusedMatMul<transB=1, alpha=-2.0>(a, b)));"
            "?$metric=euclidean y = Sqrt(h); ?$metric=sqeuclidean y = h"),
    formula("ComplexMul", {{2, 2}}, "T=float : T, T -> T", {},
            "a, b -> y:"
            "u, v = Split<axis=-1, num_outputs=2>(a); s, t = Split<axis=-1, num_outputs=2>(b);"
            "y = Concat<axis=-1>(Sub(Mul(u, s), Mul(v, t)), Add(Mul(u, t), Mul(v, s)))"),
    formula("ComplexMulConj", {{2, 2}}, "T=float : T, T -> T", {},
            "a, b -> y:"
            "u, v = Split<axis=-1, num_outputs=2>(a); s, t = Split<axis=-1, num_outputs=2>(b);"
            "y = Concat<axis=-1>(Add(Mul(u, s), Mul(v, t)), Sub(Mul(v, s), Mul(u, t)))"),
    formula("Rfft", {{1, 1}}, "T=float : T -> T", fourier_attrs,
            "x -> y: ?$signal_ndim=1 y = DFT<onesided=1>(Unsqueeze(x, [-1]))"),
    // The half that is left out is the other one's, conjugate and backwards.
    formula("Irfft", {{1, 1}}, "T=float : T -> T", fourier_attrs,
            "x -> y:"
            "inner = Slice(x, [1], [-1], [-2]);"
            "other = Mul(Slice(inner, [-1], [-9223372036854775807], [-2], [-1]), CastLike([1.0, -1.0], x));"
            "?$signal_ndim=1 y = Squeeze(Slice(DFT<inverse=1>(Concat<axis=-2>(x, other)), [0], [1], [-1]), [-1])"),
    formula("ConvTransposeWithDynamicPads", {{2, 4}}, "T=float : T, T, int64, T -> T", transposed_attrs,
            "x, w, pads, bias -> y:"
            "h = ConvTranspose<auto_pad=$auto_pad, dilations=$dilations, group=$group, kernel_shape=$kernel_shape, "
            "output_padding=$output_padding, strides=$strides>(x, w, bias);"
            "?pads before, behind = Split<num_outputs=2>(pads); ?pads extents = Shape<start=2>(h);"
            "?pads y = Slice(h, before, Sub(extents, behind), Add(Range(0, Squeeze(Shape(extents)), 1), 2));"
            "!pads y = h"),
    formula("NhwcConv", {{2, 3}}, "T=float : T, T, T -> T", conv_attrs,
            "x, w, bias -> y:"
            "h = Conv<auto_pad=$auto_pad, dilations=$dilations, group=$group, kernel_shape=$kernel_shape, pads=$pads, "
            "strides=$strides>(Transpose<perm=[0, 3, 1, 2]>(x), w, bias);"
            "y = Transpose<perm=[0, 2, 3, 1]>(h)"),
    formula("NhwcFusedConv", {{2, 4}}, "T=float16|float32 : T, T, T, T -> T", fused_attrs,
            "x, w, bias, sum -> y:"
            "?sum z = Transpose<perm=[0, 3, 1, 2]>(sum); !sum z = _;"
            "h = ms.FusedConv<auto_pad=$auto_pad, dilations=$dilations, group=$group, kernel_shape=$kernel_shape, "
            "pads=$pads, strides=$strides, activation=$activation, activation_params=$activation_params>("
            "Transpose<perm=[0, 3, 1, 2]>(x), w, bias, z);"
            "y = Transpose<perm=[0, 2, 3, 1]>(h)"),
    formula("NhwcMaxPool", {{1, 1}}, "T=int8|uint8 : T -> T", pool_attrs,
            "x -> y:"
            "h = MaxPool<auto_pad=$auto_pad, ceil_mode=$ceil_mode, dilations=$dilations, kernel_shape=$kernel_shape, "
            "pads=$pads, strides=$strides>(Transpose<perm=[0, 3, 1, 2]>(x));"
            "y = Transpose<perm=[0, 2, 3, 1]>(h)"),
    formula("MaxpoolWithMask", {{2, 2}}, "float32, int32 -> float32", masked_attrs,
            "x, mask -> y:"
            "seen = Where(Cast<to=9>(mask), x, -3.4028234663852886e38);"
            "y = MaxPool<auto_pad=$auto_pad, kernel_shape=$kernel_shape, pads=$pads, strides=$strides>(seen)"),
    // Slices of an axis, each along a last axis of its own.
    formula("UnfoldTensor", {{1, 1}}, "T=all : T -> T", unfold_attrs,
            "x -> y:"
            "shape = Shape(x); place = Mod([$dim], Shape(shape)); before = Shape<end=$dim>(x);"
            "extent = Gather(shape, place); behind = Slice(shape, Add(place, 1), [9223372036854775807]);"
            "count = Add(Div(Sub(extent, $size), $step|1), 1);"
            "outer = Unsqueeze(ReduceProd<keepdims=0>(before), [0]);"
            "rows = Reshape(x, Concat<axis=0>(outer, extent, [-1]));"
            "which = Add(Unsqueeze(Mul(Range(0, Squeeze(count), 1), $step|1), [1]), Range(0, $size, 1));"
            "turned = Transpose<perm=[0, 1, 3, 2]>(Gather<axis=1>(rows, which));"
            "y = Reshape(turned, Concat<axis=0>(before, count, behind, [$size]))"),
    // Letters of each word, a convolution over them, and its largest value where the window begins within the word.
    formula("WordConvEmbedding", {{4, 4}}, "int32, float32, float32, float32 -> float32", word_attrs,
            "letters, w, bias, table -> y:"
            "rows = Reshape(letters, Concat<axis=0>([-1], Shape<start=-1>(letters)));"
            "h = Squeeze(Conv(Unsqueeze(Gather(table, rows), [1]), w, bias), [3]);"
            "real = Cast<to=7>(Greater(rows, CastLike(0, rows)));"
            "length = Mul(ReduceSum(real, [1]), Slice(real, [0], [1], [1]));"
            "last = Max(Sub(length, Shape<start=2, end=3>(w)), 0);"
            "places = Range(0, Squeeze(Shape<start=2>(h)), 1);"
            "seen = Where(Unsqueeze(LessOrEqual(places, last), [1]), h, -3.4028234663852886e38);"
            "top = Tanh(ReduceMax<keepdims=0>(seen, [2])); word = Where(Greater(length, 0), top, 0.0);"
            "y = Reshape(word, Concat<axis=0>(Shape<end=-1>(letters), [-1]))"),
    formula("ExpandDims", {{2, 2}}, "T=all : T, int32 -> T", {},
            "x, axis -> y: y = Unsqueeze(x, Reshape(Cast<to=7>(axis), [1]))"),
    formula("GatherND", {{2, 2}}, "T=all; I=int32|int64 : T, I -> T", {},
            "x, indices -> y: y = GatherND(x, Cast<to=7>(indices))"),
    formula("Pad", {{2, 3}}, "T=float : T, int64, T -> T", pad_attrs,
            "x, pads, value -> y:"
            "?value one = Reshape(value, []); !value one = _; y = Pad<mode=$mode>(x, Reshape(pads, [-1]), one)"),
    formula("Unique", {{1, 1}, {3, 3}}, "T=all : T -> T, int64, int64", {},
            "x -> y, index, count: y, _, index, count = Unique<sorted=0>(x)"),
    formula("TorchEmbedding", {{2, 4}}, "T=numeric : T, int64, int64, boolean -> T", {},
            "weight, indices, padding, scale -> y: y = Gather(weight, indices)"),
    formula("SampleOp", {{1, 1}}, "T=numeric : T -> T", {}, "x -> y: y = x"),
};

}  // namespace

extern const OpFile formulas_fused;
const OpFile formulas_fused{defs};

}  // namespace tessera::ops
