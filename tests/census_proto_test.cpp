// A census of bombs: small models whose results, or whose work, are out of all proportion to them.
#include "tests/census.h"

#include <set>

namespace tessera::test {
namespace {

using namespace census;

// In the language of tests/cases/example_cases.cpp. Inputs without elements are the run's; the others are constants,
// and then inputs of the run too.
constexpr Text table[] = {
    // Results that are larger than any input.
    "Tile 13 | f[64,64] i[2]=1024,1024",
    "Tile 13 | u[64,64] i[2]=50,50",
    "Tile 13 | s[64,64] i[2]=50,50",
    "Expand 13 | f[1] i[2]=100000,100000",
    "Expand 13 | s[1] i[1]=300000",
    "Range 11 | f[]=0 f[]=1000000000 f[]=1",
    "LinearAttention 27>2 | f[100000,3,8] f[100000,3,4] f[100000,3,6] f[100000,2,2,3] f[100000,3,2] f[100000,3,2] | "
    "q_num_heads=4 kv_num_heads=2",
    "com.microsoft:Range 1 | f[]=0 f[]=1000000000 f[]=1",
    "Range 11 | i[]=0 i[]=1000000000 i[]=1",
    "ConstantOfShape 9 | i[3]=1000,1000,1000",
    "ConstantOfShape 9 | i[3]=100,100,200 | value=u[1]=1",
    "EyeLike 9 | f[3000,3000]",
    "OneHot 11 | i[1000] i[]=1000000 f[2]=0,1",
    "OneHot 11 | i[1000] i[]=2000 f[2]=0,1",
    "Resize 13 | f[1,1,8,8] - f[4]=1,1,4000,4000 | mode=cubic",
    "Resize 13 | f[1,1,8,8] - f[4]=1,1,200,200 | mode=cubic",
    "Resize 13 | u[1,1,8,8] - f[4]=1,1,400,400 | mode=linear",
    "Resize 13 | f[1,1,100,1] - f[4]=1,1,1,100000 | mode=linear",
    "Resize 18 | f[1,1,2000,2000] - f[4]=1,1,0.001,1 | mode=cubic antialias=1",
    "Upsample 9 | f[1,1,8,8] f[4]=1,1,4000,4000 | mode=nearest",
    "Upsample 9 | f[1,1,8,8] f[4]=1,1,200,200 | mode=linear",
    "Pad 13 | f[4,4] i[4]=20000,20000,20000,20000",
    "Pad 13 | u[4,4] i[4]=0,1000000,0,1000000 | mode=reflect",
    "Pad 13 | f[4,4] i[4]=0,400000,0,400000 | mode=edge",
    "CenterCropPad 18 | f[4,4] i[2]=40000,40000",
    "Gather 13 | f[10,100000] i[5000]=0",
    "Gather 13 | f[10,1000] i[2000]",
    "GatherElements 13 | u[10,100] i[10,100]",
    "GatherND 13 | f[2,100000] i[2000,1]=0",
    "ScatterND 18 | u[4000000] i[4,1]=0 u[4]",
    "ScatterElements 18 | u[4000000] i[4]=0 u[4] | reduction=add",
    "ConvTranspose 11 | f[1,1,4,4] f[1,1,3,3] | strides=[20000,20000]",
    "ConvTranspose 11 | f[1,1,4,4] f[1,1,3,3] | strides=[500,500]",
    "ConvTranspose 11 | f[1,1,4,4] f[1,1,3,3] | output_padding=[1,1] strides=[600,600] dilations=[300,300]",
    "Conv 11 | f[1,1,4,4] f[1,1,3,3] | pads=[20000,20000,20000,20000]",
    "Conv 11 | f[1,1,4,4] f[64,1,3,3] | pads=[100,100,100,100]",
    "Conv 11 | f[1,1,4,4] f[1,1,3,3] | pads=[900,900,900,900] dilations=[200,200]",
    "MatMul 13 | f[100000,1] f[1,100000]",
    "MatMul 13 | f[1600,1] f[1,1600]",
    "MatMul 13 | d[1200,1] d[1,1200]",
    "MatMulInteger 10 | u[1600,1] u[1,1600]",
    "Gemm 13 | d[1200,1] d[1,1200] d[1]",
    "Einsum 12 | f[1000] f[1000] f[1000] | equation=i,j,k->ijk",
    "Einsum 12 | f[1000] f[1000] | equation=i,j->ij",
    "Einsum 12 | f[100] f[100] f[100] f[100] f[100] f[100] | equation=i,j,k,l,m,n->",
    "Einsum 12 | f[1000] f[1000] f[20] | equation=i,j,k->",
    "MelWeightMatrix 17 | i[]=4000 i[]=40000 i[]=8000 f[]=0 f[]=4000",
    "MelWeightMatrix 17 | i[]=400 i[]=16000 i[]=8000 f[]=0 f[]=4000",
    "BlackmanWindow 17 | i[]=1000000000",
    "HammingWindow 17 | i[]=3000000",
    "HannWindow 17 | i[]=3000000 | output_datatype=11",
    "DFT 17 | f[1,8,1] i[]=100000000 | axis=1",
    "DFT 17 | f[1,8,1] i[]=1000003 | axis=1",
    "DFT 17 | f[1,1000000,1] | axis=1",
    "STFT 17 | f[1,4000,1] i[]=1 - i[]=3000",
    "STFT 17 | f[1,4000,1] i[]=1 - i[]=1000",
    "RandomNormal 1 | | shape=[100000,100000]",
    "RandomNormal 1 | | shape=[1000,3000]",
    "RandomUniform 1 | | shape=[1000,3000] dtype=10",
    "Multinomial 7 | f[1,4] | sample_size=3000000",
    "Multinomial 7 | f[1,3000000] | sample_size=3",
    "GridSample 20 | f[1,1,4,4] f[1,1500,1500,2]",
    "GridSample 20 | f[1,64,4,4] f[1,200,200,2] | mode=cubic",
    "AffineGrid 20 | f[1,2,3] i[4]=1,1,20000,20000",
    "AffineGrid 20 | f[1,2,3] i[4]=1,1,1200,1200",
    "RoiAlign 16 | f[1,4,8,8] f[4,4] i[4]=0,0,0,0 | output_height=2000 output_width=2000",
    "RoiAlign 16 | f[1,4,8,8] f[4,4] i[4]=0,0,0,0 | output_height=40 output_width=40 sampling_ratio=400",
    "MaxUnpool 11 | f[1,1,2,2] i[1,1,2,2]=0,1,2,3 i[4]=1,1,40000,40000 | kernel_shape=[2,2] strides=[2,2]",
    "MaxRoiPool 1 | f[1,4,8,8] f[4,5] | pooled_shape=[2000,2000]",
    "DepthToSpace 13 | u[1,4000000,1,1] | blocksize=1000",
    "NonZero 13 | u[2000000]",
    "NonZero 13 | t[200,200,50]",
    "Unique 11>4 | u[2000000]",
    "Unique 11>4 | f[600000]",
    "Unique 11>4 | s[200000]",
    "Compress 11 | u[3000000] t[3000000]",
    "TopK 11>2 | f[1500000] i[1]=1500000",
    "TopK 11>2 | u[1500000] i[1]=1",
    "Trilu 14 | u[3000,1000]",
    "Cast 13 | u[3000000] | to=1",
    "Cast 13 | u[3000000] | to=11",
    "Cast 13 | i[400000] | to=8",
    "CastLike 15 | u[3000000] d[1]",
    "QuantizeLinear 10 | f[1500000] f[]=0.1 u[]=3",
    "DequantizeLinear 10 | u[3000000] f[]=0.1 u[]=3",
    "DynamicQuantizeLinear 11>3 | f[1500000]",
    // Temporaries that are larger than any result.
    "ReduceMax 18 | u[8000000]",
    "ReduceSum 13 | h[3000000]",
    "ReduceProd 18 | j[4,1000000] i[1]=0",
    "ReduceL2 18 | h[1000,3000] i[1]=1",
    "ArgMax 13 | u[2,4000000] | axis=0",
    "CumSum 14 | h[3000000] i[]=0",
    "Softmax 13 | h[3000000]",
    "LayerNormalization 17 | h[30,100000] h[100000] h[100000]",
    "InstanceNormalization 6 | h[1,2,1500000] h[2] h[2]",
    "BatchNormalization 15 | h[1,2,1500000] h[2] h[2] h[2] h[2]",
    "GroupNormalization 21 | h[1,4,700000] h[4] h[4] | num_groups=2",
    "LpNormalization 1 | d[2,700000]",
    "MeanVarianceNormalization 13 | h[1,2,1000,1500]",
    "LRN 13 | h[1,64,200,200] | size=63",
    "Det 11 | f[1500,1500]",
    "Hardmax 13 | h[3000000]",
    "MaxPool 12 | u[1,1,2000,2000] | kernel_shape=[2,2]",
    "AveragePool 19 | h[1,1,1500,1500] | kernel_shape=[2,2]",
    "GlobalAveragePool 1 | h[1,2,1500000]",
    "LpPool 18 | h[1,1,1500,1500] | kernel_shape=[2,2]",
    "MatMul 13 | h[1500,1500] h[1500,1]",
    "ConvInteger 10 | u[1,1,2000,2000] b[1,1,3,3]",
    "QLinearConv 10 | u[1,1,2000,2000] f[]=0.1 u[]=3 b[1,1,3,3] f[]=0.1 b[]=0 f[]=0.2 u[]=4",
    "DeformConv 19 | h[1,1,300,300] h[1,1,3,3] h[1,18,298,298]",
    "Attention 23 | f[1,1,8,4] f[1,1,300000,4] f[1,1,300000,4]",
    "Attention 23 | h[1,1,2000,4] h[1,1,2000,4] h[1,1,2000,4]",
    "Where 16 | t[2000,1] u[2000] u[1]",
    "Add 14 | f[3000,1] f[1,3000]",
    "Add 14 | f[30000,1] f[1,30000]",
    "Max 13 | u[3000,1] u[1,1000]",
    "NegativeLogLikelihoodLoss 13 | h[300000,4] i[300000]=0",
    "SoftmaxCrossEntropyLoss 13>2 | h[150000,4] i[150000]=0",
    "com.microsoft:QLinearConcat 1 | f[]=0.1 u[]=3 u[1500000] f[]=0.1 u[]=3 u[1500000] f[]=0.2 u[]=4 | axis=0",
    "com.microsoft:QLinearAdd 1 | u[3000,1] f[]=0.1 u[]=3 u[1000] f[]=0.1 u[]=4 f[]=0.2 u[]=5",
    // Strings.
    "StringConcat 20 | s[2000,1] s[1,2000]",
    "StringConcat 20 | s[200,1] s[1,2000]",
    "StringSplit 20>2 | s[300000] | delimiter=a",
    "StringNormalizer 10 | s[300000] | case_change_action=UPPER is_case_sensitive=0",
    "RegexFullMatch 20 | s[200000] | pattern=(a|b|c)*(a|b|c)*(a|b|c)*",
    "TfIdfVectorizer 9 | i[1000] | max_gram_length=1 min_gram_length=1 max_skip_count=0 mode=TF ngram_counts=[0] "
    "ngram_indexes=[1000000000] pool_int64s=[1]",
    "TfIdfVectorizer 9 | i[30000] | max_gram_length=2 min_gram_length=1 max_skip_count=30000 mode=TF "
    "ngram_counts=[0,1] ngram_indexes=[0,1] pool_int64s=[1,2,3]",
    "ai.onnx.ml:OneHotEncoder 1 | i[1000000] | cats_int64s=[1,2,3,4,5,6,7,8,9,10,11,12]",
    "ai.onnx.ml:Scaler 1 | j[1000,1000] | offset=[1.0] scale=[2.0]",
    "ai.onnx.ml:Normalizer 1 | j[1000,1000] | norm=L2",
    // Work.
    "MatMul 13 | f[1200,1200] f[1200,1200]",
    "MatMul 13 | d[1000,1000] d[1000,1000]",
    "Conv 11 | f[1,32,256,256] f[32,32,7,7] | pads=[3,3,3,3]",
    "Conv 11 | d[1,8,256,256] d[8,8,7,7] | pads=[3,3,3,3]",
    "ConvTranspose 11 | f[1,32,128,128] f[32,32,7,7]",
    "LSTM 14>3 | f[400,1,128] f[1,2048,128] f[1,2048,512] | hidden_size=512",
    "GRU 14>2 | d[400,1,64] d[1,768,64] d[1,768,256] | hidden_size=256",
    "RNN 14>2 | d[4000,1,64] d[1,256,64] d[1,256,256] | hidden_size=256",
    "NonMaxSuppression 11 | f[1,20000,4] f[1,4,20000] i[]=20000 f[]=0.99",
    "Det 11 | f[900,900]",
    "BitShift 11 | u[3000,1] u[1,3000]=1 | direction=LEFT",
    "ai.onnx.ml:SVMRegressor 1 | f[200000,3] | kernel_type=RBF kernel_params=[0.5,0.0,3.0] n_supports=2 "
    "coefficients=[1.0,-0.5] support_vectors=[0.1,0.2,0.3,-0.4,0.5,0.6] rho=[0.3]",
    "ai.onnx.ml:TreeEnsembleRegressor 3 | f[400000,3] | n_targets=1 nodes_treeids=[0,0,0] nodes_nodeids=[0,1,2] "
    "nodes_featureids=[1,0,0] nodes_modes=[BRANCH_LEQ,LEAF,LEAF] nodes_values=[0.5,0.0,0.0] nodes_truenodeids=[1,0,0] "
    "nodes_falsenodeids=[2,0,0] target_treeids=[0,0] target_nodeids=[1,2] target_ids=[0,0] target_weights=[1.0,2.0]",
};

}  // namespace

List<Text> census::bombs() { return table; }

namespace {

TEST(Census, BombsStayWithinLimits) {
  Totals totals;
  for (const Text row : bombs()) {
    Subject subject = subject_of(example_of(row));
    for (const bool known : {true, false}) {
      bool changed = known;
      for (Operand& operand : subject.operands) {
        changed |= operand.constant;
        operand.constant &= known;
      }
      if (!changed) continue;
      judge(cat(row.substr(0, 70), known ? "" : " (not known)"),
            measure([&](const auto& options, const auto& cancel) { run_bomb(subject, options, cancel); }), totals);
    }
  }
}

}  // namespace
}  // namespace tessera::test
