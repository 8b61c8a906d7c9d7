#include "runtime/plan/storage.h"

#include <algorithm>

#include "runtime/plan/fit.h"

namespace tessera {
namespace {

constexpr int64_t alignment = 64;

constexpr size_t never = ~size_t{0};

// A value's bytes: a range of another value's, or its own.
struct Alias {
  ValueId root;
  int64_t offset = 0;
};

class Layouter {
 public:
  Layouter(const Graph& graph, const std::vector<Choice>& choices, const std::vector<DeviceStage>& stages,
           const std::vector<Wave>& waves)
      : graph_(graph),
        choices_(choices),
        waves_(waves),
        alias_(graph.values.size()),
        next_range_(graph.values.size(), absent),
        last_range_(graph.values.size()),
        on_device_(graph.nodes.size()),
        maker_(graph.values.size(), never),
        last_use_(graph.values.size()),
        used_(graph.values.size()),
        fixed_(graph.values.size()),
        more_(graph.values.size()) {
    storage_.places.resize(graph.values.size());
    storage_.done.resize(graph.nodes.size());
    storage_.copies.resize(graph.nodes.size() + 1);
    for (ValueId id = 0; id < alias_.size(); ++id) alias_[id] = {last_range_[id] = id};
    for (const DeviceStage& stage : stages)
      for (size_t i = stage.first; i < stage.first + stage.count; ++i) on_device_[i] = true;
    for (const DeviceStage& stage : stages) {
      for (const ValueId id : stage.inputs) use(id, stage.first);
      for (const ValueId id : stage.outputs) {
        maker_[id] = stage.first;
        used_[id] = true;
      }
    }
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      if (on_device_[i]) continue;
      for (const ValueId id : graph.nodes[i].in)
        if (id != absent) use(id, i);
      for (const ValueId id : graph.nodes[i].out)
        if (id != absent) maker_[id] = i, used_[id] = true;
    }
    for (const Wave& wave : waves)
      for (size_t i = wave.first; i < wave.first + wave.count; ++i) {
        for (const ValueId id : graph.nodes[i].in)
          if (id != absent) use(id, wave.first + wave.count - 1);
        maker_[graph.nodes[i].out[0]] = wave.first;
      }
    fix_ends();
  }

  Storage run() {
    share_waves();
    alias_views();
    for (size_t i = graph_.nodes.size(); i-- > 0;) join_concat(i);
    reuse_inputs();
    place_all();
    return std::move(storage_);
  }

 private:
  void use(ValueId id, size_t position) {
    last_use_[id] = std::max(last_use_[id], position);
    used_[id] = true;
  }

  int64_t bytes(ValueId id) const { return graph_.values[id].type.bytes(); }
  bool host_tensor(ValueId id) const { return graph_.values[id].type.dtype != DType::string; }

  // Inputs and constants are where the caller or the model put them; outputs go to the caller.
  void fix_ends() {
    for (uint32_t i = 0; i < graph_.inputs.size(); ++i) {
      storage_.places[graph_.inputs[i]] = {Place::Where::input, i, 0};
      fixed_[graph_.inputs[i]] = true;
    }
    for (ValueId id = 0; id < graph_.values.size(); ++id)
      if (graph_.values[id].constant) {
        storage_.places[id] = {Place::Where::constant, id, 0};
        fixed_[id] = true;
      }
    for (uint32_t i = 0; i < graph_.outputs.size(); ++i) {
      const ValueId id = graph_.outputs[i];
      last_use_[id] = graph_.nodes.size();
      if (fixed_[id]) continue;
      storage_.places[id] = {Place::Where::output, i, 0};
      fixed_[id] = true;
    }
  }

  // Makes `id` a range of `root`; whatever was a range of `id` follows.
  void merge(ValueId id, ValueId root, int64_t offset) {
    if (is_root(id)) {
      for (ValueId range = id; range != absent; range = next_range_[range])
        alias_[range] = {root, alias_[range].offset + offset};
      next_range_[last_range_[root]] = id;
      last_range_[root] = last_range_[id];
    }
    last_use_[root] = std::max(last_use_[root], last_use_[id]);
    if (maker_[root] == never || (maker_[id] != never && maker_[id] < maker_[root])) maker_[root] = maker_[id];
  }

