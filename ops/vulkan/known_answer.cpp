#include "ops/vulkan/known_answer.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>
#include <set>

#include "ops/vulkan/kernel.h"
#include "ops/vulkan/program.h"
#include "runtime/base/digest.h"
#include "runtime/base/threads.h"

namespace tessera::vulkan {
namespace {

// Of the largest value that is expected, or of 1.
constexpr double tolerance = 1e-4, half_tolerance = 4e-3;

// A small problem for each file in shaders/: odd sizes, so that no tile is full.
struct Question {
  Text shader, op;
  int opset;
  Shape in;
  std::vector<Shape> weights;
  Attrs attrs;
  std::vector<int64_t> indices = {};  ///< one input more, if there are any
  DType dtype = DType::float32;       ///< of the first input, and of the weights
  DType packed = DType::undefined;    ///< of the first weights, where it is another
};

const std::vector<float> zeros(3), ones(3, 1.0f);

const std::vector<Question>& questions() {
  static const std::vector<Question> all = {
      {"reorder", "Reorder", 1, {2, 19, 5, 7}, {}, {}},
      {"map", "PRelu", 16, {2, 3, 5, 7}, {{3, 1, 1}}, {}},
      {"arg", "ArgMax", 13, {2, 37, 5}, {}, {{"axis", int64_t{1}}}},
      {"top_k", "TopK", 9, {2, 11, 3}, {}, {{"axis", int64_t{1}}, {"k", int64_t{4}}}},
      {"gather", "Gather", 13, {2, 7, 5}, {}, {{"axis", int64_t{1}}}, {3, -1, 0, 6, 3}},
      {"broadcast", "Sub", 13, {2, 3, 2, 4, 3, 5}, {{3, 1, 4, 1, 5}}, {}},
      {"mixed", "Greater", 13, {2, 3, 5, 7}, {{3, 1, 7}}, {}},
      {"strided", "Transpose", 13, {2, 3, 5, 7}, {}, {{"perm", std::vector<int64_t>{3, 1, 0, 2}}}},
      {"transpose", "Transpose", 13, {2, 37, 45}, {}, {{"perm", std::vector<int64_t>{2, 0, 1}}}},
      {"window",
       "Pad",
       2,
       {1, 3, 4, 5},
       {},
       {{"pads", std::vector<int64_t>{0, 1, 3, 2, 0, 0, 2, 1}}, {"mode", std::string("reflect")}}},
      {"conv", "Conv", 11, {1, 5, 9, 7}, {{13, 5, 3, 3}, {13}}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}}},
      {"depthwise",
       "Conv",
       11,
       {1, 5, 9, 7},
       {{10, 1, 3, 3}, {10}},
       {{"pads", std::vector<int64_t>{1, 1, 1, 1}}, {"group", int64_t{5}}}},
      {"conv_rolling",
       "Conv",
       11,
       {2, 11, 5, 19},
       {{13, 11, 3, 3}, {13}},
       {{"pads", std::vector<int64_t>{1, 1, 1, 1}}}},
      {"conv_staged", "Conv", 11, {1, 70, 5, 19}, {{45, 70, 3, 3}, {45}}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}}},
      {"conv_gathered", "Conv", 11, {2, 19, 7, 9}, {{21, 19, 2, 3}, {21}}, {{"strides", std::vector<int64_t>{2, 1}}}},
      {"direct", "ConvInteger", 10, {2, 6, 9, 7}, {{10, 3, 3, 2}}, {{"group", int64_t{2}}}, {}, DType::uint8},
      {"grid_sample", "GridSample", 16, {2, 3, 5, 7}, {{2, 4, 9, 2}}, {}},
      {"product", "MatMul", 13, {3, 17, 300}, {{300, 45}}, {}},
      {"join", "MatMul", 13, {3, 300}, {{300, 45}}, {}},
      {"product_bits",
       "MatMulNBits",
       1,
       {3, 300},
       {{45, 10, 16}, {450}},
       {{"K", int64_t{300}}, {"N", int64_t{45}}, {"bits", int64_t{4}}, {"block_size", int64_t{32}}},
       {},
       DType::float32,
       DType::uint8},
      {"product_matrix", "MatMul", 13, {3, 17, 70}, {{70, 45}}, {}},
      {"join_matrix", "MatMul", 13, {3, 8200}, {{8200, 13}}, {}},
      {"join_matrix", "Conv", 11, {2, 130, 5, 5}, {{21, 130, 4, 4}, {21}}, {}},
      {"softmax", "Softmax", 13, {3, 5, 150}, {}, {}},
      {"normalize", "LayerNormalization", 17, {3, 150}, {{150}, {150}}, {}},
      {"normalize8", "LayerNormalization", 17, {5, 7, 60}, {{60}, {60}}, {}},
      {"normalize8", "LayerNormalization", 17, {3, 150}, {{150}, {150}}, {}},
      {"map8", "Sub", 13, {3, 5, 28}, {{28}}, {}},
      {"map8", "Add", 13, {2, 7, 9}, {{1}}, {}},
      {"normalize", "InstanceNormalization", 6, {1, 2, 70, 90}, {{2}, {2}}, {}},
      {"batch_norm", "BatchNormalization", 9, {2, 3, 5, 7}, {{3}, {3}, {3}, {3}}, {{"epsilon", 1.5f}}},
      {"pool", "MaxPool", 12, {1, 3, 9, 7}, {}, {{"kernel_shape", std::vector<int64_t>{3, 2}}}},
      {"recurrent", "LSTM", 14, {3, 2, 7}, {{1, 36, 7}, {1, 36, 9}}, {{"hidden_size", int64_t{9}}}},
      {"reduce", "ReduceMean", 13, {3, 90, 70}, {}, {{"axes", std::vector<int64_t>{1, 2}}}},
      {"attention", "Attention", 23, {1, 2, 5, 12}, {{1, 2, 70, 12}, {1, 2, 70, 12}, {5, 70}}, {}},
      {"attention_tile", "Attention", 23, {1, 2, 70, 12}, {{1, 2, 70, 12}, {1, 2, 70, 12}, {70, 70}}, {}},
      {"attention_matrix", "Attention", 23, {1, 2, 21, 20}, {{1, 2, 70, 20}, {1, 2, 70, 12}, {21, 70}}, {}},
      {"resize", "Upsample", 7, {1, 3, 4, 5}, {}, {{"scales", std::vector<float>{1, 1, 2, 3}}}},
      {"pixels_to_planes",
       "PixelsToPlanes",
       1,
       {5, 7, 3},
       {},
       {{"from", std::vector<int64_t>{2, 1, 0}}, {"black", zeros}, {"span", ones}},
       {},
       DType::uint8},
      {"planes_to_pixels",
       "PlanesToPixels",
       1,
       {1, 3, 25, 41},
       {},
       {{"from", std::vector<int64_t>{2, 1, 0}}, {"black", zeros}, {"unit", ones}}},
      {"pixel_facts",
       "PlanesToPixels",
       1,
       {1, 3, 25, 41},
       {},
       {{"from", std::vector<int64_t>{0, 1, 2}}, {"black", zeros}, {"unit", ones}}},
  };
  return all;
}

