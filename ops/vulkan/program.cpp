#include "ops/vulkan/program.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <unordered_map>

#include "ops/vulkan/device/commands.h"
#include "ops/vulkan/hazards.h"
#include "ops/vulkan/place.h"

namespace tessera::vulkan {

Gathered::Gathered(const Graph& graph, const Node& node) {
  for (const ValueId id : node.in) {
    in.push_back(id == absent ? Type{} : graph.values[id].type);
    constants.push_back(id == absent ? nullptr : graph.values[id].constant.get());
  }
  for (const ValueId id : node.out) out.push_back(id == absent ? Type{} : graph.values[id].type);
}

namespace {

constexpr int64_t block_limit = int64_t{1} << 30;

// A dispatch with its buffers found.
struct Recorded {
  const Dispatch* dispatch;
  size_t step;
  std::vector<Slice> slices;  // by binding
};

struct Transfer {
  Slice tensor;
  int64_t offset = 0;  // in the staging buffer
};

class Compiled final : public Program {
 public:
  Compiled(std::shared_ptr<Device> device, const Region& region, Traffic* traffic);
  void run(List<View> in, List<View> out, Profile* profile) override;
  int64_t device_bytes() const override;

 private:
  struct Recording {
    const Node* node;
    Text kernel;
    Recorder recorder;
    std::vector<Slice> scratch, tables;
  };
  void emit(const Region& region);
  void lay_out(const Region& region);
  void make_scratch();
  void upload_tables();
  void resolve(const Region& region);
  Slice slice_of(const Slot& slot, const Recording& step, const Graph& graph) const;
  void make_staging(const Region& region);
  std::unique_ptr<Commands> record(bool timed) const;
  void report(Profile& profile) const;

  ValueId root(ValueId id) const {
    const auto found = views_.find(id);
    return found == views_.end() ? id : found->second;
  }

