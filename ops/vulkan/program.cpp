#include "ops/vulkan/program.h"

#include <algorithm>
#include <cstring>
#include <deque>

#include "ops/vulkan/device/commands.h"
#include "ops/vulkan/hazards.h"

namespace tessera::vulkan {

Gathered::Gathered(const Graph& graph, const Node& node) {
  for (const ValueId id : node.in) {
    in.push_back(id == absent ? Type{} : graph.values[id].type);
    constants.push_back(id == absent ? nullptr : graph.values[id].constant.get());
  }
  for (const ValueId id : node.out) out.push_back(id == absent ? Type{} : graph.values[id].type);
}

namespace {

// A dispatch with its buffers found; or, where there is none, a copy.
struct Recorded {
  const Dispatch* dispatch;
  size_t step;
  std::vector<Slice> slices;  // by binding; of a copy: from, to

  const Shader::Buffer& buffer(size_t i) const {
    static constexpr Shader::Buffer copied[] = {{"from", true, false}, {"to", false, true}};
    return dispatch ? dispatch->shader->buffers[i] : copied[i];
  }
};

struct Transfer {
  Slice tensor;
  int64_t offset = 0;  // in the staging buffer
};

class Compiled final : public Program {
 public:
  Compiled(std::shared_ptr<Device> device, const Region& region, Traffic* traffic);
  void run(List<View> in, List<View> out, Threads& threads, Profile* profile) override;
  int64_t device_bytes() const override;

 private:
  struct Recording {
    const Node* node;
    Text kernel;
    Recorder recorder;
    std::vector<Slice> scratch, tables;
  };
  void emit(const Region& region);
  void make_scratch();
  void upload_tables();
  void resolve(const Region& region);
  Slice slice_of(const DeviceRange& range) const { return {blocks_[range.block].get(), range.offset, range.bytes}; }
  Slice slice_of(const Slot& slot, const Recording& step, const Region& region) const;
  void make_staging(const Region& region);
  std::unique_ptr<Commands> record(bool timed) const;
  void report(Profile& profile) const;

  std::shared_ptr<Device> device_;
  Traffic* traffic_;
  std::mutex mutex_;
  std::deque<Recording> steps_;
  std::vector<Recorded> items_;
  std::vector<std::unique_ptr<Buffer>> blocks_;
  std::unique_ptr<Buffer> scratch_, tables_, up_, down_;
  std::vector<Transfer> uploads_, downloads_;
  std::unique_ptr<Commands> plain_, timed_;
};

Compiled::Compiled(std::shared_ptr<Device> device, const Region& region, Traffic* traffic)
    : device_(std::move(device)), traffic_(traffic) {
  for (const int64_t bytes : region.storage.block_bytes)
    blocks_.push_back(std::make_unique<Buffer>(*device_, bytes, Where::device));
  emit(region);
  make_scratch();
  upload_tables();
  resolve(region);
  make_staging(region);
  plain_ = record(false);
}

void Compiled::emit(const Region& region) {
  auto copy = region.storage.copies.begin();
  for (size_t i = 0; i < region.steps.size(); ++i) {
    for (; copy != region.storage.copies.end() && copy->step == i; ++copy)
      items_.push_back({nullptr, i, {slice_of(copy->from), slice_of(copy->to)}});
    const Step& step = region.steps[i];
    const auto& variant = *static_cast<const KernelVariant*>(step.offer.kernel);
    Recording& recording = steps_.emplace_back(Recording{step.node, step.offer.name, Recorder(variant), {}, {}});
    if (step.done) continue;
    const Gathered types(*region.graph, *step.node);
    variant.kernel->record(*variant.kernel, types.problem(*step.node), recording.recorder);
    for (const Dispatch& dispatch : recording.recorder.dispatches()) items_.push_back({&dispatch, i, {}});
  }
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

Slice Compiled::slice_of(const Slot& slot, const Recording& step, const Region& region) const {
  const auto& places = region.storage.places;
  switch (slot.kind) {
    case Slot::Kind::out: return slice_of(places.at(step.node->out[slot.index]));
    case Slot::Kind::scratch: return step.scratch[slot.index];
    case Slot::Kind::table: return step.tables[slot.index];
    case Slot::Kind::in:
    case Slot::Kind::constant: break;
  }
  const ValueId id = step.node->in[slot.index];
  const auto& constant = region.graph->values[id].constant;
  return constant ? device_->constant(constant, slot.pack, slot.parameter) : slice_of(places.at(id));
}

// Shaders read and write bytes by whole words: there is room behind every value.
Slice whole_words(Slice slice) {
  slice.bytes = round_up(slice.bytes, 4);
  return slice;
}

// What a pipeline does not use still has to hold something: binding 0, the parameters.
void Compiled::resolve(const Region& region) {
  for (Recorded& item : items_)
    if (item.dispatch)
      for (const auto& slot : item.dispatch->slots)
        item.slices.push_back(slot ? whole_words(slice_of(*slot, steps_[item.step], region)) : item.slices.at(0));
}

void Compiled::make_staging(const Region& region) {
  const auto lay = [&](const std::vector<ValueId>& ids, std::vector<Transfer>& transfers) {
    int64_t bytes = 0;
    for (const ValueId id : ids) {
      transfers.push_back({slice_of(region.storage.places.at(id)), bytes});
      bytes = round_up(bytes + transfers.back().tensor.bytes, device_->limits().alignment);
    }
    return bytes;
  };
  if (const int64_t bytes = lay(region.inputs, uploads_))
    up_ = std::make_unique<Buffer>(*device_, bytes, Where::upload);
  if (const int64_t bytes = lay(region.outputs, downloads_))
    down_ = std::make_unique<Buffer>(*device_, bytes, Where::download);
}

// If timed, each dispatch or copy ends in a time stamp, and they do not overlap.
std::unique_ptr<Commands> Compiled::record(bool timed) const {
  size_t buffers = 0;
  for (const Recorded& item : items_) buffers += item.slices.size();
  auto commands = std::make_unique<Commands>(*device_, items_.size(), buffers, timed ? items_.size() + 1 : 0);
  for (const Transfer& up : uploads_) commands->copy({up_.get(), up.offset, up.tensor.bytes}, up.tensor);
  commands->barrier();
  if (timed) commands->stamp();
  Hazards hazards;
  for (const Recorded& item : items_) {
    std::vector<Access> accesses;
    for (size_t i = 0; i < item.slices.size(); ++i) {
      const Slice& slice = item.slices[i];
      const Shader::Buffer& buffer = item.buffer(i);
      accesses.push_back({slice.buffer, slice.offset, slice.bytes, buffer.reads, buffer.writes});
    }
    if (hazards.note(accesses) || timed) commands->barrier();
    if (const Dispatch* dispatch = item.dispatch)
      commands->dispatch(*dispatch->shader, dispatch->constants, item.slices, dispatch->groups);
    else
      commands->copy(item.slices[0], item.slices[1]);
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
  std::vector<bool> ran(steps_.size());
  for (size_t i = 0; i < items_.size(); ++i) {
    took[items_[i].step] += times[i];
    ran[items_[i].step] = true;
  }
  for (size_t i = 0; i < steps_.size(); ++i)
    if (ran[i]) profile.step(*steps_[i].node, steps_[i].kernel, took[i]);
}

void Compiled::run(List<View> in, List<View> out, Threads&, Profile* profile) {
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
