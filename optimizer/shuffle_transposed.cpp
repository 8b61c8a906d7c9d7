// ConvTranspose whose stride multiplies the extents and that has few outputs becomes Conv and DepthToSpace:
// the phases of its output are outputs of one convolution then, which reads every input once for all of them.

#include <array>

#include "optimizer/rewrites.h"
#include "runtime/base/rounding.h"

namespace tessera::optimizer {
namespace {

// Outputs with their phases: as many as convolutions have a kernel of their own for, which is one output.
constexpr int64_t most_outputs = 4;

// One axis: output s * q + phase reads input q + j by tap phase + pad - s * j, for j in [low, high].
struct Axis {
  int64_t taps, stride, pad, low = 0, high = 0;

  int64_t kernel() const { return high - low + 1; }
  /// The tap of a phase at offset `at` of the new kernel; outside [0, taps) if there is none.
  int64_t tap(int64_t phase, int64_t at) const { return phase + pad - stride * (low + at); }
};

bool read_axes(const Node& node, const Shape& weights, std::array<Axis, 2>* axes) {
  const AttrReader attrs(node);
  if (attrs.integer("group") != 1 || attrs.has("output_shape")) return false;
  if (attrs.has("auto_pad") && attrs.text("auto_pad") != "NOTSET") return false;
  const auto of = [&](Text name) { return attrs.integers(name); };
  const List<int64_t> strides = of("strides"), pads = of("pads"), extra = of("output_padding");
  for (const int64_t d : of("dilations"))
    if (d != 1) return false;
  if (strides.size() != 2 || (!pads.empty() && pads.size() != 4) || (!extra.empty() && extra.size() != 2)) return false;
  for (size_t a = 0; a < 2; ++a) {
    const int64_t taps = weights[2 + a], begin = pads.empty() ? 0 : pads[a], end = pads.empty() ? 0 : pads[2 + a];
    const int64_t stride = strides[a];
    if (stride != strides[0] || stride < 2 || stride > most_outputs || begin < 0 || begin >= taps) return false;
    // The output is `stride` times as large as the input.
    if (taps - begin - end + (extra.empty() ? 0 : extra[a]) != stride) return false;
    Axis& axis = (*axes)[a];
    axis = {taps, stride, begin};
    axis.high = (stride - 1 + begin) / stride;
    axis.low = -floor_div(taps - 1 - begin, stride);
    if (axis.low > 0) return false;
  }
  return true;
}

bool rewrite(Edit& edit, Node& node, const Fits& fits) {
  const Tensor* given = edit.constant(node.in[1]);
  if (!given || given->type.dtype != DType::float32 || given->type.shape.rank() != 4) return false;
  const Shape& shape = given->type.shape;
  std::array<Axis, 2> axes{};
  if (shape.elements() == 0 || !read_axes(node, shape, &axes)) return false;
  const int64_t in = shape[0], out = shape[1], stride = axes[0].stride, phases = stride * stride;
  if (out * phases > most_outputs) return false;

  const bool biased = node.in.size() > 2 && node.in[2] != absent;
  const Tensor* bias = biased ? edit.constant(node.in[2]) : nullptr;
  if (biased && (!bias || bias->type.dtype != DType::float32 || bias->type.shape.elements() != out)) return false;
  const Tensor weights = given->aligned();
  Tensor wide = Tensor::make({DType::float32, {out * phases, in, axes[0].kernel(), axes[1].kernel()}});
  Tensor repeated = Tensor::make({DType::float32, {out * phases}});
  float* to = wide.as<float>();
  for (int64_t m = 0; m < out * phases; ++m) {
    const int64_t c = m / phases, phase[2] = {m % phases / stride, m % stride};
    if (bias) repeated.as<float>()[m] = bias->aligned().as<float>()[c];
    for (int64_t i = 0; i < in; ++i)
      for (int64_t y = 0; y < axes[0].kernel(); ++y)
        for (int64_t x = 0; x < axes[1].kernel(); ++x, ++to) {
          const int64_t ty = axes[0].tap(phase[0], y), tx = axes[1].tap(phase[1], x);
          if (ty < 0 || tx < 0 || ty >= axes[0].taps || tx >= axes[1].taps) continue;
          *to = weights.as<float>()[((i * out + c) * axes[0].taps + ty) * axes[1].taps + tx];
        }
  }
  Node conv = node;
  conv.op = find_op("", "Conv", 11);
  conv.opset = 11;
  conv.attrs = std::make_shared<const Attrs>(
      Attrs{{"pads", std::vector<int64_t>{-axes[0].low, -axes[1].low, axes[0].high, axes[1].high}}});
  conv.in.resize(3, absent);
  const std::string name = edit.value(node.in[1]).name;
  conv.in[1] = edit.add_constant(name + ":phases", std::move(wide));
  conv.in[2] = edit.add_constant(name + ":phases bias", std::move(repeated));
  conv.epilogue = {Fused::depth_to_space(stride, true)};
  if (!fits(edit.graph(), conv)) return false;
  node = std::move(conv);
  edit.refresh();
  return true;
}

}  // namespace

bool shuffle_transposed(Graph& graph, const Fits& fits) {
  return edit_each(graph,
                   [&](Edit& edit, Node& node) { return is(&node, "ConvTranspose") && rewrite(edit, node, fits); });
}

}  // namespace tessera::optimizer
