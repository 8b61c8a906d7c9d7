// The receptive field of a graph: how far, in input pixels, each value looks.
#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "runtime/graph/op.h"
#include "tools/upscale/convention.h"

namespace tessera::upscale {
namespace {

/// Of one value: the radius of input pixels that an element sees, and the input pixels between
/// two elements. `spatial` false: it does not depend on the picture.
struct Field {
  bool spatial = false;
  double radius = 0, step = 1;
};

/// What an operator does to the fields of its inputs.
enum class Effect { pointwise, convolve, transposed, pool, resize, to_space, to_depth, global, unknown };

struct Row {
  Text op;
  Effect effect;
};

// Operators that keep every pixel's neighbourhood are pointwise. Shape arithmetic never holds
// samples, so what it does is of no matter.
constexpr Row rows[] = {
    {"Conv", Effect::convolve},
    {"FusedConv", Effect::convolve},
    {"ConvInteger", Effect::convolve},
    {"QLinearConv", Effect::convolve},
    {"ConvTranspose", Effect::transposed},
    {"MaxPool", Effect::pool},
    {"AveragePool", Effect::pool},
    {"LpPool", Effect::pool},
    {"Resize", Effect::resize},
    {"Upsample", Effect::resize},
    {"DepthToSpace", Effect::to_space},
    {"SpaceToDepth", Effect::to_depth},
    {"GlobalAveragePool", Effect::global},
    {"GlobalMaxPool", Effect::global},
    {"InstanceNormalization", Effect::global},
    {"GroupNormalization", Effect::global},
    {"ReduceMean", Effect::global},
    {"ReduceMax", Effect::global},
    {"ReduceSum", Effect::global},
    {"ReduceL2", Effect::global},
    {"ReduceMin", Effect::global},
    {"Reshape", Effect::unknown},
    {"MatMul", Effect::unknown},
    {"Gemm", Effect::unknown},
    {"Einsum", Effect::unknown},
    {"Attention", Effect::unknown},
    {"GridSample", Effect::unknown},
    {"Gather", Effect::unknown},
    {"GatherElements", Effect::unknown},
    {"GatherND", Effect::unknown},
    {"ScatterND", Effect::unknown},
    {"If", Effect::unknown},
    {"Loop", Effect::unknown},
    {"Scan", Effect::unknown},
    {"DFT", Effect::unknown},
    {"DeformConv", Effect::unknown},
    {"Flatten", Effect::unknown},
    {"TopK", Effect::unknown},
    {"RoiAlign", Effect::unknown},
};

class Walk {
 public:
  explicit Walk(const Graph& graph) : graph_(graph) {}

  Reach run() {
    for (const ValueId input : graph_.inputs) {
      const Value& value = graph_.values[input];
      if (!value.constant) fields_[input] = {true, 0, 1};
    }
    for (const Node& node : graph_.nodes) visit(node);
    double radius = 0;
    if (!graph_.outputs.empty()) radius = fields_[graph_.outputs[0]].radius;
    // One pixel more: half-pixel centres of even kernels fall between two.
    reach_.radius = radius > 0 ? static_cast<int64_t>(std::ceil(radius - 1e-9)) + 1 : 0;
    return reach_;
  }

 private:
  const Tensor* constant(const Node& node, size_t i) const {
    if (i >= node.in.size() || node.in[i] == absent) return nullptr;
    if (const auto& value = graph_.values[node.in[i]].constant) return value.get();
    const auto made = constants_.find(node.in[i]);
    return made == constants_.end() ? nullptr : made->second;
  }

  void note(bool& flag, bool value, Text op) {
    // What sees the whole picture is worse than what is not followed.
    if (flag != value && (reach_.reason.empty() || &flag == &reach_.global)) reach_.reason = op;
    flag = value;
  }

  /// Extents of the kernel along rows and columns, dilated; empty when they are not known.
  std::vector<double> kernel(const Node& node, const AttrReader& attrs, size_t weights) const {
    std::vector<double> extents;
    const List<int64_t> given = attrs.integers("kernel_shape");
    extents.assign(given.begin(), given.end());
    if (extents.empty())
      if (const Tensor* tensor = constant(node, weights))
        for (size_t i = 2; i < tensor->type.shape.size(); ++i)
          extents.push_back(static_cast<double>(tensor->type.shape[i]));
    const List<int64_t> dilations = attrs.integers("dilations");
    for (size_t i = 0; i < extents.size(); ++i)
      extents[i] = (extents[i] - 1) * static_cast<double>(i < dilations.size() ? dilations[i] : 1) + 1;
    return extents;
  }

