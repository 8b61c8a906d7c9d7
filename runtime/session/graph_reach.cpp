// The walk over a graph with concrete shapes.
#include "runtime/session/graph_reach.h"

#include <algorithm>
#include <unordered_map>

#include "runtime/plan/fold.h"

namespace tessera {
namespace {

using reach::columns;
using reach::Field;
using reach::none;
using reach::rows;

/// One walk with concrete shapes.
class Walk {
 public:
  Walk(const Graph& graph, List<Type> in, const ReachQuery& query) : graph_(graph), query_(query) {
    for (size_t i = 0; i < in.size(); ++i) {
      Value& value = graph_.values[graph_.inputs[i]];
      value.type = in[i];
      value.ranked = true;
    }
    for (const int side : {rows, columns}) whole_[side] = in[query.input].shape[query.in_axes[side]];
  }

  GraphReach run() {
    const ValueId input = graph_.inputs[query_.input];
    Field field = reach::plain_field(graph_.values[input].type.shape);
    const size_t known = infer_types(graph_).node;
    for (const int side : {rows, columns}) field.axes[query_.in_axes[side]] = {{side, whole_[side], 1}};
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
    const bool stretched = step.stretched[rows] || step.stretched[columns];
    if ((step.global || stretched) && walked_.reason.empty()) walked_.reason = node.op->name;
    if (stretched && !add_stretch(step)) walked_.global = true;
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

  bool add_stretch(reach::Step& step) {
    const Node& node = step.node();
    const size_t rank = step.in_types[0].shape.size();
    if (!step.stretched[rows] || !step.stretched[columns] || rank < 3 || node.out.size() != 1 ||
        step.in_types[0].dtype != DType::float32)
      return false;
    GraphStretch stretch{node.out[0], {}, {}, {}, {}};
    for (const int side : {rows, columns}) {
      const size_t axis = rank - 2 + static_cast<size_t>(side);
      const reach::Digits &from = step.in[0].axes[axis], &to = step.out[0].axes[axis];
      if (from.size() != 1 || to.size() != 1 || from[0].side != side || to[0].side != side) return false;
      stretch.weights[side] = std::move(*step.stretched[side]);
      stretch.out_extent[side] = step.out_types[0].shape[axis];
      stretch.in_step[side] = from[0].step.real();
      stretch.out_step[side] = to[0].step.real();
    }
    walked_.stretches.push_back(std::move(stretch));
    return true;
  }

  /// Notes a node whose one result is made of all rows and columns.
  bool add_pool(const reach::Step& step, int stage) {
    const Node& node = step.node();
    if (step.pooled == reach::Pooled::other) return false;
    GraphPool pool{node.in[0], node.out[0], step.out_types[0], step.pooled, stage};
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

  /// The result must be a picture.
  void finish() {
    const auto found = fields_.find(graph_.outputs[query_.output]);
    bool good = found != fields_.end() && found->second.axes.size() > 1;
    for (const int side : {rows, columns}) {
      if (!good) break;
      Field& field = found->second;
      const size_t axis = query_.out_axes[side];
      good = axis < field.axes.size() && settle(field, axis) && field.axes[axis].size() == 1 &&
             field.axes[axis][0].side == side;
      if (!good) break;
      walked_.step[side] = field.axes[axis][0].step;
      walked_.low[side] = field.low[side];
      walked_.high[side] = field.high[side];
    }
    if (good) return;
    walked_.followed = false;
    walked_.reason = "its result";
  }

  Graph graph_;
  ReachQuery query_;
  std::unordered_map<ValueId, Field> fields_;
  std::unordered_map<ValueId, int> stages_;  ///< pools on the way to a value
  int64_t whole_[2] = {};
  GraphReach walked_;
};

}  // namespace

GraphReach reach_of(const Graph& graph, List<Type> in, const ReachQuery& query) {
  const auto fits = [](const size_t* axes, size_t rank) {
    return axes[0] < rank && axes[1] < rank && axes[0] != axes[1];
  };
  if (in.size() != graph.inputs.size())
    fail(Error::Kind::usage, "the model has ", graph.inputs.size(), " inputs, but ", in.size(), " are given");
  if (query.input >= in.size() || query.output >= graph.outputs.size())
    fail(Error::Kind::usage, "there is no input ", query.input, " or no output ", query.output);
  if (!fits(query.in_axes, in[query.input].shape.size()))
    fail(Error::Kind::usage, "input ", query.input, " is ", in[query.input],
         ": rows and columns lie on two of its axes");
  return Walk(graph, in, query).run();
}

}  // namespace tessera
