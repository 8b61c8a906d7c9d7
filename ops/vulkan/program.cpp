#include "ops/vulkan/program.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>

#include "ops/vulkan/device/commands.h"
#include "ops/vulkan/hazards.h"
#include "ops/vulkan/parallel.h"
#include "ops/vulkan/resident.h"
#include "runtime/base/run_scope.h"
#include "runtime/graph/refused_data.h"

namespace tessera::vulkan {

Gathered::Gathered(const Graph& graph, const Node& node) {
  for (const ValueId id : node.in) {
    in.push_back(id == absent ? Type{} : graph.values[id].type);
    constants.push_back(id == absent ? nullptr : graph.values[id].constant.get());
  }
  for (const ValueId id : node.out) out.push_back(id == absent ? Type{} : graph.values[id].type);
}

namespace {

using Clock = std::chrono::steady_clock;

// Watchdogs end what takes seconds.
constexpr double most_submit_ms = 100;
constexpr size_t most_lanes = most_runs_at_once;

// Bytes of a buffer, or of a block of the arena that a run is lent.
struct Place {
  const Buffer* buffer = nullptr;
  size_t block = 0;
  int64_t offset = 0, bytes = 0;

  Slice slice(List<std::shared_ptr<Buffer>> blocks) const {
    return {buffer ? buffer : blocks[block].get(), offset, bytes};
  }
};

// A dispatch with its buffers found; or, where there is none, a copy.
struct Item {
  const Dispatch* dispatch;
  size_t step;
  std::vector<Place> places;  // by binding; of a copy: from, to
  double ms = 0;              // at the speed that the device has at least

  const Shader::Buffer& buffer(size_t i) const {
    static constexpr Shader::Buffer copied[] = {{"from", true, false, false, false}, {"to", false, true, false, false}};
    return dispatch ? dispatch->shader->buffers[i] : copied[i];
  }
};

struct Transfer {
  Place tensor;
  int64_t offset = 0;  // in the staging buffer
};

const VulkanResident* resident_of(List<Held> held, size_t i) {
  return i < held.size() ? static_cast<const VulkanResident*>(held[i].resident) : nullptr;
}
bool is_any_held(List<Held> held) {
  return std::any_of(held.begin(), held.end(), [](const Held& end) { return end.resident != nullptr; });
}

// The other end of a transfer: in the staging buffer, or where a resident holds it.
Slice outside(const Transfer& transfer, size_t i, List<Held> held, const Buffer* staging) {
  const VulkanResident* resident = resident_of(held, i);
  return resident ? resident->slice(held[i].offset, transfer.tensor.bytes)
                  : Slice{staging, transfer.offset, transfer.tensor.bytes};
}

// What a run has for itself: staging memory, and the commands that copy from it and to it. Where other queues bring
// inputs up and outputs down, they wait for the device's own queue at a port.
struct Lane {
  explicit Lane(Device& device)
      : up(device, device.up_queue()),
        enter(device, 0, 0, stamps(device)),
        leave(device, 0, 0, stamps(device)),
        down(device, device.down_queue()) {}
  static size_t stamps(const Device& device) { return device.limits().tick_ms > 0; }
  void settle(Device& device) const {
    device.up_queue().settle(up_number);
    device.queue().settle(number);
    device.down_queue().settle(down_number);
  }
  Pool::Loan source, in_port, out_port, target;
  Commands up, enter, leave, down;
  std::vector<std::shared_ptr<Buffer>> blocks;
  Batch batch;                                          // of one submission
  uint64_t up_number = 0, number = 0, down_number = 0;  // of the last submissions
};

// The commands of all steps, in parts that can be submitted apart, for blocks of these numbers.
struct Recording {
  std::unique_ptr<Commands> commands;
  std::vector<double> part_ms;
  std::vector<uint64_t> blocks;

  bool is_for(List<std::shared_ptr<Buffer>> wanted) const {
    return commands && std::equal(blocks.begin(), blocks.end(), wanted.begin(), wanted.end(),
                                  [](uint64_t number, const auto& block) { return number == block->number; });
  }
};

std::atomic<uint64_t> programs{0};

class Compiled final : public Program {
 public:
  Compiled(std::shared_ptr<Device> device, ConstantStore& store, const Region& region, Traffic* traffic,
           const Ways& ways);
  ~Compiled() override { device_->queue().settle(last_); }
  void run(List<View> in, List<View> out, Threads& threads, Profile* profile, List<Held> held) override;
  int64_t device_bytes() const override;

