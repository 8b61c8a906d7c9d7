// The table, and how each kind of operator is followed.
#include "tools/upscale/reach_rows.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "ops/window.h"

namespace tessera::upscale {
namespace {

using ops::Window;
using ops::WindowAxis;

// --- What rows are made of -------------------------------------------------------------------

/// An axis whose elements all see what each of them saw. One that runs along the picture stays
/// where it is or, if it does not stay, becomes plain.
void see_all_of(ReachStep& s, Field& field, size_t axis, bool stays) {
  for (const Digit& digit : field.axes[axis]) {
    if (digit.side == none) continue;
    // The coarsest digit is as long as the picture; finer ones are blocks.
    if (Ratio(s.whole[digit.side]) < digit.step * Ratio(2 * digit.extent))
      s.global = true;
    else
      field.mix(digit, stays);
  }
  if (!stays) field.axes[axis].clear();
}

/// No axis of channels may run along the picture as a whole; blocks in it are seen at once.
bool make_plain(ReachStep& s, Field& field, size_t axis, int64_t extent) {
  const bool before = std::exchange(s.global, false);
  see_all_of(s, field, axis, false);
  const bool whole = std::exchange(s.global, before);
  if (extent != 1) field.axes[axis] = {{none, extent, 0}};
  return !whole;
}

/// Are all elements along an axis the same? Not, if they are not known.
bool uniform(const Tensor* tensor, size_t axis) {
  if (!tensor || bits_of(tensor->type.dtype) < 8 || tensor->type.dtype == DType::string) return false;
  const Shape& shape = tensor->type.shape;
  const int64_t inner = shape.elements(axis + 1, shape.size()), extent = shape[axis];
  const Tensor aligned = tensor->aligned();
  const View view = aligned.view();
  for (int64_t i = 0, count = view.elements(); i < count; ++i)
    if (i / inner % extent && element_as_double(view, i) != element_as_double(view, i - inner)) return false;
  return true;
}

/// Inputs `which`, broadcast to one shape.
bool combine(ReachStep& s, const std::vector<size_t>& which) {
  const size_t rank = s.out_types[0].shape.size();
  std::vector<Field> fields;
  for (const size_t i : which) {
    const Shape& shape = s.in_types[i].shape;
    if (shape.size() > rank) return false;
    // Before opset 7 `axis` said where the second operand begins; `rank` is what it leaves at the end.
    const size_t skip = i == 1 && s.has("axis") && shape.size() < rank
                            ? static_cast<size_t>(normalize_axis(s.integer("axis"), static_cast<int>(rank)))
                            : rank - shape.size();
    if (skip + shape.size() > rank) return false;
    Field field = s.in[i];
    field.axes.insert(field.axes.begin(), skip, Digits{});
    field.axes.resize(rank);
    fields.push_back(field);
  }
  Field result;
  if (!unite(fields, result)) return false;
  // Numbers that differ along the picture and are not made of it: positions, or chance.
  for (size_t k = 0; k < which.size(); ++k)
    for (size_t axis = 0; axis < rank; ++axis) {
      const Digits& own = fields[k].axes[axis];
      const size_t skip = rank - s.in_types[which[k]].shape.size();
      if (on_picture(result.axes[axis]) && !own.empty() && !on_picture(own) &&
          !(axis >= skip && uniform(s.constants[which[k]], axis - skip)))
        s.global = true;
    }
  s.out.assign(s.out_types.size(), result);
  return true;
}

/// The spatial axes of a window that slides: element o sees taps o * stride - pad_begin and on.
bool slide(Field& field, const Window& window) {
  for (int i = 0; i < window.rank; ++i) {
    const WindowAxis& a = window.spatial(i);
    const size_t axis = static_cast<size_t>(i) + 2;
    if (a.reach() == 1 && a.stride == 1 && a.in == a.out && !a.pad_begin) continue;
    if (!settle(field, axis)) return false;
    if (!on_picture(field.axes[axis])) {
      field.axes[axis] = a.out == 1 ? Digits{} : Digits{{none, a.out, 0}};
      continue;
    }
    Digit& digit = field.axes[axis][0];
    field.low[digit.side] = field.low[digit.side] - digit.step * Ratio(a.pad_begin);
    field.high[digit.side] = field.high[digit.side] + digit.step * Ratio(a.reach() - 1 - a.pad_begin);
    digit = {digit.side, a.out, digit.step * Ratio(a.stride)};
  }
  return true;
}

bool permute(Field& field, const std::vector<int64_t>& order) {
  if (order.size() != field.axes.size()) return false;
  std::vector<Digits> axes;
  for (const int64_t axis : order) axes.push_back(field.axes[static_cast<size_t>(axis)]);
  field.axes = std::move(axes);
  return true;
}

// --- Kinds of operators ----------------------------------------------------------------------

bool not_followed(ReachStep&) { return false; }

/// Results that take no more than a shape from their inputs.
bool source(ReachStep& s) {
  for (const Type& type : s.out_types) s.out.push_back(plain_field(type.shape));
  return true;
}

/// Every output is as input 0, element by element; other inputs are parameters.
bool along(ReachStep& s) {
  for (size_t i = 1; i < s.in.size(); ++i)
    if (s.in[i].on_picture()) return false;
  for (const Type& type : s.out_types)
    s.out.push_back(type.shape == s.in_types[0].shape ? s.in[0] : plain_field(type.shape));
  return true;
}

bool random(ReachStep& s) {
  s.global = true;
  return along(s);
}

bool pointwise(ReachStep& s) {
  std::vector<size_t> which;
  for (size_t i = 0; i < s.in.size(); ++i)
    if (s.has_input(i)) which.push_back(i);
  return combine(s, which);
}

bool expand(ReachStep& s) { return combine(s, {0}); }

bool view(ReachStep& s) {
  Field field = s.in[0];
  if (!recut(field, s.in_types[0].shape, s.out_types[0].shape)) return false;
  s.out.assign(s.out_types.size(), field);
  return true;
}

bool transpose(ReachStep& s) {
  std::vector<int64_t> order(static_cast<size_t>(s.rank(0)));
  if (const auto given = s.integers("perm"); !given.empty())
    order.assign(given.begin(), given.end());
  else
    std::iota(order.rbegin(), order.rend(), 0);
  s.out = {s.in[0]};
  return permute(s.out[0], order);
}

/// A convolution's channels are summed up. Depthwise ones stay apart.
bool channels(ReachStep& s, Field& field, bool transposed) {
  const Shape& in = s.in_types[0].shape;
  const int64_t out = s.out_types[0].shape[1], groups = s.has("group") ? s.integer("group") : 1;
  if (groups == in[1] && out == in[1] && !transposed) return true;
  return make_plain(s, field, 1, out);
}

bool convolve(ReachStep& s, size_t weights) {
  const auto kernel = List<int64_t>(s.in_types[weights].shape);
  if (kernel.size() < 3 || s.rank(0) < 3) return false;
  for (size_t i = 1; i < s.in.size(); ++i)
    if (s.in[i].on_picture()) return false;
  Field field = s.in[0];
  if (!channels(s, field, false) || !slide(field, ops::resolve_window(s, s.in_types[0].shape, kernel.subspan(2))))
    return false;
  s.out = {field};
  return true;
}
bool conv(ReachStep& s) { return convolve(s, 1); }
bool q_linear_conv(ReachStep& s) { return convolve(s, 3); }
/// Conv, then an optional operand of the result's shape, then an activation.
bool fused_conv(ReachStep& s) {
  const bool sum = s.has_input(3);
  const Field operand = sum ? s.in[3] : Field{};
  if (sum) s.in[3] = plain_field(s.in_types[3].shape);
  if (!convolve(s, 1)) return false;
  Field result = s.out[0];
  return !sum || (unite({result, operand}, s.out[0]));
}

bool conv_transpose(ReachStep& s) {
  const auto kernel = List<int64_t>(s.in_types[1].shape);
  if (kernel.size() < 3 || s.in[1].on_picture()) return false;
  const Window window = ops::resolve_transposed_window(s, s.in_types[0].shape, kernel.subspan(2));
  Field field = s.in[0];
  if (!channels(s, field, true)) return false;
  for (int i = 0; i < window.rank; ++i) {
    const WindowAxis& a = window.spatial(i);
    const size_t axis = static_cast<size_t>(i) + 2;
    if (!settle(field, axis)) return false;
    if (!on_picture(field.axes[axis])) {
      field.axes[axis] = a.out == 1 ? Digits{} : Digits{{none, a.out, 0}};
      continue;
    }
    // Output o is made of the inputs (o + pad - tap) / stride.
    Digit& digit = field.axes[axis][0];
    const Ratio step = digit.step / Ratio(a.stride);
    field.low[digit.side] = field.low[digit.side] + step * Ratio(a.pad_begin - (a.reach() - 1));
    field.high[digit.side] = field.high[digit.side] + step * Ratio(a.pad_begin);
    digit = {digit.side, a.out, step};
  }
  s.out = {field};
  return true;
}

bool pool(ReachStep& s) {
  const auto kernel = s.integers("kernel_shape");
  // Indices of the largest (output 1) are positions; nothing follows them.
  if (kernel.empty() || (s.out_types.size() > 1 && s.out_types[1].dtype != DType::undefined)) return false;
  Field field = s.in[0];
  const bool ceil_mode = s.has("ceil_mode") && s.integer("ceil_mode");
  if (!slide(field, ops::resolve_window(s, s.in_types[0].shape, kernel, ceil_mode))) return false;
  s.out = {field};
  return true;
}

// --- Moving ----------------------------------------------------------------------------------

bool reorder(ReachStep& s, const Shape& cut, const std::vector<int64_t>& order) {
  Field field = s.in[0];
  Shape moved;
  for (const int64_t axis : order) moved.push_back(cut[static_cast<size_t>(axis)]);
  if (!recut(field, s.in_types[0].shape, cut) || !permute(field, order) || !recut(field, moved, s.out_types[0].shape))
    return false;
  s.out = {field};
  return true;
}

bool depth_to_space(ReachStep& s) {
  const Shape& x = s.in_types[0].shape;
  const int64_t b = s.integer("blocksize"), depth = x[1] / (b * b);
  if (s.has("mode") && s.text("mode") == "CRD") return reorder(s, {x[0], depth, b, b, x[2], x[3]}, {0, 1, 4, 2, 5, 3});
  return reorder(s, {x[0], b, b, depth, x[2], x[3]}, {0, 3, 4, 1, 5, 2});
}

bool space_to_depth(ReachStep& s) {
  const Shape& x = s.in_types[0].shape;
  const int64_t b = s.integer("blocksize");
  return reorder(s, {x[0], x[1], x[2] / b, b, x[3] / b, b}, {0, 3, 5, 1, 2, 4});
}

/// An axis of which every `step`-th element from `start` on is kept.
bool cut(ReachStep& s, Field& field, size_t axis, int64_t start, int64_t step) {
  const int64_t in = s.in_types[0].shape[axis], out = s.out_types[0].shape[axis];
  if (start == 0 && step == 1 && in == out) return true;
  if (!on_picture(field.axes[axis])) {
    if (!field.axes[axis].empty()) field.axes[axis] = {{none, out, 0}};
    return true;
  }
  if (!settle(field, axis)) return make_plain(s, field, axis, out);
  Digit& digit = field.axes[axis][0];
  if (step < 0) s.global = true;  // the picture, or a block of it, runs the other way
  const Ratio moved = digit.step * Ratio(step < 0 ? 0 : start);
  field.low[digit.side] = field.low[digit.side] + moved;
  field.high[digit.side] = field.high[digit.side] + moved;
  digit = {digit.side, out, digit.step * Ratio(std::abs(step))};
  return true;
}

bool slice(ReachStep& s) {
  std::vector<int64_t> starts, axes, steps;
  if (!s.integers_of(1, "starts", starts)) return false;
  if (s.node().op->since >= 10) {
    if ((s.has_input(3) && !s.integers_of(3, "", axes)) || (s.has_input(4) && !s.integers_of(4, "", steps)))
      return false;
  } else if (s.has("axes")) {
    const auto given = s.integers("axes");
    axes.assign(given.begin(), given.end());
  }
  Field field = s.in[0];
  for (size_t i = 0; i < starts.size(); ++i) {
    const auto axis = static_cast<size_t>(axes.empty() ? static_cast<int>(i) : normalize_axis(axes[i], s.rank(0)));
    const int64_t extent = s.in_types[0].shape[axis], start = starts[i] < 0 ? starts[i] + extent : starts[i];
    if (!cut(s, field, axis, std::clamp<int64_t>(start, 0, extent), steps.empty() ? 1 : steps[i])) return false;
  }
  s.out = {field};
  return true;
}

/// Rows and columns cut off (border: left, top, right, bottom).
bool crop(ReachStep& s) {
  const auto border = s.integers("border");
  Field field = s.in[0];
  if (border.size() != 4 || !cut(s, field, 2, border[1], 1) || !cut(s, field, 3, border[0], 1)) return false;
  s.out = {field};
  return true;
}

bool pad(ReachStep& s) {
  std::vector<int64_t> pads, axes;
  const Text attribute = s.has("paddings") ? Text("paddings") : Text("pads");
  if (!s.integers_of(1, attribute, pads) || (s.has_input(3) && !s.integers_of(3, "", axes))) return false;
  if (axes.empty())
    for (int i = 0; i < s.rank(0); ++i) axes.push_back(i);
  if (pads.size() != 2 * axes.size()) return false;
  Field field = s.in[0];
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(normalize_axis(axes[i], s.rank(0)));
    const int64_t before = pads[i], after = pads[i + axes.size()];
    if (!before && !after) continue;
    if (on_picture(field.axes[axis]) && s.text("mode") == "wrap") s.global = true;
    if (!cut(s, field, axis, -before, 1)) return false;
  }
  s.out = {field};
  return true;
}

/// Axes of channels put together.
bool join(ReachStep& s, const std::vector<size_t>& which) {
  const auto axis = static_cast<size_t>(normalize_axis(s.integer("axis"), s.out_types[0].shape.rank()));
  std::vector<Field> fields;
  Field kept;
  for (const size_t i : which) {
    fields.push_back(s.in[i]);
    if (!make_plain(s, fields.back(), axis, s.out_types[0].shape[axis])) return false;
  }
  for (size_t k = 0; k < which.size(); ++k)
    for (size_t other = 0; other < fields[k].axes.size(); ++other)
      for (const Field& field : fields)
        if (other != axis && on_picture(field.axes[other]) && !on_picture(fields[k].axes[other]) &&
            !fields[k].axes[other].empty() && !uniform(s.constants[which[k]], other))
          s.global = true;
  if (!unite(fields, kept)) return false;
  s.out = {kept};
  return true;
}

bool concat(ReachStep& s) {
  std::vector<size_t> which(s.in.size());
  std::iota(which.begin(), which.end(), size_t{0});
  return join(s, which);
}

/// Result's scale and zero point, then each part with its own.
bool q_linear_concat(ReachStep& s) {
  std::vector<size_t> which;
  for (size_t i = 2; i < s.in.size(); i += 3) which.push_back(i);
  return join(s, which);
}

bool split(ReachStep& s) {
  const auto axis = static_cast<size_t>(normalize_axis(s.integer("axis"), s.rank(0)));
  for (const Type& type : s.out_types) {
    Field field = s.in[0];
    if (!make_plain(s, field, axis, type.dtype == DType::undefined ? 1 : type.shape[axis])) return false;
    s.out.push_back(field);
  }
  return true;
}

/// Elements of an axis of channels, by indices that are known or follow the picture.
bool gather(ReachStep& s) {
  const auto axis = static_cast<size_t>(normalize_axis(s.integer("axis"), s.rank(0)));
  Field data = s.in[0];
  if (!make_plain(s, data, axis, 1)) return false;
  const auto put = [&](const std::vector<Digits>& indices) {
    Field field = data;
    const auto at = field.axes.begin() + static_cast<ptrdiff_t>(axis);
    field.axes.insert(field.axes.erase(at), indices.begin(), indices.end());
    return field;
  };
  Field indices = s.in[1];
  if (data.on_picture() && indices.on_picture()) return false;
  Field field = put(indices.axes);
  if (indices.on_picture())
    for (const int side : {rows, columns}) field.low[side] = indices.low[side], field.high[side] = indices.high[side];
  s.out = {field};
  return true;
}

// --- Sums over axes --------------------------------------------------------------------------

bool mix_axes(ReachStep& s, size_t from, size_t to, bool stay) {
  Field field = s.in[0];
  for (size_t axis = from; axis < to; ++axis) see_all_of(s, field, axis, stay);
  s.out.push_back(field);
  for (size_t i = 1; i < s.out_types.size(); ++i) {
    if (s.out_types[i].dtype == DType::undefined) {
      s.out.emplace_back();
      continue;
    }
    // Statistics beside the result: one per row.
    Field statistics = s.in[0];
    for (size_t axis = from; axis < to; ++axis) see_all_of(s, statistics, axis, false);
    s.out.push_back(statistics);
  }
  return true;
}

size_t axis_of(const ReachStep& s, int64_t otherwise) {
  return static_cast<size_t>(normalize_axis(s.has("axis") ? s.integer("axis") : otherwise, s.rank(0)));
}

/// Softmax and its kin: since opset 13 along one axis, before over all from it on.
bool softmax(ReachStep& s) {
  const bool one = s.node().op->since >= 13;
  const size_t axis = axis_of(s, one ? -1 : 1);
  return mix_axes(s, axis, one ? axis + 1 : s.in[0].axes.size(), true);
}
bool q_linear_softmax(ReachStep& s) { return mix_axes(s, axis_of(s, 0), s.in[0].axes.size(), true); }
bool lp_normalization(ReachStep& s) {
  const size_t axis = axis_of(s, -1);
  return mix_axes(s, axis, axis + 1, true);
}
bool layer_normalization(ReachStep& s) {
  for (size_t i = 1; i < s.in.size(); ++i)
    if (s.in[i].on_picture()) return false;
  return mix_axes(s, axis_of(s, -1), s.in[0].axes.size(), true);
}
bool instance_normalization(ReachStep& s) { return mix_axes(s, 2, s.in[0].axes.size(), true); }
bool group_normalization(ReachStep& s) { return mix_axes(s, 1, s.in[0].axes.size(), true); }
bool lrn(ReachStep& s) { return mix_axes(s, 1, 2, true); }
/// A sum of two or three inputs, normalized along the last axis.
bool skip_layer_normalization(ReachStep& s) {
  if (s.out_types.size() > 1 || !combine(s, {0, 1})) return false;
  s.in[0] = s.out[0];
  s.out.clear();
  return mix_axes(s, s.in[0].axes.size() - 1, s.in[0].axes.size(), true);
}
bool mean_variance_normalization(ReachStep& s) {
  std::vector<int64_t> axes{0, 2, 3};
  if (const auto given = s.integers("axes"); !given.empty()) axes.assign(given.begin(), given.end());
  Field field = s.in[0];
  for (const int64_t axis : axes)
    if (axis < s.rank(0)) see_all_of(s, field, static_cast<size_t>(normalize_axis(axis, s.rank(0))), true);
  s.out = {field};
  return true;
}
/// Running sums: along an axis that the second input names.
bool cumulate(ReachStep& s) {
  std::vector<int64_t> axis;
  if (!s.integers_of(1, "", axis) || axis.size() != 1) return false;
  const auto at = static_cast<size_t>(normalize_axis(axis[0], s.rank(0)));
  return mix_axes(s, at, at + 1, true);
}

/// Axes that become one element each, and stay or go as the result's shape says.
bool drop_axes(ReachStep& s, const std::vector<bool>& dropped) {
  Field field = s.in[0];
  std::vector<Digits> left;
  const bool keep = s.out_types[0].shape.size() == s.in_types[0].shape.size();
  for (size_t axis = 0; axis < dropped.size(); ++axis) {
    if (dropped[axis]) see_all_of(s, field, axis, false);
    if (!dropped[axis] || keep) left.push_back(field.axes[axis]);
  }
  field.axes = left;
  s.out.assign(s.out_types.size(), field);
  return true;
}

bool reduce(ReachStep& s) {
  std::vector<int64_t> axes;
  if (s.has_input(1) ? !s.integers_of(1, "", axes) : false) return false;
  if (!s.has_input(1))
    if (const auto given = s.integers("axes"); !given.empty()) axes.assign(given.begin(), given.end());
  const bool all = axes.empty() && !(s.has("noop_with_empty_axes") && s.integer("noop_with_empty_axes"));
  std::vector<bool> dropped(s.in[0].axes.size(), all);
  for (const int64_t axis : axes) dropped[static_cast<size_t>(normalize_axis(axis, s.rank(0)))] = true;
  return drop_axes(s, dropped);
}

bool arg(ReachStep& s) {
  std::vector<bool> dropped(s.in[0].axes.size());
  dropped[axis_of(s, 0)] = true;
  return drop_axes(s, dropped);
}

bool global_pool(ReachStep& s) {
  std::vector<bool> dropped(s.in[0].axes.size(), true);
  dropped[0] = false;
  if (dropped.size() > 1) dropped[1] = false;
  return drop_axes(s, dropped);
}

bool q_linear_global_pool(ReachStep& s) {
  if (!(s.has("channels_last") && s.integer("channels_last"))) return global_pool(s);
  std::vector<bool> dropped(s.in[0].axes.size(), true);
  dropped.front() = dropped.back() = false;
  return drop_axes(s, dropped);
}

/// The largest of an axis of channels.
bool top_k(ReachStep& s) {
  const size_t axis = axis_of(s, -1);
  Field field = s.in[0];
  const bool before = std::exchange(s.global, false);
  see_all_of(s, field, axis, false);
  if (std::exchange(s.global, before)) return false;
  field.axes[axis] = {{none, s.out_types[0].shape[axis], 0}};
  s.out.assign(s.out_types.size(), field);
  return true;
}

/// Scale and zero point come from all elements.
bool dynamic_quantize(ReachStep& s) {
  s.global = s.global || s.in[0].on_picture();
  return along(s);
}

/// A product of matrices: rows of the first by columns of the second.
bool product(ReachStep& s, size_t first, size_t second) {
  Field a = s.in[first], b = s.in[second];
  const size_t rank = s.out_types[0].shape.size();
  if (a.axes.size() < 2 || b.axes.size() < 2 || rank < 2) return false;
  const auto row = [](const Field& field, size_t from_end) { return field.axes.size() - from_end; };
  see_all_of(s, a, row(a, 1), false);
  see_all_of(s, b, row(b, 2), false);
  // Scores of places by places: those of the second are seen by all of the first.
  if (on_picture(a.axes[row(a, 2)]) && on_picture(b.axes[row(b, 1)])) see_all_of(s, b, row(b, 1), false);
  b.axes[row(b, 2)] = {};
  a.axes.insert(a.axes.begin(), rank - a.axes.size(), Digits{});
  b.axes.insert(b.axes.begin(), rank - b.axes.size(), Digits{});
  Field result;
  if (!unite({a, b}, result)) return false;
  for (size_t i = 0; i < rank; ++i)
    if (result.axes[i].empty() && s.out_types[0].shape[i] != 1) result.axes[i] = {{none, s.out_types[0].shape[i], 0}};
  s.out.assign(s.out_types.size(), result);
  return true;
}
bool mat_mul(ReachStep& s) { return product(s, 0, 1); }
bool q_linear_mat_mul(ReachStep& s) { return product(s, 0, 3); }
/// Weights of blocks, [N, ...]: the last axis becomes another.
bool mat_mul_n_bits(ReachStep& s) {
  Field field = s.in[0];
  if (!make_plain(s, field, field.axes.size() - 1, s.out_types[0].shape[field.axes.size() - 1])) return false;
  s.out = {field};
  return true;
}

// --- The table -------------------------------------------------------------------------------

struct Entry {
  ReachRow row;
  Text ops;  ///< names, with spaces between
};

constexpr Text elementwise =
#define TESSERA_UNARY(id, Op, CLASS, expression) #Op " "
#define TESSERA_BINARY(id, Op, CLASS, expression) #Op " "
#include "ops/elementwise.def"
#undef TESSERA_UNARY
#undef TESSERA_BINARY
    "";

constexpr Entry table[] = {
    {pointwise, elementwise},
    {pointwise,
     "And BiasGelu BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Equal FastGelu Greater "
     "GreaterOrEqual Less LessOrEqual Mean Mod Not Or QLinearAdd QLinearLeakyRelu QLinearMul "
     "QLinearSigmoid QuickGelu Sum Where Xor CastLike"},
    {along,
     "IsInf IsNaN BatchNormalization Binarizer Cast DequantizeLinear Dropout Identity ImageScaler "
     "ParametricSoftplus QuantizeLinear ScaledTanh"},
    {expand, "Expand"},
    {view, "Flatten Reshape Squeeze Unsqueeze"},
    {transpose, "Transpose"},
    {depth_to_space, "DepthToSpace"},
    {space_to_depth, "SpaceToDepth"},
    {slice, "Slice"},
    {crop, "Crop"},
    {pad, "Pad"},
    {concat, "Concat"},
    {q_linear_concat, "QLinearConcat"},
    {split, "Split"},
    {gather, "Gather"},
    {conv, "Conv ConvInteger"},
    {fused_conv, "FusedConv"},
    {q_linear_conv, "QLinearConv"},
    {conv_transpose, "ConvTranspose"},
    {pool, "AveragePool LpPool MaxPool"},
    {follow_resize, "Resize Upsample"},
    {reduce,
     "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd "
     "ReduceSum ReduceSumSquare"},
    {arg, "ArgMax ArgMin"},
    {global_pool, "GlobalAveragePool GlobalLpPool GlobalMaxPool"},
    {q_linear_global_pool, "QLinearGlobalAveragePool"},
    {softmax, "Hardmax LogSoftmax Softmax"},
    {q_linear_softmax, "QLinearSoftmax"},
    {lp_normalization, "LpNormalization"},
    {layer_normalization, "LayerNormalization RMSNormalization SimplifiedLayerNormalization"},
    {skip_layer_normalization, "SkipLayerNormalization SkipSimplifiedLayerNormalization"},
    {instance_normalization, "InstanceNormalization"},
    {group_normalization, "GroupNormalization"},
    {mean_variance_normalization, "MeanVarianceNormalization"},
    {lrn, "LRN"},
    {cumulate, "CumProd CumSum"},
    {top_k, "TopK"},
    {dynamic_quantize, "DynamicQuantizeLinear"},
    {mat_mul, "MatMul MatMulInteger"},
    {q_linear_mat_mul, "QLinearMatMul"},
    {mat_mul_n_bits, "MatMulNBits"},
    {source,
     "Constant ConstantOfShape EyeLike RandomNormal RandomNormalLike RandomUniform "
     "RandomUniformLike Shape Size"},
    {random, "Bernoulli"},
    {not_followed,
     "Adagrad Adam AffineGrid ArrayFeatureExtractor Attention BitCast BlackmanWindow "
     "CategoryMapper CausalConvWithState CenterCropPad Col2Im Compress ConcatFromSequence DFT "
     "DeformConv Det DynamicQuantizeMatMul Einsum EmbedLayerNormalization FeatureVectorizer "
     "FlexAttention FusedMatMul GRU GatherElements GatherND Gemm GreedySearch GridSample "
     "GroupQueryAttention HammingWindow HannWindow If Imputer LSTM LabelEncoder LinearAttention "
     "LinearClassifier LinearRegressor Loop MatMulIntegerToFloat MaxRoiPool MaxUnpool "
     "MelWeightMatrix Momentum MultiHeadAttention Multinomial NegativeLogLikelihoodLoss "
     "NonMaxSuppression NonZero Normalizer OneHot OneHotEncoder Optional OptionalGetElement "
     "OptionalHasElement QGemm RNN Range RegexFullMatch ReverseSequence RoiAlign RotaryEmbedding "
     "STFT Scaler Scan Scatter ScatterElements ScatterND SequenceAt SequenceConstruct "
     "SequenceEmpty SequenceErase SequenceInsert SequenceLength SequenceMap "
     "SoftmaxCrossEntropyLoss SplitToSequence StringConcat StringNormalizer StringSplit SwiGLU "
     "TensorScatter TfIdfVectorizer Tile TransposeMatMul TreeEnsemble TreeEnsembleClassifier "
     "TreeEnsembleRegressor Trilu Unique ZipMap"},
};

}  // namespace

ReachRow find_reach_row(Text op) {
  static const std::map<Text, ReachRow> found = [] {
    std::map<Text, ReachRow> all;
    for (const Entry& entry : table)
      for (size_t begin = 0; begin < entry.ops.size();) {
        const size_t end = std::min(entry.ops.find(' ', begin), entry.ops.size());
        if (end > begin) all.emplace(entry.ops.substr(begin, end - begin), entry.row);
        begin = end + 1;
      }
    return all;
  }();
  const auto row = found.find(op);
  return row == found.end() ? nullptr : row->second;
}

}  // namespace tessera::upscale
