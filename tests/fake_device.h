// Backends that compute by references, for tests of planning: a device in host memory, which keeps values where the
// planner put them, and a host.
#pragma once

#include <cstring>
#include <functional>

#include "tests/graph_builder.h"

namespace tessera::test {

class FakeDevice final : public DeviceBackend {
 public:
  using Takes = bool (*)(const Problem&);

  /// Offers kernels for the problems that `takes` says; its values lie in `layout`.
  explicit FakeDevice(Takes takes, Layout layout = {}, MemoryRules rules = {})
      : takes_(takes), layout_(layout), rules_(rules) {}

  Text name() const override { return "fake"; }
  MemoryRules memory_rules() const override { return rules_; }

  void offers(const Problem& problem, std::vector<Offer>& out) const override {
    const auto is_own = [&](const Type& type) { return type.layout == Layout::row_major || type.layout == layout_; };
    if (problem.node.op->name == "Reorder") {
      if (is_own(problem.in[0]) && is_own(problem.out[0])) out.push_back({this, "fake reorder", 1});
    } else if (problem.node.epilogue.empty() && !problem.node.op->prepare && takes_(problem)) {
      out.push_back({this, "fake", 1, layout_, layout_, problem.node.op->name == "Relu"});
    }
  }

  std::unique_ptr<Program> compile(const Region& region) const override {
    const std::lock_guard lock(mutex_);
    if (compilations_that_fail > 0 && compilations_that_fail--)
      fail(Error::Kind::device, "a kernel gave a wrong answer");
    regions.push_back(region);
    return std::make_unique<Stretch>(*this, region);
  }

  std::unique_ptr<Resident> make_resident(int64_t, const Sharing&) const override { return nullptr; }
  bool holds(const Resident&) const override { return false; }

  int runs() const { return runs_; }

  mutable int compilations_that_fail = 0;
  int fails_at = std::numeric_limits<int>::max();  ///< from this run on, every run fails
  mutable std::vector<Region> regions;             ///< all that were compiled; their steps go with their plan

 private:
  struct Stretch final : Program {
    Stretch(const FakeDevice& device, const Region& region) : device(device), region(region) {}

    void run(List<View> in, List<View> out, Threads&, Profile*, List<Held>) override {
      if (++device.runs_ >= device.fails_at) fail(Error::Kind::device, "the device is lost");
      std::vector<Tensor> blocks;
      for (const int64_t bytes : region.storage.block_bytes) {
        blocks.push_back(Tensor::make({DType::uint8, {bytes}}));
        std::memset(blocks.back().bytes.get(), 0xff, static_cast<size_t>(bytes));
      }
      const auto at = [&](const DeviceRange& range) { return blocks[range.block].bytes.get() + range.offset; };
      const auto view_of = [&](ValueId id) {
        if (id == absent) return View{};
        const Value& value = region.graph->values[id];
        if (value.constant) return value.constant->view();
        return View{value.type, at(region.storage.places.at(id))};
      };
      const auto move = [](std::byte* to, const std::byte* from, int64_t bytes) {
        std::memcpy(to, from, static_cast<size_t>(bytes));
      };
      for (size_t i = 0; i < in.size(); ++i) move(view_of(region.inputs[i]).data, in[i].data, in[i].type.bytes());
      auto copy = region.storage.copies.begin();
      for (size_t i = 0; i < region.steps.size(); ++i) {
        for (; copy != region.storage.copies.end() && copy->step == i; ++copy)
          move(at(copy->to), at(copy->from), copy->from.bytes);
        if (region.steps[i].done) continue;
        const Node& node = *region.steps[i].node;
        std::vector<View> from, to;
        for (const ValueId id : node.in) from.push_back(view_of(id));
        for (const ValueId id : node.out) to.push_back(view_of(id));
        compute(node, from, to);
      }
      for (size_t i = 0; i < out.size(); ++i) move(out[i].data, view_of(region.outputs[i]).data, out[i].type.bytes());
    }

    // References know row-major tensors alone.
    static void compute(const Node& node, std::vector<View>& from, std::vector<View>& to) {
      if (node.op->name == "Reorder") return node.op->reference(Args(node, from, to));
      std::vector<Tensor> kept;
      const auto plain = [&](const View& view) {
        if (!view || view.type.layout == Layout::row_major) return view;
        return kept.emplace_back(Tensor::make({view.type.dtype, view.type.shape})).view();
      };
      std::vector<View> in, out;
      for (const View& view : from) {
        in.push_back(plain(view));
        if (in.back().data != view.data) reorder(view, in.back());
      }
      for (const View& view : to) out.push_back(plain(view));
      node.op->reference(Args(node, in, out));
      for (size_t i = 0; i < to.size(); ++i)
        if (out[i].data != to[i].data) reorder(out[i], to[i]);
    }

    static void reorder(const View& from, const View& to) {
      Node node;
      node.op = find_op(internal_domain, "Reorder", 1);
      node.op->reference(Args(node, List<View>(&from, 1), List<View>(&to, 1)));
    }

    const FakeDevice& device;
    Region region;
  };

  const Takes takes_;
  const Layout layout_;
  const MemoryRules rules_;
  mutable std::mutex mutex_;
  mutable std::atomic<int> runs_{0};
};

class References final : public HostBackend {
 public:
  Text name() const override { return "references"; }
  void offers(const Problem&, std::vector<Offer>& out) const override { out.push_back({nullptr, "reference"}); }
  std::shared_ptr<const Packed> pack(const Offer& offer, const Problem& problem) const override {
    return cpu_->pack(offer, problem);
  }
  int64_t scratch_bytes(const Offer&, const Problem&, int) const override { return 0; }
  int64_t kept_bytes(const Offer&, const Problem&) const override { return 0; }
  void run(const Offer& offer, const Args& args, Threads& threads) const override { cpu_->run(offer, args, threads); }

 private:
  std::unique_ptr<HostBackend> cpu_ = cpu::make_backend();  // of which offers without a kernel are references
};

inline std::unique_ptr<Engine> references_engine() {
  auto engine = cpu_engine(false);
  engine->backends = {std::make_shared<References>()};
  return engine;
}

inline std::vector<Tensor> run_references(const Graph& graph, const std::vector<Tensor>& inputs) {
  return run_on(*references_engine(), graph, inputs);
}

/// Each convolution reads all that was made before it, and adds some channels.
inline Graph dense_block() {
  GraphBuilder b;
  ValueId all = b.input("x", {DType::float32, {1, 8, 6, 8}});
  for (unsigned i = 0; i < 4; ++i) {
    const ValueId weights = b.constant(random_tensor({4, 8 + 4 * i, 3, 3}, i, -0.2f, 0.2f));
    const ValueId made = b.node("Conv", {all, weights}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
    all = b.node("Concat", {all, made}, {{"axis", int64_t{1}}});
  }
  b.output(b.node("Conv", {all, b.constant(random_tensor({8, 24, 1, 1}, 9))}));
  return b.graph;
}

/// An engine of this device and the CPU. What the device takes it gets, be it worth it or not.
inline std::unique_ptr<Engine> engine_with(const std::shared_ptr<DeviceBackend>& device, bool optimize,
                                           int threads = 1) {
  auto engine = cpu_engine(optimize, threads);
  engine->backends.insert(engine->backends.begin(), device);
  engine->plan.count_crossings = false;
  return engine;
}

}  // namespace tessera::test