 private:
  int64_t table_bytes() const { return static_cast<int64_t>(tables_.size()); }
  struct RecordedStep {
    const Node* node;
    Text kernel;
    Recorder recorder;
    std::vector<Place> scratch, tables;
  };
  class LaneLoan;
  void emit(const Region& region, const Ways& ways);
  void place_scratch();
  void make_pipelines(Threads* pool);
  void lay_tables();
  void resolve(const Region& region, ConstantStore& store, Uploader& uploader);
  Place place_of(const DeviceRange& range) const { return {nullptr, range.block, range.offset, range.bytes}; }
  Place place_of(const Slot& slot, const RecordedStep& step, const Region& region) const;
  void check_ranges() const;
  void lay_transfers(const Region& region);
  void estimate(const Region& region);
  Recording record(List<std::shared_ptr<Buffer>> blocks, bool timed) const;
  static void record_crossing(Commands& commands, const Buffer* from, const Buffer* to, int64_t bytes);
  void record_transfers(Lane& lane, bool tables, List<Held> in, List<Held> out) const;
  const Recording& recording_for(const Lane& lane, bool timed);
  void submit(Lane& lane, const Recording& recording);
  void flush(Lane& lane);
  void start(Lane& lane, List<View> in, Threads& threads, bool timed, List<Held> held_in, List<Held> held_out);
  void finish(Lane& lane, List<View> out, Threads& threads, List<Held> held);
  void report(Profile& profile) const;

  std::shared_ptr<Device> device_;
  Traffic* traffic_;
  std::deque<RecordedStep> steps_;
  std::vector<Item> items_;
  std::vector<int64_t> block_bytes_;  // of the arena: values, then scratch, which all steps share, then tables
  std::vector<std::byte> tables_;     // of all steps, as they lie in the last block
  bool tables_are_there_ = false;     // since this program was lent the arena
  const uint64_t number_;             // no other program of this process has it
  std::vector<std::shared_ptr<const Constant>> constants_;
  Place refusal_;                              // the word of Recorder::refusal; no bytes: there is none
  std::vector<Transfer> uploads_, downloads_;  // of inputs and outputs, then of that word
  int64_t up_bytes_ = 0, down_bytes_ = 0;
  double ms_ = 0;  // of all items

  // Guarded by the device's arena_mutex.
  Recording plain_, timed_;
  uint64_t last_ = 0;  // submission
  std::mutex timed_mutex_;

