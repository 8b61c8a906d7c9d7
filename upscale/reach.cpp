// What walks over a graph say, for sizes that show what depends on the size.
#include "upscale/reach.h"

#include <algorithm>
#include <cmath>

#include "runtime/plan/fold.h"

namespace tessera::upscale {
namespace {

using reach::columns;
using reach::Ratio;
using reach::rows;

bool same(const GraphReach& a, const GraphReach& b) {
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
  const auto axis = [](int at) { return static_cast<size_t>(at); };
  const ReachQuery query{0,
                         axis(convention.output),
                         {axis(convention.in.y), axis(convention.in.x)},
                         {axis(convention.out.y), axis(convention.out.x)}};
  const auto walk = [&](int64_t width, int64_t height) {
    const Type type = convention.input(width, height);
    GraphReach walked = reach_of(graph, List<Type>(&type, 1), query);
    const Ratio step(1, convention.scale);
    if (walked.followed && (walked.step[rows] != step || walked.step[columns] != step)) {
      walked.followed = false;
      walked.reason = "its result";
    }
    return walked;
  };
  // A size with many factors first, then others: one pixel more, and a lattice more.
  const int64_t unit = convention.multiple, round = (192 + unit - 1) / unit * unit;
  const int64_t width = convention.fixed_width ? convention.fixed_width : round;
  const int64_t height = convention.fixed_height ? convention.fixed_height : round;
  GraphReach first;
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
  const auto agree = [&](const GraphReach& a, const GraphReach& b) {
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
