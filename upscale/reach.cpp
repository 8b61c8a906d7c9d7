// The walk over a graph, for sizes that show what depends on the size.
#include "upscale/reach.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "runtime/graph/reach.h"
#include "runtime/plan/fold.h"

namespace tessera::upscale {
namespace {

using reach::columns;
using reach::Field;
using reach::none;
using reach::Ratio;
using reach::rows;

struct Walked {
  bool followed = true, global = false;
  std::string reason;
  Ratio low[2], high[2], lattice[2] = {1, 1};
  std::vector<Pool> pools;
};

/// One walk with concrete shapes.
class Walk {
 public:
  Walk(const Graph& graph, const Convention& convention, int64_t width, int64_t height)
      : graph_(graph), convention_(convention), whole_{height, width} {}

  Walked run() {
    const ValueId input = graph_.inputs[0];
    const Type type = convention_.input(whole_[columns], whole_[rows]);
    graph_.values[input].type = type;
    graph_.values[input].ranked = true;
    const size_t known = infer_types(graph_).node;
    Field field = reach::plain_field(type.shape);
    for (const int side : {rows, columns})
      field.axes[static_cast<size_t>(side == rows ? convention_.in.y : convention_.in.x)] = {{side, whole_[side], 1}};
    fields_[input] = field;
    for (size_t i = 0; i < graph_.nodes.size() && walked_.followed; ++i) {
      if (i < known)
        visit(graph_.nodes[i]);
      else if (reads_picture(graph_.nodes[i]))
        stop(graph_.nodes[i]);
    }
    if (walked_.followed) finish();
    return walked_;
  }

 private:
  bool reads_picture(const Node& node) const {
    return std::any_of(node.in.begin(), node.in.end(), [&](ValueId id) { return fields_.contains(id); });
  }

  void stop(const Node& node) {
    walked_.followed = false;
    walked_.reason = node.op->name;
  }

  void visit(const Node& node) {
    if (!reads_picture(node)) return;
    const NodeTypes types(graph_, node);
    reach::Step step(node);
    step.in_types = types.in;
    step.out_types = types.out;
    step.constants = types.constants;
    for (size_t i = 0; i < node.in.size(); ++i) {
      const auto known = fields_.find(node.in[i]);
      step.in.push_back(known != fields_.end() ? known->second : reach::plain_field(types.in[i].shape));
    }
    std::copy(std::begin(whole_), std::end(whole_), std::begin(step.whole));
    bool followed = false;
    try {
      followed = node.op->reach && node.epilogue.empty() && node.op->reach(step);
    } catch (const Error&) {
      // Coordinates that are no simple fractions of the picture's.
    }
    if (!followed) return stop(node);
    int stage = 0;
    for (const ValueId in : node.in)
      if (const auto known = stages_.find(in); known != stages_.end()) stage = std::max(stage, known->second);
    if (step.global && walked_.reason.empty()) walked_.reason = node.op->name;
    if (step.global && add_pool(step, stage))
      ++stage;
    else
      walked_.global = walked_.global || step.global;
    for (size_t i = 0; i < node.out.size(); ++i) {
      if (node.out[i] == absent) continue;
      for (const reach::Digits& digits : step.out[i].axes)
        for (const reach::Digit& digit : digits)
          if (digit.side != none)
            walked_.lattice[digit.side] = reach::common_multiple(walked_.lattice[digit.side], digit.step);
      fields_[node.out[i]] = std::move(step.out[i]);
      stages_[node.out[i]] = stage;
    }
  }

  /// Notes a node whose one result is a mean or maximum over rows and columns.
  bool add_pool(const reach::Step& step, int stage) {
    const Node& node = step.node();
    if (step.pooled == reach::Pooled::other) return false;
    Pool pool{node.in[0], node.out[0], step.out_types[0], step.pooled == reach::Pooled::largest, stage};
    if (node.out.size() != 1 || step.out[0].on_picture() || !is_float(pool.type.dtype)) return false;
    bool found[2] = {};
    Field field = step.in[0];
    for (size_t axis = 0; axis < field.axes.size(); ++axis) {
      if (!on_picture(field.axes[axis])) continue;
      if (!settle(field, axis)) return false;
      const reach::Digit& digit = field.axes[axis][0];
      if (std::exchange(found[digit.side], true)) return false;
      pool.axis[digit.side] = static_cast<int>(axis);
      pool.step[digit.side] = digit.step.real();
    }
    // Extents along which nothing runs must not be summed up either: an output element is one of theirs.
    int64_t others = 1;
    for (size_t axis = 0; axis < field.axes.size(); ++axis)
      if (!on_picture(field.axes[axis])) others *= step.in_types[0].shape[axis];
    if (!found[rows] || !found[columns] || others != pool.type.shape.elements()) return false;
    for (const int side : {rows, columns}) pool.middle[side] = (field.low[side].real() + field.high[side].real()) / 2;
    walked_.pools.push_back(pool);
    return true;
  }