  std::mutex lanes_mutex_;
  std::condition_variable lane_free_;
  std::vector<std::unique_ptr<Lane>> lanes_, free_lanes_;
  size_t lane_count_ = 0;
};

Compiled::Compiled(std::shared_ptr<Device> device, ConstantStore& store, const Region& region, Traffic* traffic,
                   const Ways& ways)
    : device_(std::move(device)), traffic_(traffic), block_bytes_(region.storage.block_bytes), number_(++programs) {
  free_lanes_.reserve(most_lanes);
  emit(region, ways);
  place_scratch();
  make_pipelines(region.pool);
  lay_tables();
  Uploader uploader(*device_, region.pool);
  resolve(region, store, uploader);
  check_ranges();
  lay_transfers(region);
  estimate(region);
  uploader.finish();
}

void Compiled::emit(const Region& region, const Ways& ways) {
  auto copy = region.storage.copies.begin();
  for (size_t i = 0; i < region.steps.size(); ++i) {
    for (; copy != region.storage.copies.end() && copy->step == i; ++copy)
      items_.push_back({nullptr, i, {place_of(copy->from), place_of(copy->to)}});
    const Step& step = region.steps[i];
    const auto& variant = *static_cast<const KernelVariant*>(step.offer.kernel);
    RecordedStep& recorded = steps_.emplace_back(
        RecordedStep{step.node, step.offer.name, Recorder(variant, device_->facts(), ways), {}, {}});
    if (step.done) continue;
    ways.begin(*step.node);
    const Gathered types(*region.graph, *step.node);
    variant.kernel->record(*variant.kernel, types.problem(*step.node), recorded.recorder);
    for (const Dispatch& dispatch : recorded.recorder.dispatches()) items_.push_back({&dispatch, i, {}});
  }
}

void Compiled::place_scratch() {
  int64_t most = 0;
  for (RecordedStep& step : steps_) {
    int64_t offset = 0;
    for (const int64_t bytes : step.recorder.scratch_bytes()) {
      step.scratch.push_back({nullptr, block_bytes_.size(), offset, bytes});
      offset = round_up(offset + bytes, device_->limits().alignment);
    }
    most = std::max(most, offset);
  }
  if (std::any_of(steps_.begin(), steps_.end(), [](const auto& step) { return step.recorder.may_refuse(); })) {
    refusal_ = {nullptr, block_bytes_.size(), most, sizeof(uint32_t)};
    most += device_->limits().alignment;
  }
  if (most) block_bytes_.push_back(most);
}

void Compiled::make_pipelines(Threads* pool) {
  std::vector<Pipelines::Key> wanted;
  for (const Item& item : items_)
    if (item.dispatch) wanted.emplace_back(item.dispatch->shader, item.dispatch->constants);
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  traffic_->pipelines += device_->pipelines().make(wanted, pool);
}

// In a block of the arena that nothing else of this program touches: they go up again only where another program has
// had the arena meanwhile.
void Compiled::lay_tables() {
  for (RecordedStep& step : steps_)
    for (const std::vector<std::byte>& table : step.recorder.tables()) {
      const auto offset = static_cast<int64_t>(tables_.size());
      step.tables.push_back({nullptr, block_bytes_.size(), offset, static_cast<int64_t>(table.size())});
      tables_.insert(tables_.end(), table.begin(), table.end());
      tables_.resize(static_cast<size_t>(round_up(static_cast<int64_t>(tables_.size()), device_->limits().alignment)));
    }
  if (!tables_.empty()) block_bytes_.push_back(static_cast<int64_t>(tables_.size()));
}

Place Compiled::place_of(const Slot& slot, const RecordedStep& step, const Region& region) const {
  switch (slot.kind) {
    case Slot::Kind::refusal: return refusal_;
    case Slot::Kind::scratch: return step.scratch[slot.index];
    case Slot::Kind::table: return step.tables[slot.index];
    case Slot::Kind::out: return place_of(region.storage.places.at(step.node->out[slot.index]));
    case Slot::Kind::in:
    case Slot::Kind::constant: break;
  }
  return place_of(region.storage.places.at(step.node->in[slot.index]));
}

// What a pipeline does not use still has to hold something: binding 0, the parameters. Shaders read and write bytes by
// whole words: there is room behind every value.
void Compiled::resolve(const Region& region, ConstantStore& store, Uploader& uploader) {
  std::vector<ConstantKey> keys;
  std::vector<std::pair<size_t, size_t>> bindings;  // of each key: an item, and which of its places
  for (size_t item = 0; item < items_.size(); ++item) {
    const Dispatch* dispatch = items_[item].dispatch;
    const RecordedStep& step = steps_[items_[item].step];
    for (size_t i = 0; dispatch && i < dispatch->slots.size(); ++i) {
      auto& places = items_[item].places;
      const auto& slot = dispatch->slots[i];
      const bool reads = slot && (slot->kind == Slot::Kind::in || slot->kind == Slot::Kind::constant);
      const auto constant = reads ? region.graph->values[step.node->in[slot->index]].constant : nullptr;
      if (constant) {
        const bool narrows = !slot->pack && items_[item].buffer(i).halves && constant->type.dtype == DType::float32;
        keys.push_back({constant, narrows ? pack_halves : slot->pack, slot->parameter});
        bindings.emplace_back(item, i);
      }
      places.push_back(constant ? Place{} : slot ? place_of(*slot, step, region) : places.at(0));
    }
  }
  constants_ = store.get(*device_, keys, uploader, region.pool);
  for (size_t i = 0; i < keys.size(); ++i) {
    const Slice& slice = constants_[i]->slice;
    items_[bindings[i].first].places[bindings[i].second] = {slice.buffer, 0, slice.offset, slice.bytes};
  }
  for (Item& item : items_)
    for (Place& place : item.places)
      if (item.dispatch) place.bytes = round_up(place.bytes, 4);
}

void Compiled::check_ranges() const {
  const int64_t most = device_->limits().storage_range;
  for (const Item& item : items_)
    for (size_t i = 0; item.dispatch && i < item.places.size(); ++i)
      if (item.places[i].bytes > most)
        fail(Error::Kind::device, steps_[item.step].kernel, " of ", steps_[item.step].node->name, " reads or writes ",
             item.places[i].bytes >> 20, " MiB at once, but ", device_->info().name, " binds at most ", most >> 20,
             " MiB");
  const int64_t budget = device_->memory_now().budget;
  if (device_bytes() > budget)
    fail(Error::Kind::device, "a run needs ", device_bytes() >> 20, " MiB of ", device_->info().name,
         "'s memory, of which ", budget >> 20, " MiB may be used");
}

void Compiled::lay_transfers(const Region& region) {
  const auto lay = [&](const std::vector<ValueId>& ids, std::vector<Transfer>& transfers) {
    int64_t bytes = 0;
    for (const ValueId id : ids) {
      transfers.push_back({place_of(region.storage.places.at(id)), bytes});
      bytes = round_up(bytes + transfers.back().tensor.bytes, device_->limits().alignment);
    }
    return bytes;
  };
  up_bytes_ = lay(region.inputs, uploads_);
  down_bytes_ = lay(region.outputs, downloads_);
  if (!refusal_.bytes) return;
  uploads_.push_back({refusal_, up_bytes_});
  downloads_.push_back({refusal_, down_bytes_});
  up_bytes_ += device_->limits().alignment;
  down_bytes_ += device_->limits().alignment;
}

// By the work of each step, which its dispatches share, and the bytes that they touch.
void Compiled::estimate(const Region& region) {
  std::vector<double> flops(steps_.size());
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Node& node = *steps_[i].node;
    const Gathered types(*region.graph, node);
    const size_t dispatches = steps_[i].recorder.dispatches().size();
    if (node.op->work && dispatches)
      flops[i] = node.op->work(AttrReader(node), types.in, types.out) / static_cast<double>(dispatches);
  }
  for (Item& item : items_) {
    double bytes = 0;
    for (const Place& place : item.places) bytes += static_cast<double>(place.bytes);
    const double work = item.dispatch ? flops[item.step] : 0;
    item.ms = std::max(work / device_->speed.flops_per_ms, bytes / device_->speed.bytes_per_ms);
    ms_ += item.ms;
  }
}

// If timed, each dispatch or copy ends in a time stamp, and they do not overlap.
Recording Compiled::record(List<std::shared_ptr<Buffer>> blocks, bool timed) const {
  size_t buffers = 0;
  for (const Item& item : items_) buffers += item.places.size();
  Recording recording;
  for (const auto& block : blocks) recording.blocks.push_back(block->number);
  recording.commands = std::make_unique<Commands>(*device_, items_.size(), buffers, timed ? items_.size() + 1 : 0);
  recording.part_ms.push_back(0);
  Commands& commands = *recording.commands;
  if (timed) commands.stamp();
  Hazards hazards;
  std::vector<Access> accesses;
  std::vector<Slice> slices;
  for (const Item& item : items_) {
    if (double& part = recording.part_ms.back(); part > 0 && part + item.ms > most_submit_ms) {
      commands.begin_part();
      recording.part_ms.push_back(0);
    }
    recording.part_ms.back() += item.ms;
    accesses.clear();
    slices.clear();
    for (size_t i = 0; i < item.places.size(); ++i) {
      const Slice& slice = slices.emplace_back(item.places[i].slice(blocks));
      const Shader::Buffer& buffer = item.buffer(i);
      accesses.push_back({slice.buffer, slice.offset, slice.bytes, buffer.reads, buffer.writes});
    }
    if (hazards.note(accesses) || timed) commands.barrier();
    if (const Dispatch* dispatch = item.dispatch)
      commands.dispatch(*dispatch->shader, dispatch->constants, slices, dispatch->groups);
    else
      commands.copy(slices[0], slices[1]);
    if (timed) commands.stamp();
  }
  commands.finish();
  return recording;
}

// Between the host's memory and a port, which lie alike.
void Compiled::record_crossing(Commands& commands, const Buffer* from, const Buffer* to, int64_t bytes) {
  commands.restart();
  commands.copy({from, 0, bytes}, {to, 0, bytes});
}

// The first barrier waits for the run before, which may have had the same blocks.
void Compiled::record_transfers(Lane& lane, bool tables, List<Held> in, List<Held> out) const {
  const Buffer* from = lane.in_port ? lane.in_port.get() : lane.source.get();
  const Buffer* to = lane.out_port ? lane.out_port.get() : lane.target.get();
  if (lane.in_port) {
    record_crossing(lane.up, lane.source.get(), from, up_bytes_ + (tables ? table_bytes() : 0));
    lane.up.finish();
  }
  lane.enter.restart();
  lane.enter.barrier();
  for (size_t i = 0; i < uploads_.size(); ++i)
    lane.enter.copy(outside(uploads_[i], i, in, from), uploads_[i].tensor.slice(lane.blocks));
  if (tables) {
    const Slice there{lane.blocks.back().get(), 0, table_bytes()};
    lane.enter.copy({from, up_bytes_, table_bytes()}, there);
  }
  if (tables || !uploads_.empty()) lane.enter.barrier();
  lane.enter.stamp();
  lane.enter.finish();
  lane.leave.restart();
  lane.leave.barrier();
  lane.leave.stamp();
  for (size_t i = 0; i < downloads_.size(); ++i)
    lane.leave.copy(downloads_[i].tensor.slice(lane.blocks), outside(downloads_[i], i, out, to));
  if (!lane.out_port) lane.leave.barrier_to_host();
  lane.leave.finish();
  if (lane.out_port) {
    record_crossing(lane.down, to, lane.target.get(), down_bytes_);
    lane.down.barrier_to_host();
    lane.down.finish();
  }
}

// Recorded anew where the arena has grown since; what was recorded before may still be running.
const Recording& Compiled::recording_for(const Lane& lane, bool timed) {
  Recording& recording = timed ? timed_ : plain_;
  if (!recording.is_for(lane.blocks)) {
    device_->queue().wait(last_);
    recording = {};
    recording = record(lane.blocks, timed);
  }
  return recording;
}

void Compiled::flush(Lane& lane) {
  const After after = lane.batch.front() == lane.enter.parts()[0] && lane.in_port
                          ? After{&device_->up_queue(), lane.up_number}
                          : After{};
  last_ = lane.number = device_->queue().submit(lane.batch, after);
  lane.batch.clear();
  ++traffic_->submits;
}

// In submissions as long as they may be.
void Compiled::submit(Lane& lane, const Recording& recording) {
  const double most = most_submit_ms * device_->seen_faster;
  const auto parts = recording.commands->parts();
  lane.batch.clear();
  lane.batch.reserve(parts.size() + 2);
  if (lane.in_port) lane.up_number = device_->up_queue().submit(lane.up.parts());
  lane.batch.push_back(lane.enter.parts()[0]);
  double ms = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (ms > 0 && ms + recording.part_ms[i] > most) {
      flush(lane);
      ms = 0;
      // The processor is slow, and gains nothing by having more to do.
      if (device_->info().cpu_type) {
        device_->queue().wait(last_);
        check_cancelled();
      }
    }
    lane.batch.push_back(parts[i]);
    ms += recording.part_ms[i];
  }
  lane.batch.push_back(lane.leave.parts()[0]);
  flush(lane);
  if (lane.out_port)
    lane.down_number = device_->down_queue().submit(lane.down.parts(), {&device_->queue(), lane.number});
}

