// Session as an Upsampler.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <mutex>

#include "runtime/onnx/load.h"
#include "runtime/session/parts.h"
#include "upscale/pixel_ends.h"

namespace tessera::upscale {
namespace {

/// Counts a run's steps by their arithmetic.
class Watch : public Profile {
 public:
  Watch(const std::vector<double>& work, const Progress& progress) : work_(work), progress_(progress) {}
  void step(const Node&, Text, double) override {
    if (next_ == work_.size()) return;
    done_ += work_[next_++];
    const Clock::time_point now = Clock::now();
    if (now - told_ < told_after) return;
    told_ = now;
    progress_(std::min(done_, 1.0));
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr auto told_after = std::chrono::milliseconds(50);
  const std::vector<double>& work_;
  const Progress& progress_;
  Clock::time_point told_ = Clock::now();
  size_t next_ = 0;
  double done_ = 0;
};

class SessionUpsampler : public Upsampler {
 public:
  SessionUpsampler(onnx::Loaded loaded, const SessionOptions& options, const std::atomic<bool>* cancel)
      : model_(loaded.model),
        session_(std::move(loaded), options),
        inputs_(copy(session_.inputs())),
        outputs_(copy(session_.outputs())) {
    options_.cancel = cancel;
  }
  /// Another graph around the same weights.
  SessionUpsampler(const SessionUpsampler& base, Graph graph)
      : session_(base.session_, std::move(graph)),
        inputs_(copy(session_.inputs())),
        outputs_(copy(session_.outputs())),
        options_(base.options_) {}

  List<Port> inputs() const override { return inputs_; }
  List<Port> outputs() const override { return outputs_; }
  const Model* model() const override { return model_.graph.nodes.empty() ? nullptr : &model_; }
  const Session& session() const { return session_; }

  std::vector<Type> output_types(const Type& input) const override {
    const Type types[] = {input};
    try {
      return session_.output_types(types);
    } catch (const Error& error) {
      if (error.kind() != Error::Kind::unsupported) throw;
    }
    // The shapes depend on data: only a run tells.
    std::vector<Type> found;
    for (const Tensor& tensor : run(Tensor::make(input))) found.push_back(tensor.type);
    return found;
  }

  std::vector<Tensor> run(const Tensor& input) const override { return run_part(input, {}); }

  std::unique_ptr<Upsampler> part(List<ValueId> given, List<Type> types, List<ValueId> wanted) const override {
    onnx::Loaded loaded;
    loaded.model = model_;
    loaded.model.graph = part_of(model_.graph, given, types, wanted);
    SessionOptions options = session_.options();
    options.cpu_takes_over = true;  // what the other devices have is the whole model
    return std::make_unique<SessionUpsampler>(std::move(loaded), options, options_.cancel);
  }

  std::unique_ptr<Upsampler> with_pixels(const Convention& convention, const PixelEnds& ends) const override {
    return std::make_unique<SessionUpsampler>(
        *this, with_pixel_ends(session_.model().graph, pixels_in(convention, ends), pixels_out(convention, ends)));
  }

  std::vector<Tensor> run_part(const Tensor& input, List<Tensor> given) const override {
    std::vector<Tensor> inputs{input};
    inputs.insert(inputs.end(), given.begin(), given.end());
    return session_.run(List<Tensor>(inputs), options_);
  }

  std::vector<Tensor> run_watched(const Tensor& input, const Progress& progress) const override {
    // A device would be timed for it.
    if (session_.device() != "cpu") return run(input);
    const std::vector<double> work = work_of(input.type);
    Watch watch(work, progress);
    RunOptions options = options_;
    options.profile = &watch;
    const Tensor inputs[] = {input};
    return session_.run(List<Tensor>(inputs), options);
  }

