// LSTM, GRU and RNN: the inputs of all steps are multiplied at once, the states one after another; see
// shaders/recurrent.comp.
#include "ops/recurrent.h"

#include <optional>

#include "ops/elementwise.h"
#include "ops/vulkan/product.h"

namespace tessera::vulkan {

#include "shaders/params/recurrent.h"

namespace {

using ops::RecurrentShape;

// VkKernel::functions has the kind.
uint32_t kind_of(const VkKernel& kernel) { return kernel.functions[0]; }
int gates_of(uint32_t kind) { return kind == lstm ? 4 : kind == gru ? 3 : 1; }

bool wants(const Problem& problem, size_t i) { return i < problem.out.size() && problem.node.out[i] != absent; }

// The functions of ops/elementwise.def that the activations are; empty if one is none of them.
std::optional<std::vector<Fused>> activations_of(uint32_t kind, const Problem& problem, int64_t directions) {
  struct Known {
    Text name;
    uint16_t function;
  };
  constexpr Known known[] = {{"sigmoid", elementwise::Sigmoid},   {"tanh", elementwise::Tanh},
                             {"relu", elementwise::Relu},         {"softsign", elementwise::Softsign},
                             {"softplus", elementwise::Softplus}, {"leakyrelu", elementwise::LeakyRelu},
                             {"elu", elementwise::Elu},           {"thresholdedrelu", elementwise::ThresholdedRelu},
                             {"affine", elementwise::Affine},     {"hardsigmoid", elementwise::HardSigmoid}};
  constexpr Text lstm_defaults[] = {"Sigmoid", "Tanh", "Tanh"}, rnn_defaults[] = {"Tanh"};
  const List<Text> defaults = kind == plain_rnn ? List<Text>(rnn_defaults)
                              : kind == gru     ? List<Text>(lstm_defaults, 2)
                                                : List<Text>(lstm_defaults);
  std::vector<Fused> functions;
  for (const ops::Activation& activation : ops::read_activations(AttrReader(problem.node), defaults, directions)) {
    const auto named = std::find_if(std::begin(ops::rnn_activations), std::end(ops::rnn_activations),
                                    [&](const auto& row) { return row.function == activation.function; });
    const auto found =
        std::find_if(std::begin(known), std::end(known), [&](const Known& row) { return row.name == named->name; });
    if (found == std::end(known)) return std::nullopt;
    functions.push_back(
        {.function = found->function, .a = static_cast<float>(activation.a), .b = static_cast<float>(activation.b)});
  }
  // Both directions have to be alike.
  for (size_t i = defaults.size(); i < functions.size(); ++i)
    if (!(functions[i] == functions[i - defaults.size()])) return std::nullopt;
  functions.resize(defaults.size());
  return functions;
}

RecurrentShape shape_of(uint32_t kind, const Problem& problem) {
  return {AttrReader(problem.node), problem.in[ops::rnn_x].shape, problem.in[ops::rnn_w].shape,
          problem.in[ops::rnn_r].shape, gates_of(kind)};
}

// Sequences of several lengths, peepholes and coupled gates are left to the CPU.
bool accepts_recurrent(const VkKernel& kernel, const Problem& problem) {
  const uint32_t kind = kind_of(kernel);
  for (size_t i = 0; i < problem.in.size(); ++i)
    if (is_given(problem, i) && !is_float_input(problem, i)) return false;
  if (is_given(problem, ops::rnn_lengths) || is_given(problem, ops::rnn_peepholes)) return false;
  if (!problem.constants[ops::rnn_r] || !problem.node.epilogue.empty()) return false;
  const RecurrentShape shape = shape_of(kind, problem);
  if (kind == lstm && AttrReader(problem.node).integer("input_forget")) return false;
  return (gates_of(kind) + 2) * shape.hidden <= recurrent_words && shape.directions * shape.batch < 65536 &&
         activations_of(kind, problem, shape.directions);
}

// [direction][gate x hidden][hidden] with its matrices transposed.
Tensor pack_recurrent(const Tensor& weights, int64_t) {
  const Shape& shape = weights.type.shape;
  Tensor packed = Tensor::make({DType::float32, {shape[0], shape[2], shape[1]}});
  const auto* from = weights.as<const float>();
  auto* to = packed.as<float>();
  for (int64_t d = 0; d < shape[0]; ++d)
    for (int64_t i = 0; i < shape[2]; ++i)
      for (int64_t row = 0; row < shape[1]; ++row) *to++ = from[(d * shape[1] + row) * shape[2] + i];
  return packed;
}

RecurrentParams params_of(uint32_t kind, const RecurrentShape& shape, const Problem& problem) {
  const AttrReader attrs(problem.node);
  const Loop loop = loop_over(shape.all_states());
  RecurrentParams params{};
  params.epilogue = epilogue_params(problem, {}, loop);
  assign(params.extents, loop.extent);
  params.steps = word(shape.sequence), params.batch = word(shape.batch), params.hidden = word(shape.hidden);
  params.batch_first = shape.batch_first, params.reverse = shape.reverse;
  params.linear_first = kind == gru && attrs.integer("linear_before_reset") != 0;
  params.clip = attrs.has("clip") ? attrs.real("clip") : 0;
  return params;
}

// What the gates get of the inputs, all steps at once: [direction][step][batch][gate][hidden].
Slot record_inputs(uint32_t kind, const RecurrentShape& shape, Recorder& recorder) {
  const int64_t rows = gates_of(kind) * shape.hidden;
  Products products;
  products.m = shape.sequence * shape.batch, products.n = rows, products.k = shape.input;
  products.batch = {1, 1, shape.directions};
  products.a = {shape.input, 1, {}};
  products.b = {1, shape.input, {0, 0, rows * shape.input}};
  const Slot gates = recorder.scratch(int64_t{4} * products.results());
  record_products(products, recorder.in(ops::rnn_x), recorder.in(ops::rnn_w), gates, recorder);
  return gates;
}

void record_recurrent(const VkKernel& kernel, const Problem& problem, Recorder& recorder) {
  const uint32_t kind = kind_of(kernel);
  const RecurrentShape shape = shape_of(kind, problem);
  const auto functions = *activations_of(kind, problem, shape.directions);
  const Slot gates = record_inputs(kind, shape, recorder);
  RecurrentParams params = params_of(kind, shape, problem);
  for (size_t i = 0; i < functions.size(); ++i) params.a[i] = functions[i].a, params.b[i] = functions[i].b;

  Dispatch& dispatch = recorder.dispatch("recurrent", params);
  dispatch.set("kind", kind);
  const Text names[] = {"function_f", "function_g", "function_h"};
  for (size_t i = 0; i < functions.size(); ++i) dispatch.set(names[i], functions[i].function);
  dispatch.bind("gates", gates);
  dispatch.bind("weights", constant_of<pack_recurrent>(ops::rnn_r, 0, dispatch, recorder));
  const auto take = [&](size_t input, Text constant, Text buffer) {
    if (!is_given(problem, input)) return;
    dispatch.set(constant, 1);
    dispatch.bind(buffer, recorder.in(input));
  };
  take(ops::rnn_b, "has_bias", "bias");
  take(ops::rnn_h0, "has_h", "first_h");
  if (kind == lstm) take(ops::rnn_c0, "has_c", "first_c");
  const Text wanted[] = {"wants_all", "wants_h", "wants_c"}, results[] = {"dst", "last_h", "last_c"};
  for (size_t i = 0; i < 3; ++i) {
    dispatch.set(wanted[i], wants(problem, i));
    if (wants(problem, i)) dispatch.bind(results[i], recorder.out(i));
  }
  dispatch.groups = {static_cast<uint32_t>(shape.directions * shape.batch), 1, 1};
}

constexpr VkKernel recurrent(Text op, uint16_t kind) {
  return {op, "", "recurrent", {"recurrent", "product"}, accepts_recurrent, record_recurrent, {kind}};
}
constexpr VkKernel list[] = {
    recurrent("LSTM", lstm),
    recurrent("GRU", gru),
    recurrent("RNN", plain_rnn),
};

}  // namespace

extern const KernelFile recurrent_kernels;
const KernelFile recurrent_kernels{list};

}  // namespace tessera::vulkan