  std::shared_ptr<Device> device_;
  Traffic* traffic_;
  std::mutex mutex_;
  std::deque<Recording> steps_;
  std::vector<Recorded> items_;
  std::unordered_map<ValueId, ValueId> views_;  // a value that is another's bytes
  std::unordered_map<ValueId, Slice> places_;
  std::vector<std::unique_ptr<Buffer>> blocks_;
  std::unique_ptr<Buffer> scratch_, tables_, up_, down_;
  std::vector<Transfer> uploads_, downloads_;
  std::unique_ptr<Commands> plain_, timed_;
};

Compiled::Compiled(std::shared_ptr<Device> device, const Region& region, Traffic* traffic)
    : device_(std::move(device)), traffic_(traffic) {
  emit(region);
  lay_out(region);
  make_scratch();
  upload_tables();
  resolve(region);
  make_staging(region);
  plain_ = record(false);
}

void Compiled::emit(const Region& region) {
  for (const Step& step : region.steps) {
    const auto& variant = *static_cast<const KernelVariant*>(step.offer.kernel);
    const Gathered types(*region.graph, *step.node);
    Recording& recording = steps_.emplace_back(Recording{step.node, step.offer.name, Recorder(variant), {}, {}});
    variant.kernel->record(*variant.kernel, types.problem(*step.node), recording.recorder);
    if (recording.recorder.dispatches().empty()) views_[step.node->out[0]] = root(step.node->in[0]);
    for (const Dispatch& dispatch : recording.recorder.dispatches())
      items_.push_back({&dispatch, steps_.size() - 1, {}});
  }
}

// Inputs live from before the first step; outputs, which are copied at the end, beyond the last.
void Compiled::lay_out(const Region& region) {
  const Graph& graph = *region.graph;
  const int last = static_cast<int>(region.steps.size());
  std::vector<Placed> tensors;
  std::unordered_map<ValueId, size_t> index;
  const auto use = [&](ValueId id, int when) {
    if (id == absent || graph.values[id].constant) return;
    id = root(id);
    const auto [found, fresh] = index.try_emplace(id, tensors.size());
    if (fresh) tensors.push_back({graph.values[id].type.bytes(), when, when});
    tensors[found->second].last = when;
  };
  for (const ValueId id : region.inputs) use(id, -1);
  for (int i = 0; i < last; ++i) {
    for (const ValueId id : region.steps[static_cast<size_t>(i)].node->in) use(id, i);
    for (const ValueId id : region.steps[static_cast<size_t>(i)].node->out) use(id, i);
  }
  for (const ValueId id : region.outputs) use(id, last);
  const Limits& limits = device_->limits();
  for (const int64_t bytes : place(tensors, limits.alignment, std::min(block_limit, limits.allocation)))
    blocks_.push_back(std::make_unique<Buffer>(*device_, bytes, Where::device));
  for (const auto& [id, i] : index)
    places_[id] = {blocks_[static_cast<size_t>(tensors[i].block)].get(), tensors[i].offset, tensors[i].bytes};
}

// The scratch of all steps is the same memory.
void Compiled::make_scratch() {
  int64_t most = 0;
  for (Recording& step : steps_) {
    int64_t offset = 0;
    for (const int64_t bytes : step.recorder.scratch_bytes()) {
      step.scratch.push_back({nullptr, offset, bytes});
      offset = round_up(offset + bytes, device_->limits().alignment);
    }
    most = std::max(most, offset);
  }
  if (most == 0) return;
  scratch_ = std::make_unique<Buffer>(*device_, most, Where::device);
  for (Recording& step : steps_)
    for (Slice& slice : step.scratch) slice.buffer = scratch_.get();
}

void Compiled::upload_tables() {
  std::vector<std::byte> bytes;
  for (Recording& step : steps_)
    for (const std::vector<std::byte>& table : step.recorder.tables()) {
      step.tables.push_back({nullptr, static_cast<int64_t>(bytes.size()), static_cast<int64_t>(table.size())});
      bytes.insert(bytes.end(), table.begin(), table.end());
      bytes.resize(static_cast<size_t>(round_up(static_cast<int64_t>(bytes.size()), device_->limits().alignment)));
    }
  if (bytes.empty()) return;
  tables_ = std::make_unique<Buffer>(*device_, static_cast<int64_t>(bytes.size()), Where::device);
  device_->upload(*tables_, 0, bytes.data(), tables_->bytes);
  for (Recording& step : steps_)
    for (Slice& table : step.tables) table.buffer = tables_.get();
}

Slice Compiled::slice_of(const Slot& slot, const Recording& step, const Graph& graph) const {
  switch (slot.kind) {
    case Slot::Kind::out: return places_.at(root(step.node->out[slot.index]));
    case Slot::Kind::scratch: return step.scratch[slot.index];
    case Slot::Kind::table: return step.tables[slot.index];
    case Slot::Kind::in:
    case Slot::Kind::constant: break;
  }
  const ValueId id = step.node->in[slot.index];
  const auto& constant = graph.values[id].constant;
  return constant ? device_->constant(constant, slot.pack, slot.parameter) : places_.at(root(id));
}

// What a pipeline does not use still has to hold something: binding 0, the parameters.
void Compiled::resolve(const Region& region) {
  for (Recorded& item : items_)
    for (const auto& slot : item.dispatch->slots)
      item.slices.push_back(slot ? slice_of(*slot, steps_[item.step], *region.graph) : item.slices.at(0));
}

void Compiled::make_staging(const Region& region) {
  const auto lay = [&](const std::vector<ValueId>& ids, std::vector<Transfer>& transfers) {
    int64_t bytes = 0;
    for (const ValueId id : ids) {
      transfers.push_back({places_.at(root(id)), bytes});
      bytes = round_up(bytes + transfers.back().tensor.bytes, device_->limits().alignment);
    }
    return bytes;
  };
  if (const int64_t bytes = lay(region.inputs, uploads_))
    up_ = std::make_unique<Buffer>(*device_, bytes, Where::upload);
  if (const int64_t bytes = lay(region.outputs, downloads_))
    down_ = std::make_unique<Buffer>(*device_, bytes, Where::download);
}

// If timed, each dispatch ends in a time stamp, and dispatches do not overlap.
std::unique_ptr<Commands> Compiled::record(bool timed) const {
  size_t buffers = 0;
  for (const Recorded& item : items_) buffers += item.slices.size();
  auto commands = std::make_unique<Commands>(*device_, items_.size(), buffers, timed ? items_.size() + 1 : 0);
  for (const Transfer& up : uploads_) commands->copy({up_.get(), up.offset, up.tensor.bytes}, up.tensor);
  commands->barrier();
  if (timed) commands->stamp();
  Hazards hazards;
  for (const Recorded& item : items_) {
    const Shader& shader = *item.dispatch->shader;
    std::vector<Access> accesses;
    for (size_t i = 0; i < item.slices.size(); ++i) {
      const Slice& slice = item.slices[i];
      accesses.push_back({slice.buffer, slice.offset, slice.bytes, shader.buffers[i].reads, shader.buffers[i].writes});
    }
    if (hazards.note(accesses) || timed) commands->barrier();
    commands->dispatch(shader, item.dispatch->constants, item.slices, item.dispatch->groups);
    if (timed) commands->stamp();
  }
  commands->barrier();
  for (const Transfer& down : downloads_) commands->copy(down.tensor, {down_.get(), down.offset, down.tensor.bytes});
  commands->finish();
  return commands;
}

void Compiled::report(Profile& profile) const {
  const std::vector<double> times = timed_->times();
  std::vector<double> took(steps_.size());
  for (size_t i = 0; i < items_.size(); ++i) took[items_[i].step] += times[i];
  for (size_t i = 0; i < steps_.size(); ++i) profile.step(*steps_[i].node, steps_[i].kernel, took[i]);
}

void Compiled::run(List<View> in, List<View> out, Profile* profile) {
  const std::lock_guard lock(mutex_);
  const bool timed = profile && device_->limits().tick_ms > 0;
  if (timed && !timed_) timed_ = record(true);
  int64_t up = 0, down = 0;
  for (size_t i = 0; i < uploads_.size(); ++i) {
    std::memcpy(up_->mapped + uploads_[i].offset, in[i].data, static_cast<size_t>(uploads_[i].tensor.bytes));
    up += uploads_[i].tensor.bytes;
  }
  if (up_) up_->flush();
  (timed ? timed_ : plain_)->run();
  if (down_) down_->invalidate();
  for (size_t i = 0; i < downloads_.size(); ++i) {
    std::memcpy(out[i].data, down_->mapped + downloads_[i].offset, static_cast<size_t>(downloads_[i].tensor.bytes));
    down += downloads_[i].tensor.bytes;
  }
  traffic_->uploaded_bytes += up;
  traffic_->downloaded_bytes += down;
  ++traffic_->submits;
  if (timed) report(*profile);
}

int64_t Compiled::device_bytes() const {
  int64_t total = (tables_ ? tables_->bytes : 0) + (scratch_ ? scratch_->bytes : 0);
  for (const auto& block : blocks_) total += block->bytes;
  return total;
}

}  // namespace

std::unique_ptr<Program> compile(const std::shared_ptr<Device>& device, const Region& region, Traffic* traffic) {
  return std::make_unique<Compiled>(device, region, traffic);
}

}  // namespace tessera::vulkan