  // The inner results of a wave are ranges of the last inner one's bytes and of some rows more; the last
  // result overwrites the wave's input where it can.
  void share_waves() {
    for (const Wave& wave : waves_) {
      const size_t end = wave.first + wave.count;
      const ValueId last = graph_.nodes[end - 1].out[0], inner = graph_.nodes[end - 2].out[0];
      const Type& type = graph_.values[inner].type;
      const int64_t row = type.bytes() / ((type.shape[1] - 1) / type.layout.block() + 1) / type.shape[2];
      more_[inner] = wave_bytes(wave, inner) - bytes(inner);
      for (size_t i = wave.first; i + 2 < end; ++i) {
        const ValueId id = graph_.nodes[i].out[0];
        const int64_t offset = wave.row_offsets[i - wave.first] * row;
        more_[inner] = std::max(more_[inner], offset + wave_bytes(wave, id) - bytes(inner));
        merge(id, inner, offset);
      }
      const ValueId in = graph_.nodes[wave.first].in[0], root = alias_[in].root;
      const bool whole = alias_[in].offset == 0 && bytes(root) == bytes(in) && more_[root] == 0;
      if (wave.in_place && whole && !fixed_[root] && !fixed_[last] && last_use_[root] < end &&
          maker_[root] < wave.first)
        merge(last, root, 0);
    }
  }

  // From the first row of a wave's inner result to its last, planes and all.
  int64_t wave_bytes(const Wave& wave, ValueId id) const {
    const Shape& shape = graph_.values[id].type.shape;
    return ((shape[1] - 1) / 16 * wave.plane_rows + shape[2]) * shape[3] * 16 * 4;
  }

  bool is_root(ValueId id) const { return alias_[id].root == id; }

  void alias_views() {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      alias_parts(i);
      if (!node.op->view || on_device_[i] || !node.epilogue.empty()) continue;
      const ValueId in = node.in[0], out = node.out[0];
      const bool others = std::any_of(node.out.begin() + 1, node.out.end(), [](ValueId id) { return id != absent; });
      if (others || !host_tensor(in)) continue;
      storage_.done[i] = true;
      if (fixed_[out])
        storage_.copies[i].push_back({in, out});
      else
        merge(out, alias_[in].root, alias_[in].offset);
    }
  }

  // Where along the one axis that it cuts a Slice begins; -1 if it is not a plain cut of one axis.
  int64_t slice_begin(const Node& node, int* axis) const {
    const Shape& in = graph_.values[node.in[0]].type.shape;
    const Shape& out = graph_.values[node.out[0]].type.shape;
    *axis = -1;
    for (size_t i = 0; i < in.size(); ++i)
      if (in[i] != out[i]) {
        if (*axis >= 0) return -1;
        *axis = static_cast<int>(i);
      }
    if (*axis < 0) return -1;
    const auto list = [&](size_t input, Text attr) {
      if (node.opset < 10) {
        const List<int64_t> values = AttrReader(node).integers(attr);
        return std::vector<int64_t>(values.begin(), values.end());
      }
      if (input >= node.in.size() || node.in[input] == absent) return std::vector<int64_t>{};
      const auto& constant = graph_.values[node.in[input]].constant;
      return constant ? as_integers(constant->view()) : std::vector<int64_t>{};
    };
    const auto starts = list(1, "starts"), axes = list(3, "axes"), steps = list(4, "steps");
    for (const int64_t step : steps)
      if (step != 1) return -1;
    for (size_t i = 0; i < starts.size(); ++i) {
      const int64_t which = i < axes.size() ? axes[i] : static_cast<int64_t>(i);
      if (normalize_axis(which, in.rank()) != *axis) continue;
      const int64_t size = in[static_cast<size_t>(*axis)];
      const int64_t begin = starts[i] < 0 ? starts[i] + size : starts[i];
      return std::clamp<int64_t>(begin, 0, size);
    }
    return -1;
  }