// Values that repeat in no short pattern, in [-1, 1]; bytes in all their range.
Tensor filled(const Shape& shape, uint32_t seed, DType dtype = DType::float32) {
  Tensor tensor = Tensor::make({dtype, shape});
  for (int64_t i = 0; i < shape.elements(); ++i) {
    seed = seed * 1664525u + 1013904223u;
    const double value = static_cast<int32_t>(seed) / 2147483648.0;
    set_element(tensor.view(), i, dtype == DType::uint8 ? std::floor(value * 128 + 128) : value);
  }
  return tensor;
}

// The kernels of that operator that dispatch the shader, one for each layout.
std::vector<const KernelVariant*> kernels_for(Text op, const Shader& shader) {
  std::vector<const KernelVariant*> kernels;
  for (const KernelVariant& kernel : all_kernels())
    if (kernel.kernel->op == op && std::count(kernel.shaders.begin(), kernel.shaders.end(), &shader))
      kernels.push_back(&kernel);
  return kernels;
}

// The layouts to try a kernel in: where they are not its own, all that give what the variant stores.
std::vector<LayoutPair> layouts_of(const KernelVariant& kernel) {
  if (!kernel.kernel->layouts.empty()) return {kernel.layouts};
  if (!kernel.halves) return {{half, Layout::row_major}, {half16, Layout::row_major}};
  return {{Layout::row_major, half}, {Layout::row_major, half16}, {half, half16}, {half16, half}};
}

