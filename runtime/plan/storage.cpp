#include "runtime/plan/storage.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "runtime/base/rounding.h"
#include "runtime/plan/fit.h"

namespace tessera {
namespace {

constexpr int64_t host_alignment = 64;

constexpr size_t never = ~size_t{0};

// What is known of a value within one address space. Its bytes are a range of
// another value's, or its own.
struct Life {
  ValueId root = absent;
  int64_t offset = 0;  // in the root
  ValueId next_range = absent,
          last_range = absent;  // the ranges of each root, itself first, as a list
  size_t maker = never, last_use = 0;
  bool used = false, fixed = false;
  int64_t more = 0;  // bytes that a root needs beyond its value's; fewer where
                     // blocks of channels overlap
};

// Bytes from one row of a blocked picture to the next, in one block of
// channels.
int64_t row_bytes(const Type& type) {
  return type.shape[3] * type.layout.block() * bits_of(type.layout.stored(type.dtype)) / 8;
}

// The offset of a part in the bytes of the tensor around it; -1 if it is not
// one stretch of them.
int64_t stretch_offset(const Type& whole, const Type& part, int axis, int64_t begin) {
  const int bits = bits_of(whole.layout.stored(whole.dtype));
  if (whole.layout != part.layout || whole.dtype == DType::string || bits < 8) return -1;
  if (whole.shape.elements(0, static_cast<size_t>(axis)) != 1) return -1;
  if (const int64_t block = whole.layout.block(); block > 1) {
    const int64_t end = begin + part.shape[1];
    if (axis != 1 || begin % block || (end % block && end != whole.shape[1])) return -1;
  }
  return begin * whole.shape.elements(static_cast<size_t>(axis) + 1, whole.shape.size()) * (bits / 8);
}

// The values of one address space: which are ranges of others, how long they
// are needed, and where they are. What the host's arena and a device's memory
// differ in is what they fix beforehand, and the alignment of parts.
class Space {
 public:
  Space(const Graph& graph, const std::vector<Choice>& choices, std::vector<Life>& lives, Storage& storage,
        int64_t part_alignment, bool has_constants)
      : graph_(graph),
        choices_(choices),
        lives_(lives),
        storage_(storage),
        part_alignment_(part_alignment),
        has_constants_(has_constants) {}

 protected:
  // An input of a node and an output that share elements: one is a stretch of
  // the other's bytes.
  struct Stretch {
    ValueId in, out;
    int64_t offset;
  };
  struct PartCopy {
    size_t node;
    Stretch part;
  };

  // The nodes in order, and the values that they touch.
  void begin(std::vector<size_t> nodes, std::vector<ValueId> values) {
    nodes_ = std::move(nodes);
    values_ = std::move(values);
    for (const ValueId id : values_) {
      lives_[id] = {};
      lives_[id].root = lives_[id].last_range = id;
      lives_[id].fixed = graph_.values[id].constant != nullptr;
    }
    for (const size_t i : nodes_) {
      for (const ValueId id : graph_.nodes[i].in)
        if (id != absent) use(id, i);
      for (const ValueId id : graph_.nodes[i].out)
        if (id != absent) make(id, i);
    }
  }

  void use(ValueId id, size_t position) {
    lives_[id].last_use = std::max(lives_[id].last_use, position);
    lives_[id].used = true;
  }
  void make(ValueId id, size_t position) {
    lives_[id].maker = position;
    lives_[id].used = true;
  }

  int64_t bytes(ValueId id) const { return graph_.values[id].type.bytes(); }
  bool is_string(ValueId id) const { return graph_.values[id].type.dtype == DType::string; }
  bool is_root(ValueId id) const { return lives_[id].root == id; }
  bool is_whole(ValueId id) const {
    const Life& life = lives_[id];
    return life.offset == 0 && bytes(life.root) == bytes(id) && lives_[life.root].more == 0;
  }