  // The bytes before element `begin` of `axis`, if what starts there is one stretch of the tensor.
  int64_t stretch_offset(const Type& whole, const Type& part, int axis, int64_t begin) const {
    if (whole.layout != part.layout || whole.dtype == DType::string || bits_of(whole.dtype) < 8) return -1;
    if (whole.shape.elements(0, static_cast<size_t>(axis)) != 1) return -1;
    int64_t inner = whole.shape.elements(static_cast<size_t>(axis) + 1, whole.shape.size());
    if (const int64_t block = whole.layout.block(); block > 1) {
      const int64_t end = begin + part.shape[1];
      if (axis != 1 || begin % block || (end % block && end != whole.shape[1])) return -1;
    }
    return begin * inner * (bits_of(whole.dtype) / 8);
  }

  // Split and Slice of one stretch of their input share its bytes.
  void alias_parts(size_t i) {
    const Node& node = graph_.nodes[i];
    const bool split = node.op->name == "Split", slice = node.op->name == "Slice";
    if ((!split && !slice) || !node.op->domain.empty() || on_device_[i] || !node.epilogue.empty()) return;
    const Type& whole = graph_.values[node.in[0]].type;
    int axis = 0;
    int64_t begin = 0;
    if (slice)
      begin = slice_begin(node, &axis);
    else
      axis = normalize_axis(AttrReader(node).integer("axis"), whole.shape.rank());
    if (begin < 0) return;
    std::vector<int64_t> offsets;
    for (const ValueId out : node.out) {
      if (out == absent || fixed_[out]) return;
      const Type& part = graph_.values[out].type;
      offsets.push_back(stretch_offset(whole, part, axis, begin));
      if (offsets.back() < 0) return;
      begin += part.shape[static_cast<size_t>(axis)];
    }
    const Alias source = alias_[node.in[0]];
    storage_.done[i] = true;
    for (size_t k = 0; k < offsets.size(); ++k) merge(node.out[k], source.root, source.offset + offsets[k]);
  }

  // The offsets of a concatenation's parts, if each is one contiguous stretch of the result.
  bool contiguous_parts(const Node& node, std::vector<int64_t>& offsets) const {
    if (node.op->name != "Concat" || !node.op->domain.empty() || !node.epilogue.empty()) return false;
    const Type& out = graph_.values[node.out[0]].type;
    const int rank = out.shape.rank();
    if (!rank || out.dtype == DType::string || bits_of(out.dtype) < 8) return false;
    const int axis = normalize_axis(AttrReader(node).integer("axis"), rank);
    if (out.shape.elements(0, static_cast<size_t>(axis)) != 1) return false;
    if (out.layout != Layout::row_major && axis != 1) return false;
    int64_t offset = 0;
    for (size_t i = 0; i < node.in.size(); ++i) {
      const Type& part = graph_.values[node.in[i]].type;
      const bool padded = part.stored_elements() != part.shape.elements();
      if (part.layout != out.layout || (padded && i + 1 < node.in.size())) return false;
      offsets.push_back(offset);
      offset += part.bytes();
    }
    return true;
  }

  // Lets the parts of a concatenation be written where they belong.
  void join_concat(size_t i) {
    const Node& node = graph_.nodes[i];
    std::vector<int64_t> offsets;
    if (on_device_[i] || !contiguous_parts(node, offsets)) return;
    const ValueId out = node.out[0];
    storage_.done[i] = true;
    if (!fixed_[out] && is_root(out) && parts_already_joined(node, offsets)) {
      merge(out, alias_[node.in[0]].root, alias_[node.in[0]].offset);
      return;
    }
    for (size_t k = 0; k < node.in.size(); ++k) {
      const ValueId part = node.in[k];
      const ValueId root = alias_[part].root;
      const bool whole = alias_[part].offset == 0 && bytes(root) == bytes(part) && more_[root] == 0;
      const bool movable = whole && is_root(root) && !fixed_[root] && root != alias_[out].root && used_[root] &&
                           maker_[root] != never && !graph_.values[part].constant;
      if (movable)
        merge(root, alias_[out].root, alias_[out].offset + offsets[k]);
      else if (bytes(part))
        part_offsets_.push_back({i, storage_.copies[i].size(), offsets[k]}), storage_.copies[i].push_back({part, out});
    }
  }

  bool parts_already_joined(const Node& node, const std::vector<int64_t>& offsets) const {
    const Alias first = alias_[node.in[0]];
    if (fixed_[first.root] && storage_.places[first.root].where != Place::Where::output) return false;
    for (size_t k = 0; k < node.in.size(); ++k) {
      const Alias& part = alias_[node.in[k]];
      if (part.root != first.root || part.offset != first.offset + offsets[k]) return false;
    }
    return node.in.size() > 1;
  }

