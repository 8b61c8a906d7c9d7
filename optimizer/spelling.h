// Spelling: what an operator is in terms of others, written down node by node with types.
#pragma once

#include <limits>

#include "optimizer/optimizer.h"

namespace tessera::optimizer {

class Spelling {
 public:
  Spelling(Graph& graph, const Node& node, const Fits& fits) : graph_(graph), node_(node), fits_(fits) {}

  const Node& node() const { return node_; }
  bool has(size_t i) const { return i < node_.in.size() && node_.in[i] != absent; }
  ValueId in(size_t i) const { return node_.in[i]; }
  bool wants(size_t i) const { return i < node_.out.size() && node_.out[i] != absent; }
  const Type& type(ValueId id) const { return graph_.values[id].type; }
  const Shape& shape(ValueId id) const { return type(id).shape; }
  const Tensor* value(ValueId id) const { return graph_.values[id].constant.get(); }

  /// A node's first output, or all of them.
  ValueId op(Text name, int opset, std::vector<ValueId> in, Attrs attrs = {}, Text domain = "");
  std::vector<ValueId> ops(Text name, int opset, std::vector<ValueId> in, size_t outputs, Attrs attrs,
                           Text domain = "");
  ValueId constant(Tensor tensor);
  ValueId number(float value) {
    Tensor tensor = Tensor::make({DType::float32, {}});
    *tensor.as<float>() = value;
    return constant(std::move(tensor));
  }
  ValueId integers(const std::vector<int64_t>& values) { return constant(Tensor::of(List<int64_t>(values))); }
  /// 0, 1, 2 ..., in that shape.
  ValueId counted(const Shape& shape);
  ValueId cast(ValueId id, DType to);
  ValueId reshape(ValueId id, const Shape& shape);
  ValueId transpose(ValueId id, std::vector<int64_t> perm);
  ValueId slice(ValueId id, int64_t axis, int64_t begin, int64_t end, int64_t step = 1);

  /// Whether a kernel takes the node that was made last.
  bool fits_last() const { return fits_(graph_, nodes_.back()); }

  /// Unmakes it: it was made to ask.
  void forget_last() { nodes_.pop_back(); }

  /// The node's output is this value.
  void becomes(size_t output, ValueId id);
  std::vector<Node> take() { return std::move(nodes_); }

 private:
  Graph& graph_;
  const Node node_;
  const Fits& fits_;
  std::vector<Node> nodes_;
};

/// Each says whether it spelled the node out; the node is of the operators that it is for.
bool spell_attention(Spelling& s);              // spell_attention.cpp
bool spell_multi_head_attention(Spelling& s);   // spell_attention.cpp: com.microsoft
bool spell_group_query_attention(Spelling& s);  // spell_group_query.cpp: com.microsoft
bool spell_einsum(Spelling& s);                 // spell_einsum.cpp
bool spell_fourier_transform(Spelling& s);      // spell_fourier.cpp: DFT
bool spell_short_transforms(Spelling& s);       // spell_fourier.cpp: STFT
bool spell_integer_product(Spelling& s);        // spell_quantized.cpp: MatMulInteger
bool spell_integer_convolution(Spelling& s);    // spell_quantized.cpp: ConvInteger

// spell_plain.cpp
bool spell_clip(Spelling& s);
bool spell_dropout(Spelling& s);
bool spell_embeddings(Spelling& s);
bool spell_fused_convolution(Spelling& s);
bool spell_fused_product(Spelling& s);
bool spell_global_norm(Spelling& s);
bool spell_group_norm(Spelling& s);
bool spell_hardmax(Spelling& s);
bool spell_image_scaler(Spelling& s);
bool spell_log_sum(Spelling& s);
bool spell_mean(Spelling& s);
bool spell_mean_variance(Spelling& s);
bool spell_neighbour_norm(Spelling& s);
bool spell_parametric_softplus(Spelling& s);
bool spell_rotation(Spelling& s);
bool spell_row_norm(Spelling& s);
bool spell_scaled_tanh(Spelling& s);
bool spell_split(Spelling& s);
bool spell_swiglu(Spelling& s);
bool spell_triangle(Spelling& s);

// spell_bytes.cpp
bool spell_dequantize(Spelling& s);
bool spell_dynamic_product(Spelling& s);
bool spell_dynamic_quantization(Spelling& s);
bool spell_product_to_floats(Spelling& s);
bool spell_quantize(Spelling& s);
bool spell_quantized_concat(Spelling& s);
bool spell_quantized_gemm(Spelling& s);
bool spell_quantized_pool(Spelling& s);
bool spell_quantized_product(Spelling& s);
bool spell_quantized_rows(Spelling& s);
bool spell_quantized_softmax(Spelling& s);

}  // namespace tessera::optimizer