// The tensor in another layout, by Reorder's reference.
Tensor reordered(const Tensor& from, Layout layout) {
  Node node;
  node.op = find_op(internal_domain, "Reorder", 1);
  node.in = {0};
  node.out = {1};
  Tensor to = Tensor::make({from.type.dtype, from.type.shape, layout.of(from.type.dtype, from.type.shape.rank())});
  const View in = from.view(), out = to.view();
  node.op->reference(Args(node, List<View>(&in, 1), List<View>(&out, 1)));
  return to;
}

Value value_of(const Tensor& tensor, bool constant) {
  Value value;
  value.type = tensor.type;
  value.ranked = true;
  if (constant) value.constant = std::make_shared<const Tensor>(tensor);
  return value;
}

// By output.
struct Answers {
  std::vector<Tensor> expected, given;
};

std::vector<View> views_of(const std::vector<Tensor>& tensors) {
  std::vector<View> views;
  for (const Tensor& tensor : tensors) views.push_back(tensor.view());
  return views;
}

// None if the kernel does not take the question.
std::optional<Answers> answer(const std::shared_ptr<Device>& device, const Question& question, const OpDef& op,
                              const KernelVariant* kernel, const LayoutPair& layouts) {
  Graph graph;
  Node node;
  node.op = &op;
  node.opset = question.opset;
  node.attrs = std::make_shared<const Attrs>(question.attrs);
  std::vector<Tensor> inputs{filled(question.in, 1, question.dtype)};
  for (const Shape& shape : question.weights)
    inputs.push_back(
        filled(shape, static_cast<uint32_t>(inputs.size() + 1),
               inputs.size() == 1 && question.packed != DType::undefined ? question.packed : question.dtype));
  if (!question.indices.empty()) inputs.push_back(Tensor::of(question.indices));
  for (const Tensor& input : inputs) node.in.push_back(graph.add_value(value_of(input, !node.in.empty())));
  std::vector<Type> types;
  std::vector<const Tensor*> constants;
  std::vector<View> views;
  for (const ValueId id : node.in) {
    types.push_back(graph.values[id].type);
    constants.push_back(graph.values[id].constant.get());
    views.push_back(inputs[views.size()].view());
  }
  const auto first = static_cast<ValueId>(graph.values.size());
  for (int i = 0; i < std::max<int>(op.out.min, 1); ++i) node.out.push_back(first + static_cast<ValueId>(i));
  Infer infer(node, types, constants);
  tessera::infer(infer);
  Answers answers;
  for (const Infer::Output& made : infer.out) {
    graph.add_value(value_of(Tensor{made.type, nullptr}, false));
    answers.expected.push_back(Tensor::make(made.type));
  }
  op.reference(Args(node, views, views_of(answers.expected)));

  const auto place = [&](ValueId id, Layout layout) {
    Type& placed = graph.values[id].type;
    placed.layout = layout.of(placed.dtype, placed.shape.rank());
    return placed;
  };
  const Tensor source = reordered(inputs[0], place(node.in[0], layouts.in).layout);
  std::vector<Tensor> results;
  for (const ValueId id : node.out) results.push_back(Tensor::make(place(id, layouts.out)));
  std::vector<Type> out_types;
  for (size_t i = 0; i < types.size(); ++i) types[i] = graph.values[node.in[i]].type;
  for (const ValueId id : node.out) out_types.push_back(graph.values[id].type);
  if (!kernel->kernel->accepts(*kernel->kernel, {node, types, out_types, constants})) return std::nullopt;
  Step step;
  step.node = &node;
  step.offer.kernel = kernel;
  DeviceStorage storage;
  std::vector<ValueId> placed = node.out;
  placed.push_back(node.in[0]);
  for (const ValueId id : placed) {
    const int64_t bytes = graph.values[id].type.bytes();
    storage.places[id] = {storage.block_bytes.size(), 0, bytes};
    storage.block_bytes.push_back(round_up(bytes, 64));
  }
  const Region region{&graph, List<Step>(&step, 1), {node.in[0]}, node.out, std::move(storage), nullptr};
  Traffic ignored;
  Threads alone(1);
  ConstantStore store;
  const View in = source.view();
  compile(device, store, region, &ignored, Ways())->run(List<View>(&in, 1), views_of(results), alone, nullptr, {});
  for (const Tensor& result : results) answers.given.push_back(reordered(result, Layout::row_major));
  return answers;
}

