// How long a model's steps take, and what they do in that time.
#pragma once

#include <chrono>

#include "runtime/session/session.h"

namespace tessera::tools {

using Clock = std::chrono::steady_clock;
double milliseconds_since(Clock::time_point start);

/// The median of some times, and their quartiles; 0 of none.
struct Spread {
  double ms = 0, low = 0, high = 0;
};
Spread spread_of(std::vector<double> times);

/// A step, or steps of one operator and kernel.
struct NodeTime {
  std::string node, op, kernel, backend;
  int nodes = 1;
  Spread time;
  double flops = 0, bytes = 0;

  double gflops() const { return time.ms > 0 ? flops / time.ms / 1e6 : 0; }
  double gigabytes() const { return time.ms > 0 ? bytes / time.ms / 1e6 : 0; }
};

/// Times by step, which come in the order of the plan in every run.
class NodeTimes : public Profile {
 public:
  void start_run() { next_ = 0; }
  void step(const Node& node, Text kernel, double milliseconds) override;
  /// The median of each, with what `steps` knows of it.
  std::vector<NodeTime> medians(const std::vector<StepInfo>& steps) const;

 private:
  struct Entry {
    const Node* at;
    std::string node, op, kernel;
    std::vector<double> times;
  };
  std::vector<Entry> entries_;
  size_t next_ = 0;
};

/// By operator and kernel, the most expensive first.
std::vector<NodeTime> grouped(const std::vector<NodeTime>& nodes);

/// Runs into buffers made once where the outputs' types are known before, else as they come.
class Runner {
 public:
  Runner(const Session& session, const std::vector<Tensor>& in);
  double run(Profile* profile);  ///< milliseconds

 private:
  const Session& session_;
  std::vector<Tensor> out_;
  std::vector<View> in_views_, out_views_;
  std::vector<Datum> in_data_;
  bool fixed_ = true;
};

}  // namespace tessera::tools
