#include "tools/node_times.h"

#include <algorithm>
#include <map>

#include "tools/commands.h"

namespace tessera::tools {

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

Spread spread_of(std::vector<double> times) {
  if (times.empty()) return {};
  std::sort(times.begin(), times.end());
  const size_t count = times.size(), half = count / 2;
  return {count % 2 ? times[half] : (times[half - 1] + times[half]) / 2, times[count / 4], times[(3 * count - 1) / 4]};
}

void NodeTimes::step(const Node& node, Text kernel, double milliseconds) {
  if (next_ == entries_.size())
    entries_.push_back({&node, node.name, node.op ? std::string(node.op->name) : "", std::string(kernel), {}});
  entries_[next_++].times.push_back(milliseconds);
}

std::vector<NodeTime> NodeTimes::medians(const std::vector<StepInfo>& steps) const {
  std::map<const Node*, const StepInfo*> known;
  for (const StepInfo& step : steps) known[step.at] = &step;
  std::vector<NodeTime> nodes;
  for (const Entry& entry : entries_) {
    NodeTime step;
    step.node = entry.node;
    step.op = entry.op;
    step.kernel = entry.kernel;
    step.time = spread_of(entry.times);
    if (const auto found = known.find(entry.at); found != known.end()) {
      step.backend = found->second->backend;
      step.flops = found->second->flops;
      step.bytes = static_cast<double>(found->second->bytes);
    }
    nodes.push_back(std::move(step));
  }
  return nodes;
}

std::vector<NodeTime> grouped(const std::vector<NodeTime>& nodes) {
  std::map<std::pair<std::string, std::string>, NodeTime> groups;
  for (const NodeTime& node : nodes) {
    const auto [found, added] = groups.try_emplace({node.op, node.kernel}, node);
    if (added) {
      found->second.node.clear();
      continue;
    }
    NodeTime& group = found->second;
    ++group.nodes;
    group.time.ms += node.time.ms;
    group.time.low += node.time.low;
    group.time.high += node.time.high;
    group.flops += node.flops;
    group.bytes += node.bytes;
  }
  std::vector<NodeTime> sorted;
  for (auto& [key, group] : groups) sorted.push_back(std::move(group));
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const NodeTime& a, const NodeTime& b) { return a.time.ms > b.time.ms; });
  return sorted;
}

Runner::Runner(const Session& session, const std::vector<Tensor>& in) : session_(session) {
  std::vector<Type> types;
  for (const Tensor& tensor : in) types.push_back(tensor.type);
  try {
    for (const Type& type : session_.output_types(types)) out_.push_back(Tensor::make(type));
  } catch (const Error& error) {
    if (error.kind() != Error::Kind::unsupported) throw;
    fixed_ = false;
  }
  for (const Tensor& tensor : in) in_views_.push_back(tensor.view());
  for (const Tensor& tensor : out_) out_views_.push_back(tensor.view());
  for (const Tensor& tensor : in) in_data_.emplace_back().tensor = tensor;
}

double Runner::run(Profile* profile) {
  RunOptions options;
  options.profile = profile;
  options.cancel = &interrupted();
  const auto start = Clock::now();
  if (fixed_)
    session_.run_into(in_views_, out_views_, options);
  else
    static_cast<void>(session_.run(List<Datum>(in_data_), options));
  return milliseconds_since(start);
}

}  // namespace tessera::tools
