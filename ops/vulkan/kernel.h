// VkKernel: how an operator becomes dispatches of shaders, and the Recorder that it tells them to. Nothing here
// knows the Vulkan API.
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <vector>

#include "ops/vulkan/facts.h"
#include "ops/vulkan/layouts.h"
#include "ops/vulkan/shader.h"
#include "ops/vulkan/tuning.h"
#include "runtime/graph/backend.h"

namespace tessera::vulkan {

/// What a buffer of a shader is bound to.
struct Slot {
  enum class Kind : uint8_t { in, out, constant, scratch, table, refusal };
  Kind kind;
  size_t index;         ///< of Node::in, of Node::out, or of Recorder's scratch or tables
  Pack pack = nullptr;  ///< of a constant; null: as it is
  int64_t parameter = 0;
};

/// One dispatch of a shader.
struct Dispatch {
  const Shader* shader = nullptr;
  Constants constants;
  std::vector<std::optional<Slot>> slots;  ///< by binding
  std::array<uint32_t, 3> groups{1, 1, 1};

  /// Names are the shader's own; Error::device if it has no such constant or buffer.
  void set(Text constant, uint32_t value);
  void bind(Text buffer, const Slot& slot);
};

struct KernelVariant;

/// What one step does: any number of dispatches, in order. One waits for another if it touches bytes that the
/// other writes; which buffers are read and which are written is known from the shaders.
class Recorder {
 public:
  Recorder(const KernelVariant& kernel, const Facts& facts, const Ways& ways = Ways())
      : kernel_(&kernel), facts_(&facts), ways_(ways) {}

  const Facts& facts() const { return *facts_; }

  /// Of several ways to divide the work, made of words, the one that was found to be the fastest for shapes of these
  /// sizes; null: shapes decide.
  template <class Way>
  const Way* tuned(List<Way> ways, std::initializer_list<int64_t> sizes) const {
    if (!ways_.any()) return nullptr;
    const auto in_words = [&](size_t i) { return words_of(&ways[i], sizeof(Way)); };
    const auto found = ways_.find(question_of(sizes), ways.size(), in_words);
    return found ? &ways[*found] : nullptr;
  }

  /// Input or output i of the node. A constant is given as the buffer stores its elements: float32, or float16.
  Slot in(size_t i) const { return {Slot::Kind::in, i}; }
  Slot out(size_t i) const { return {Slot::Kind::out, i}; }
  /// Input i, a constant, as `pack` lays it out.
  Slot constant(size_t i, Pack pack, int64_t parameter) const { return {Slot::Kind::constant, i, pack, parameter}; }
  /// Bytes for this step alone.
  Slot scratch(int64_t bytes);
  /// A word that is 0. A shader that meets data which its operator reports as an error writes something else: then the
  /// host runs the stretch, and tells.
  Slot refusal() {
    may_refuse_ = true;
    return {Slot::Kind::refusal, 0};
  }
  /// What the host has worked out: uploaded once.
  template <class T>
  Slot table(const std::vector<T>& values) {
    return table(std::as_bytes(List<T>(values)));
  }

  /// A dispatch of one of the kernel's shaders, whose buffer `params` holds `params`.
  template <class Params>
  Dispatch& dispatch(Text shader, const Params& params) {
    Dispatch& result = dispatch(shader);
    result.bind("params", table(std::as_bytes(List<Params>(&params, 1))));
    return result;
  }

  const std::deque<Dispatch>& dispatches() const { return dispatches_; }
  List<int64_t> scratch_bytes() const { return scratch_; }
  bool may_refuse() const { return may_refuse_; }
  List<std::vector<std::byte>> tables() const { return tables_; }

 private:
  static std::string words_of(const void* way, size_t bytes);
  std::string question_of(std::initializer_list<int64_t> sizes) const;
  Dispatch& dispatch(Text shader);
  Slot table(List<std::byte> bytes);

  const KernelVariant* kernel_;
  const Facts* facts_;
  Ways ways_;
  std::deque<Dispatch> dispatches_;
  std::vector<int64_t> scratch_;
  bool may_refuse_ = false;
  std::vector<std::vector<std::byte>> tables_;
};

struct VkKernel {
  Text op, domain, name;
  std::array<Text, 2> shaders;  ///< the files in shaders/ that it dispatches; none for a view
  /// All given inputs and outputs are known to be non-empty and within the device's limits. Types have the layouts in
  /// which the kernel would be given them.
  bool (*accepts)(const VkKernel&, const Problem&);
  /// Null for a view: the planner puts its output where its input is.
  void (*record)(const VkKernel&, const Problem&, Recorder&);
  std::array<uint16_t, 3> functions{};  ///< of ops/elementwise.def; the family says what they are for
  /// Of its variants whose elements are stored as float16; each is an offer. None: values lie as the problem says.
  List<LayoutPair> layouts = in_half;
  int rank = 0;        ///< among kernels of one precision, higher is better
  bool words = false;  ///< its shaders move words, whatever elements they hold: they take float16 as they are
};

/// One file of kernels. CMake collects every `extern const KernelFile` named after a file in ops/vulkan/ that ends
/// in _kernels.cpp into one list.
struct KernelFile {
  List<VkKernel> kernels;
};

/// A kernel with its shaders in one variant, and the layouts of its values: what the backend offers.
struct KernelVariant {
  const VkKernel* kernel;
  std::vector<const Shader*> shaders;
  LayoutPair layouts;
  bool halves = false;  ///< float32 values are stored as float16
};

/// Every kernel in every variant that all of its shaders have, and in every layout that it takes.
const std::vector<KernelVariant>& all_kernels();

/// As shaders count.
inline uint32_t word(int64_t value) { return static_cast<uint32_t>(value); }

/// Whether input i of the operator is given.
inline bool is_given(const Problem& problem, size_t i) {
  return i < problem.node.op_inputs() && problem.node.in[i] != absent;
}
/// Whether input i is given, and float32.
bool is_float_input(const Problem& problem, size_t i);

/// A Pack: float32 elements become float16.
Tensor pack_halves(const Tensor& constant, int64_t);

/// Input i as float16, for a buffer of a shader whose elements are seen as several types.
inline Slot halves_of(size_t i, const Problem& problem, const Recorder& recorder) {
  return problem.constants[i] ? recorder.constant(i, pack_halves, 0) : recorder.in(i);
}

/// Input i, a constant, as `pack` lays it out, with its elements as the dispatch stores them.
template <Pack pack>
Slot constant_of(size_t i, int64_t parameter, const Dispatch& dispatch, const Recorder& recorder) {
  constexpr Pack halves = [](const Tensor& constant, int64_t p) { return pack_halves(pack(constant, p), 0); };
  return recorder.constant(i, dispatch.shader->variant.storage == DType::float16 ? halves : pack, parameter);
}

/// Rounds up: how many groups of `size` hold `count`.
inline uint32_t groups_of(uint32_t count, uint32_t size) { return (count + size - 1) / size; }
/// `count` workgroups over x and z: an axis may be as short as 65535. Some may be too many.
void spread(uint32_t count, Dispatch& dispatch);

}  // namespace tessera::vulkan
