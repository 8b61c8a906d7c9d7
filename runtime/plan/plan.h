// Plan: a graph with concrete types, a kernel per node, and a place for every value. Running a plan
// decides nothing and allocates nothing.
#pragma once

#include <map>
#include <mutex>
#include <optional>

#include "runtime/base/run_scope.h"
#include "runtime/base/threads.h"
#include "runtime/plan/storage.h"

namespace tessera {

/// Packed constants, shared by all plans of a session. Safe for concurrent use.
class PackCache {
 public:
  /// What the offer's kernel packs for this problem; made once per kernel, constants and attributes.
  std::shared_ptr<const Packed> get(const HostBackend& backend, const Offer& offer, const Problem& problem,
                                    const Graph& graph);
  int64_t bytes() const;
  /// Forgets what only forgotten plans used; nothing where another thread is at it.
  void shrink();

  /// An aligned copy of a constant that lies in a model file as it may; made once. Without `make`,
  /// null where none was made yet.
  std::shared_ptr<const Tensor> aligned(const std::shared_ptr<const Tensor>& constant, bool make);

 private:
  struct Entry {
    std::shared_ptr<const Packed> packed;
    // Kept, so that their addresses stay theirs.
    std::vector<std::shared_ptr<const Tensor>> sources;
    std::shared_ptr<const Attrs> attrs;
  };
  void sweep();
  mutable std::mutex mutex_;
  size_t sweep_at_ = 64;  // entries at which those of forgotten constants are looked for
  std::map<std::string, Entry> entries_;
  struct Aligned {
    std::shared_ptr<const Tensor> source, copy;
  };
  std::map<const void*, Aligned> aligned_;
};

/// Arenas that no run uses now, for whatever plan runs next.
class Arenas {
 public:
  /// An arena on loan; goes back when it is no longer needed.
  class Loan {
   public:
    Loan(Arenas& arenas, size_t bytes);
    ~Loan();
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    std::byte* data() const { return arena_.memory.get(); }

   private:
    friend class Arenas;
    struct Arena {
      size_t bytes = 0;
      std::shared_ptr<std::byte> memory;
    };
    Arenas& arenas_;
    Arena arena_;
    std::optional<HeldCharge> charge_;
  };

  /// Bytes of those that no run uses.
  int64_t idle() const { return idle_.load(std::memory_order_relaxed); }
  void drop_idle();

 private:
  Loan::Arena take(size_t bytes);
  std::mutex mutex_;
  std::vector<Loan::Arena> free_;  // the last one used is the last
  std::atomic<int64_t> idle_{0};
};

struct PlanOptions {
  int threads = 1;          ///< of a run
  Threads* pool = nullptr;  ///< packs weights while planning; null: the calling thread does
  std::shared_ptr<Arenas> arenas = std::make_shared<Arenas>();  ///< shared by copies of the options
  int64_t memory_limit = 0;                                     ///< bytes of one run's arena; 0: no limit
  bool poison = false;                                          ///< fill the arena with NaNs before each run (tests)
  bool waves = true;            ///< run stretches depth first where that keeps values in near caches
  bool count_crossings = true;  ///< leave to the CPU what is not worth the way to a device
};

/// What a run may be told; its RunScope says when it is to stop.
struct RunControl {
  Profile* profile = nullptr;
  std::atomic<int64_t>* rounds_left = nullptr;  ///< of the bodies of loops; null: any number
  /// Inputs and outputs of a plan that lie in its device's memory, null for others; empty: none does.
  List<Resident*> in_residents = {}, out_residents = {};
};

class Plan {
 public:
  /// `graph` has concrete types for all values and no nodes with `execute`.
  Plan(Graph graph, const Backends& backends, PackCache& packs, const PlanOptions& options);
  ~Plan();

  /// `in` and `out` follow the graph's inputs and outputs; those of residents have no data. Safe from many threads at
  /// once; allocates nothing when a context of an earlier run is free.
  void run(List<View> in, List<View> out, Threads& threads, const RunControl& control) const;

  const Graph& graph() const { return graph_; }
  const std::vector<Step>& steps() const { return steps_; }
  const std::vector<Choice>& choices() const { return choices_; }
  const Storage& storage() const { return storage_; }
  const std::vector<Wave>& waves() const { return waves_; }
  /// Bytes that one run needs: activations and scratch.
  int64_t arena_bytes() const { return arena_bytes_; }
  int64_t scratch_bytes() const { return arena_bytes_ - scratch_offset_; }
  /// Bytes of a device's memory that one run needs beside constants.
  int64_t device_bytes() const;
  bool uses_device() const { return !programs_.empty(); }

 private:
  struct Context;
  struct Instruction;
  void make_steps(PackCache& packs);
  void pack(PackCache& packs);
  void place_scratch();
  void compile_stages();
  void make_instructions();
  void run_lent(List<View> in, List<View> out, Threads& threads, const RunControl& control) const;
  void run_bound(List<View> in, List<View> out, Threads& threads, const RunControl& control) const;
  std::unique_ptr<Context> take_context() const;
  void bind(Context& context, std::byte* arena, List<View> in, List<View> out, const RunControl& control) const;
  void execute(const Instruction& instruction, Context& context, Threads& threads, Profile* profile) const;
  void run_step(const Instruction& instruction, Context& context, Threads& threads, Rows rows) const;
  void run_wave(const Instruction& instruction, Context& context, Threads& threads, const RunControl& control) const;

  Graph graph_;
  Backends backends_;
  PlanOptions options_;
  std::vector<Choice> choices_;
  std::vector<Step> steps_;
  std::vector<DeviceStage> stages_;
  std::vector<Wave> waves_;
  std::vector<std::unique_ptr<Program>> programs_;
  Storage storage_;
  std::vector<Instruction> instructions_;
  std::vector<Type> view_types_;
  std::vector<Place> view_places_;
  std::vector<bool> host_inputs_, host_outputs_;  // which of them host steps and copies touch
  int64_t arena_bytes_ = 0, scratch_offset_ = 0, kept_offset_ = 0;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Context>> free_;
};

}  // namespace tessera
