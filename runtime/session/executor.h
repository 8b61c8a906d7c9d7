// Executor: runs one graph, whatever it needs. A graph whose shapes follow from its inputs' shapes
// is one Plan. Where a shape depends on data, or an operator is control flow, the graph is cut
// into segments, each with its Plan; what was learned at a cut selects the next segment.
#pragma once

#include <functional>

#include "optimizer/optimizer.h"
#include "runtime/plan/plan.h"

namespace tessera {

/// What all executors of a session share.
struct Engine {
  Backends backends;
  std::unique_ptr<Threads> threads;
  mutable PackCache packs;
  PlanOptions plan;
  bool optimize = true;
  bool whole_on_device = false;  ///< use a device only for graphs that it can run from end to end
};

class Executor {
 public:
  /// `graph` is prepared (see optimizer::prepare) and outlives the executor.
  Executor(const Graph& graph, const Engine& engine);
  ~Executor();

  /// `in` follows the graph's inputs, then its captures.
  std::vector<Datum> run(std::vector<Datum> in, const RunControl& control) const;

  /// Runs a graph that is one plan, into the caller's buffers. False, and nothing done, if the graph
  /// has to be cut for these inputs. Allocates nothing once a plan for the inputs' types is known.
  bool run_into(List<View> in, List<View> out, const RunControl& control) const;

  /// The plan up to the first cut for these input types; null if the cut comes at once. `whole` says
  /// whether there is no cut. The plan lives as long as what is returned.
  std::shared_ptr<const Plan> first_plan(List<Type> in, bool* whole) const;

 private:
  struct Segment;
  class NodeFrame;
  std::shared_ptr<Segment> build(Graph rest, bool first) const;
  std::unique_ptr<Plan> plan(Graph head, bool cpu_only) const;
  std::shared_ptr<Segment> first_segment(List<Type> in, List<Kind> kinds) const;
  std::shared_ptr<Segment> find_segment(const std::string& key) const;
  void run_plan(const Segment& segment, List<View> in, List<View> out, const RunControl& control) const;
  std::shared_ptr<Segment> next_segment(Segment& from, const std::string& key,
                                        const std::function<void(Graph&)>& learn) const;
  void run_stretch(const Segment& segment, std::vector<Datum>& values, const RunControl& control) const;
  std::shared_ptr<Segment> pass_cut(Segment& segment, std::vector<Datum>& values, const RunControl& control) const;
  std::vector<Datum> run_node(const Segment& segment, const Node& node, const std::vector<Datum>& values,
                              const RunControl& control) const;
  const Executor& subgraph(const Graph& graph) const;
  Datum value_of(const Segment& segment, const std::vector<Datum>& values, ValueId id) const;

  const Graph& graph_;
  const Engine& engine_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<Segment>> segments_;
  mutable std::map<const Graph*, std::unique_ptr<Executor>> subgraphs_;
};

}  // namespace tessera
