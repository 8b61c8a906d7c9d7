// ai.onnx.ml TreeEnsemble, TreeEnsembleRegressor and TreeEnsembleClassifier: one walk over one form
// of tree, read from the newer attributes or from the older ones.
#include <algorithm>
#include <map>

#include "ops/ml_scores.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum class Test : uint8_t { at_most, less, at_least, more, equal, differs, member };
enum class Aggregate { average, sum, least, most };

struct Branch {
  int64_t feature = 0;
  Test test = Test::at_most;
  bool missing_is_true = false;
  double split = 0;
  size_t members_begin = 0, members_end = 0;
  size_t next[2] = {0, 0};  ///< [0] if the test fails, [1] if it holds
  bool leaf[2] = {false, false};
};

struct Vote {
  int64_t target;
  double weight;
};

// A branch by `at_most` in few bytes; a leaf leads to itself.
struct Step {
  double split;
  uint32_t feature, missing_is_true, next[2];
};

struct Forest {
  std::vector<Branch> branches;
  RunVector<double> members;
  std::vector<std::vector<Vote>> leaves;
  RunVector<std::pair<size_t, bool>> roots;  ///< a branch, or (true) a leaf
  int64_t targets = 1;
  Aggregate aggregate = Aggregate::sum;
  RunVector<double> base;

  RunVector<Step> steps;  ///< the branches, then the leaves; none where some test is of another kind

  static constexpr int most_rows = 8;  ///< that walk through a tree side by side, so that none waits for memory alone

  /// The leaf of each row in each tree, `most_rows` of them a tree.
  RunVector<uint32_t> walk(const double* x, int64_t width, int64_t rows) const {
    RunVector<uint32_t> at(roots.size() * most_rows);
    for (size_t t = 0; t < roots.size(); ++t) {
      uint32_t* places = at.data() + t * most_rows;
      if (!steps.empty())
        walk_steps(roots[t], x, width, rows, places);
      else
        for (int64_t r = 0; r < rows; ++r) places[r] = static_cast<uint32_t>(walk_branches(roots[t], x + r * width));
    }
    return at;
  }

  void walk_steps(std::pair<size_t, bool> root, const double* x, int64_t width, int64_t rows, uint32_t* at) const {
    const auto leaf = static_cast<uint32_t>(branches.size());
    std::fill_n(at, rows, static_cast<uint32_t>(root.first) + (root.second ? leaf : 0));
    for (bool walks = !root.second; walks;) {
      walks = false;
      for (int64_t r = 0; r < rows; ++r) {
        const Step& step = steps[at[r]];
        const double value = x[r * width + step.feature];
        const bool yes = (value <= step.split) | ((value != value) & (step.missing_is_true != 0));
        at[r] = step.next[yes];
        walks |= at[r] < leaf;
      }
    }
    for (int64_t r = 0; r < rows; ++r) at[r] -= leaf;
  }

  size_t walk_branches(std::pair<size_t, bool> at, const double* x) const {
    while (!at.second) {
      const Branch& b = branches[at.first];
      const bool yes = holds(b, x[b.feature]);
      at = {b.next[yes], b.leaf[yes]};
    }
    return at.first;
  }

  void make_steps() {
    constexpr size_t most = size_t{1} << 31;
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const bool fits =
        branches.size() + leaves.size() < most && std::all_of(branches.begin(), branches.end(), [](const Branch& b) {
          return b.test == Test::at_most || (b.test == Test::less && b.split != -infinity);
        });
    if (!fits) return;
    for (const Branch& b : branches) {
      const auto place = [&](int side) {
        return static_cast<uint32_t>(b.next[side] + (b.leaf[side] ? branches.size() : 0));
      };
      // What is less than a number is at most the one before it.
      const double split = b.test == Test::less ? std::nextafter(b.split, -infinity) : b.split;
      steps.push_back({split, static_cast<uint32_t>(b.feature), b.missing_is_true, {place(0), place(1)}});
    }
    for (size_t i = 0; i < leaves.size(); ++i) {
      const auto self = static_cast<uint32_t>(steps.size());
      steps.push_back({0, 0, 0, {self, self}});
    }
  }

  bool holds(const Branch& b, double x) const {
    if (std::isnan(x) && b.missing_is_true) return true;
    switch (b.test) {
      case Test::at_most: return x <= b.split;
      case Test::less: return x < b.split;
      case Test::at_least: return x >= b.split;
      case Test::more: return x > b.split;
      case Test::equal: return x == b.split;
      case Test::differs: return x != b.split;
      case Test::member: break;
    }
    const auto end = members.begin() + static_cast<ptrdiff_t>(b.members_end);
    return std::find(members.begin() + static_cast<ptrdiff_t>(b.members_begin), end, x) != end;
  }

