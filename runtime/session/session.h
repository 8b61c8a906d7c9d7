// Session: a loaded model on chosen devices. One session serves many threads at once.
#pragma once

#include <atomic>
#include <map>

#include "runtime/base/threads.h"
#include "runtime/graph/backend.h"

namespace tessera {

namespace onnx {
struct Loaded;
struct Declared;
struct About;
}  // namespace onnx

struct Environment;

struct SessionOptions {
  int threads = 0;                 ///< 0: one per core that this process may use
  ForeignThreads foreign_threads;  ///< the caller's own, to be used instead of new ones
  std::string device =
      "auto";  ///< "auto", "cpu"; "vulkan": what is worth the way to the device; "vulkan:N": all that it can
  std::string precision = "fp32";  ///< "fp32", "exact", "bf16x3", "bf16", "fp16", "int8" (of quantized models)
  bool tune = false;               ///< a device tries which ways of dividing its work are the fastest, and keeps them
  bool optimize = true;
  int64_t memory_limit = 0;                    ///< bytes that one run may allocate; 0: three quarters of the machine's
  bool cpu_takes_over = true;                  ///< where a device fails; false: its error is thrown
  bool copy_files = false;                     ///< reads a model's files instead of mapping them
  size_t most_plans = 0;                       ///< that are kept, the least recently used forgotten first; 0: 1024
  int64_t milliseconds = 0;                    ///< that loading, and each run, may take; 0: any
  int64_t most_rounds = 0;                     ///< of the bodies of loops in a run; 0: any
  const std::atomic<bool>* cancel = nullptr;   ///< ends loading; may be null
  std::shared_ptr<const Operators> operators;  ///< that a model may use beside the library's own; may be null
  std::shared_ptr<const Environment> environment = {};  ///< may be null
};

/// One input or output of a model, as it declares it.
struct Port {
  std::string name;
  Kind kind = Kind::tensor;
  Type type;            ///< extent -1 where the model leaves it open
  bool ranked = false;  ///< false: the model does not even give the rank
  std::vector<std::string> dim_names;
  bool optional = false;                                ///< an input that has a default
  size_t place = 0;                                     ///< of an input: among all that the model declares
  std::shared_ptr<const onnx::Declared> declared = {};  ///< of a session, never null: containers with what they hold
};

struct RunOptions {
  Profile* profile = nullptr;
  const std::atomic<bool>* cancel = nullptr;  ///< set when the run is to stop; then Error::cancelled
  int64_t milliseconds = 0;                   ///< that it may take; 0: as many as the session's options say
};

/// An input or output of a run: in host memory, or, without data, in a device's.
struct End {
  View view;
  Resident* resident = nullptr;
};

/// What a session and a run of it need.
struct Memory {
  int64_t weights_bytes = 0;         ///< constants as loaded; those of a file become resident only while they are read
  int64_t packed_bytes = 0;          ///< what kernels made of them for the plans so far
  int64_t arena_bytes = 0;           ///< activations and scratch of one run
  int64_t scratch_bytes = 0;         ///< of the arena: what kernels need while they run
  int64_t ends_bytes = 0;            ///< inputs and outputs
  int64_t device_weights_bytes = 0;  ///< of the device's memory: constants of the plans so far
  int64_t device_bytes = 0;          ///< of the device's memory: activations and scratch of one run
  DeviceMemory device;               ///< as things stand; zeros without a device
};

/// One step of a plan, for `inspect`, `check` and `bench --per-node`.
struct StepInfo {
  std::string node, op, kernel, backend;
  std::string why;  ///< why it is not on the device; empty where it is, and where there is none
  std::vector<Type> in, out;
  double flops = 0;
  int64_t bytes = 0;         ///< read and written, weights included; none where nothing runs
  const Node* at = nullptr;  ///< what a Profile is told, as long as the session keeps the plan
};

class Session {
 public:
  /// Loads and checks a model. Throws Error; unsupported operators are listed all at once.
  Session(const std::string& path, const SessionOptions& options);
  Session(List<std::byte> model, const SessionOptions& options);  ///< the bytes are copied
  Session(onnx::Loaded model, const SessionOptions& options);     ///< loaded before, perhaps changed since
  /// Another graph around the same weights: `base.model().graph` with nodes added, or without some. It shares the
  /// base's device, its threads, and what kernels made of weights; the base may go before it.
  Session(const Session& base, Graph graph);
  Session(Session&&) noexcept;
  ~Session();

  List<Port> inputs() const;  ///< those that have to be given
  /// Inputs with a default (initializers of the same name, from IR version 4 on). A run may give them behind
  /// inputs(), in this order; one that is left out, or is a tensor without bytes, has its default. Which of them are
  /// given decides what a session plans: the first run that gives other ones than before takes as long as a load.
  List<Port> optional_inputs() const;
  List<Port> outputs() const;
  const Model& model() const;  ///< as it was prepared
  const onnx::About& about() const;
  const Graph& as_loaded() const;  ///< before that: operators and values as the file has them
  const SessionOptions& options() const;
  /// The device that this session's steps run on ("cpu", "vulkan:0"), and why not another, if so.
  Text device() const;
  Text device_note() const;
  /// What the device failed with last, so that the CPU took over; empty if it never did.
  std::string device_failure() const;
  /// Whether a device stores numbers in half precision for it.
  bool stores_halves() const;
  /// The device's memory, as things stand; zeros without a device.
  DeviceMemory device_memory() const;
  /// So many runs at once, from as many threads, keep the device and the way to it busy; 1 on the CPU.
  int runs_at_once() const;
  int threads() const;
  /// A picture that is shifted by a multiple of so many pixels is computed alike, to the last bit.
  int row_step() const;

  /// Runs the model; `in` follows inputs(), then perhaps optional_inputs(). The caller's tensors are only read.
  /// Outputs own their bytes. Safe from many threads at once. An input that is an optional takes its value itself, too.
  std::vector<Datum> run(List<Datum> in, const RunOptions& options = {}) const;
  /// Tensors only.
  std::vector<Tensor> run(List<Tensor> in, const RunOptions& options = {}) const;
  /// Into the caller's buffers: types must match exactly what the model gives for these inputs
  /// (ask `output_types`). After the first run with these shapes, allocates nothing.
  void run_into(List<View> in, List<View> out, const RunOptions& options = {}) const;

  /// The same where some of them stay in the device's memory, which must be this session's device's.
  void run_into(List<End> in, List<End> out, const RunOptions& options = {}) const;

  /// Types of the outputs for these input types (of an input that is not given: undefined); throws Error::unsupported
  /// if they depend on data.
  std::vector<Type> output_types(List<Type> in) const;
  /// What a run with these input types would do and need.
  Memory forecast(List<Type> in) const;
  std::vector<StepInfo> steps(List<Type> in) const;
  /// Forgets all plans, and gives their memory back; runs that use them end first. What kernels made of weights stays.
  void forget_plans() const;
  /// What crossed to and from the device so far, and how long it was busy; null on the CPU.
  const Traffic* traffic() const;
  const DeviceBackend* device_backend() const;  ///< null on the CPU

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tessera
