// ai.onnx.ml TreeEnsemble: decision trees whose leaves vote for targets.
#include <algorithm>
#include <cmath>

#include "runtime/graph/op.h"

namespace tessera::ops {
extern const OpFile tree_ensemble;
namespace {

enum Mode : uint8_t { at_most, less, at_least, greater, equal, not_equal, member };
enum Aggregate : int64_t { average, sum, least, most };
enum Post : int64_t { none, softmax, logistic, softmax_zero, probit };

struct Branch {
  int64_t feature, when_true, when_false;
  double split;
  Mode mode;
  bool true_leaf, false_leaf, missing_is_true;
  std::vector<double> members;
};
struct Leaf {
  int64_t target;
  double weight;
};
struct Trees {
  std::vector<Branch> branches;
  std::vector<Leaf> leaves;
  List<int64_t> roots;
};

std::vector<Branch> branches_of(const AttrReader& attrs) {
  const auto features = attrs.integers("nodes_featureids"), when_true = attrs.integers("nodes_truenodeids"),
             when_false = attrs.integers("nodes_falsenodeids"), true_leafs = attrs.integers("nodes_trueleafs"),
             false_leafs = attrs.integers("nodes_falseleafs"), missing = attrs.integers("nodes_missing_value_tracks_true");
  const View splits = attrs.tensor("nodes_splits").view(), modes = attrs.tensor("nodes_modes").view();
  const size_t count = features.size();
  for (const size_t length : {when_true.size(), when_false.size(), true_leafs.size(), false_leafs.size(),
                              static_cast<size_t>(splits.elements()), static_cast<size_t>(modes.elements()),
                              missing.empty() ? count : missing.size()})
    if (length != count) fail(Error::Kind::model, "the nodes_ attributes differ in length");
  std::vector<Branch> branches;
  for (size_t i = 0; i < count; ++i) {
    const double mode = element_as_double(modes, static_cast<int64_t>(i));
    if (!(mode >= 0 && mode <= static_cast<double>(member)))
      fail(Error::Kind::model, "node mode ", mode, " is not known");
    branches.push_back({features[i], when_true[i], when_false[i], element_as_double(splits, static_cast<int64_t>(i)),
                        static_cast<Mode>(mode), true_leafs[i] != 0, false_leafs[i] != 0,
                        !missing.empty() && missing[i] != 0, {}});
  }
  if (!attrs.has("membership_values")) return branches;
  // One list per member node, in their order, each ended by NaN.
  const View values = attrs.tensor("membership_values").view();
  int64_t next = 0;
  for (Branch& branch : branches) {
    if (branch.mode != member) continue;
    for (; next < values.elements(); ++next) {
      const double value = element_as_double(values, next);
      if (std::isnan(value)) break;
      branch.members.push_back(value);
    }
    ++next;
  }
  return branches;
}

Trees trees_of(const AttrReader& attrs) {
  Trees trees{branches_of(attrs), {}, attrs.integers("tree_roots")};
  const auto targets = attrs.integers("leaf_targetids");
  const View weights = attrs.tensor("leaf_weights").view();
  if (static_cast<int64_t>(targets.size()) != weights.elements())
    fail(Error::Kind::model, "the leaf_ attributes differ in length");
  for (size_t i = 0; i < targets.size(); ++i) {
    if (targets[i] < 0 || targets[i] >= attrs.integer("n_targets"))
      fail(Error::Kind::model, "leaf target ", targets[i], " is not one of ", attrs.integer("n_targets"));
    trees.leaves.push_back({targets[i], element_as_double(weights, static_cast<int64_t>(i))});
  }
  const auto within = [](int64_t i, size_t size) { return i >= 0 && static_cast<size_t>(i) < size; };
  for (const Branch& branch : trees.branches)
    if (!within(branch.when_true, branch.true_leaf ? trees.leaves.size() : trees.branches.size()) ||
        !within(branch.when_false, branch.false_leaf ? trees.leaves.size() : trees.branches.size()))
      fail(Error::Kind::model, "a node leads to one that does not exist");
  for (const int64_t root : trees.roots)
    if (!within(root, trees.branches.size())) fail(Error::Kind::model, "tree root ", root, " does not exist");
  return trees;
}

void infer_trees(Infer& infer) {
  const Shape& shape = infer.shape(0);
  if (shape.size() != 2) fail(Error::Kind::shape, "needs [N,F], got ", shape);
  for (const Branch& branch : trees_of(infer).branches)
    if (branch.feature < 0 || branch.feature >= shape[1])
      fail(Error::Kind::shape, "feature ", branch.feature, " is not one of ", shape[1]);
  infer.set(0, {shape[0], infer.integer("n_targets")});
}

bool holds(const Branch& branch, double x) {
  if (std::isnan(x) && branch.missing_is_true) return true;
  switch (branch.mode) {
    case at_most: return x <= branch.split;
    case less: return x < branch.split;
    case at_least: return x >= branch.split;
    case greater: return x > branch.split;
    case equal: return x == branch.split;
    case not_equal: return x != branch.split;
    case member: return std::find(branch.members.begin(), branch.members.end(), x) != branch.members.end();
  }
  return false;
}

const Leaf& find_leaf(const Trees& trees, int64_t root, const View& in, int64_t row) {
  const int64_t features = in.shape()[1];
  auto at = static_cast<size_t>(root);
  // A tree visits no node twice; a longer way is a circle.
  for (size_t steps = 0; steps < trees.branches.size(); ++steps) {
    const Branch& branch = trees.branches[at];
    const bool yes = holds(branch, element_as_double(in, row * features + branch.feature));
    at = static_cast<size_t>(yes ? branch.when_true : branch.when_false);
    if (yes ? branch.true_leaf : branch.false_leaf) return trees.leaves[at];
  }
  fail(Error::Kind::model, "the tree at ", root, " has a circle");
}

// The inverse of the normal distribution's integral, by bisection of erfc.
double inverse_normal(double p) {
  double low = -40, high = 40;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
  }
  return low;
}

void transform(std::vector<double>& scores, int64_t post) {
  if (post == logistic)
    for (double& score : scores) score = 1 / (1 + std::exp(-score));
  if (post == probit)
    for (double& score : scores) score = inverse_normal(score);
  if (post != softmax && post != softmax_zero) return;
  const double top = *std::max_element(scores.begin(), scores.end());
  double total = 0;
  for (double& score : scores) {
    score = post == softmax_zero && score == 0 ? 0 : std::exp(score - top);
    total += score;
  }
  for (double& score : scores) score = total == 0 ? 0 : score / total;
}

void reference(const Args& args) {
  const Trees trees = trees_of(args);
  const View &in = args.in[0], &out = args.out[0];
  const int64_t targets = out.shape()[1], how = args.integer("aggregate_function");
  for (int64_t row = 0; row < out.shape()[0]; ++row) {
    std::vector<double> scores(static_cast<size_t>(targets), 0);
    std::vector<bool> voted(scores.size(), false);
    for (const int64_t root : trees.roots) {
      const Leaf& leaf = find_leaf(trees, root, in, row);
      const auto target = static_cast<size_t>(leaf.target);
      double& score = scores[target];
      if (!voted[target] || how == sum || how == average) score += leaf.weight;
      else score = how == least ? std::min(score, leaf.weight) : std::max(score, leaf.weight);
      voted[target] = true;
    }
    if (how == average)
      for (double& score : scores) score /= static_cast<double>(trees.roots.size());
    if (targets) transform(scores, args.integer("post_transform"));
    for (int64_t i = 0; i < targets; ++i) set_element(out, row * targets + i, scores[static_cast<size_t>(i)]);
  }
}

constexpr AttrDef attrs[] = {{"aggregate_function", 1}, {"post_transform", 0}, {"n_targets", 0}};
const OpDef rows[] = {
    {"TreeEnsemble", "ai.onnx.ml", 5, {1, 1}, {1, 1}, "T=float : T -> T", attrs, infer_trees, reference}};

}  // namespace
const OpFile tree_ensemble{rows};
}  // namespace tessera::ops