  // Whether the value is a constant, and constants are not in this memory.
  bool is_elsewhere(ValueId id) const { return !has_constants_ && lives_[lives_[id].root].fixed; }

  // Makes `id` a range of `root`; whatever was a range of `id` follows.
  void merge(ValueId id, ValueId root, int64_t offset) {
    Life &life = lives_[id], &whole = lives_[root];
    if (is_root(id)) {
      for (ValueId range = id; range != absent; range = lives_[range].next_range) {
        lives_[range].root = root;
        lives_[range].offset += offset;
      }
      lives_[whole.last_range].next_range = id;
      whole.last_range = life.last_range;
    }
    whole.last_use = std::max(whole.last_use, life.last_use);
    if (whole.maker == never || (life.maker != never && life.maker < whole.maker)) whole.maker = life.maker;
  }

  void alias() {
    std::vector<std::pair<size_t, std::vector<Stretch>>> joins;
    for (const size_t i : nodes_) {
      bool joined = false;
      std::vector<Stretch> parts = stretches(graph_.nodes[i], &joined);
      if (joined)
        joins.emplace_back(i, std::move(parts));
      else if (!parts.empty())
        alias_cut(i, parts);
      alias_view(i);
    }
    for (size_t k = joins.size(); k-- > 0;) join(joins[k].first, joins[k].second);
  }

  void alias_view(size_t i) {
    const Node& node = graph_.nodes[i];
    if (!node.op->view || !node.epilogue.empty()) return;
    const ValueId in = node.in[0], out = node.out[0];
    const bool others = std::any_of(node.out.begin() + 1, node.out.end(), [](ValueId id) { return id != absent; });
    if (others || is_string(in) || is_elsewhere(in)) return;
    storage_.done[i] = true;
    if (lives_[out].fixed)
      storage_.copies[i].push_back({in, out});
    else
      merge(out, lives_[in].root, lives_[in].offset);
  }

  // The parts that a node's outputs are of its input (or, if `joined`, its inputs of its output), with the offsets of
  // their bytes; none if one of them is not one stretch of bytes.
  std::vector<Stretch> stretches(const Node& node, bool* joined) const {
    if (!node.op->parts || !node.epilogue.empty()) return {};
    const NodeTypes types(graph_, node);
    Infer infer(node, types.in, types.constants);
    for (size_t i = 0; i < types.out.size(); ++i) infer.out[i].type = types.out[i];
    const std::vector<Part> parts = node.op->parts(infer);
    const auto is_smaller = [&](const Part& part) {
      const auto axis = static_cast<size_t>(part.axis);
      return types.in[part.input].shape[axis] < types.out[part.output].shape[axis];
    };
    const bool joins = std::any_of(parts.begin(), parts.end(), is_smaller);
    std::vector<Stretch> result;
    result.reserve(parts.size());
    for (const Part& part : parts) {
      const Type &in = types.in[part.input], &out = types.out[part.output];
      const int64_t offset = stretch_offset(joins ? out : in, joins ? in : out, part.axis, part.begin);
      if (offset < 0) return {};
      result.push_back({node.in[part.input], node.out[part.output], offset});
    }
    *joined = joins;
    return result;
  }

  // Outputs that are stretches of an input (Split, Slice) share its bytes.
  void alias_cut(size_t i, const std::vector<Stretch>& parts) {
    const auto stands_apart = [&](const Stretch& part) {
      return lives_[part.out].fixed || part.offset % part_alignment_ != 0 || is_elsewhere(part.in);
    };
    if (std::any_of(parts.begin(), parts.end(), stands_apart)) return;
    storage_.done[i] = true;
    for (const Stretch& part : parts) merge(part.out, lives_[part.in].root, lives_[part.in].offset + part.offset);
  }