  static double largest(List<int64_t> values) {
    return values.empty() ? 1.0 : static_cast<double>(*std::max_element(values.begin(), values.end()));
  }

  void window(const Node& node, const AttrReader& attrs, Effect effect, Field& field) {
    const size_t weights = node.op->name == "QLinearConv" ? 3 : 1;
    const std::vector<double> extents = kernel(node, attrs, weights);
    if (extents.empty()) return note(reach_.exact, false, node.op->name);
    const double taps = *std::max_element(extents.begin(), extents.end()), stride = largest(attrs.integers("strides"));
    if (effect == Effect::transposed) {
      field.radius += std::ceil((taps - 1) / (2 * stride)) * field.step;
      field.step /= stride;
    } else {
      field.radius += std::ceil((taps - 1) / 2) * field.step;
      field.step *= stride;
    }
  }

  void resize(const Node& node, const AttrReader& attrs, Field& field) {
    const Text mode = attrs.has("mode") ? attrs.text("mode") : Text("nearest");
    field.radius += field.step * (mode == "cubic" ? 2 : 1);
    // Its factors: input 2 of Resize (input 1 before opset 11), input 1 of Upsample.
    for (const size_t i : {size_t{2}, size_t{1}}) {
      const Tensor* factors = constant(node, i);
      if (!factors || factors->type.dtype != DType::float32 || factors->type.shape.elements() < 3) continue;
      const int64_t count = factors->type.shape.elements();
      const double factor = element_as_double(factors->view(), count - 1);
      if (factor > 0) {
        field.step /= factor;
        return;
      }
    }
    if (attrs.has("scales")) {
      const List<float> factors = attrs.reals("scales");
      if (!factors.empty() && factors.back() > 0) {
        field.step /= static_cast<double>(factors.back());
        return;
      }
    }
    note(reach_.exact, false, node.op->name);
  }

  void visit(const Node& node) {
    if (!node.op) return note(reach_.exact, false, "an unknown operator");
    if (node.op->name == "Constant" && node.attrs && !node.out.empty())
      if (const Attr* attr = find_attr(*node.attrs, "value"))
        if (const Tensor* tensor = std::get_if<Tensor>(attr)) constants_[node.out[0]] = tensor;
    if (node.op->name == "Shape" || node.op->name == "Size") return;
    Field field;
    for (const ValueId in : node.in) {
      const auto found = fields_.find(in);
      if (in == absent || found == fields_.end() || !found->second.spatial) continue;
      if (!field.spatial) field = found->second;
      field.radius = std::max(field.radius, found->second.radius);
    }
    if (!field.spatial) return;
    apply(node, field);
    for (const ValueId out : node.out)
      if (out != absent) fields_[out] = field;
  }

  void apply(const Node& node, Field& field) {
    const Row* row =
        std::find_if(std::begin(rows), std::end(rows), [&](const Row& r) { return r.op == node.op->name; });
    const AttrReader attrs(node);
    switch (row == std::end(rows) ? Effect::pointwise : row->effect) {
      case Effect::pointwise: return;
      case Effect::convolve:
      case Effect::transposed:
      case Effect::pool: return window(node, attrs, row->effect, field);
      case Effect::resize: return resize(node, attrs, field);
      case Effect::to_space: field.step /= static_cast<double>(attrs.integer("blocksize")); return;
      case Effect::to_depth:
        field.radius += field.step * static_cast<double>(attrs.integer("blocksize") - 1);
        field.step *= static_cast<double>(attrs.integer("blocksize"));
        return;
      case Effect::global:
        // A mean over the channels alone looks at no neighbour.
        if (const List<int64_t> axes = attrs.integers("axes"); axes.size() == 1 && axes[0] == 1) return;
        return note(reach_.global, true, node.op->name);
      case Effect::unknown: return note(reach_.exact, false, node.op->name);
    }
  }

  const Graph& graph_;
  std::unordered_map<ValueId, Field> fields_;
  std::unordered_map<ValueId, const Tensor*> constants_;
  Reach reach_;
};

}  // namespace

Reach receptive_field(const Model& model) { return Walk(model.graph).run(); }

}  // namespace tessera::upscale
