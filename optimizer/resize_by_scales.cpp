#include <algorithm>

#include "optimizer/optimizer.h"
#include "runtime/graph/op.h"

namespace tessera::optimizer {
namespace {

/// How often larger each axis becomes, where all are powers of two; else nothing.
std::vector<float> whole_scales(const Shape& in, const Shape& out) {
  std::vector<float> scales;
  if (in.size() != out.size()) return scales;
  for (size_t axis = 0; axis < in.size(); ++axis) {
    const int64_t large = std::max(in[axis], out[axis]), small = std::min(in[axis], out[axis]);
    const int64_t times = small > 0 && large % small == 0 ? large / small : 0;
    if (times == 0 || (times & (times - 1)) != 0) return {};
    scales.push_back(static_cast<float>(out[axis]) / static_cast<float>(in[axis]));
  }
  return scales;
}

}  // namespace

bool resize_by_scales(Graph& graph, Node& node, const Graph& sized) {
  if (node.op->name != "Resize" || node.in.size() < 4 || node.in[3] == absent) return false;
  const AttrReader attrs(node);
  if (attrs.has("keep_aspect_ratio_policy")) return false;
  const std::vector<float> all =
      whole_scales(sized.values[node.in[0]].type.shape, sized.values[node.out[0]].type.shape);
  if (all.empty()) return false;
  std::vector<float> scales;
  for (const int64_t axis : attrs.integers("axes"))
    scales.push_back(all[static_cast<size_t>(normalize_axis(axis, static_cast<int>(all.size())))]);
  if (!attrs.has("axes")) scales = all;
  auto tensor = std::make_shared<Tensor>(Tensor::make({DType::float32, {static_cast<int64_t>(scales.size())}}));
  std::copy(scales.begin(), scales.end(), tensor->as<float>());
  Value value;
  value.type = tensor->type;
  value.ranked = true;
  value.constant = std::move(tensor);
  node.in.resize(3);
  node.in[2] = graph.add_value(std::move(value));
  return true;
}

}  // namespace tessera::optimizer