  // Inputs that are stretches of an output (Concat) are written where they belong, or copied there.
  void join(size_t i, const std::vector<Stretch>& parts) {
    const auto elsewhere = [&](const Stretch& part) { return is_elsewhere(part.in); };
    if (std::any_of(parts.begin(), parts.end(), elsewhere)) return;
    const ValueId out = parts[0].out;
    storage_.done[i] = true;
    if (!lives_[out].fixed && is_root(out) && are_joined(parts)) {
      merge(out, lives_[parts[0].in].root, lives_[parts[0].in].offset);
      return;
    }
    for (const Stretch& part : parts) {
      const ValueId root = lives_[part.in].root;
      const Life& life = lives_[root];
      const bool movable = is_whole(part.in) && is_root(root) && !life.fixed && root != lives_[out].root && life.used &&
                           life.maker != never && part.offset % part_alignment_ == 0;
      if (movable)
        merge(root, lives_[out].root, lives_[out].offset + part.offset);
      else if (bytes(part.in))
        copies_.push_back({i, part});
    }
  }

  bool are_joined(const std::vector<Stretch>& parts) const {
    const Life& first = lives_[parts[0].in];
    if (lives_[first.root].fixed && storage_.places[first.root].where != Place::Where::output) return false;
    for (const Stretch& part : parts) {
      const Life& life = lives_[part.in];
      if (life.root != first.root || life.offset != first.offset + part.offset) return false;
    }
    return parts.size() > 1;
  }

  void reuse_inputs() {
    for (const size_t i : nodes_) {
      const Node& node = graph_.nodes[i];
      if (storage_.done[i] || !choices_[i].offer.in_place) continue;
      if (node.in.empty() || node.in[0] == absent) continue;
      const ValueId in = node.in[0], out = node.out[0], root = lives_[in].root;
      const Life& life = lives_[root];
      if (!is_whole(in) || life.fixed || lives_[out].fixed || !is_root(out) || life.last_use != i) continue;
      if (bytes(in) != bytes(out) || is_string(in) || life.maker == i || root == out) continue;
      // The same bytes may not come in twice: the kernel could read what it has
      // overwritten.
      const auto same = [&](ValueId id) { return id != absent && lives_[id].root == root; };
      if (std::count_if(node.in.begin(), node.in.end(), same) != 1) continue;
      merge(out, root, 0);
    }
  }

  // The roots that need bytes here, as long as they live, from step `first` on.
  template <class Size>
  std::vector<Span> spans(size_t first, const Size& size) const {
    std::vector<Span> spans;
    for (const ValueId id : values_) {
      const Life& life = lives_[id];
      if (!is_root(id) || life.fixed || life.maker == never || is_string(id)) continue;
      spans.push_back({id, size(id), life.maker - first, std::max(life.maker, life.last_use) - first});
    }
    return spans;
  }

  const Graph& graph_;
  const std::vector<Choice>& choices_;
  std::vector<Life>& lives_;
  Storage& storage_;
  const int64_t part_alignment_;  // of the bytes of parts in those of the whole
  const bool has_constants_;      // whether constants are in this memory, where
                                  // others may share their bytes
  std::vector<size_t> nodes_;
  std::vector<ValueId> values_;
  std::vector<PartCopy> copies_;
};

class Host : Space {
 public:
  Host(const Graph& graph, const std::vector<Choice>& choices, const std::vector<Wave>& waves, std::vector<Life>& lives,
       Storage& storage)
      : Space(graph, choices, lives, storage, 1, true), waves_(waves) {}

  void run(const std::vector<DeviceStage>& stages) {
    begin_all(stages);
    fix_ends();
    share_waves();
    alias();
    reuse_inputs();
    place_all();
  }