  int64_t run_bytes(const Type& input) const override {
    const Memory memory = forecast(input);
    return memory.device_bytes > 0 ? memory.device_bytes : memory.arena_bytes;
  }
  bool on_device(const Type& input) const override { return session_.traffic() && forecast(input).device_bytes > 0; }
  bool stores_halves() const override { return session_.stores_halves(); }
  int64_t free_bytes() const override {
    const DeviceMemory memory = session_.device_memory();
    return std::max<int64_t>(memory.budget - memory.used, 0);
  }
  int runs_at_once() const override { return session_.runs_at_once(); }
  int row_step() const override { return session_.row_step(); }
  const Traffic* traffic() const override { return session_.traffic(); }

 private:
  /// The part of the whole of each step that is told of; none where the steps depend on data.
  std::vector<double> work_of(const Type& input) const {
    const std::lock_guard lock(mutex_);
    if (input.shape == watched_) return work_;
    const Type types[] = {input};
    double all = 0;
    work_.clear();
    std::vector<StepInfo> steps;
    try {
      steps = session_.steps(types);
    } catch (const Error& error) {
      if (error.kind() != Error::Kind::unsupported) throw;
    }
    for (const StepInfo& step : steps) {
      if (step.kernel == "in place") continue;
      work_.push_back(step.flops + 1);
      all += work_.back();
    }
    for (double& part : work_) part /= all;
    watched_ = input.shape;
    return work_;
  }

  Memory forecast(const Type& input) const {
    const Type types[] = {input};
    return session_.forecast(types);
  }

  static std::vector<Port> copy(List<Port> ports) { return {ports.begin(), ports.end()}; }

  Model model_;  ///< as it was loaded; empty around another's graph
  Session session_;
  std::vector<Port> inputs_, outputs_;
  RunOptions options_;
  mutable std::mutex mutex_;
  mutable Shape watched_;  ///< what `work_` is for
  mutable std::vector<double> work_;
};

onnx::Loaded load_bundled() {
  const List<std::byte> bytes = bundled_model();
  std::shared_ptr<std::byte[]> copy(new std::byte[bytes.size() + 1]);
  std::memcpy(copy.get(), bytes.data(), bytes.size());
  return onnx::load({copy.get(), bytes.size()}, copy, std::string(bundled_model_name));
}

/// Makes a constant of the input that `word` (NAME=NUMBER) gives a number.
void settle_input(onnx::Loaded& loaded, const std::string& word) {
  const size_t equals = word.rfind('=');
  double number = 0;
  const char *begin = word.data() + equals + 1, *end = word.data() + word.size();
  if (equals == std::string::npos || equals == 0 || begin == end || std::from_chars(begin, end, number).ptr != end)
    fail(Error::Kind::usage, "--set ", word, ": give NAME=NUMBER");
  fix_input(loaded, word.substr(0, equals), number);
}

/// All inputs but the picture become constants: those that `given` has numbers for, and those with a default.
void settle_inputs(onnx::Loaded& loaded, const std::vector<std::string>& given) {
  for (const std::string& word : given) settle_input(loaded, word);
  const Graph& graph = loaded.model.graph;
  if (graph.inputs.size() < 2) return;
  std::string names;
  for (const ValueId id : graph.inputs)
    names += cat(names.empty() ? "" : ", ", graph.values[id].name, " ", graph.values[id].type);
  fail(Error::Kind::unsupported, "the model has ", graph.inputs.size(), " inputs (", names,
       "): give all but the picture a number with --set NAME=NUMBER");
}

}  // namespace

std::unique_ptr<Upsampler> make_upsampler(onnx::Loaded loaded, const SessionOptions& options,
                                          const std::atomic<bool>* cancel) {
  return std::make_unique<SessionUpsampler>(std::move(loaded), options, cancel);
}

std::unique_ptr<Upsampler> open_upsampler(const std::string& path, const SessionOptions& options,
                                          const std::atomic<bool>* cancel, std::string& note, std::string& device,
                                          const std::vector<std::string>& given) {
  onnx::Loaded loaded = path.empty() ? load_bundled() : onnx::load(path);
  if (loaded.unsupported.empty()) settle_inputs(loaded, given);
  auto upsampler = std::make_unique<SessionUpsampler>(std::move(loaded), options, cancel);
  note = upsampler->session().device_note();
  device = upsampler->session().device();
  return upsampler;
}

}  // namespace tessera::upscale
