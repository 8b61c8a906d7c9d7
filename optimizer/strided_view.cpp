#include "optimizer/strided_view.h"

#include <algorithm>

#include "ops/walk.h"

namespace tessera::optimizer {
namespace {

StridedView whole(Edit& edit, ValueId id) {
  const Shape& shape = edit.value(id).type.shape;
  return {id, 0, shape, ops::strides_of(shape)};
}

// The same elements in the same order under another shape: each new axis lies within old axes that
// continue each other.
bool reshape(StridedView& view, const Shape& shape) {
  if (shape.elements() == 0 || shape.elements() != view.shape.elements()) return false;
  Shape strides(shape.size(), 0);
  size_t old = view.shape.size();
  int64_t extent = 1, stride = 1;  // what is left of the old axes at hand, from the inside
  for (size_t d = shape.size(); d-- > 0;) {
    if (shape[d] == 1) continue;
    while (extent == 1 && old > 0) extent = view.shape[--old], stride = view.strides[old];
    while (extent % shape[d] && old > 0) {
      --old;
      if (view.shape[old] == 1) continue;
      if (view.strides[old] != stride * extent) return false;
      extent *= view.shape[old];
    }
    if (extent % shape[d]) return false;
    strides[d] = stride;
    stride *= shape[d];
    extent /= shape[d];
  }
  view.shape = shape;
  view.strides = strides;
  return true;
}

bool transpose(StridedView& view, const Node& node) {
  const List<int64_t> perm = AttrReader(node).integers("perm");
  const StridedView from = view;
  for (size_t d = 0; d < from.shape.size(); ++d) {
    const size_t axis = perm.empty() ? from.shape.size() - 1 - d : static_cast<size_t>(perm[d]);
    view.shape[d] = from.shape[axis];
    view.strides[d] = from.strides[axis];
  }
  return true;
}

Shape without(const Shape& shape, size_t axis) {
  Shape rest;
  for (size_t d = 0; d < shape.size(); ++d)
    if (d != axis) rest.push_back(shape[d]);
  return rest;
}

// One index along an axis: a scalar drops the axis.
bool gather(Edit& edit, StridedView& view, const Node& node) {
  const Tensor* indices = edit.constant(node.in[1]);
  double number;
  if (!scalar_of(indices, &number) || indices->type.shape.rank() > 1) return false;
  const auto axis = static_cast<size_t>(normalize_axis(AttrReader(node).integer("axis"), view.shape.rank()));
  const auto index = static_cast<int64_t>(number) + (number < 0 ? view.shape[axis] : 0);
  if (index < 0 || index >= view.shape[axis]) return false;
  view.offset += index * view.strides[axis];
  if (!indices->type.shape.empty()) {
    view.shape[axis] = 1;
    return true;
  }
  view.shape = without(view.shape, axis);
  view.strides = without(view.strides, axis);
  return true;
}

bool split(Edit& edit, StridedView& view, const Node& node, ValueId id) {
  const auto axis = static_cast<size_t>(normalize_axis(AttrReader(node).integer("axis"), view.shape.rank()));
  for (const ValueId out : node.out) {
    if (out == id) {
      view.shape = edit.value(id).type.shape;
      return true;
    }
    view.offset += edit.value(out).type.shape[axis] * view.strides[axis];
  }
  return false;
}

// Forwards, with all bounds constant.
bool slice(Edit& edit, StridedView& view, const Node& node, ValueId id) {
  if (node.opset < 10) return false;
  const auto values = [&](size_t i) {
    const Tensor* tensor = i < node.in.size() ? edit.constant(node.in[i]) : nullptr;
    return tensor ? as_integers(tensor->view()) : std::vector<int64_t>{};
  };
  const std::vector<int64_t> starts = values(1), axes = values(3), steps = values(4);
  const auto given = [&](size_t i) { return i < node.in.size() && node.in[i] != absent; };
  if (starts.empty() || (given(3) && axes.size() != starts.size()) || (given(4) && steps.size() != starts.size()))
    return false;
  for (size_t i = 0; i < starts.size(); ++i) {
    const auto axis =
        static_cast<size_t>(normalize_axis(axes.empty() ? static_cast<int64_t>(i) : axes[i], view.shape.rank()));
    const int64_t step = steps.empty() ? 1 : steps[i], extent = view.shape[axis];
    if (step < 1) return false;
    const int64_t start = std::clamp(starts[i] < 0 ? starts[i] + extent : starts[i], int64_t{0}, extent);
    view.offset += start * view.strides[axis];
    view.strides[axis] *= step;
  }
  view.shape = edit.value(id).type.shape;
  return true;
}

bool follow(Edit& edit, StridedView& view, const Node& node, ValueId id) {
  if (node.op->view) return reshape(view, edit.value(id).type.shape);
  if (is(&node, "Transpose")) return transpose(view, node);
  if (is(&node, "Gather")) return gather(edit, view, node);
  if (is(&node, "Split")) return split(edit, view, node, id);
  return is(&node, "Slice") && slice(edit, view, node, id);
}

}  // namespace

StridedView view_of(Edit& edit, ValueId id) {
  const Node* node = edit.maker(id);
  if (!node || !node->epilogue.empty()) return whole(edit, id);
  const bool moves =
      node->op->view || is(node, "Transpose") || is(node, "Gather") || is(node, "Split") || is(node, "Slice");
  if (!moves || edit.value(id).type.shape.elements() == 0) return whole(edit, id);
  StridedView view = view_of(edit, node->in[0]);
  return follow(edit, view, *node, id) ? view : whole(edit, id);
}

}  // namespace tessera::optimizer
