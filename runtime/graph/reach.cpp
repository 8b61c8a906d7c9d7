#include "runtime/graph/reach.h"

#include <cstdlib>
#include <utility>

namespace tessera::reach {

bool Step::integers_of(size_t i, Text attribute, std::vector<int64_t>& values) const {
  values.clear();
  if (!has_input(i)) {
    if (!attribute.empty())
      for (const int64_t value : integers(attribute)) values.push_back(value);
    return true;
  }
  if (!constants[i]) return false;
  const View view = constants[i]->view();
  for (int64_t k = 0; k < view.elements(); ++k) values.push_back(static_cast<int64_t>(element_as_double(view, k)));
  return true;
}

bool Step::on_picture_from(size_t first) const {
  for (size_t i = first; i < in.size(); ++i)
    if (in[i].on_picture()) return true;
  return false;
}

// --- What rules are made of ------------------------------------------------------------------

void see_all_of(Step& s, Field& field, size_t axis, bool stays) {
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

bool make_plain(Step& s, Field& field, size_t axis, int64_t extent) {
  const bool before = std::exchange(s.global, false);
  see_all_of(s, field, axis, false);
  const bool whole = std::exchange(s.global, before);
  if (extent != 1) field.axes[axis] = {{none, extent, 0}};
  return !whole;
}

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

bool combine(Step& s, const std::vector<size_t>& which) {
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

bool join(Step& s, const std::vector<size_t>& which) {
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

bool permute(Field& field, List<int64_t> order) {
  if (order.size() != field.axes.size()) return false;
  std::vector<Digits> axes;
  for (const int64_t axis : order) axes.push_back(field.axes[static_cast<size_t>(axis)]);
  field.axes = std::move(axes);
  return true;
}

bool rearrange(Step& s, const Shape& cut, List<int64_t> order) {
  Field field = s.in[0];
  Shape moved;
  for (const int64_t axis : order) moved.push_back(cut[static_cast<size_t>(axis)]);
  if (!recut(field, s.in_types[0].shape, cut) || !permute(field, order) || !recut(field, moved, s.out_types[0].shape))
    return false;
  s.out = {field};
  return true;
}

bool cut(Step& s, Field& field, size_t axis, int64_t start, int64_t step) {
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

bool mix_axes(Step& s, size_t from, size_t to) {
  Field field = s.in[0];
  for (size_t axis = from; axis < to; ++axis) see_all_of(s, field, axis, true);
  s.out.push_back(field);
  for (size_t i = 1; i < s.out_types.size(); ++i) {
    if (s.out_types[i].dtype == DType::undefined) {
      s.out.emplace_back();
      continue;
    }
    // Statistics beside the result: one for all of these axes.
    Field statistics = s.in[0];
    for (size_t axis = from; axis < to; ++axis) see_all_of(s, statistics, axis, false);
    s.out.push_back(statistics);
  }
  return true;
}

bool drop_axes(Step& s, const std::vector<bool>& dropped) {
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

// --- Rules -----------------------------------------------------------------------------------

bool not_followed(Step&) { return false; }

bool source(Step& s) {
  for (const Type& type : s.out_types) s.out.push_back(plain_field(type.shape));
  return true;
}

bool along(Step& s) {
  if (s.on_picture_from(1)) return false;
  for (const Type& type : s.out_types)
    s.out.push_back(type.shape == s.in_types[0].shape ? s.in[0] : plain_field(type.shape));
  return true;
}

bool random(Step& s) {
  s.global = true;
  return along(s);
}

bool pointwise(Step& s) {
  std::vector<size_t> which;
  for (size_t i = 0; i < s.in.size(); ++i)
    if (s.has_input(i)) which.push_back(i);
  return combine(s, which);
}

bool view(Step& s) {
  Field field = s.in[0];
  if (!recut(field, s.in_types[0].shape, s.out_types[0].shape)) return false;
  s.out.assign(s.out_types.size(), field);
  return true;
}

}  // namespace tessera::reach