  // An elementwise result overwrites its input where that is not needed again.
  void reuse_inputs() {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      if (on_device_[i] || storage_.done[i] || !choices_[i].offer.in_place) continue;
      if (node.in.empty() || node.in[0] == absent) continue;
      const ValueId in = node.in[0], out = node.out[0], root = alias_[in].root;
      const bool whole = alias_[in].offset == 0 && bytes(root) == bytes(in);
      if (!whole || fixed_[root] || fixed_[out] || !is_root(out) || last_use_[root] != i) continue;
      if (bytes(in) != bytes(out) || !host_tensor(in) || maker_[root] == i || root == out) continue;
      // The same bytes may not come in twice: the kernel could read what it has overwritten.
      const auto same = [&](ValueId id) { return id != absent && alias_[id].root == root; };
      if (std::count_if(node.in.begin(), node.in.end(), same) != 1) continue;
      merge(out, root, 0);
    }
  }

  void place_all() {
    std::vector<Span> spans;
    for (ValueId id = 0; id < alias_.size(); ++id) {
      if (!is_root(id) || fixed_[id] || maker_[id] == never) continue;
      if (!host_tensor(id)) {
        storage_.places[id] = {Place::Where::strings, static_cast<uint32_t>(storage_.strings.size()), 0};
        storage_.strings.push_back(graph_.values[id].type);
        continue;
      }
      const int64_t size = (bytes(id) + more_[id] + alignment - 1) / alignment * alignment + alignment;
      spans.push_back({id, size, maker_[id], std::max(maker_[id], last_use_[id])});
    }
    storage_.arena_bytes = fit(spans);
    for (const Span& span : spans) storage_.places[span.id] = {Place::Where::arena, 0, span.offset};
    for (ValueId id = 0; id < alias_.size(); ++id) {
      const Alias& alias = alias_[id];
      if (alias.root == id) continue;
      storage_.places[id] = storage_.places[alias.root];
      storage_.places[id].offset += alias.offset;
    }
    for (const Wave& wave : waves_)
      for (size_t i = wave.first; i + 1 < wave.first + wave.count; ++i)
        storage_.places[graph_.nodes[i].out[0]].plane_rows = wave.plane_rows;
    place_concat_copies();
    copy_shared_outputs();
  }

  // A part that could not be written in place is copied: the target is a value of its own.
  void place_concat_copies() {
    for (const PartOffset& part : part_offsets_) {
      const Node& node = graph_.nodes[part.node];
      Place place = storage_.places[node.out[0]];
      place.offset += part.offset;
      storage_.copies[part.node][part.copy].to = static_cast<ValueId>(storage_.places.size());
      storage_.places.push_back(place);
    }
  }

  // An output that is an input, a constant or another output's value is copied at the end.
  void copy_shared_outputs() {
    for (uint32_t i = 0; i < graph_.outputs.size(); ++i) {
      const ValueId id = graph_.outputs[i];
      const Place& place = storage_.places[id];
      if (place.where == Place::Where::output && place.index == i && place.offset == 0) continue;
      storage_.places.push_back({Place::Where::output, i, 0});
      storage_.copies.back().push_back({id, static_cast<ValueId>(storage_.places.size() - 1)});
    }
  }

  struct PartOffset {
    size_t node, copy;
    int64_t offset;
  };

  const Graph& graph_;
  const std::vector<Choice>& choices_;
  const std::vector<Wave>& waves_;
  Storage storage_;
  std::vector<Alias> alias_;
  std::vector<ValueId> next_range_, last_range_;  // the ranges of each root, itself first, as a list
  std::vector<bool> on_device_;
  std::vector<size_t> maker_, last_use_;
  std::vector<bool> used_, fixed_;
  std::vector<int64_t> more_;  // bytes that a root needs beyond its value's; fewer where blocks of channels overlap
  std::vector<PartOffset> part_offsets_;
};

}  // namespace

Storage lay_out(const Graph& graph, const std::vector<Choice>& choices, const std::vector<DeviceStage>& stages,
                const std::vector<Wave>& waves) {
  return Layouter(graph, choices, stages, waves).run();
}

}  // namespace tessera
