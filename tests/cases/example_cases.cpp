// The table, and how it is read.
#include "tests/cases/example_cases.h"

#include <algorithm>
#include <sstream>

#include "tests/tensors.h"

namespace tessera::test {
extern const CaseFile example_cases;
namespace {

// "[domain:]Op opset[>outputs] | inputs | attributes". An input is a type letter and a shape, and its elements where
// they matter ("i[2]=1,3"); without them it is random. "-" is left out. Letters: f float32, h float16, d float64,
// i int64, j int32, w int16, u uint8, b int8, e float8e4m3fn, t boolean, s string. Extents differ by what they mean, so
// that a test can change one meaning at a time. An attribute is a whole number, a number with a point, a word, a [list]
// of them, or a tensor written as an input is.
constexpr Text table[] = {
    // Elementwise.
    "Abs 13 | f[2,3]",
    "Acos 7 | f[2,3]",
    "Acosh 9 | f[2,3]",
    "Add 14 | f[2,3] f[2,3]",
    "Add 6 | f[2,3] f[3] | broadcast=1 axis=1",
    "And 7 | t[2,3] t[2,3]",
    "And 1 | t[2,3] t[3] | broadcast=1",
    "Asin 7 | f[2,3]",
    "Asinh 9 | f[2,3]",
    "Atan 7 | f[2,3]",
    "Atanh 9 | f[2,3]",
    "BitCast 26 | f[2,3] | to=6",
    "BitShift 11 | u[2,3] u[2,3]=1,2,3,4,5,6 | direction=LEFT",
    "BitwiseAnd 18 | j[2,3] j[2,3]",
    "BitwiseNot 18 | j[2,3]",
    "BitwiseOr 18 | j[2,3] j[2,3]",
    "BitwiseXor 18 | j[2,3] j[2,3]",
    "Cast 19 | f[2,3] | to=7",
    "Cast 1 | f[2,3] | to=INT64",
    "CastLike 15 | f[2,3] j[1]",
    "Ceil 13 | f[2,3]",
    "Celu 12 | f[2,3] | alpha=0.5",
    "Clip 11 | f[2,3] f[]=-1 f[]=1",
    "Clip 6 | f[2,3] | min=-1.0 max=1.0",
    "Cos 7 | f[2,3]",
    "Cosh 9 | f[2,3]",
    "Div 7 | f[2,3] f[2,3]",
    "Div 1 | f[2,3] f[3] | broadcast=1",
    "Elu 6 | f[2,3] | alpha=0.5",
    "Equal 7 | f[2,3] f[2,3]",
    "Equal 1 | j[2,3] j[3] | broadcast=1",
    "Erf 9 | f[2,3]",
    "Exp 6 | f[2,3]",
    "Floor 6 | f[2,3]",
    "Gelu 20 | f[2,3] | approximate=tanh",
    "Greater 7 | f[2,3] f[2,3]",
    "Greater 1 | f[2,3] f[3] | broadcast=1",
    "GreaterOrEqual 12 | f[2,3] f[2,3]",
    "HardSigmoid 6 | f[2,3] | alpha=0.3 beta=0.4",
    "HardSwish 14 | f[2,3]",
    "Identity 14 | f[2,3]",
    "IsInf 10 | f[2,3] | detect_negative=0",
    "IsNaN 9 | f[2,3]",
    "LeakyRelu 6 | f[2,3] | alpha=0.2",
    "Less 7 | f[2,3] f[2,3]",
    "Less 1 | f[2,3] f[3] | broadcast=1",
    "LessOrEqual 12 | f[2,3] f[2,3]",
    "Log 6 | f[2,3]",
    "Max 8 | f[2,3] f[3] f[2,1]",
    "Mean 8 | f[2,3] f[3] f[2,1]",
    "Min 8 | f[2,3] f[3] f[2,1]",
    "Mish 18 | f[2,3]",
    "Mod 10 | j[2,3] j[2,3]=1,2,3,4,5,6",
    "Mul 7 | f[2,3] f[2,3]",
    "Mul 1 | f[2,3] f[3] | broadcast=1",
    "Neg 6 | f[2,3]",
    "Not 1 | t[2,3]",
    "Or 7 | t[2,3] t[2,3]",
    "Or 1 | t[2,3] t[3] | broadcast=1",
    "PRelu 9 | f[2,3] f[3]",
    "PRelu 6 | f[2,3] f[3]",
    "Pow 12 | f[2,3] f[2,3]",
    "Pow 1 | f[2,3] f[3] | broadcast=1",
    "Reciprocal 6 | f[2,3]",
    "Relu 14 | f[2,3]",
    "Round 11 | f[2,3]",
    "Selu 6 | f[2,3]",
    "Selu 1 | f[2,3]",
    "Shrink 9 | f[2,3] | lambd=0.4 bias=0.1",
    "Sigmoid 6 | f[2,3]",
    "Sign 9 | f[2,3]",
    "Sin 7 | f[2,3]",
    "Sinh 9 | f[2,3]",
    "Softplus 1 | f[2,3]",
    "Softsign 1 | f[2,3]",
    "Sqrt 6 | f[2,3]",
    "Sub 7 | f[2,3] f[2,3]",
    "Sub 1 | f[2,3] f[3] | broadcast=1",
    "Sum 8 | f[2,3] f[3] f[2,1]",
    "Swish 24 | f[2,3] | alpha=0.5",
    "Tan 7 | f[2,3]",
    "Tanh 6 | f[2,3]",
    "ThresholdedRelu 10 | f[2,3] | alpha=0.5",
    "Where 9 | t[2,3] f[2,3] f[3]",
    "Xor 7 | t[2,3] t[2,3]",
    "Xor 1 | t[2,3] t[3] | broadcast=1",
    "Affine 1 | f[2,3] | alpha=0.5 beta=1.0",
    "tessera:Quantum 1 | f[2,3] | scale=0.25 zero_point=3.0",
    "ParametricSoftplus 1 | f[2,3] | alpha=0.5 beta=1.0",
    "ScaledTanh 1 | f[2,3] | alpha=0.5 beta=1.0",
    "tessera:PixelsToPlanes 1 | u[4,5,3] | from=[2,1,0] black=[0.0,0.5,-1.0] span=[1.0,2.0,255.0]",
    "tessera:PlanesToPixels 1>2 | f[1,3,4,5] | from=[2,1,0] black=[0.0,0.5,-1.0] unit=[1.0,0.5,0.25] gray=0 bits=16",
    "ImageScaler 1 | f[2,3,4,5] | scale=0.5 bias=[0.1,0.2,0.3]",
    "SwiGLU 28 | f[2,6] f[2,6] | alpha=1.5",
    "StringConcat 20 | s[2,3] s[2,3]",
    "RegexFullMatch 20 | s[2,3] | pattern=[a-c]+",
    "StringSplit 20>2 | s[2,3] | delimiter=b maxsplit=1",
    "StringNormalizer 10 | s[3] | case_change_action=LOWER is_case_sensitive=1 stopwords=[abc,b]",
    // Shapes and places.
    "Compress 11 | f[2,3,4] t[3]=1,0,1 | axis=1",
    "CenterCropPad 18 | f[5,6,3] i[2]=4,7 | axes=[0,1]",
    "Col2Im 18 | f[2,8,9] i[2]=4,4 i[2]=2,2 | strides=[1,1]",
    "Concat 13 | f[2,3,4] f[2,5,4] f[2,1,4] | axis=1",
    "Concat 1 | f[2,3,4] f[2,5,4]",
    "Constant 13 | | value=f[2]=1,2",
    "ConstantOfShape 9 | i[2]=2,3 | value=i[1]=7",
    "Crop 1 | f[2,3,6,7] | border=[1,2,1,1]",
    "CumProd 26 | f[2,3] i[]=1 | exclusive=1 reverse=1",
    "CumSum 14 | f[2,3] i[]=1 | exclusive=1 reverse=1",
    "DepthToSpace 13 | f[2,12,3,5] | blocksize=2 mode=CRD",
    "Dropout 12>2 | f[2,3] f[]=0.5 t[]=0",
    "Dropout 10>2 | f[2,3]",
    "Dropout 7>2 | f[2,3]",
    "Expand 13 | f[3,1] i[3]=2,3,4",
    "EyeLike 9 | f[3,4] | k=1 dtype=1",
    "Flatten 13 | f[2,3,4] | axis=2",
    "Gather 13 | f[2,3,4] i[5,6]=0,1,2,0,1,2,0,1,2,0,1,2,0,1,2,0,1,2,0,1,2,0,1,2,0,1,2,0,1,2 | axis=1",
    "GatherElements 13 | f[2,3] i[2,3]=0,1,1,0,1,0 | axis=0",
    "GatherND 13 | f[2,3,4] i[2,1]=1,2 | batch_dims=1",
    "NonZero 13 | f[2,3]",
    "OneHot 11 | i[2,3]=0,1,2,3,4,5 i[]=6 f[2]=0,1 | axis=1",
    "Pad 19 | f[2,3,4] i[4]=1,0,2,1 f[]=1 i[2]=1,2 | mode=constant",
    "Pad 13 | f[2,3,6,7] i[8]=0,0,1,2,0,0,2,1 | mode=reflect",
    "Pad 2 | f[2,3] | pads=[1,0,0,2] value=1.0",
    "Range 11 | i[]=1 i[]=9 i[]=2",
    "com.microsoft:Range 1 | f[]=1 f[]=9 f[]=2",
    "Reshape 14 | f[2,3,4] i[3]=0,-1,6 | allowzero=0",
    "Reshape 1 | f[2,3,4] | shape=[6,4]",
    "Resize 19 | f[2,3,4,5] - f[4]=1,1,2,1.5 | mode=linear coordinate_transformation_mode=half_pixel antialias=1",
    "Resize 18 | f[2,3,4,5] - - i[2]=7,3 | mode=cubic axes=[2,3] keep_aspect_ratio_policy=not_larger",
    "Resize 13 | f[2,3,4,5] f[8]=0,0,0.1,0.1,1,1,0.8,0.9 - i[4]=2,3,7,3 | "
    "coordinate_transformation_mode=tf_crop_and_resize",
    "Resize 10 | f[2,3,4,5] f[4]=1,1,2,1.5 | mode=nearest",
    "ReverseSequence 10 | f[5,2,3] i[2]=3,5 | batch_axis=1 time_axis=0",
    "Scatter 9 | f[3,4] i[2,4]=0,1,2,0,1,2,0,1 f[2,4] | axis=0",
    "ScatterElements 18 | f[3,4] i[2,4]=0,1,2,0,1,2,0,1 f[2,4] | axis=0 reduction=add",
    "ScatterND 18 | f[4,5] i[2,1]=1,3 f[2,5] | reduction=mul",
    "Shape 15 | f[2,3,4] | start=1 end=-1",
    "Size 13 | f[2,3,4]",
    "Slice 13 | f[5,6,7] i[2]=1,6 i[2]=5,-8 i[2]=0,2 i[2]=2,-3",
    "Slice 1 | f[5,6,7] | starts=[1,2] ends=[4,6] axes=[0,2]",
    "SpaceToDepth 13 | f[2,3,4,6] | blocksize=2",
    "Split 18>3 | f[2,6,4] | axis=1 num_outputs=3",
    "Split 13>3 | f[2,6,4] i[3]=1,2,3 | axis=1",
    "Split 2>2 | f[2,6,4] | axis=1 split=[2,4]",
    "Split 1>2 | f[2,6,4] f[2]=2,4 | axis=1",
    "Squeeze 13 | f[2,1,3,1] i[2]=1,-1",
    "Squeeze 1 | f[2,1,3,1] | axes=[1,3]",
    "TensorScatter 24 | f[2,3,6,4] f[2,3,2,4] i[2]=1,3 | axis=2 mode=circular",
    "Tile 13 | f[2,3] i[2]=2,3",
    "Tile 1 | f[2,3] f[1]=2 f[1]=1",
    "TopK 11>2 | f[2,7] i[1]=3 | axis=1 largest=0 sorted=1",
    "TopK 10>2 | f[2,7] i[1]=3",
    "TopK 1>2 | f[2,7] | k=3 axis=1",
    "Transpose 13 | f[2,3,4] | perm=[2,0,1]",
    "Trilu 14 | f[2,3,4] i[]=1 | upper=0",
    "com.microsoft:Trilu 1 | f[2,3,4] i[]=1 | upper=0",
    "Unique 11>4 | f[3,4] | axis=0 sorted=1",
    "Unsqueeze 13 | f[2,3] i[2]=0,-1",
    "Unsqueeze 1 | f[2,3] | axes=[0,2]",
    "Upsample 9 | f[2,3,4,5] f[4]=1,1,2,1.5 | mode=linear",
    "Upsample 7 | f[2,3,4,5] | scales=[1.0,1.0,2.0,1.5]",
    "Upsample 1 | f[2,3,4,5] | height_scale=2.0 width_scale=1.5",
    // Reductions, products, normalization.
    "ArgMax 13 | f[2,3,4] | axis=1 keepdims=0 select_last_index=1",
    "ArgMin 13 | f[2,3,4] | axis=1",
    "ReduceL1 18 | f[2,3,4] i[2]=0,-1 | keepdims=0",
    "ReduceL1 1 | f[2,3,4] | axes=[0,2]",
    "ReduceL2 18 | f[2,3,4] i[1]=1",
    "ReduceL2 1 | f[2,3,4] | axes=[1]",
    "ReduceLogSum 18 | f[2,3,4] i[1]=1",
    "ReduceLogSum 1 | f[2,3,4] | axes=[1]",
    "ReduceLogSumExp 18 | f[2,3,4] i[1]=1",
    "ReduceLogSumExp 1 | f[2,3,4] | axes=[1]",
    "ReduceMax 18 | f[2,3,4,5] i[2]=2,3",
    "ReduceMax 1 | f[2,3,4] | axes=[1]",
    "ReduceMean 18 | f[2,3,4,5] i[2]=2,3",
    "ReduceMean 1 | f[2,3,4] | axes=[1]",
    "ReduceMin 18 | f[2,3,4] i[1]=1",
    "ReduceMin 1 | f[2,3,4] | axes=[1]",
    "ReduceProd 18 | f[2,3,4] i[1]=1",
    "ReduceProd 1 | f[2,3,4] | axes=[1]",
    "ReduceSum 13 | f[2,3,4] i[1]=1 | noop_with_empty_axes=1",
    "ReduceSum 1 | f[2,3,4] | axes=[1]",
    "ReduceSumSquare 18 | f[2,3,4] i[1]=1",
    "ReduceSumSquare 1 | f[2,3,4] | axes=[1]",
    "Det 11 | f[2,3,3]",
    "DFT 20 | f[2,5,2] i[]=6 i[]=1 | onesided=0",
    "DFT 17 | f[2,5,1] i[]=6 | axis=1 onesided=1",
    "Einsum 12 | f[2,3,4] f[2,4,5] | equation=bij,bjk->bik",
    "Gemm 13 | f[4,3] f[5,4] f[5] | transA=1 transB=1 alpha=0.5 beta=2.0",
    "MatMul 13 | f[2,3,4] f[4,5]",
    "MatMulInteger 10 | u[3,4] b[4,5] u[]=3 b[5]",
    "com.microsoft:FusedMatMul 1 | f[2,4,3] f[2,5,4] | transA=1 transB=1 alpha=0.5",
    "com.microsoft:TransposeMatMul 1 | f[2,3,4] f[2,4,5]",
    "com.microsoft:FusedGemm 1 | f[4,3] f[5,4] f[5] | transA=1 transB=1 alpha=0.5 activation=LeakyRelu "
    "activation_alpha=0.1",
    "com.microsoft:MatMulBnb4 1 | f[2,32] u[48] f[6] | K=32 N=3 block_size=16 quant_type=1",
    "com.microsoft:MatMulBnb4 1 | f[2,32] u[48] f[6] | K=32 N=3 block_size=16 quant_type=0",
    "com.microsoft:GatherBlockQuantized 1 | u[6,16] i[3]=1,4,-6 f[6,2] | block_size=16",
    "com.microsoft:GatherBlockQuantized 1 | u[6,16] i[2]=1,4 f[6,2] u[6,1] | block_size=16",
    "com.microsoft:MatMulNBits 1 | f[3,32] u[5,2,8] f[10] u[5] - f[5] | K=32 N=5 bits=4 block_size=16",
    "BatchNormalization 15>1 | f[2,3,4,5] f[3] f[3] f[3] f[3]=1,2,3 | epsilon=0.001",
    "BatchNormalization 14>3 | f[2,3,4,5] f[3] f[3] f[3] f[3]=1,2,3 | training_mode=1",
    "BatchNormalization 7 | f[2,3,4,5] f[3] f[3] f[3] f[3]=1,2,3 | spatial=1",
    "GroupNormalization 21 | f[2,6,4,5] f[6] f[6] | num_groups=3",
    "GroupNormalization 18 | f[2,6,4,5] f[3] f[3] | num_groups=3",
    "Hardmax 13 | f[2,3,4] | axis=1",
    "Hardmax 1 | f[2,3,4] | axis=1",
    "InstanceNormalization 6 | f[2,3,4,5] f[3] f[3]",
    "LayerNormalization 17>3 | f[2,3,4] f[4] f[4] | axis=-1",
    "LogSoftmax 13 | f[2,3,4] | axis=1",
    "LogSoftmax 1 | f[2,3,4] | axis=1",
    "LpNormalization 1 | f[2,3,4] | axis=1 p=1",
    "LRN 13 | f[2,6,4,5] | size=3",
    "MeanVarianceNormalization 13 | f[2,3,4,5] | axes=[0,2,3]",
    "RMSNormalization 23 | f[2,3,4] f[4] | axis=-1",
    "SimplifiedLayerNormalization 1>2 | f[2,3,4] f[4] | axis=-1",
    "com.microsoft:GroupNorm 1 | f[2,4,5,6] f[6] f[6] | groups=3 activation=1",
    "com.microsoft:SkipLayerNormalization 1>4 | f[2,3,4] f[2,3,4] f[4] f[4] f[4]",
    "com.microsoft:SkipSimplifiedLayerNormalization 1>4 | f[2,3,4] f[2,3,4] f[4] f[4]",
    "com.microsoft:EmbedLayerNormalization 1>2 | j[2,3]=0,1,2,3,4,5 j[2,3]=0,1,0,1,0,1 f[6,4] f[5,4] f[2,4] f[4] f[4] "
    "j[2,3]=1,1,0,1,1,1",
    "Softmax 13 | f[2,3,4] | axis=1",
    "Softmax 1 | f[2,3,4] | axis=1",
    "com.microsoft:BiasGelu 1 | f[2,3] f[3]",
    "com.microsoft:FastGelu 1 | f[2,3] f[3]",
    "com.microsoft:Gelu 1 | f[2,3]",
    "com.microsoft:QuickGelu 1 | f[2,3] | alpha=1.5",
    "NegativeLogLikelihoodLoss 13 | f[2,5,3] i[2,3]=0,1,2,3,4,0 f[5] | reduction=mean ignore_index=1",
    "SoftmaxCrossEntropyLoss 13>2 | f[2,5,3] i[2,3]=0,1,2,3,4,0 f[5] | reduction=sum",
    // Windows.
    "AveragePool 19 | f[2,3,6,7] | kernel_shape=[2,3] strides=[2,1] pads=[1,1,0,1] ceil_mode=1 count_include_pad=1",
    "Conv 11 | f[2,4,6,7] f[6,2,3,3] f[6] | group=2 pads=[1,1,1,1] strides=[2,1]",
    "Conv 1 | f[2,4,9] f[6,4,3] | auto_pad=SAME_UPPER",
    "ConvInteger 10 | u[2,4,6,7] b[6,4,3,3] u[]=3 b[]=1 | pads=[1,1,1,1]",
    "ConvTranspose 11 | f[2,4,5,6] f[4,3,3,3] f[6] | group=2 strides=[2,2] pads=[1,1,1,1] output_padding=[1,1]",
    "DeformConv 19 | f[2,4,5,6] f[6,4,2,2] f[2,8,4,5] f[6] f[2,4,4,5] | offset_group=1",
    "GlobalAveragePool 1 | f[2,3,4,5]",
    "GlobalLpPool 2 | f[2,3,4,5] | p=1",
    "GlobalLpPool 1 | f[2,3,4,5] | p=1.0",
    "GlobalMaxPool 1 | f[2,3,4,5]",
    "LpPool 18 | f[2,3,6,7] | kernel_shape=[2,3] p=3 dilations=[2,1]",
    "LpPool 1 | f[2,3,6,7] | kernel_shape=[2,3] p=3.0",
    "MaxPool 12>2 | f[2,3,6,7] | kernel_shape=[2,3] dilations=[2,1] storage_order=1",
    "MaxPool 8 | u[2,3,6,7] | kernel_shape=[2,3] strides=[2,2]",
    "MaxRoiPool 1 | f[2,3,6,7] f[4,5]=0,0,0,3,3,1,1,1,4,4,0,2,2,5,5,1,0,0,6,6 | pooled_shape=[2,2] spatial_scale=0.5",
    "MaxUnpool 11 | f[2,3,2,2] i[2,3,2,2]=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23 | "
    "kernel_shape=[2,2] strides=[2,2]",
    "RoiAlign 16 | f[2,5,6,7] f[4,4]=0,0,3,3,1,1,4,4,2,2,5,5,0,0,6,6 i[4]=0,1,0,1 | output_height=2 output_width=3 "
    "sampling_ratio=2",
    "RoiAlign 10 | f[2,3,6,7] f[4,4]=0,0,3,3,1,1,4,4,2,2,5,5,0,0,6,6 i[4]=0,1,0,1 | mode=max",
    "AffineGrid 20 | f[2,2,3] i[4]=2,3,4,5 | align_corners=1",
    "GridSample 20 | f[2,3,4,5] f[2,6,7,2] | mode=cubic padding_mode=reflection",
    "GridSample 16 | f[2,3,4,5] f[2,6,7,2] | mode=bilinear align_corners=1",
    "com.microsoft:GridSample 1 | f[2,3,4,5] f[2,6,7,2] | mode=nearest padding_mode=border",
    "NonMaxSuppression 11 | f[2,5,4] f[2,3,5] i[1]=2 f[1]=0.5 f[1]=0.1 | center_point_box=1",
    "CausalConvWithState 27>2 | f[2,3,7] f[3,1,4] f[3] f[2,3,3] | activation=silu",
    "com.microsoft:FusedConv 1 | f[2,4,6,7] f[6,4,3,3] f[6] f[2,6,4,5] | activation=Relu",
    // Sequences and attention.
    "GRU 14>2 | f[3,2,4] f[2,15,4] f[2,15,5] f[2,30] - f[2,2,5] | hidden_size=5 direction=bidirectional "
    "linear_before_reset=1",
    "GRU 7>2 | f[3,2,4] f[1,15,4] f[1,15,5] f[1,30] j[2]=2,3 | hidden_size=5 clip=1.0",
    "LSTM 14>3 | f[3,2,4] f[1,20,4] f[1,20,5] f[1,40] - f[1,2,5] f[1,2,5] f[1,15] | hidden_size=5 input_forget=1",
    "LSTM 7>3 | f[3,2,4] f[2,20,4] f[2,20,5] f[2,40] | hidden_size=5 direction=bidirectional",
    "RNN 14>2 | f[3,2,4] f[1,5,4] f[1,5,5] f[1,10] j[2]=2,3 f[1,2,5] | hidden_size=5 activations=[Relu]",
    "Attention 24>4 | f[2,6,3,8] f[2,2,5,8] f[2,2,5,7] f[3,9] f[2,2,4,8] f[2,2,4,7] | is_causal=1 softcap=2.0",
    "Attention 23 | f[2,3,12] f[2,5,12] f[2,5,12] | q_num_heads=4 kv_num_heads=4 scale=0.5",
    "RotaryEmbedding 23 | f[2,6,3,8] f[9,4] f[9,4] i[2,3]=0,1,2,3,4,5 | interleaved=1",
    "com.microsoft:RotaryEmbedding 1 | f[2,3,16] i[1]=1 f[9,4] f[9,4] | num_heads=2",
    "com.microsoft:Attention 1>2 | f[2,3,4] f[4,18] f[18] j[2,3]=1,1,0,1,1,1 - f[1,2,3,3] | num_heads=2",
    "com.microsoft:MultiHeadAttention 1>3 | f[2,3,12] f[2,5,12] f[2,5,12] f[36] "
    "j[2,9]=1,1,1,1,1,1,1,0,0,1,1,1,1,1,1,1,1,0 f[1,4,3,9] f[2,4,4,3] "
    "f[2,4,4,3] "
    "| num_heads=4",
    "com.microsoft:GroupQueryAttention 1>3 | f[2,3,16] f[2,3,8] f[2,3,8] f[2,2,5,4] f[2,2,5,4] j[2]=4,4 j[]=5 f[9,2] "
    "f[9,2] | num_heads=4 kv_num_heads=2 do_rotary=1",
    "LinearAttention 27>2 | f[2,3,8] f[2,3,4] f[2,3,6] f[2,2,2,3] f[2,3,2] f[2,3,2] | q_num_heads=4 kv_num_heads=2",
    // Quantized.
    "DequantizeLinear 21 | u[4,6] f[2,6] u[2,6] | block_size=2 axis=0",
    "DequantizeLinear 10 | u[4,6] f[]=0.1 u[]=3",
    "com.microsoft:DequantizeLinear 1 | u[4,6] f[6] u[6] | axis=1",
    "DynamicQuantizeLinear 11>3 | f[2,3]",
    "QuantizeLinear 21 | f[4,6] f[2,6]=1,2,3,4,5,6,7,8,9,1,2,3 u[2,6] | block_size=2 axis=0",
    "QuantizeLinear 10 | f[4,6] f[]=0.1 u[]=3",
    "com.microsoft:QuantizeLinear 1 | f[4,6] f[6]=1,2,3,4,5,6 u[6] | axis=1",
    "QLinearConv 10 | u[2,4,6,7] f[]=0.1 u[]=3 b[6,4,3,3] f[]=0.1 b[]=0 f[]=0.2 u[]=4 j[6] | pads=[1,1,1,1]",
    "QLinearMatMul 10 | u[3,4] f[]=0.1 u[]=3 b[4,5] f[]=0.1 b[]=0 f[]=0.2 u[]=4",
    "com.microsoft:QGemm 1 | u[3,4] f[]=0.1 u[]=3 b[4,5] f[]=0.1 b[]=0 j[5] f[]=0.2 u[]=4 | alpha=1.0",
    "com.microsoft:MatMulIntegerToFloat 1 | u[3,4] b[4,5] f[]=0.1 f[5] u[]=3 b[5] f[5]",
    "com.microsoft:DynamicQuantizeMatMul 1 | f[3,4] b[4,5] f[5] b[5] f[5]",
    "com.microsoft:QLinearAdd 1 | u[2,3] f[]=0.1 u[]=3 u[2,3] f[]=0.1 u[]=4 f[]=0.2 u[]=5",
    "com.microsoft:QLinearMul 1 | u[2,3] f[]=0.1 u[]=3 u[3] f[]=0.1 u[]=4 f[]=0.2 u[]=5",
    "com.microsoft:QLinearSigmoid 1 | u[2,3] f[]=0.1 u[]=3 f[]=0.2 u[]=5",
    "com.microsoft:QLinearLeakyRelu 1 | u[2,3] f[]=0.1 u[]=3 f[]=0.2 u[]=5 | alpha=0.1",
    "com.microsoft:QLinearAveragePool 1 | u[2,3,5,6] f[]=0.5 u[]=3 f[]=0.25 u[]=5 | kernel_shape=[2,3] strides=[1,2]",
    "com.microsoft:QLinearAveragePool 1 | u[2,5,6,3] f[]=0.5 u[]=3 f[]=0.25 u[]=5 | kernel_shape=[3,2] "
    "pads=[1,0,1,1] channels_last=1",
    "com.microsoft:QLinearGlobalAveragePool 1 | u[2,3,4,5] f[]=0.1 u[]=3 f[]=0.2 u[]=5",
    "com.microsoft:QLinearSoftmax 1 | u[2,3] f[]=0.1 u[]=3 f[]=0.2 u[]=5 | axis=1 opset=13",
    "com.microsoft:QLinearConcat 1 | f[]=0.1 u[]=3 u[2,3] f[]=0.1 u[]=3 u[2,4] f[]=0.2 u[]=4 | axis=1",
    // com.microsoft's, put together of others.
    "com.microsoft:BiasAdd 1 | f[2,3,4] f[4] f[2,3,4]",
    "com.microsoft:BiasDropout 1>2 | f[2,3] f[3] f[2,3] f[]=0.5 t[]=0",
    "com.microsoft:BitmaskDropout 1>2 | f[5,9]",
    "com.microsoft:BitmaskBiasDropout 1>2 | f[2,3] f[3] f[2,3]",
    "com.microsoft:BiasSoftmax 1 | f[2,3,4,5] f[2,1,1,5] | axis=3 is_inner_broadcast=1",
    "com.microsoft:BiasSplitGelu 1 | f[2,3,8] f[8]",
    "com.microsoft:GatedAdd 1 | f[2,3,4] f[2,3,4] f[2,3,1]",
    "com.microsoft:GatedRMSNorm 1 | f[2,3,8] f[4] f[2,3,8]",
    "com.microsoft:SkipGroupNorm 1>2 | f[2,4,5,6] f[6] f[6] f[2,6] f[6] | groups=3 activation=1",
    "com.microsoft:SkipGroupNorm 1 | f[2,6,4,5] f[6] f[6] f[2,6,4,5] f[6] | groups=3 activation=0 channels_last=0",
    "com.microsoft:GemmFastGelu 1 | f[2,3,4] f[4,5] f[5]",
    "com.microsoft:FusedMatMulActivation 1 | f[2,4,3] f[2,5,4] | transA=1 transB=1 alpha=0.5 activation=LeakyRelu "
    "activation_alpha=0.1",
    "com.microsoft:SparseToDenseMatMul 1 | f[3,4] f[4,5]",
    "com.microsoft:CDist 1 | f[3,4] f[5,4] | metric=euclidean",
    "com.microsoft:CDist 1 | d[3,4] d[5,4]",
    "com.microsoft:ComplexMul 1 | f[2,3,2] f[3,2]",
    "com.microsoft:ComplexMulConj 1 | f[2,3,2] f[3,2]",
    "com.microsoft:Rfft 1 | f[2,3,8] | signal_ndim=1",
    "com.microsoft:Irfft 1 | f[2,3,5,2] | signal_ndim=1",
    "com.microsoft:ConvTransposeWithDynamicPads 1 | f[2,4,5,6] f[4,3,3,3] i[4]=1,0,1,2 f[3] | strides=[2,2]",
    "com.microsoft:NhwcConv 1 | f[2,6,7,4] f[6,2,3,3] f[6] | group=2 pads=[1,1,1,1] strides=[2,1]",
    "com.microsoft:NhwcFusedConv 1 | f[2,6,7,4] f[6,4,3,3] f[6] f[2,4,5,6] | activation=Relu",
    "com.microsoft:NhwcMaxPool 1 | u[2,6,7,3] | kernel_shape=[2,3] strides=[2,2]",
    "com.microsoft:MaxpoolWithMask 1 | f[2,3,4,5] j[1,1,4,5]=1,1,1,0,0,1,1,1,1,1,1,1,0,0,0,1,1,1,1,0 | "
    "kernel_shape=[2,2] "
    "strides=[2,2]",
    "com.microsoft:UnfoldTensor 1 | f[2,7,3] | dim=1 size=3 step=2",
    "com.microsoft:UnfoldTensor 1 | f[2,7] | size=4",
    "com.microsoft:WordConvEmbedding 1 | j[6,4]=1,2,3,4,5,6,0,0,7,0,0,0,8,1,2,0,6,0,0,0,3,3,3,3 f[6,1,2,5] f[6] f[9,5]",
    "com.microsoft:ExpandDims 1 | f[2,3] j[]=-1",
    "com.microsoft:GatherND 1 | f[2,3,4] j[2,2]=0,1,1,2",
    "com.microsoft:Pad 1 | f[2,3] i[4]=1,0,0,2 f[1]=1",
    "com.microsoft:Unique 1>3 | f[6]=2,1,1,3,4,3",
    "com.microsoft:TorchEmbedding 1 | f[6,4] i[2,3]=0,1,2,3,4,5",
    "com.microsoft:SampleOp 1 | f[2,3]",
    "com.microsoft:QAttention 1>2 | u[2,3,8] b[8,24] f[24] f[]=0.1 f[]=0.05 j[2]=7,6 u[]=3 b[]=0 f[2,2,2,4,4] | "
    "num_heads=2",
    "com.microsoft:QAttention 1 | u[2,3,8] u[8,24] f[24] f[]=0.1 f[24] j[4]=3,2,0,1 u[]=3 u[24] | num_heads=2 "
    "unidirectional=1",
    "com.microsoft:Attention 1>2 | f[2,3,6] f[6,24] f[24] - f[2,2,2,9,4] - j[1]=5 | num_heads=2 do_rotary=1 "
    "past_present_share_buffer=1 unidirectional=1",
    "com.microsoft:DecoderMaskedSelfAttention 1>2 | f[2,1,6] f[6,48] f[48] j[2,4]=1,1,0,1,1,1,1,1 f[2,2,2,5,8] - "
    "j[1]=3 | "
    "num_heads=2 past_present_share_buffer=1",
    "com.microsoft:DecoderMaskedMultiHeadAttention 1>3 | f[2,1,8] f[2,1,8] f[2,1,8] - - f[2,2,5,4] f[2,2,5,4] j[1]=3 - "
    "- "
    "f[24] | num_heads=2 past_present_share_buffer=1",
    "com.microsoft:DecoderMaskedMultiHeadAttention 1>3 | f[4,1,8] f[4,1,8] f[4,1,8] - - f[4,2,5,4] f[4,2,5,4] j[1]=3 "
    "j[1]=2 j[2,2,5]=0,1,0,0,0,1,1,0,0,0,0,0,1,0,0,1,0,1,0,0 f[24] | num_heads=2 past_present_share_buffer=1",
    "com.microsoft:MultiHeadAttention 1>4 | f[2,3,12] f[2,5,12] f[2,5,12] f[36] j[4]=4,5,1,0 | num_heads=4",
    "com.microsoft:MultiHeadAttention 1 | f[2,3,12] f[2,4,5,3] f[2,4,5,3] - j[8]=4,5,0,3,6,0,5,10 | num_heads=4",
    "com.microsoft:PackedAttention 1 | f[5,8] f[8,24] f[24] j[2,3]=0,1,3,4,5,2 j[3]=0,2,5 | num_heads=2",
    "com.microsoft:PackedMultiHeadAttention 1 | f[5,8] f[5,8] f[5,8] f[24] j[2,3]=0,1,3,4,5,2 j[3]=0,2,5 f[1,2,3,3] | "
    "num_heads=2",
    "com.microsoft:RestorePadding 1 | f[5,4] j[2,3]=0,1,3,4,5,2",
    "com.microsoft:RemovePadding 1>4 | f[2,3,4] j[2]=2,3",
    "com.microsoft:GatedRelativePositionBias 1 | f[2,3,8] f[8] f[1,2,3,3] f[4,6] f[6] f[1,2,1,1] | num_heads=2",
    "com.microsoft:LongformerAttention 1 | f[2,8,6] f[6,18] f[18] "
    "f[2,8]=0,0,0,0,0,0,0,-10000,0,0,0,0,0,0,-10000,-10000 "
    "f[6,18] f[18] j[2,8]=1,0,0,0,0,0,0,0,1,1,0,0,0,0,0,0 | num_heads=2 window=2",
    "com.microsoft:RelativePositionBias 1 | f[8,2] i[]=9 i[]=9 | max_distance=16 is_bidirectional=1",
    "com.microsoft:RelativePositionBias 1 | f[8,2] i[1]=9 i[1]=9 | max_distance=16",
    "com.microsoft:GemmaRotaryEmbedding 1>2 | f[2,3,4] h[2,2,3,4] h[2,2,3,4] h[2,2,3,4] h[2,2,3,4]",
    "com.microsoft:MRotaryEmbedding 1 | f[2,2,3,8] i[3,2,3]=0,1,2,3,4,5,1,1,1,2,2,2,6,5,4,3,2,1 f[9,4] f[9,4] | "
    "mrope_section=[2,1,1]",
    "com.microsoft:MRotaryEmbedding 1 | f[2,2,3,8] i[3,2,3]=0,1,2,3,4,5,1,1,1,2,2,2,6,5,4,3,2,1 f[9,4] f[9,4] | "
    "mrope_section=[2,1,1] mrope_layout=1",
    "com.microsoft:LinearAttention 1>2 | f[2,3,8] f[2,3,4] f[2,3,6] f[2,2,2,3] f[2,3,2] f[2,3,2] | q_num_heads=4 "
    "kv_num_heads=2",
    "com.microsoft:LinearAttentionGate 1>2 | f[2,3,4] f[4] f[4] f[2,3,4]",
    "com.microsoft:CausalConvWithState 1>2 | f[2,3,7] f[3,1,4] f[3] f[2,3,3] | activation=silu",
    "com.microsoft:EngramGate 1>2 | f[2,3,2,4] f[2,3,2,4] f[2,3,4] f[2,4] f[2,4] f[2,4]",
    "com.microsoft:DynamicQuantizeLSTM 1>3 | f[3,2,4] b[1,4,20] b[1,5,20] f[1,40] - - - - f[1]=0.05 b[1]=0 f[1]=0.05 "
    "b[1]=0 | hidden_size=5",
    "com.microsoft:QLinearConv 1 | u[2,6,7,4] f[]=0.1 u[]=3 b[6,4,3,3] f[]=0.1 b[]=0 f[]=0.2 u[]=4 j[6] | "
    "pads=[1,1,1,1] channels_last=1",
    "com.microsoft:QLinearReduceMean 1 | u[2,3,4] f[]=0.1 u[]=3 f[]=0.05 u[]=5 | axes=[1] keepdims=1",
    "com.microsoft:QLinearWhere 1 | t[2,3] u[2,3] f[]=0.1 u[]=3 u[3] f[]=0.2 u[]=4 f[]=0.15 u[]=5",
    "com.microsoft:MulInteger 1 | u[2,3] u[]=3 u[3] u[]=4",
    "com.microsoft:QEmbedLayerNormalization 1>2 | j[2,3]=0,1,2,3,4,5 j[2,3]=0,1,0,1,0,1 u[6,4] u[5,4] u[2,4] u[4] u[4] "
    "j[2,3]=1,1,0,1,1,1 f[]=0.1 f[]=0.2 f[]=0.3 f[]=0.4 f[]=0.5 u[]=1 u[]=2 u[]=3 u[]=4 u[]=5",
    "com.microsoft:MatMulNBitsMlp 1>2 | f[3,32] f[3,32] f[32] u[5,2,8] f[10] f[5] u[5,2,8] f[10] f[5] | K=32 N=5 "
    "bits=4 "
    "block_size=16 activation=silu",
    "com.microsoft:MatMulNBitsQkv 1>3 | f[4,32] - f[32] u[5,2,8] f[10] - u[3,2,8] f[6] - u[3,2,8] f[6] f[3] | K=32 "
    "Nq=5 "
    "Nkv=3 bits=4 block_size=16",
    "com.microsoft:MatMulBlockQuantizedFp8Weight 1 | h[2,40] e[3,40] f[3,3] f[]=0.05 h[3] | block_size=16",
    "com.microsoft:MatMulBlockQuantizedFp4Weight 1 | h[2,32] u[3,16] u[3,2]=56,60,52,48,64,56 f[]=0.5 - h[3]",
    // com.microsoft's, with functions of their own.
    "com.microsoft:SparseAttention 1>3 | f[1,20,16] f[1,20,8] f[1,20,8] f[1,2,32,4] f[1,2,32,4] j[2,3]=0,1,3,0,1,2 "
    "j[2,3]=0,0,1,0,1,-1 j[]=20 j[1]=20 | num_heads=4 kv_num_heads=2 sparse_block_size=16",
    "com.microsoft:GroupQueryAttention 1>3 | f[2,3,16] f[2,3,8] f[2,3,8] f[2,2,5,4] f[2,2,5,4] j[2]=4,4 j[]=5 - - - - "
    "f[4] "
    "| num_heads=4 kv_num_heads=2",
    "com.microsoft:GroupQueryAttention 1>3 | f[2,1,64] f[2,1,32] f[2,1,32] u[2,2,6,8] u[2,2,6,8] j[2]=5,5 j[]=6 - - - "
    "- "
    "- f[1]=0.2 f[1]=0.3 | num_heads=4 kv_num_heads=2 k_quant_type=PER_TENSOR v_quant_type=PER_TENSOR "
    "kv_cache_bit_width=4",
    "com.microsoft:GroupQueryAttention 1>3 | f[2,1,64] f[2,1,32] f[2,1,32] b[2,2,5,16] b[2,2,5,16] j[2]=17,9 j[]=18 "
    "f[30,8] f[30,8] - - - f[2,1,16] f[2,1,16] | num_heads=4 kv_num_heads=2 k_quant_type=PER_CHANNEL "
    "v_quant_type=PER_CHANNEL kv_cache_bit_width=8 sliding_window_cache=1 local_window_size=5 do_rotary=1",
    "com.microsoft:Inverse 1 | f[2,3,3]",
    "com.microsoft:CropAndResize 1 | f[2,3,6,7] f[3,4]=0.1,0.2,0.8,0.9,0.5,-0.3,0.2,0.6,0.7,0.1,1.2,0.3 j[3]=0,1,0 "
    "j[2]=4,5 | extrapolation_value=7.0",
    "com.microsoft:CropAndResize 1 | f[2,3,6,7] f[1,4]=0.1,0.2,0.83,0.91 j[1]=1 j[2]=1,5 | mode=nearest",
    "com.microsoft:MurmurHash3 1 | i[2,3] | seed=7",
    "com.microsoft:MurmurHash3 1 | s[4] | positive=0",
    "com.microsoft:NGramRepeatBlock 1 | i[2,6]=1,2,3,1,2,5,4,4,4,4,4,4 f[2,7] | ngram_size=2",
    "com.microsoft:DynamicTimeWarping 1 | f[1,4,6]",
    "com.microsoft:BifurcationDetector 1>2 | i[6]=3,4,5,6,3,7 i[2]=1,3 i[1]=1 i[6]=4,5,9,6,3,7",
    "com.microsoft:Tokenizer 1 | s[2,3] | separators=[b] mark=1 mincharnum=1 pad_value=#",
    "com.microsoft:Tokenizer 1 | s[5] | tokenexp=[a-c]+ mark=0 mincharnum=2 pad_value=#",
    "com.microsoft:MatMulInteger16 1 | w[3,4] w[4,5]",
    "com.microsoft:ReduceSumInteger 1 | u[2,3,4] | axes=[1] keepdims=0",
    "com.microsoft:IsAllFinite 1 | f[2,3] f[4]",
    "com.microsoft:MoE 1 | f[5,8] f[5,4] f[4,6,8] f[4,6] f[4,8,6] f[4,8] | k=2 activation_type=gelu "
    "normalize_routing_weights=1",
    "com.microsoft:MoE 1 | f[2,3,8] f[6,4] f[4,12,8] - f[4,8,6] | k=3 activation_type=swiglu swiglu_fusion=1 "
    "activation_alpha=1.702 activation_beta=1.0 swiglu_limit=0.7",
    "com.microsoft:QMoE 1 | f[5,32] f[5,4] u[4,32,16] f[4,32] f[4,32] u[4,32,16] f[4,32] f[4,32] | k=2 "
    "activation_type=silu",
    "com.microsoft:QMoE 1 | f[5,32] f[5,4] u[4,64,16] f[4,64,2] - u[4,32,16] f[4,32,2] | k=2 "
    "block_size=16 activation_type=swiglu swiglu_fusion=1",
    // Signals, chance, training, classical models.
    "BlackmanWindow 17 | i[]=7 | periodic=0",
    "HammingWindow 17 | i[]=7",
    "HannWindow 17 | i[]=7",
    "MelWeightMatrix 17 | i[]=4 i[]=16 i[]=8000 f[]=0 f[]=4000",
    "STFT 17 | f[2,12,1] i[]=3 f[6] i[]=6 | onesided=1",
    "Bernoulli 15 | f[2,3] | seed=1.0 dtype=1",
    "Multinomial 7 | f[2,3] | sample_size=4 seed=1.0",
    "RandomNormal 1 | | shape=[2,3] seed=1.0",
    "RandomNormalLike 1 | f[2,3] | seed=1.0",
    "RandomUniform 1 | | shape=[2,3] seed=1.0",
    "RandomUniformLike 1 | f[2,3] | seed=1.0",
    "ai.onnx.preview.training:Adagrad 1>2 | f[]=0.1 i[]=2 f[2,3] f[2,3] f[2,3] | decay_factor=0.1",
    "ai.onnx.preview.training:Adam 1>3 | f[]=0.1 i[]=2 f[2,3] f[2,3] f[2,3] f[2,3] | alpha=0.9",
    "ai.onnx.preview.training:Gradient 1 | f[2,3] | xs=[x0] y=x0",
    "ai.onnx.preview.training:Momentum 1>2 | f[]=0.1 i[]=2 f[2,3] f[2,3] f[2,3] | alpha=0.9 beta=0.1 "
    "norm_coefficient=0.1 mode=nesterov",
    "TfIdfVectorizer 9 | i[2,6]=1,2,3,1,2,3,4,5,6,4,5,6 | max_gram_length=2 min_gram_length=1 max_skip_count=1 mode=TF "
    "ngram_counts=[0,3] ngram_indexes=[0,1,2,3,4] pool_int64s=[1,2,3,1,2,4,5]",
    "ai.onnx.ml:ArrayFeatureExtractor 1 | f[2,5] i[1,3]=0,2,4",
    "ai.onnx.ml:Binarizer 1 | f[2,3] | threshold=0.5",
    "ai.onnx.ml:CategoryMapper 1 | i[2,3] | cats_int64s=[1,2,3] cats_strings=[a,b,c]",
    "ai.onnx.ml:FeatureVectorizer 1 | f[2,3] f[2,4] | inputdimensions=[3,2]",
    "ai.onnx.ml:Imputer 1 | f[2,3] | imputed_value_floats=[1.0,2.0,3.0] replaced_value_float=0.5",
    "ai.onnx.ml:LabelEncoder 4 | i[2,3] | keys_int64s=[1,2,3] values_strings=[a,b,c]",
    "ai.onnx.ml:LabelEncoder 1 | s[2,3] | classes_strings=[a,b,c]",
    "ai.onnx.ml:SVMRegressor 1 | f[2,3] | kernel_type=RBF kernel_params=[0.5,0.0,3.0] n_supports=2 "
    "coefficients=[1.0,-0.5] support_vectors=[0.1,0.2,0.3,-0.4,0.5,0.6] rho=[0.3]",
    "ai.onnx.ml:SVMClassifier 1>2 | f[2,3] | classlabels_ints=[4,5,6] vectors_per_class=[1,1,2] kernel_type=POLY "
    "kernel_params=[0.5,1.0,2.0] coefficients=[1.0,-0.5,0.25,0.75,-1.0,0.5,-0.3,0.2] "
    "support_vectors=[0.1,0.2,0.3,-0.4,0.5,0.6,1.0,0.0,-1.0,0.5,0.5,0.5] rho=[0.1,-0.2,0.3]",
    "ai.onnx.ml:SVMClassifier 1>2 | f[2,3] | classlabels_ints=[4,5,6] vectors_per_class=[1,1,2] kernel_type=SIGMOID "
    "kernel_params=[0.5,1.0,2.0] coefficients=[1.0,-0.5,0.25,0.75,-1.0,0.5,-0.3,0.2] "
    "support_vectors=[0.1,0.2,0.3,-0.4,0.5,0.6,1.0,0.0,-1.0,0.5,0.5,0.5] rho=[0.1,-0.2,0.3] prob_a=[-1.0,-2.0,-0.5] "
    "prob_b=[0.1,0.0,-0.1]",
    "ai.onnx.ml:SVMClassifier 1>2 | f[2,3] | classlabels_strings=[a,b] vectors_per_class=[1,1] kernel_type=LINEAR "
    "kernel_params=[0.5,1.0,2.0] coefficients=[1.0,-0.5] support_vectors=[0.1,0.2,0.3,-0.4,0.5,0.6] rho=[0.1]",
    "ai.onnx.ml:SVMClassifier 1>2 | f[2,3] | classlabels_ints=[4,5,6] kernel_type=LINEAR rho=[0.5] "
    "kernel_params=[1.0,0.0,3.0] "
    "coefficients=[1.0,-0.5,0.25,0.75,-1.0,0.5,-0.3,0.2,0.6]",
    "ai.onnx.ml:LinearClassifier 1>2 | f[2,3] | coefficients=[1.0,2.0,3.0,4.0,5.0,6.0] intercepts=[0.1,0.2] "
    "classlabels_ints=[5,7] post_transform=SOFTMAX",
    "ai.onnx.ml:LinearRegressor 1 | f[2,3] | coefficients=[1.0,2.0,3.0,4.0,5.0,6.0] intercepts=[0.1,0.2] targets=2",
    "ai.onnx.ml:Normalizer 1 | f[2,3] | norm=L2",
    "ai.onnx.ml:OneHotEncoder 1 | i[2,3] | cats_int64s=[1,2,3] zeros=1",
    "ai.onnx.ml:Scaler 1 | f[2,3] | offset=[1.0] scale=[2.0,3.0,4.0]",
    "ai.onnx.ml:TreeEnsemble 5 | f[2,3] | n_targets=2 leaf_targetids=[0,1] leaf_weights=f[2]=1,2 nodes_falseleafs=[1] "
    "nodes_falsenodeids=[0] nodes_featureids=[1] nodes_modes=u[1]=0 nodes_splits=f[1]=0.5 nodes_trueleafs=[1] "
    "nodes_truenodeids=[1] tree_roots=[0]",
    "ai.onnx.ml:TreeEnsembleRegressor 3 | f[2,3] | n_targets=1 nodes_treeids=[0,0,0] nodes_nodeids=[0,1,2] "
    "nodes_featureids=[1,0,0] nodes_modes=[BRANCH_LEQ,LEAF,LEAF] nodes_values=[0.5,0.0,0.0] nodes_truenodeids=[1,0,0] "
    "nodes_falsenodeids=[2,0,0] target_treeids=[0,0] target_nodeids=[1,2] target_ids=[0,0] target_weights=[1.0,2.0]",
    "ai.onnx.ml:TreeEnsembleClassifier 3>2 | f[2,3] | classlabels_int64s=[5,7] nodes_treeids=[0,0,0] "
    "nodes_nodeids=[0,1,2] nodes_featureids=[1,0,0] nodes_modes=[BRANCH_LEQ,LEAF,LEAF] nodes_values=[0.5,0.0,0.0] "
    "nodes_truenodeids=[1,0,0] nodes_falsenodeids=[2,0,0] class_treeids=[0,0] class_nodeids=[1,2] class_ids=[0,1] "
    "class_weights=[1.0,2.0] post_transform=LOGISTIC",
    // More of com.microsoft's: what comes before has its random elements by its place.
    "com.microsoft:PagedAttention 1>3 | f[5,16] f[5,8] f[5,8] f[7,3,2,4] f[7,3,2,4] j[3]=0,1,5 j[2]=2,1 j[2,2]=2,0,1,3 "
    "f[6,2] f[6,2] | num_heads=4 kv_num_heads=2 do_rotary=1",
    "com.microsoft:LinearAttention 1>2 | f[2,3,4] f[2,3,8] f[2,3,12] f[5,2,4,2,3] f[2,3,4] f[2,3,4] | q_num_heads=2 "
    "kv_num_heads=4 state_window=5",
    "com.microsoft:NGramHashMapping 1>2 | i[2,5]=5,6,7,8,2,3,9,2,1,4 i[3]=12345678901,98765432123,31415926535 "
    "i[4]=101,103,107,109 i[2,2]=4,5,6,7 | max_ngram_size=3 n_head_per_ngram=2 pad_id=0",
    "com.microsoft:CausalConvWithState 1>2 | f[2,7,3] f[3,1,4] f[3] f[5,2,6,3] | channels_last=1 dilation=2 "
    "state_window=5",
    "com.microsoft:DecoderAttention 1>3 | f[3,2,8] f[5,2,8] f[8,8] f[8,16] f[24] t[2,7]=0,1,0,0,1,0,0,0,0,0,1,0,0,0 "
    "f[2,2,4,4] f[2,2,4,4] t[1]=0 t[1]=1 t[1]=1 t[1]=1 | num_heads=2",
};

constexpr Text beyond[] = {"BeamSearch",
                           "CastMap",
                           "ConcatFromSequence",
                           "DictVectorizer",
                           "FlexAttention",
                           "GreedySearch",
                           "If",
                           "Loop",
                           "Optional",
                           "OptionalGetElement",
                           "OptionalHasElement",
                           "Sampling",
                           "Scan",
                           "SequenceAt",
                           "SequenceConstruct",
                           "SequenceEmpty",
                           "SequenceErase",
                           "SequenceInsert",
                           "SequenceLength",
                           "SequenceMap",
                           "SplitToSequence",
                           "WhisperBeamSearch",
                           "ZipMap"};

Text take(Text& text, char mark) {
  const size_t at = text.find(mark);
  const Text part = text.substr(0, at);
  text = at == Text::npos ? Text{} : text.substr(at + 1);
  return part;
}

std::vector<std::string> split(Text text, char mark) {
  std::vector<std::string> parts;
  while (!text.empty())
    if (const Text part = take(text, mark); !part.empty()) parts.emplace_back(part);
  return parts;
}

DType type_of(char letter) {
  switch (letter) {
    case 'f': return DType::float32;
    case 'h': return DType::float16;
    case 'd': return DType::float64;
    case 'i': return DType::int64;
    case 'j': return DType::int32;
    case 'u': return DType::uint8;
    case 'b': return DType::int8;
    case 't': return DType::boolean;
    case 's': return DType::string;
    case 'w': return DType::int16;
    case 'e': return DType::float8e4m3fn;
    default: throw std::runtime_error(cat("no type ", letter));
  }
}

// A type letter, a shape in brackets, and perhaps elements behind '='.
Input tensor_of(Text text, uint32_t seed) {
  const DType type = type_of(text.front());
  const size_t end = text.find(']');
  Shape shape;
  for (const std::string& dim : split(text.substr(2, end - 2), ',')) shape.push_back(std::stoll(dim));
  Input in;
  if (end + 1 < text.size()) {
    std::vector<double> values;
    for (const std::string& value : split(text.substr(end + 2), ',')) values.push_back(std::stod(value));
    in = {tensor(type, shape, values), true};
  } else if (type == DType::string) {
    in.tensor = Tensor::make({type, shape});
    for (int64_t i = 0; i < shape.elements(); ++i)
      in.tensor.as<String>()[i] = std::string(static_cast<size_t>(i % 3 + 1), static_cast<char>('a' + i % 3));
  } else {
    const bool is_unsigned = type == DType::uint8 || type == DType::boolean;
    in.tensor = random_tensor(type, shape, seed, is_unsigned ? 0 : -2, 2);
  }
  return in;
}

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("-.0123456789") == std::string::npos;
}
bool is_real(const std::string& text) { return is_number(text) && text.find('.') != std::string::npos; }

Attr attr_of(const std::string& text) {
  if (text.size() > 2 && text[1] == '[' && text.find('=') != std::string::npos) return tensor_of(text, 1).tensor;
  const bool list = text.front() == '[' && text.back() == ']';
  if (!list && is_real(text)) return std::stof(text);
  if (!list && is_number(text)) return static_cast<int64_t>(std::stoll(text));
  if (!list) return text;
  const std::vector<std::string> words = split(Text(text).substr(1, text.size() - 2), ',');
  if (!is_number(words[0])) return words;
  std::vector<float> reals;
  std::vector<int64_t> integers;
  for (const std::string& word : words) {
    reals.push_back(std::stof(word));
    integers.push_back(std::stoll(word));
  }
  if (is_real(words[0])) return reals;
  return integers;
}

Case parse(Text row, uint32_t seed) {
  Case example;
  example.least = 0;
  std::istringstream head{std::string(take(row, '|'))}, inputs{std::string(take(row, '|'))}, attrs{std::string(row)};
  std::string word;
  head >> word;
  if (const size_t colon = word.find(':'); colon != std::string::npos) {
    example.domain = word.substr(0, colon);
    word = word.substr(colon + 1);
  }
  example.op = word;
  head >> word;
  example.opset = std::stoi(word);
  if (const size_t mark = word.find('>'); mark != std::string::npos)
    example.outputs = std::stoul(word.substr(mark + 1));
  while (inputs >> word) example.in.push_back(word == "-" ? Input{} : tensor_of(word, seed++));
  while (attrs >> word) {
    const size_t equals = word.find('=');
    example.attrs.emplace_back(word.substr(0, equals), attr_of(word.substr(equals + 1)));
  }
  return example;
}

void give_all(const Taker& check) {
  for (const Case& example : op_examples()) check(example);
}

constexpr CaseList lists[] = {{"Examples", give_all}};

}  // namespace
const CaseFile example_cases{lists};

Case example_of(Text row, uint32_t seed) { return parse(row, seed); }

std::vector<Case> op_examples() {
  std::vector<Case> examples;
  for (const Text row : table) examples.push_back(parse(row, static_cast<uint32_t>(examples.size() * 16 + 1)));
  return examples;
}

std::vector<Case> file_examples() {
  std::vector<Case> examples = op_examples();
  std::erase_if(examples, [](const Case& example) { return example.domain == internal_domain; });
  return examples;
}

bool is_beyond_examples(const OpDef& op) {
  return op.domain == internal_domain || std::find(std::begin(beyond), std::end(beyond), op.name) != std::end(beyond);
}

}  // namespace tessera::test
