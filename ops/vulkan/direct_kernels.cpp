// Products and convolutions of integers, and convolutions whose weights are known to a run only; see
// shaders/direct.comp.
#include <algorithm>

#include "ops/vulkan/axes.h"
#include "ops/vulkan/product.h"
#include "ops/window.h"

namespace tessera::vulkan {

#include "shaders/params/direct.h"

namespace {

enum { of_integers };  // what VkKernel::functions are for

// Inputs beside the two factors, by kind of operator.
constexpr size_t src_zero_in = 2, weight_zero_in = 3, bias_in = 2;

bool fits(const Problem& problem, size_t i) {
  return !is_given(problem, i) || word_type(problem.in[i].layout.stored(problem.in[i].dtype));
}

bool accepts_factors(const VkKernel& kernel, const Problem& problem) {
  for (size_t i = 0; i < problem.node.op_inputs(); ++i)
    if (!fits(problem, i)) return false;
  if (!problem.node.epilogue.empty() || !problem.in[1].shape.elements()) return false;
  if (!kernel.functions[of_integers])
    return is_float_input(problem, 0) && is_float_input(problem, 1) && !problem.constants[1];
  return !is_given(problem, src_zero_in) || problem.in[src_zero_in].shape.elements() == 1;
}

void set_type(Text name, size_t input, const Problem& problem, Dispatch& dispatch) {
  const Type& type = problem.in[input];
  dispatch.set(name, word_type(type.layout.stored(type.dtype)));
}

// `zero_axis`: that of the result along which zero points of the weights, or biases, lie.
void record(const VkKernel& kernel, const Problem& problem, DirectParams params, size_t zero_axis, Recorder& recorder) {
  const bool integers = kernel.functions[of_integers];
  params.count = word(problem.out[0].shape.elements());
  const bool by_column =
      integers && is_given(problem, weight_zero_in) && problem.in[weight_zero_in].shape.elements() > 1;
  params.zero_strides[zero_axis] = by_column;
  params.bias_strides[zero_axis] = 1;
  Dispatch& dispatch = recorder.dispatch("direct", params);
  dispatch.bind("dst", recorder.out(0));
  dispatch.bind("src", recorder.in(0));
  dispatch.bind("weights", recorder.in(1));
  set_type("type_src", 0, problem, dispatch);
  set_type("type_weight", 1, problem, dispatch);
  const auto bind = [&](size_t input, Text buffer, Text type) {
    if (!is_given(problem, input)) return;
    dispatch.bind(buffer, recorder.in(input));
    set_type(type, input, problem, dispatch);
  };
  if (integers) {
    bind(src_zero_in, "src_zero", "type_src_zero");
    bind(weight_zero_in, "weight_zero", "type_weight_zero");
  } else {
    bind(bias_in, "bias", "type_bias");
  }
  const Type& out = problem.out[0];
  dispatch.set("type_out", word_type(out.layout.stored(out.dtype)));
  cover_words(params.count, element_bytes(out), dispatch);
}

// --- Convolutions --------------------------------------------------------------------------------

bool accepts_conv(const VkKernel& kernel, const Problem& problem) {
  if (!accepts_factors(kernel, problem)) return false;
  if (!kernel.functions[of_integers] || !is_given(problem, weight_zero_in)) return true;
  const int64_t zeros = problem.in[weight_zero_in].shape.elements();
  return zeros == 1 || zeros == problem.in[1].shape[0];
}

void record_conv(const VkKernel& kernel, const Problem& problem, Recorder& recorder) {
  const ops::ConvGeometry conv = ops::conv_geometry(AttrReader(problem.node), problem.in[0].shape, problem.in[1].shape);
  DirectParams params{};
  const int64_t group_in = conv.in_channels / conv.groups, taps = conv.window.taps();
  const int64_t pixels = conv.window.in_elements();
  params.extents[0] = word(conv.batch), params.extents[1] = word(conv.out_channels);
  params.src_strides[0] = word(conv.in_channels * pixels);
  params.weight_strides[1] = word(group_in * taps);
  params.group_out = word(conv.out_channels / conv.groups);
  params.group_step = word(group_in * pixels);
  params.channels = word(group_in), params.src_channel = word(pixels), params.weight_channel = word(taps);
  int64_t src_step = 1, weight_step = 1;
  for (size_t i = 3; i-- > 0;) {
    const ops::WindowAxis& axis = conv.window.axis[i];
    params.extents[2 + i] = word(axis.out);
    params.kernel[i] = word(axis.kernel), params.in_size[i] = word(axis.in);
    params.stride[i] = word(axis.stride), params.dilation[i] = word(axis.dilation);
    params.pad[i] = static_cast<int32_t>(axis.pad_begin);
    params.src_steps[i] = word(src_step), params.weight_steps[i] = word(weight_step);
    src_step *= axis.in, weight_step *= axis.kernel;
  }
  record(kernel, problem, params, 1, recorder);
}

// --- Products ------------------------------------------------------------------------------------

std::optional<Products> products_of_integers(const Problem& problem) {
  return products_of(problem.in[0].shape, false, problem.in[1].shape, false);
}

bool accepts_product(const VkKernel& kernel, const Problem& problem) {
  if (!accepts_factors(kernel, problem)) return false;
  const auto products = products_of_integers(problem);
  if (!products) return false;
  const int64_t zeros = is_given(problem, weight_zero_in) ? problem.in[weight_zero_in].shape.elements() : 1;
  return zeros == 1 || (zeros == products->n && problem.in[weight_zero_in].shape.size() == 1);
}

void record_product(const VkKernel& kernel, const Problem& problem, Recorder& recorder) {
  const Products p = *products_of_integers(problem);
  DirectParams params{};
  for (size_t i = 0; i < 3; ++i) {
    params.extents[i] = word(p.batch[i]);
    params.src_strides[i] = word(p.a.batch[i]), params.weight_strides[i] = word(p.b.batch[i]);
    params.kernel[i] = params.in_size[i] = 1;
  }
  params.extents[3] = word(p.m), params.extents[4] = word(p.n);
  params.src_strides[3] = word(p.a.row), params.weight_strides[4] = word(p.b.column);
  params.group_out = ~0u;
  params.channels = word(p.k), params.src_channel = word(p.a.column), params.weight_channel = word(p.b.row);
  record(kernel, problem, params, 4, recorder);
}

constexpr uint16_t integers = 1;
constexpr VkKernel list[] = {
    {"ConvInteger", "", "conv.integers", {"direct"}, accepts_conv, record_conv, {integers}},
    {"MatMulInteger", "", "product.integers", {"direct"}, accepts_product, record_product, {integers}},
    {"Conv", "", "conv.direct", {"direct"}, accepts_conv, record_conv, {}, in_half, 0, true},
};

}  // namespace

extern const KernelFile direct_kernels;
const KernelFile direct_kernels{list};

}  // namespace tessera::vulkan