  /// Of one row, whose leaves `walk` has found.
  RunVector<double> scores(const uint32_t* at) const {
    RunVector<double> sums(static_cast<size_t>(targets), 0);
    std::vector<bool> seen(sums.size(), false);
    for (size_t i = 0; i < roots.size(); ++i)
      for (const Vote& vote : leaves[at[i * most_rows]]) {
        const auto t = static_cast<size_t>(vote.target);
        if (aggregate == Aggregate::least)
          sums[t] = seen[t] ? std::min(sums[t], vote.weight) : vote.weight;
        else if (aggregate == Aggregate::most)
          sums[t] = seen[t] ? std::max(sums[t], vote.weight) : vote.weight;
        else
          sums[t] += vote.weight;
        seen[t] = true;
      }
    for (size_t t = 0; t < sums.size(); ++t) {
      if (aggregate == Aggregate::average) sums[t] /= static_cast<double>(std::max<size_t>(roots.size(), 1));
      if (t < base.size()) sums[t] += base[t];
    }
    return sums;
  }

  // A walk must end: no branch may lead to itself, and every index must exist.
  void check() const {
    std::vector<uint8_t> state(branches.size(), 0);
    for (const auto& [root, is_leaf] : roots) {
      if (root >= (is_leaf ? leaves.size() : branches.size())) fail(Error::Kind::model, "a tree's root does not exist");
      RunVector<std::pair<size_t, int>> path;
      if (!is_leaf) path.emplace_back(root, 0);
      while (!path.empty()) {
        auto& [at, side] = path.back();
        if (side == 0 && state[at] == 1) fail(Error::Kind::model, "a tree leads back to itself");
        if (side == 2 || state[at] == 2) {
          state[at] = 2;
          path.pop_back();
          continue;
        }
        state[at] = 1;
        const Branch& b = branches[at];
        const int now = side++;
        const size_t next = b.next[now];
        if (next >= (b.leaf[now] ? leaves.size() : branches.size()))
          fail(Error::Kind::model, "a tree's node ", next, " does not exist");
        if (!b.leaf[now] && state[next] != 2) {
          if (state[next] == 1) fail(Error::Kind::model, "a tree leads back to itself");
          path.emplace_back(next, 0);
        }
      }
    }
    for (const auto& leaf : leaves)
      for (const Vote& vote : leaf)
        if (vote.target < 0 || vote.target >= targets)
          fail(Error::Kind::model, "target ", vote.target, " of ", targets);
  }
};

void expect_size(size_t found, size_t wanted, Text name) {
  if (found != wanted) fail(Error::Kind::model, "attribute \"", name, "\" has ", found, " values, not ", wanted);
}

Forest read_forest_5(const AttrReader& n) {
  Forest f;
  const auto features = n.integers("nodes_featureids"), missing = n.integers("nodes_missing_value_tracks_true");
  const Read<double> modes(n.tensor("nodes_modes")), splits(n.tensor("nodes_splits")),
      weights(n.tensor("leaf_weights"));
  const size_t count = features.size();
  expect_size(static_cast<size_t>(modes.size()), count, "nodes_modes");
  expect_size(static_cast<size_t>(splits.size()), count, "nodes_splits");
  const List<int64_t> next[2] = {n.integers("nodes_falsenodeids"), n.integers("nodes_truenodeids")};
  const List<int64_t> leaf[2] = {n.integers("nodes_falseleafs"), n.integers("nodes_trueleafs")};
  const auto targets = n.integers("leaf_targetids");
  expect_size(static_cast<size_t>(weights.size()), targets.size(), "leaf_weights");
  if (n.has("membership_values")) {
    const Read<double> members(n.tensor("membership_values"));
    f.members.assign(members.data(), members.data() + members.size());
  }
  size_t member = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto at = static_cast<int64_t>(i);
    Branch b;
    b.feature = features[i];
    if (!(modes[at] >= 0 && modes[at] <= 6)) fail(Error::Kind::model, "a node's mode is ", modes[at]);
    b.test = static_cast<Test>(static_cast<int>(modes[at]));
    b.split = splits[at];
    b.missing_is_true = i < missing.size() && missing[i] != 0;
    for (int side = 0; side < 2; ++side) {
      expect_size(next[side].size(), count, "nodes_nodeids");
      expect_size(leaf[side].size(), count, "nodes_leafs");
      b.next[side] = static_cast<size_t>(next[side][i]);
      b.leaf[side] = leaf[side][i] != 0;
    }
    // The sets of all member tests lie one behind the other, each ended by a NaN.
    if (b.test == Test::member) {
      b.members_begin = member;
      while (member < f.members.size() && !std::isnan(f.members[member])) ++member;
      b.members_end = member++;
      if (b.members_end > f.members.size()) b.members_end = b.members_begin = f.members.size();
    }
    f.branches.push_back(b);
  }
  for (size_t i = 0; i < targets.size(); ++i) f.leaves.push_back({{targets[i], weights[static_cast<int64_t>(i)]}});
  for (const int64_t root : n.integers("tree_roots")) f.roots.emplace_back(static_cast<size_t>(root), false);
  f.targets = n.integer("n_targets");
  const int64_t aggregate = n.integer("aggregate_function");
  if (aggregate < 0 || aggregate > 3) fail(Error::Kind::model, "aggregate_function is ", aggregate);
  f.aggregate = static_cast<Aggregate>(aggregate);
  f.check();
  f.make_steps();
  return f;
}