 private:
  void begin_all(const std::vector<DeviceStage>& stages) {
    std::vector<size_t> nodes;
    auto stage = stages.begin();
    for (size_t i = 0; i < graph_.nodes.size(); ++i)
      if (stage == stages.end() || i < stage->first)
        nodes.push_back(i);
      else if (i + 1 == stage->first + stage->count)
        ++stage;
    std::vector<ValueId> values(graph_.values.size());
    std::iota(values.begin(), values.end(), ValueId{0});
    begin(std::move(nodes), std::move(values));
    for (const DeviceStage& device : stages) {
      for (const ValueId id : device.inputs) use(id, device.first);
      for (const ValueId id : device.outputs) make(id, device.first);
    }
    for (const Wave& wave : waves_)
      for (size_t i = wave.first; i < wave.first + wave.count; ++i) {
        for (const ValueId id : graph_.nodes[i].in)
          if (id != absent) use(id, wave.first + wave.count - 1);
        make(graph_.nodes[i].out[0], wave.first);
      }
  }

  // Inputs and constants are where the caller or the model put them; outputs go
  // to the caller.
  void fix_ends() {
    for (uint32_t i = 0; i < graph_.inputs.size(); ++i) fix(graph_.inputs[i], {Place::Where::input, i, 0});
    for (ValueId id = 0; id < graph_.values.size(); ++id)
      if (graph_.values[id].constant) fix(id, {Place::Where::constant, id, 0});
    for (uint32_t i = 0; i < graph_.outputs.size(); ++i) {
      const ValueId id = graph_.outputs[i];
      lives_[id].last_use = graph_.nodes.size();
      if (!lives_[id].fixed) fix(id, {Place::Where::output, i, 0});
    }
  }

  void fix(ValueId id, const Place& place) {
    storage_.places[id] = place;
    lives_[id].fixed = true;
  }

  // The inner results of a wave are ranges of the last inner one's bytes and of
  // some rows more; the last result overwrites the wave's input where it can.
  void share_waves() {
    for (const Wave& wave : waves_) {
      const size_t end = wave.first + wave.count;
      const ValueId last = graph_.nodes[end - 1].out[0], inner = graph_.nodes[end - 2].out[0];
      int64_t& more = lives_[inner].more = wave_bytes(wave, inner) - bytes(inner);
      for (size_t i = wave.first; i + 2 < end; ++i) {
        const ValueId id = graph_.nodes[i].out[0];
        const int64_t offset = wave.row_offsets[i - wave.first] * row_bytes(graph_.values[inner].type);
        more = std::max(more, offset + wave_bytes(wave, id) - bytes(inner));
        merge(id, inner, offset);
      }
      const ValueId in = graph_.nodes[wave.first].in[0], root = lives_[in].root;
      const Life& life = lives_[root];
      if (wave.in_place && is_whole(in) && !life.fixed && !lives_[last].fixed && life.last_use < end &&
          life.maker < wave.first)
        merge(last, root, 0);
    }
  }

  // From the first row of a wave's inner result to its last, planes and all.
  int64_t wave_bytes(const Wave& wave, ValueId id) const {
    const Type& type = graph_.values[id].type;
    return ((type.shape[1] - 1) / type.layout.block() * wave.plane_rows + type.shape[2]) * row_bytes(type);
  }

  void place_all() {
    for (const ValueId id : values_)
      if (is_string(id) && is_root(id) && !lives_[id].fixed && lives_[id].maker != never) {
        storage_.places[id] = {Place::Where::strings, static_cast<uint32_t>(storage_.strings.size()), 0};
        storage_.strings.push_back(graph_.values[id].type);
      }
    const auto size = [&](ValueId id) {
      return round_up(bytes(id) + lives_[id].more, host_alignment) + host_alignment;
    };
    std::vector<Span> all = spans(0, size);
    storage_.arena_bytes = fit(all);
    for (const Span& span : all) storage_.places[span.id] = {Place::Where::arena, 0, span.offset};
    for (const ValueId id : values_) {
      if (is_root(id)) continue;
      storage_.places[id] = storage_.places[lives_[id].root];
      storage_.places[id].offset += lives_[id].offset;
    }
    for (const Wave& wave : waves_)
      for (size_t i = wave.first; i + 1 < wave.first + wave.count; ++i)
        storage_.places[graph_.nodes[i].out[0]].plane_rows = wave.plane_rows;
    // A part that could not be written in place is copied: the target is a
    // value of its own.
    for (const PartCopy& copy : copies_) {
      Place place = storage_.places[copy.part.out];
      place.offset += copy.part.offset;
      copy_to(copy.node, copy.part.in, place);
    }
    // An output that is an input, a constant or another output's value is
    // copied at the end.
    for (uint32_t i = 0; i < graph_.outputs.size(); ++i) {
      const Place& place = storage_.places[graph_.outputs[i]];
      if (place.where != Place::Where::output || place.index != i || place.offset != 0)
        copy_to(graph_.nodes.size(), graph_.outputs[i], {Place::Where::output, i, 0});
    }
  }

