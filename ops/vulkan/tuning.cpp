// The region runs once for each way, on numbers that are made up; all classes are tried together, each step by its own
// time stamps.
#include "ops/vulkan/tuning.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

#include "ops/vulkan/program.h"
#include "runtime/base/run_scope.h"
#include "runtime/base/threads.h"
#include "runtime/graph/refused_data.h"

namespace tessera::vulkan {

std::optional<size_t> Ways::find(const std::string& question, size_t count,
                                 const std::function<std::string(size_t)>& in_words) const {
  if (trial_) {
    Trial::Asked& asked = trial_->asked.emplace_back(Trial::Asked{trial_->node, question, {}});
    for (size_t i = 0; i < count; ++i) asked.ways.push_back(in_words(i));
    return trial_->way < count ? std::optional(trial_->way) : std::nullopt;
  }
  const auto kept = tuning_->find(question);
  for (size_t i = 0; kept && i < count; ++i)
    if (in_words(i) == *kept) return i;
  return std::nullopt;
}

namespace {

constexpr int timed_runs = 3;
constexpr double enough_seconds = 0.5;  // of timed runs: longer ones are less a matter of chance
constexpr double told_seconds = 2;      // from one line to the next
constexpr double much_faster = 0.97;    // of the usual way's time: less is chance
constexpr double warm_seconds = 0.4;    // an idle card has a low clock

struct StepTimes final : Profile {
  std::map<const Node*, double> ms;
  void step(const Node& node, Text, double milliseconds) override {
    const auto [at, first] = ms.try_emplace(&node, milliseconds);
    if (!first) at->second = std::min(at->second, milliseconds);
  }
};

double seconds_to_tune() {
  const char* given = std::getenv("TESSERA_TUNE_SECONDS");
  return given ? std::strtod(given, nullptr) : 30;
}

class Tuner {
 public:
  Tuner(const std::shared_ptr<Device>& device, ConstantStore& constants, const Region& region, bool halves,
        const Tell& tell)
      : device_(device), constants_(constants), region_(region), wrong_from_(halves ? 2e-2 : 1e-3), tell_(tell) {
    for (const ValueId id : region.inputs) in_.push_back(made_up(region.graph->values[id].type));
    for (const ValueId id : region.outputs) out_.push_back(Tensor::make(region.graph->values[id].type));
  }

  void run(Tuning& tuning) {
    const double most_seconds = seconds_to_tune(), before = tuning.seconds;
    if (before >= most_seconds) return;
    const auto begin = Clock::now();
    const auto spent = [&] { return tuning.seconds = before + seconds_since(begin); };
    Trial usual;
    const StepTimes times = time(usual);
    double last = spent() - before, told = spent();
    std::map<std::string, Found> found;
    size_t most = 0;
    for (const Trial::Asked& asked : usual.asked) {
      if (!found.count(asked.question) && !tuning.is_new(asked.question)) continue;
      Found& own = found[asked.question];
      own.ways = asked.ways;
      own.nodes.push_back(asked.node);
      most = std::max(most, asked.ways.size());
    }
    if (found.empty()) return;
    for (auto& [question, own] : found) own.least = much_faster * own.sum(times);
    const std::vector<Tensor> right = std::move(out_);
    out_.clear();
    for (const Tensor& tensor : right) out_.push_back(Tensor::make(tensor.type));
    const auto tell = [&](Text what, size_t ways) {
      tell_(cat("tuning vulkan:", device_->info().index, ": ", what, ways, " of ", most, " ways tried, ",
                std::lround(spent()), " of at most ", most_seconds, " s"));
      told = spent();
    };
    size_t way = 0;
    for (; way < most && spent() + last <= most_seconds; ++way) {
      if (spent() - told >= told_seconds) tell("", way);
      const double start = spent();
      Trial trial{way};
      const StepTimes tried = time(trial);
      last = spent() - start;
      if (!agrees(right)) continue;
      for (auto& [question, own] : found)
        if (const double ms = own.sum(tried); way < own.ways.size() && ms < own.least) own.least = ms, own.best = way;
    }
    if (way < most) tell("ended early, ", way);
    std::map<std::string, std::string> kept;
    for (const auto& [question, own] : found) {
      // What has seen all ways is not forgotten for what has seen some.
      const bool better = own.best < own.ways.size();
      if (way < most && (!better || tuning.find(question))) continue;
      kept[question] = better ? own.ways[own.best] : "";
    }
    tuning.keep(kept);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  struct Found {
    std::vector<std::string> ways;
    std::vector<const Node*> nodes;
    double least = 0;
    size_t best = Trial::usual;
    double sum(const StepTimes& times) const {
      double ms = 0;
      for (const Node* node : nodes)
        if (const auto at = times.ms.find(node); at != times.ms.end()) ms += at->second;
      return ms;
    }
  };

  // Indices are 0, which every axis has.
  static Tensor made_up(const Type& type) {
    Tensor tensor = Tensor::make(type);
    std::minstd_rand random(1);
    if (type.layout.stored(type.dtype) == DType::float32)
      std::generate_n(tensor.as<float>(), type.bytes() / 4,
                      [&] { return static_cast<float>(random() % 2001) / 1000 - 1; });
    return tensor;
  }

  StepTimes time(Trial& trial) {
    Traffic ignored;
    const auto program = compile(device_, constants_, region_, &ignored, Ways(nullptr, &trial));
    const auto views = [](const std::vector<Tensor>& tensors) {
      std::vector<View> all;
      for (const Tensor& tensor : tensors) all.push_back(tensor.view());
      return all;
    };
    Threads alone(1);
    const auto run = [&](Profile* profile) {
      check_cancelled();
      program->run(views(in_), views(out_), alone, profile, {});
    };
    auto begin = Clock::now();
    do {
      run(nullptr);
    } while (trial.way == Trial::usual && !device_->info().cpu_type && seconds_since(begin) < warm_seconds);
    StepTimes times;
    begin = Clock::now();
    for (int i = 0; i < timed_runs && seconds_since(begin) < enough_seconds; ++i) run(&times);
    return times;
  }

  // Another order of sums, no other result.
  bool agrees(const std::vector<Tensor>& right) const {
    for (size_t i = 0; i < right.size(); ++i) {
      if (right[i].type.dtype != DType::float32 || right[i].type.layout != Layout::row_major) continue;
      double off = 0, range = 1;
      for (int64_t j = 0; j < right[i].type.shape.elements(); ++j) {
        const double a = element_as_double(out_[i].view(), j), b = element_as_double(right[i].view(), j);
        if (std::isnan(a) && std::isnan(b)) continue;
        const double apart = std::abs(a - b);
        off = std::max(off, a == b ? 0 : std::isnan(apart) ? std::numeric_limits<double>::infinity() : apart);
        if (std::isfinite(b)) range = std::max(range, std::abs(b));
      }
      if (off > wrong_from_ * range) return false;
    }
    return true;
  }

  const std::shared_ptr<Device>& device_;
  ConstantStore& constants_;
  const Region& region_;
  const double wrong_from_;  // of the range of a result
  const Tell& tell_;
  std::vector<Tensor> in_, out_;
};

}  // namespace

void tune(const std::shared_ptr<Device>& device, ConstantStore& constants, const Region& region, bool halves,
          const Tell& tell) {
  if (device->limits().tick_ms == 0) return;
  Tuning& tuning = device->tuning();
  const std::lock_guard lock(tuning.mutex());
  try {
    Tuner(device, constants, region, halves, tell).run(tuning);
  } catch (const RefusedData&) {  // the made-up numbers: shapes decide
  }
}

}  // namespace tessera::vulkan
