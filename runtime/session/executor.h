// Executor: runs one graph, whatever it needs. A graph whose shapes follow from its inputs' shapes
// is one Plan. Where a shape depends on data, or an operator is control flow, the graph is cut
// into segments, each with its Plan; what was learned at a cut selects the next segment. What a
// segment takes, in memory and in time to plan, is in proportion to its own nodes.
#pragma once

#include <list>
#include <string_view>
#include <unordered_map>

#include "optimizer/optimizer.h"
#include "runtime/plan/plan.h"
#include "runtime/session/environment.h"

namespace tessera {

/// A stretch of a graph that one plan runs, and the node that the stretch ends before.
struct Segment;

/// The segments of all executors of a session, by what was known before them. There are bounds to their number and to
/// their bytes: those that were not used for longest are forgotten.
class SegmentCache {
 public:
  std::shared_ptr<Segment> find(const std::string& key);
  /// Another thread may have been first: gives what is kept. At most `most` are, and but for this one no more than
  /// take `most_bytes` (0: any).
  std::shared_ptr<Segment> keep(const std::string& key, std::shared_ptr<Segment> segment, size_t most,
                                int64_t most_bytes);
  /// Forgets those whose keys begin like this.
  void forget(Text beginning);
  uint64_t next_number() { return ++numbers_; }

 private:
  struct Kept {
    std::string key;
    std::shared_ptr<Segment> segment;
    int64_t bytes = 0;
  };
  void drop(std::list<Kept>::iterator at, std::list<Kept>& forgotten);
  std::mutex mutex_;
  std::list<Kept> kept_;  // the one used last first
  std::unordered_map<std::string_view, std::list<Kept>::iterator> by_key_;
  int64_t bytes_ = 0;
  std::atomic<uint64_t> numbers_{0};
};

/// What all executors of a session share, and keep.
struct Engine final : Keeping {
  Backends backends;
  std::shared_ptr<Threads> threads;
  mutable PackCache packs;
  PlanOptions plan;
  Recycler results{8};  ///< what the runs' stretches give
  bool optimize = true;
  bool cpu_takes_over = true;  ///< where a device fails; false: its error is thrown
  mutable std::mutex failure_mutex;
  mutable std::string device_failure;  ///< what a device failed with last
  size_t most_plans = 1024;            ///< that are kept
  mutable SegmentCache segments;
  Log log;
  bool whole_on_device = false;  ///< use a device only for graphs that it can run from end to end

  int64_t idle() const override { return plan.arenas->idle() + results.idle(); }
  void drop_idle() const override;
  void forget() const override;
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
  class NodeFrame;
  using Known = std::map<ValueId, Value>;
  std::shared_ptr<Segment> build(size_t begin, Known known) const;
  Graph cut_out(size_t begin, size_t end, const Known& known, std::vector<ValueId>& ids) const;
  void take_stretch(Segment& segment, size_t begin, Graph stretch, size_t nodes, List<ValueId> ids) const;
  std::unique_ptr<Plan> plan(Graph head, bool cpu_only) const;
  std::shared_ptr<Segment> first_segment(List<Type> in, List<Kind> kinds) const;
  void start_key(std::string& key, uint64_t before) const;
  std::shared_ptr<Segment> keep_segment(const std::string& key, std::shared_ptr<Segment> segment) const;
  void run_plan(const Segment& segment, List<View> in, List<View> out, const RunControl& control) const;
  void run_stretch(const Segment& segment, std::vector<Datum>& values, const RunControl& control) const;
  std::shared_ptr<Segment> pass_cut(const Segment& segment, std::vector<Datum>& values,
                                    const RunControl& control) const;
  std::vector<Datum> run_node(const Segment& segment, const Node& node, const std::vector<Datum>& values,
                              const RunControl& control) const;
  [[noreturn]] void fail_at(const Segment& segment, const Error& error) const;
  void let_go(List<ValueId> ids, size_t next, std::vector<Datum>& values) const;
  bool cpu_takes_over(const Error& error) const;
  const Executor& subgraph(const Graph& graph) const;
  Datum value_of(const Segment& segment, const std::vector<Datum>& values, ValueId id) const;
  ValueId input(size_t i) const;
  bool is_whole(const Segment& segment) const;

  const Graph& graph_;
  const Engine& engine_;
  /// Of each value: the node that makes it, and the last one that reads it; behind all nodes for an output. No node
  /// for inputs and constants.
  std::vector<size_t> maker_, last_reader_;
  const uint64_t number_;  ///< of the engine's executors
  mutable std::mutex mutex_;
  mutable std::map<const Graph*, std::unique_ptr<Executor>> subgraphs_;
};

}  // namespace tessera