RunVector<double> numbers(const AttrReader& n, const std::string& name) {
  if (const std::string wide = name + "_as_tensor"; n.has(wide)) {
    const Read<double> values(n.tensor(wide));
    return {values.data(), values.data() + values.size()};
  }
  const auto values = n.reals(name);
  return {values.begin(), values.end()};
}

Test test_named(Text mode) {
  constexpr std::pair<Text, Test> names[] = {{"BRANCH_LEQ", Test::at_most},  {"BRANCH_LT", Test::less},
                                             {"BRANCH_GTE", Test::at_least}, {"BRANCH_GT", Test::more},
                                             {"BRANCH_EQ", Test::equal},     {"BRANCH_NEQ", Test::differs}};
  for (const auto& [name, test] : names)
    if (name == mode) return test;
  fail(Error::Kind::model, "a node's mode is \"", mode, "\"");
}

// `votes`: "target" in a regressor, "class" in a classifier.
Forest read_forest_1(const AttrReader& n, const std::string& votes, int64_t targets) {
  Forest f;
  f.targets = targets;
  f.base = numbers(n, "base_values");
  const auto trees = n.integers("nodes_treeids"), ids = n.integers("nodes_nodeids"),
             features = n.integers("nodes_featureids");
  const auto modes = n.texts("nodes_modes");
  const auto missing = n.integers("nodes_missing_value_tracks_true");
  const auto splits = numbers(n, "nodes_values");
  const List<int64_t> next[2] = {n.integers("nodes_falsenodeids"), n.integers("nodes_truenodeids")};
  const size_t count = trees.size();
  for (const size_t size : {ids.size(), features.size(), modes.size(), splits.size(), next[0].size(), next[1].size()})
    expect_size(size, count, "nodes_...");
  std::map<std::pair<int64_t, int64_t>, std::pair<size_t, bool>> places;
  for (size_t i = 0; i < count; ++i) {
    const bool leaf = modes[i] == "LEAF";
    places[{trees[i], ids[i]}] = {leaf ? f.leaves.size() : f.branches.size(), leaf};
    if (leaf)
      f.leaves.emplace_back();
    else
      f.branches.emplace_back();
  }
  const auto find = [&](int64_t tree, int64_t id) {
    const auto place = places.find({tree, id});
    if (place == places.end()) fail(Error::Kind::model, "node ", id, " of tree ", tree, " does not exist");
    return place->second;
  };
  int64_t last = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto place = find(trees[i], ids[i]);
    if (i == 0 || trees[i] != last) f.roots.push_back(place);
    last = trees[i];
    if (place.second) continue;
    Branch& b = f.branches[place.first];
    b.feature = features[i];
    b.test = test_named(modes[i]);
    b.split = splits[i];
    b.missing_is_true = i < missing.size() && missing[i] != 0;
    for (int side = 0; side < 2; ++side) std::tie(b.next[side], b.leaf[side]) = find(trees[i], next[side][i]);
  }
  const auto vote_trees = n.integers(votes + "_treeids"), vote_nodes = n.integers(votes + "_nodeids");
  const auto vote_ids = n.integers(votes + "_ids");
  const auto weights = numbers(n, votes + "_weights");
  for (const size_t size : {vote_nodes.size(), vote_ids.size(), weights.size()})
    expect_size(size, vote_trees.size(), votes);
  for (size_t i = 0; i < vote_trees.size(); ++i) {
    if (vote_ids[i] < 0 || vote_ids[i] >= targets) fail(Error::Kind::model, votes, " ", vote_ids[i], " of ", targets);
    const auto place = find(vote_trees[i], vote_nodes[i]);
    if (place.second) f.leaves[place.first].push_back({vote_ids[i], weights[i]});
  }
  f.check();
  f.make_steps();
  return f;
}