// A lane on loan. One that is left by an exception is given back when the device has done what it was told.
class Compiled::LaneLoan {
 public:
  explicit LaneLoan(Compiled& program) : program_(program) {
    std::unique_lock lock(program.lanes_mutex_);
    program.lane_free_.wait(lock, [&] { return !program.free_lanes_.empty() || program.lane_count_ < most_lanes; });
    if (program.free_lanes_.empty()) {
      lane_ = std::make_unique<Lane>(*program.device_);
      ++program.lane_count_;
    } else {
      lane_ = std::move(program.free_lanes_.back());
      program.free_lanes_.pop_back();
    }
  }
  ~LaneLoan() {
    lane_->settle(*program_.device_);
    for (Pool::Loan* loan : {&lane_->source, &lane_->in_port, &lane_->out_port, &lane_->target}) loan->give_back();
    lane_->blocks.clear();
    {
      const std::lock_guard lock(program_.lanes_mutex_);
      program_.free_lanes_.push_back(std::move(lane_));
    }
    program_.lane_free_.notify_one();
  }
  LaneLoan(const LaneLoan&) = delete;
  LaneLoan& operator=(const LaneLoan&) = delete;
  Lane& operator*() const { return *lane_; }

 private:
  Compiled& program_;
  std::unique_ptr<Lane> lane_;
};

