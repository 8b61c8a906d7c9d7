// What a backend is to the planner: it offers kernels for problems, and compiles a run of
// consecutive steps into a Program. The planner knows nothing else of any device.
#pragma once

#include <any>
#include <atomic>
#include <unordered_map>

#include "runtime/graph/op.h"

namespace tessera {

class Threads;

/// What the products of float32 operators may be computed in. exact: float32, every product as the operator defines
/// it, in short sums that are then added. bf16: rounded to bfloat16 and summed in float32; bf16x3: by three such
/// products of each number's halves, which is nearly float32. Where these two are not faster than float32 on this
/// machine, float32 it is. fp16: a device stores values as float16 and sums in float32; the host computes in float32.
enum class Precision : uint8_t { fp32, exact, bf16x3, bf16, fp16 };

/// A node with its concrete types: what a backend decides on.
struct Problem {
  const Node& node;
  List<Type> in, out;             ///< one per Node::in / Node::out; absent ones are undefined
  List<const Tensor*> constants;  ///< one per Node::in; null where the value is not constant
  /// What the backend that looks at it worked out for one kernel and keeps for the next. One thread looks at a time.
  mutable std::any memo = {};
};

/// A kernel that a backend offers for a problem.
struct Offer {
  const void* kernel = nullptr;    ///< the backend's own entry; null: the operator's reference
  Text name;                       ///< for reports ("conv3x3.avx512")
  int rank = 0;                    ///< higher is better
  Layout in = Layout::row_major;   ///< layout of the inputs that are not constant (Layout::of)
  Layout out = Layout::row_major;  ///< layout of the outputs, and of the epilogue's operands
  bool in_place = false;           ///< output 0 may share the bytes of input 0
  /// The kernel can compute some of the output's rows alone (Args::rows), from one multiple of `row_step` to another
  /// or to the end; 0: it cannot. They are counted before a DepthToSpace; there are as many as the input has. A row
  /// needs the input's row of the same number, and `row_reach` rows above and below it.
  int row_step = 0, row_reach = 1;
};

/// One step of a plan: a node, the kernel chosen for it, and where its values are.
struct Step {
  const Node* node = nullptr;
  Offer offer;
  std::shared_ptr<const Packed> packed;
  int64_t scratch_bytes = 0, kept_bytes = 0;
  int64_t kept_offset = 0;  ///< behind the scratch of all steps
  bool done = false;        ///< nothing is left to run: its outputs are where they belong (views, parts of others)
};

/// What a device's memory asks of the values that lie in it.
struct MemoryRules {
  int64_t alignment = 64;                  ///< of where a value begins, parts of other values too
  int64_t block_bytes = int64_t{1} << 30;  ///< of one block of memory; a larger value has a block of its own
};

/// Bytes of a device's memory.
struct DeviceRange {
  size_t block = 0;
  int64_t offset = 0, bytes = 0;
};

/// What has to be copied before a step.
struct DeviceCopy {
  size_t step;
  DeviceRange from, to;
};

/// Where a region's values lie in a device's memory: its inputs and what its steps make; no constants. Values share
/// bytes where one is a part of another, or is needed no more.
struct DeviceStorage {
  std::unordered_map<ValueId, DeviceRange> places;
  std::vector<int64_t> block_bytes;  ///< of each block of memory
  std::vector<DeviceCopy> copies;    ///< in the order of steps
};

/// A stretch of steps for one backend, with everything that it needs to compile them.
struct Region {
  const Graph* graph = nullptr;  ///< values with concrete types; constants in Value::constant
  List<Step> steps;
  std::vector<ValueId> inputs;   ///< values computed outside that the steps read (no constants)
  std::vector<ValueId> outputs;  ///< values computed here that are needed outside
  DeviceStorage storage;
  Threads* pool = nullptr;  ///< helps to compile; null: the calling thread does it alone
};

/// Counters that a backend keeps for reports and tests.
struct Traffic {
  std::atomic<int64_t> uploaded_bytes{0}, downloaded_bytes{0}, submits{0};
  std::atomic<int64_t> pipelines{0};  ///< made so far, for programs
  /// How long its kernels ran, by the device's own clock; 0 if it has none.
  std::atomic<int64_t> busy_ns{0};
};

/// A device's memory, in bytes.
struct DeviceMemory {
  int64_t used = 0;    ///< by this process
  int64_t budget = 0;  ///< what this process may use, as things stand
};

/// Receives the time of each step when a run is profiled.
struct Profile {
  virtual ~Profile() = default;
  virtual void step(const Node& node, Text kernel, double milliseconds) = 0;
};

/// Bytes of a device's memory that last from one run to the next.
struct Resident {
  virtual ~Resident() = default;
  virtual Text device() const = 0;                ///< "vulkan:0"
  virtual void write(const std::byte* from) = 0;  ///< all of them, from host memory
  virtual void read(std::byte* to) = 0;           ///< all of them, to host memory
  /// A new file descriptor of its memory. Throws Error::unsupported where it was not made to have one.
  virtual int descriptor() const = 0;
  Traffic traffic;  ///< by `write` and `read`
};

/// How a resident is shared with other programs.
struct Sharing {
  bool exported = false;  ///< it has descriptors
  int descriptor = -1;    ///< of the memory that it is; -1: it has its own. It stays the caller's
};

/// Where an end of a program lies in a device's memory. Without a resident, it lies in the host's.
struct Held {
  Resident* resident = nullptr;
  int64_t offset = 0;
};

/// A compiled region of a device that has memory of its own. Safe for concurrent calls, which overlap: while one run
/// is computed, inputs of the next one go up, and outputs of the one before come down.
struct Program {
  virtual ~Program() = default;
  /// `in` and `out` follow Region::inputs and outputs, in host memory; `threads` copy them. `held` follows `in`, then
  /// `out`, and may be empty: what a resident holds does not cross the bus. Throws Error::device.
  virtual void run(List<View> in, List<View> out, Threads& threads, Profile* profile, List<Held> held) = 0;
  /// What runs take of the device's memory beside constants, however many programs there are: the most of all.
  virtual int64_t device_bytes() const { return 0; }
};

struct Backend {
  virtual ~Backend() = default;
  virtual Text name() const = 0;  ///< "cpu", "vulkan:0"
  /// The kernels that can run this problem, best first; empty if there is none.
  virtual void offers(const Problem& problem, std::vector<Offer>& out) const = 0;
  /// For reports: why it offers nothing for this problem, in a few words.
  virtual std::string why_not(const Problem&) const { return "no kernel takes it"; }
  /// A multiple of every Offer::row_step: a picture that is shifted by it, along either axis, is computed alike.
  virtual int row_step() const { return 1; }
};

/// A backend that runs steps one by one in host memory, in the plan's own arena.
struct HostBackend : Backend {
  virtual std::shared_ptr<const Packed> pack(const Offer&, const Problem&) const = 0;  ///< may be null
  virtual int64_t scratch_bytes(const Offer&, const Problem&, int threads) const = 0;
  virtual int64_t kept_bytes(const Offer&, const Problem&) const = 0;
  /// Runs one step. Throws only what an operator's reference throws over its data.
  virtual void run(const Offer&, const Args&, Threads&) const = 0;
};

/// A backend with its own memory: takes whole regions.
struct DeviceBackend : Backend {
  virtual Precision precision() const { return Precision::fp32; }  ///< fp32, or fp16
  virtual MemoryRules memory_rules() const { return {}; }
  virtual std::unique_ptr<Program> compile(const Region& region) const = 0;
  virtual DeviceMemory memory() const { return {}; }
  /// Memory of its own for a tensor, which may outlive the backend. Throws Error::unsupported where it cannot be shared
  /// so.
  virtual std::unique_ptr<Resident> make_resident(int64_t bytes, const Sharing& sharing) const = 0;
  virtual bool holds(const Resident&) const = 0;  ///< whether its programs may use it
  /// Bytes that the constants of living programs take.
  virtual int64_t constant_bytes() const { return 0; }
  /// So many runs at once keep the device and the way to it busy.
  virtual int runs_at_once() const { return 1; }
  Traffic traffic;
};

}  // namespace tessera