Aggregate aggregate_named(Text name) {
  if (name == "AVERAGE") return Aggregate::average;
  if (name == "MIN") return Aggregate::least;
  if (name == "MAX") return Aggregate::most;
  return Aggregate::sum;
}

// A walk asks for the features that branches name; nodes of mode LEAF name none.
void check_features(Infer& n, List<std::string> modes) {
  const int64_t width = Rows(n.shape(0)).width;
  const auto features = n.integers("nodes_featureids");
  for (size_t i = 0; i < features.size(); ++i)
    if ((features[i] < 0 || features[i] >= width) && !(i < modes.size() && modes[i] == "LEAF"))
      fail(Error::Kind::shape, "feature ", features[i], " of ", width);
}

void infer_targets(Infer& n, DType type, List<std::string> modes) {
  check_features(n, modes);
  const int64_t targets = n.integer("n_targets");
  if (targets < 1 || targets > 1 << 24) fail(Error::Kind::model, "n_targets is ", targets);
  n.set(0, type, {Rows(n.shape(0)).count, targets});
}

void infer_ensemble(Infer& n) { infer_targets(n, n.in(0).dtype, {}); }
void infer_regressor(Infer& n) { infer_targets(n, DType::float32, n.texts("nodes_modes")); }

// The trees of a plan's step, or read from its node.
template <Forest (*read)(const AttrReader&)>
std::shared_ptr<const void> prepare(const AttrReader& n) {
  return std::make_shared<const Forest>(read(n));
}

template <Forest (*read)(const AttrReader&)>
std::shared_ptr<const Forest> forest_of(const Args& a) {
  const auto made = a.packed && a.packed->object ? a.packed->object : prepare<read>(a);
  return std::static_pointer_cast<const Forest>(made);
}

// Calls body(row, its scores) for each row of a matrix.
template <class Body>
void for_rows(const View& in, const Forest& f, const Body& body) {
  const Rows rows(in.shape());
  const Read<double> x(in);
  for (int64_t first = 0; first < rows.count; first += Forest::most_rows) {
    check_cancelled();
    const int64_t count = std::min<int64_t>(Forest::most_rows, rows.count - first);
    const RunVector<uint32_t> leaves = f.walk(x.data() + first * rows.width, rows.width, count);
    for (int64_t r = 0; r < count; ++r) body(first + r, f.scores(leaves.data() + r));
  }
}

void regress(const Args& a, const Forest& f, ScoreTransform transform) {
  for_rows(a.in[0], f, [&](int64_t r, RunVector<double> scores) {
    transform_scores(transform, scores);
    store_scores(a.out[0], r, scores);
  });
}

void ensemble_reference(const Args& a) {
  const int64_t transform = a.integer("post_transform");
  if (transform < 0 || transform > 4) fail(Error::Kind::model, "attribute \"post_transform\" is ", transform);
  regress(a, *forest_of<read_forest_5>(a), static_cast<ScoreTransform>(transform));
}

Forest read_regressor(const AttrReader& n) {
  Forest f = read_forest_1(n, "target", n.integer("n_targets"));
  f.aggregate = aggregate_named(n.text("aggregate_function"));
  return f;
}

void regressor_reference(const Args& a) {
  regress(a, *forest_of<read_regressor>(a), score_transform(a.text("post_transform")));
}

int64_t classes_of(const Labels& labels) { return static_cast<int64_t>(std::max<size_t>(labels.size(), 1)); }

Forest read_classifier(const AttrReader& n) {
  return read_forest_1(n, "class", classes_of(Labels(n, "classlabels_strings", "classlabels_int64s")));
}

void infer_classifier(Infer& n) {
  check_features(n, n.texts("nodes_modes"));
  const Labels labels(n, "classlabels_strings", "classlabels_int64s");
  const int64_t rows = Rows(n.shape(0)).count, classes = classes_of(labels);
  n.set(0, labels.type(), {rows});
  n.set(1, DType::float32, {rows, classes});
}

// The first class's scores alone are the second one's; the first has what is left.
void split_binary(bool positive, ScoreTransform transform, RunVector<double>& scores) {
  const double s = scores[0];
  if (transform == ScoreTransform::probit)
    scores = {s, s};
  else if (positive && transform != ScoreTransform::logistic)
    scores = {1 - s, s};
  else
    scores = {-s, s};
}