// Ports are for all ends of a side at once.
void Compiled::start(Lane& lane, List<View> in, Threads& threads, bool timed, List<Held> held_in, List<Held> held_out) {
  const int64_t up_bytes = up_bytes_ + table_bytes();
  if (up_bytes) lane.source = Pool::Loan(device_->uploads(), up_bytes);
  if (down_bytes_) lane.target = Pool::Loan(device_->downloads(), down_bytes_);
  if (!is_any_held(held_in) && device_->goes_by(device_->up_queue(), up_bytes_))
    lane.in_port = Pool::Loan(device_->ports(), up_bytes);
  if (!is_any_held(held_out) && device_->goes_by(device_->down_queue(), down_bytes_))
    lane.out_port = Pool::Loan(device_->ports(), down_bytes_);
  for (size_t i = 0; i < in.size(); ++i) {
    if (resident_of(held_in, i)) continue;
    copy_bytes(&threads, lane.source->mapped + uploads_[i].offset, in[i].data, uploads_[i].tensor.bytes);
    traffic_->uploaded_bytes += uploads_[i].tensor.bytes;
  }
  if (refusal_.bytes) std::memset(lane.source->mapped + uploads_.back().offset, 0, sizeof(uint32_t));
  const std::lock_guard lock(device_->arena_mutex());
  const bool same = device_->arena().lend(number_, block_bytes_, lane.blocks);
  const bool tables = !tables_.empty() && !(same && tables_are_there_);
  if (tables) std::copy(tables_.begin(), tables_.end(), lane.source->mapped + up_bytes_);
  if (up_bytes) lane.source->flush();
  tables_are_there_ = false;  // until all is submitted
  record_transfers(lane, tables, held_in, held_out);
  submit(lane, recording_for(lane, timed));
  tables_are_there_ = true;
}