  void copy_to(size_t node, ValueId from, const Place& place) {
    storage_.copies[node].push_back({from, static_cast<ValueId>(storage_.places.size())});
    storage_.places.push_back(place);
  }

  const std::vector<Wave>& waves_;
};

class Device : Space {
 public:
  Device(const Graph& graph, const std::vector<Choice>& choices, const DeviceStage& stage, std::vector<Life>& lives,
         Storage& storage)
      : Space(graph, choices, lives, storage, stage.rules.alignment, false), stage_(stage) {}

  DeviceStorage run() {
    begin_stage();
    alias();
    reuse_inputs();
    return place_all();
  }

 private:
  // Inputs are there before the first step, outputs are fetched after the last
  // one.
  void begin_stage() {
    std::vector<size_t> nodes(stage_.count);
    std::iota(nodes.begin(), nodes.end(), stage_.first);
    std::vector<ValueId> values;
    for (const size_t i : nodes)
      for (const auto* ids : {&graph_.nodes[i].in, &graph_.nodes[i].out})
        std::copy_if(ids->begin(), ids->end(), std::back_inserter(values), [](ValueId id) { return id != absent; });
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    begin(std::move(nodes), std::move(values));
    for (const ValueId id : stage_.inputs) make(id, stage_.first);
    for (const ValueId id : stage_.outputs) use(id, stage_.first + stage_.count);
  }

  DeviceStorage place_all() {
    DeviceStorage result;
    const int64_t alignment = stage_.rules.alignment;
    std::vector<Span> all =
        spans(stage_.first, [&](ValueId id) { return std::max(alignment, round_up(bytes(id), alignment)); });
    result.block_bytes = fit_into_blocks(all, stage_.rules.block_bytes);
    for (const Span& span : all) result.places[span.id] = {span.block, span.offset, bytes(span.id)};
    for (const ValueId id : values_) {
      const Life& life = lives_[id];
      if (is_root(id) || !result.places.contains(life.root)) continue;
      const DeviceRange root = result.places[life.root];
      result.places[id] = {root.block, root.offset + life.offset, bytes(id)};
    }
    const auto earlier = [](const PartCopy& a, const PartCopy& b) { return a.node < b.node; };
    std::stable_sort(copies_.begin(), copies_.end(), earlier);
    for (const PartCopy& copy : copies_) {
      const DeviceRange from = result.places.at(copy.part.in), whole = result.places.at(copy.part.out);
      result.copies.push_back(
          {copy.node - stage_.first, from, {whole.block, whole.offset + copy.part.offset, from.bytes}});
    }
    return result;
  }

  const DeviceStage& stage_;
};

}  // namespace

Storage lay_out(const Graph& graph, const std::vector<Choice>& choices, const std::vector<DeviceStage>& stages,
                const std::vector<Wave>& waves) {
  Storage storage;
  storage.places.resize(graph.values.size());
  storage.done.resize(graph.nodes.size());
  storage.copies.resize(graph.nodes.size() + 1);
  std::vector<Life> lives(graph.values.size());
  Host(graph, choices, waves, lives, storage).run(stages);
  for (const DeviceStage& stage : stages)
    storage.devices.push_back(Device(graph, choices, stage, lives, storage).run());
  return storage;
}

}  // namespace tessera