void classifier_reference(const Args& a) {
  const Labels labels(a, "classlabels_strings", "classlabels_int64s");
  const int64_t classes = classes_of(labels);
  const auto forest = forest_of<read_classifier>(a);
  const Forest& f = *forest;
  const ScoreTransform transform = score_transform(a.text("post_transform"));
  const auto ids = a.integers("class_ids");
  const bool binary =
      classes == 2 && !ids.empty() && std::all_of(ids.begin(), ids.end(), [&](int64_t id) { return id == ids[0]; });
  const bool split = binary && ids[0] == 0;
  const auto weights = numbers(a, "class_weights");
  const bool positive = std::all_of(weights.begin(), weights.end(), [](double w) { return w >= 0; });
  for_rows(a.in[0], f, [&](int64_t r, RunVector<double> scores) {
    size_t best;
    if (binary) {
      best = scores[static_cast<size_t>(ids[0])] > (positive ? 0.5 : 0) ? 1 : 0;
      if (split)
        split_binary(positive, transform, scores);
      else if (f.base.size() < 2)
        scores[0] = 0;
    } else {
      best = static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
    }
    labels.store(a.out[0], r, best);
    // A single score and its complement are no distribution to be made again.
    const bool whole = transform == ScoreTransform::softmax || transform == ScoreTransform::softmax_zero;
    if (!split || !whole) transform_scores(transform, scores);
    if (a.out.size() > 1) store_scores(a.out[1], r, scores);
  });
}

constexpr AttrDef attrs_5[] = {{"aggregate_function", 1},
                               {"post_transform", 0},
                               {"n_targets", 1},
                               {.name = "leaf_targetids", .required = true},
                               {.name = "leaf_weights", .required = true},
                               {"membership_values"},
                               {.name = "nodes_falseleafs", .required = true},
                               {.name = "nodes_falsenodeids", .required = true},
                               {.name = "nodes_featureids", .required = true},
                               {"nodes_hitrates"},
                               {"nodes_missing_value_tracks_true"},
                               {.name = "nodes_modes", .required = true},
                               {.name = "nodes_splits", .required = true},
                               {.name = "nodes_trueleafs", .required = true},
                               {.name = "nodes_truenodeids", .required = true},
                               {.name = "tree_roots", .required = true}};
constexpr AttrDef attrs_1[] = {{"class_ids"},
                               {"class_nodeids"},
                               {"class_treeids"},
                               {"class_weights"},
                               {.name = "class_weights_as_tensor", .since = 3},
                               {"classlabels_int64s"},
                               {"classlabels_strings"},
                               {"post_transform", 0, "NONE"},
                               {"base_values"},
                               {.name = "base_values_as_tensor", .since = 3},
                               {"nodes_falsenodeids"},
                               {"nodes_featureids"},
                               {"nodes_missing_value_tracks_true"},
                               {"nodes_modes"},
                               {"nodes_nodeids"},
                               {"nodes_treeids"},
                               {"nodes_truenodeids"},
                               {"nodes_values"},
                               {.name = "nodes_values_as_tensor", .since = 3},
                               {"aggregate_function", 0, "SUM"},
                               {"n_targets", 1},
                               {"target_ids"},
                               {"target_nodeids"},
                               {"target_treeids"},
                               {"target_weights"},
                               {.name = "target_weights_as_tensor", .since = 3}};
constexpr size_t of_classes = 7, of_targets = 7;
constexpr Text domain = "ai.onnx.ml", types = "T=float32|float64|int32|int64|float16 : T";
const OpDef defs[] = {{.name = "TreeEnsemble",
                       .domain = domain,
                       .since = 5,
                       .in = {1, 1},
                       .types = types,
                       .attrs = attrs_5,
                       .infer = infer_ensemble,
                       .reference = ensemble_reference,
                       .reach = reach::not_followed,
                       .prepare = prepare<read_forest_5>},
                      {.name = "TreeEnsembleRegressor",
                       .domain = domain,
                       .since = 1,
                       .in = {1, 1},
                       .types = types,
                       .attrs = List<AttrDef>(attrs_1).subspan(of_classes),
                       .infer = infer_regressor,
                       .reference = regressor_reference,
                       .reach = reach::not_followed,
                       .prepare = prepare<read_regressor>},
                      {.name = "TreeEnsembleClassifier",
                       .domain = domain,
                       .since = 1,
                       .in = {1, 1},
                       .out = {1, 2},
                       .types = types,
                       .attrs = List<AttrDef>(attrs_1).first(std::size(attrs_1) - of_targets),
                       .infer = infer_classifier,
                       .reference = classifier_reference,
                       .reach = reach::not_followed,
                       .prepare = prepare<read_classifier>}};

}  // namespace

extern const OpFile tree_ensemble;
const OpFile tree_ensemble{defs};

}  // namespace tessera::ops