// How far a device's answer is off, at most, of the largest value that is expected.
double distance(const Answers& answers) {
  double worst = 0, largest = 1;
  for (size_t output = 0; output < answers.given.size(); ++output)
    for (int64_t i = 0; i < answers.given[output].type.shape.elements(); ++i) {
      const double expected = element_as_double(answers.expected[output].view(), i);
      const double off = std::abs(element_as_double(answers.given[output].view(), i) - expected);
      largest = std::max(largest, std::abs(expected));
      worst = off <= worst ? worst : std::isnan(off) ? INFINITY : off;
    }
  return worst / largest;
}

std::string ask(const std::shared_ptr<Device>& device, const Shader& shader) {
  bool asked = false;
  for (const Question& question : questions()) {
    if (question.shader != shader.name) continue;
    for (const KernelVariant* kernel : kernels_for(question.op, shader)) {
      const OpDef* op = find_op(kernel->kernel->domain, question.op, question.opset);
      if (!op) continue;
      double worst = 0;
      for (const LayoutPair& layouts : layouts_of(*kernel))
        if (const auto answers = answer(device, question, *op, kernel, layouts)) {
          asked = true;
          worst = std::max(worst, distance(*answers));
        }
      // What brings values from one layout into another may read float16.
      const bool halves = kernel->halves || kernel->kernel->layouts.empty();
      if (worst > (halves ? half_tolerance : tolerance))
        return cat("shader ", title_of(shader), " is switched off: on ", device->info().name,
                   " its known answer is wrong by ", worst);
    }
  }
  if (!asked) fail(Error::Kind::device, "it has no known answer");
  return {};
}

std::string key_of(const Device& device, const Shader& shader) {
  return cat(device.info().index, '/', device.info().name, '/', device.info().driver, '/', title_of(shader));
}

// On disk: for this very code of the shader.
std::string lasting_key_of(const Shader& shader) {
  Digest code;
  code.add(std::as_bytes(List<uint32_t>(shader.words)));
  return cat("answer of ", title_of(shader), ' ', code.value());
}

constexpr Text right = "right";

std::atomic<bool> any_failure{false};
std::mutex mutex;
struct Memory {
  std::map<std::string, std::string> results;
  std::set<std::string> failed_once;
};
Memory& memory() {
  static Memory memory;
  return memory;
}

std::string remember(const std::string& key, const std::string& failure) {
  const std::lock_guard lock(mutex);
  if (!failure.empty()) any_failure = true;
  return memory().results[key] = failure;
}

// A call that fails may find memory the next time; one that fails twice does not.
std::string note_error(const std::string& key, const std::string& failure) {
  {
    const std::lock_guard lock(mutex);
    if (memory().failed_once.insert(key).second) return failure;
  }
  return remember(key, failure);
}

}  // namespace

std::optional<std::string> remembered_failure(const Device& device, const Shader& shader) {
  const std::string key = key_of(device, shader);
  {
    const std::lock_guard lock(mutex);
    const auto found = memory().results.find(key);
    if (found != memory().results.end()) return found->second;
  }
  const auto known = device.remembered().find(lasting_key_of(shader));
  if (!known) return std::nullopt;
  return remember(key, *known == right ? "" : *known);
}

std::string known_answer_failure(const std::shared_ptr<Device>& device, const Shader& shader) {
  if (auto known = remembered_failure(*device, shader)) return std::move(*known);
  const std::string key = key_of(*device, shader), lasting = lasting_key_of(shader);
  std::string failure;
  try {
    failure = ask(device, shader);
  } catch (const Error& error) {
    return note_error(key, cat("shader ", title_of(shader), " fails on ", device->info().name, ": ", error.what()));
  }
  device->remembered().set(lasting, failure.empty() ? std::string(right) : failure);
  return remember(key, failure);
}

bool is_distrusted(const Device& device, const Shader& shader) {
  if (!any_failure) return false;
  const std::lock_guard lock(mutex);
  const auto found = memory().results.find(key_of(device, shader));
  return found != memory().results.end() && !found->second.empty();
}

}  // namespace tessera::vulkan