void Compiled::finish(Lane& lane, List<View> out, Threads& threads, List<Held> held) {
  device_->queue().wait(lane.number);
  if (lane.out_port) device_->down_queue().wait(lane.down_number);
  if (down_bytes_) lane.target->invalidate();
  if (device_->limits().tick_ms > 0)
    traffic_->busy_ns += static_cast<int64_t>(Commands::between(lane.enter, lane.leave) * 1e6);
  uint32_t refused = 0;
  if (refusal_.bytes) std::memcpy(&refused, lane.target->mapped + downloads_.back().offset, sizeof refused);
  if (refused) throw RefusedData(cat(device_->info().name, " was given an index that is outside of its axis"));
  for (size_t i = 0; i < out.size(); ++i) {
    if (resident_of(held, i)) continue;
    copy_bytes(&threads, out[i].data, lane.target->mapped + downloads_[i].offset, downloads_[i].tensor.bytes);
    traffic_->downloaded_bytes += downloads_[i].tensor.bytes;
  }
}

void Compiled::run(List<View> in, List<View> out, Threads& threads, Profile* profile, List<Held> held) {
  const auto held_in = held.first(held.empty() ? 0 : in.size()), held_out = held.subspan(held_in.size());
  const bool timed = profile && device_->limits().tick_ms > 0;
  const auto one_at_a_time = timed ? std::unique_lock(timed_mutex_) : std::unique_lock<std::mutex>();
  const HeldCharge staging(up_bytes_ + table_bytes() + down_bytes_);
  const LaneLoan lane(*this);
  const bool alone = device_->queue().is_idle();
  const auto begin = Clock::now();
  start(*lane, in, threads, timed, held_in, held_out);
  finish(*lane, out, threads, held_out);
  if (timed) report(*profile);
  // It did all this in that time, or less.
  const double took = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  if (alone && ms_ > took * device_->seen_faster) device_->seen_faster = ms_ / took;
}

void Compiled::report(Profile& profile) const {
  const std::vector<double> times = timed_.commands->times();
  std::vector<double> took(steps_.size());
  std::vector<bool> ran(steps_.size());
  for (size_t i = 0; i < items_.size(); ++i) {
    took[items_[i].step] += times[i];
    ran[items_[i].step] = true;
  }
  for (size_t i = 0; i < steps_.size(); ++i)
    if (ran[i]) profile.step(*steps_[i].node, steps_[i].kernel, took[i]);
}

int64_t Compiled::device_bytes() const {
  int64_t total = 0;
  for (const int64_t bytes : block_bytes_) total += bytes;
  return total;
}

}  // namespace

std::unique_ptr<Program> compile(const std::shared_ptr<Device>& device, ConstantStore& constants, const Region& region,
                                 Traffic* traffic, const Ways& ways) {
  return std::make_unique<Compiled>(device, constants, region, traffic, ways);
}

}  // namespace tessera::vulkan
