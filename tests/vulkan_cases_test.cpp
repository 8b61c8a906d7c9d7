// Every case of tests/cases/ that the Vulkan device takes, against the operator's reference. The validation layer
// watches, and is to have nothing to say.
#include <set>

#include "runtime/base/rounding.h"
#include "tests/cases/device_case.h"
#include "tests/support.h"
#include "tests/vulkan_device.h"

namespace tessera::test {
namespace {

// A driver compiles a pipeline for every case, which takes a software renderer seconds where loops are unrolled: of
// each list as many as this run, spread over all of it.
size_t most_cases(const Case& first) { return first.op == "Conv" ? 6 : 64; }

class VulkanCases : public VulkanDevice, public testing::WithParamInterface<const CaseList*> {
 protected:
  void check(const Case& c, bool halves) const {
    const std::string title = Question(c).title();
    const DeviceAnswer answer = ask_device(device_, c, halves);
    EXPECT_TRUE(answer.in_its_place) << title << " is not where it belongs";
    for (size_t i = 0; i < answer.given.size(); ++i)
      EXPECT_TRUE(close(answer.given[i], answer.wanted[i], c.relative, answer.absolute[i])) << title;
  }

  // Those that the device takes, by a kernel that stores float16 or by one that does not.
  void check_all(bool halves) const {
    std::vector<Case> cases;
    const auto keep = [&](const Case& c) {
      const auto offers = offers_of(*device_, c);
      if (!offers.empty() && is_half(offers[0]) == halves) cases.push_back(c);
    };
    GetParam()->give(Taker{keep, false});
    if (cases.empty()) return;
    const size_t most = most_cases(cases[0]), step = (cases.size() + most - 1) / most;
    for (size_t i = 0; i < cases.size(); i += step) check(halves ? in_half_precision(cases[i]) : cases[i], halves);
  }
};

TEST_P(VulkanCases, Agree) { check_all(false); }

TEST_P(VulkanCases, AgreeInHalfPrecision) {
  open(Precision::fp16);
  if (device_->precision() == Precision::fp16) check_all(true);
}

INSTANTIATE_TEST_SUITE_P(All, VulkanCases, testing::ValuesIn(all_case_lists()),
                         [](const auto& list) { return std::string(list.param->name); });

// No device kernel is without a case, but those for which layouts are all (below), and those that are for float16
// alone, which not every device runs.
TEST_F(VulkanDevice, HasCasesForAllItsKernels) {
  std::set<std::string> without;
  for (const vulkan::KernelVariant& variant : vulkan::all_kernels())
    if (!variant.shaders.empty() && !variant.kernel->layouts.empty() && !variant.halves)
      without.emplace(variant.kernel->name);
  const auto take = [&](const Case& c) {
    for (const Offer& offer : offers_of(*device_, c)) without.erase(std::string(offer.name));
  };
  for (const CaseList* list : all_case_lists()) list->give({take, false});
  for (const std::string& name : without) ADD_FAILURE() << name << " has no case";
}

Node reorder_node() {
  Node node;
  node.op = find_op(internal_domain, "Reorder", 1);
  node.in = {0};
  node.out = {1};
  return node;
}

Tensor empty_in(Layout layout, const Type& like) {
  return Tensor::make({like.dtype, like.shape, layout.of(like.dtype, like.shape.rank())});
}

// By the operator's reference.
Tensor reordered(const Tensor& from, Layout layout) {
  const Tensor to = empty_in(layout, from.type);
  if (to.type == from.type) return from;
  const Node node = reorder_node();
  const View in = from.view(), out = to.view();
  node.op->reference(Args(node, List<View>(&in, 1), List<View>(&out, 1)));
  return to;
}

Tensor reordered_by(const DeviceBackend& device, const Tensor& from, Layout layout) {
  const Tensor to = empty_in(layout, from.type);
  const Node node = reorder_node();
  Graph graph;
  for (const Tensor* tensor : {&from, &to}) {
    Value value;
    value.type = tensor->type;
    graph.add_value(std::move(value));
  }
  std::vector<Offer> offers;
  const std::vector<Type> in_types{from.type}, out_types{to.type};
  const std::vector<const Tensor*> constants{nullptr};
  device.offers({node, in_types, out_types, constants}, offers);
  Step step;
  step.node = &node;
  step.offer = offers.at(0);
  DeviceStorage storage;
  storage.block_bytes = {round_up(from.type.bytes(), 64), round_up(to.type.bytes(), 64)};
  storage.places = {{0, {0, 0, from.type.bytes()}}, {1, {1, 0, to.type.bytes()}}};
  const auto program = device.compile({&graph, List<Step>(&step, 1), {0}, {1}, std::move(storage), nullptr});
  const View in = from.view(), out = to.view();
  Threads alone(1);
  program->run(List<View>(&in, 1), List<View>(&out, 1), alone, nullptr, {});
  return to;
}

// From each layout into each other, pictures that fill no block among them. Where a tensor has blocks, what fills the
// last one is zero.
TEST_F(VulkanDevice, Reorders) {
  open(Precision::fp16);
  if (device_->precision() != Precision::fp16) GTEST_SKIP() << "skipped: the device stores no float16";
  const Layout layouts[] = {Layout::row_major, vulkan::half, vulkan::half16};
  for (const Shape& shape : {Shape{2, 19, 3, 5}, Shape{1, 32, 2, 2}, Shape{1, 1, 4, 3}, Shape{7, 3}})
    for (const Layout from : layouts)
      for (const Layout to : layouts) {
        if (from.of(DType::float32, shape.rank()) == to.of(DType::float32, shape.rank())) continue;
        const Tensor in = reordered(random_tensor(DType::float32, shape, 1, -2, 2), from);
        const Tensor out = reordered_by(*device_, in, to);
        const Tensor expected = reordered(in, to);
        EXPECT_EQ(std::memcmp(out.bytes.get(), expected.bytes.get(), static_cast<size_t>(out.type.bytes())), 0)
            << shape << ' ' << from.form->name << " to " << to.form->name;
      }
}

}  // namespace
}  // namespace tessera::test