  /// The result must be a picture whose pixels lie where the convention says.
  void finish() {
    const auto found = fields_.find(graph_.outputs[static_cast<size_t>(convention_.output)]);
    bool good = found != fields_.end() && found->second.axes.size() > 2;
    for (const int side : {rows, columns}) {
      if (!good) break;
      Field& field = found->second;
      const auto axis = static_cast<size_t>(side == rows ? convention_.out.y : convention_.out.x);
      good = axis < field.axes.size() && settle(field, axis) && field.axes[axis].size() == 1 &&
             field.axes[axis][0].side == side && field.axes[axis][0].step == Ratio(1, convention_.scale);
      walked_.low[side] = field.low[side];
      walked_.high[side] = field.high[side];
    }
    if (good) return;
    walked_.followed = false;
    walked_.reason = "its result";
  }

  Graph graph_;
  const Convention& convention_;
  std::unordered_map<ValueId, Field> fields_;
  std::unordered_map<ValueId, int> stages_;  ///< pools on the way to a value
  int64_t whole_[2];
  Walked walked_;
};

bool same(const Walked& a, const Walked& b) {
  return a.followed == b.followed && a.global == b.global && a.pools.size() == b.pools.size() &&
         std::equal(a.low, a.low + 2, b.low) && std::equal(a.high, a.high + 2, b.high);
}

}  // namespace

Reach follow(const Model& model, const Convention& convention) {
  Reach reach;
  Graph graph = model.graph;
  reach.followed = graph.inputs.size() == 1 && !graph.outputs.empty();
  if (!reach.followed) return reach;
  fold_constants(graph);
  const auto walk = [&](int64_t width, int64_t height) { return Walk(graph, convention, width, height).run(); };
  // A size with many factors first, then others: one pixel more, and a lattice more.
  const int64_t unit = convention.multiple, round = (192 + unit - 1) / unit * unit;
  const int64_t width = convention.fixed_width ? convention.fixed_width : round;
  const int64_t height = convention.fixed_height ? convention.fixed_height : round;
  Walked first;
  try {
    first = walk(width, height);
  } catch (const Error&) {
    first.followed = false;
    first.reason = "a shape";
  }
  reach.followed = first.followed;
  reach.global = first.global;
  reach.reason = first.reason;
  if (!reach.global) reach.pools = first.pools;
  if (!reach.followed) return reach;
  const Ratio lattice = common_multiple(common_multiple(first.lattice[0], first.lattice[1]), Ratio(unit));
  reach.lattice = lattice.num;
  double radius = 0;
  const Ratio lost(convention.lost_before, convention.scale), last(convention.scale - 1, convention.scale);
  for (const int side : {rows, columns})
    radius = std::max({radius, (lost - first.low[side]).real(), (first.high[side] - lost + last).real()});
  reach.radius = std::max<int64_t>(0, static_cast<int64_t>(std::ceil(radius)));
  if (convention.fixed_width && convention.fixed_height) return reach;
  // What depends on the size is no neighbourhood; sizes of whole lattices may agree where others do not.
  const auto at = [&](int64_t more) {
    return walk(convention.fixed_width ? width : width + more, convention.fixed_height ? height : height + more);
  };
  const auto agree = [&](const Walked& a, const Walked& b) {
    if (reach.reason.empty()) reach.reason = !a.followed ? a.reason : b.reason;
    return a.followed && same(a, b);
  };
  try {
    if (!agree(at(reach.lattice), first))
      reach.followed = false;
    else if (reach.lattice > unit && !agree(at(unit), at(unit + reach.lattice)))
      reach.multiple = reach.lattice;
  } catch (const Error&) {
    reach.followed = false;
  }
  if (reach.followed && !reach.global && reach.pools.empty()) reach.reason.clear();
  return reach;
}

}  // namespace tessera::upscale
