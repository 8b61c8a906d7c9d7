// Resize and Upsample over height and width: the host tabulates, per output row and column, which
// source elements count and how much; see shaders/resize.comp.

#include <algorithm>
#include <bit>

#include "ops/interpolation.h"
#include "ops/vulkan/kernel.h"

namespace tessera::vulkan {
namespace {

using ops::Coordinates;
using ops::Interpolation;
using ops::Nearest;

constexpr uint32_t workgroup = 128;

template <class E>
struct Named {
  Text name;
  E value;
};
constexpr Named<Coordinates> coordinates[] = {
    {"half_pixel", Coordinates::half_pixel},
    {"half_pixel_symmetric", Coordinates::half_pixel_symmetric},
    {"pytorch_half_pixel", Coordinates::pytorch_half_pixel},
    {"align_corners", Coordinates::align_corners},
    {"asymmetric", Coordinates::asymmetric},
};
constexpr Named<Nearest> roundings[] = {
    {"round_prefer_floor", Nearest::prefer_floor},
    {"round_prefer_ceil", Nearest::prefer_ceil},
    {"floor", Nearest::floor},
    {"ceil", Nearest::ceil},
};

template <class E, size_t N>
bool choose(const Named<E> (&choices)[N], Text text, E* value) {
  for (const Named<E>& choice : choices)
    if (choice.name == text) return *value = choice.value, true;
  return false;
}

struct Resampling {
  ops::ResampleRule rule;
  ops::ResampleAxis axis[2];  // height, width
};

// The scales of height and width as the model gives them; without any, from the extents.
bool read_axes(const Problem& problem, size_t input, ops::ResampleAxis* axis) {
  const Node& node = problem.node;
  const Shape& in = problem.in[0].shape;
  const Shape before = shape_before_epilogue(problem);
  const List<float> written = AttrReader(node).reals("scales");
  const bool given = input < node.op_inputs() && node.in[input] != absent;
  const Tensor* scales = given ? problem.constants[input] : nullptr;
  if (given && !scales) return false;
  for (size_t i = 0; i < 2; ++i) {
    axis[i].in = in[2 + i];
    axis[i].out = before[2 + i];
    axis[i].scale = static_cast<float>(axis[i].out) / static_cast<float>(axis[i].in);
    if (written.size() == 4) axis[i].scale = written[2 + i];
    if (scales && scales->type.dtype == DType::float32 && scales->type.shape.elements() == 4)
      axis[i].scale = scales->as<const float>()[2 + i];
  }
  return true;
}

// False for what is left to the CPU: crops, axes in another order, an aspect ratio to be kept.
bool read(const Problem& problem, Resampling* to) {
  const AttrReader attrs(problem.node);
  ops::ResampleRule& rule = to->rule;
  rule.mode = ops::interpolation_named(attrs.text("mode"));
  if (problem.node.op->name == "Upsample" || problem.node.op->since < 11) {
    rule.coordinates = Coordinates::asymmetric;
    rule.nearest = problem.node.op->name == "Upsample" ? Nearest::floor : Nearest::simple;
    return !attrs.has("height_scale") && read_axes(problem, 1, to->axis);
  }
  rule.cubic_a = static_cast<double>(attrs.real("cubic_coeff_a"));
  rule.exclude_outside = attrs.integer("exclude_outside") != 0;
  rule.antialias = attrs.integer("antialias") != 0 && rule.mode != Interpolation::nearest;
  return !attrs.has("axes") && attrs.text("keep_aspect_ratio_policy") == "stretch" &&
         choose(coordinates, attrs.text("coordinate_transformation_mode"), &rule.coordinates) &&
         choose(roundings, attrs.text("nearest_mode"), &rule.nearest) && read_axes(problem, 2, to->axis);
}

bool accepts_resize(const Problem& problem) {
  if (!is_float_input(problem, 0) || problem.in[0].shape.size() != 4 || problem.out[0].shape.size() != 4) return false;
  const Shape before = shape_before_epilogue(problem);
  if (before[0] != problem.in[0].shape[0] || before[1] != problem.in[0].shape[1]) return false;
  Resampling resampling;
  return read(problem, &resampling) && epilogue_fits(problem, problem.node.epilogue, before);
}

void emit_resize(const Problem& problem, std::vector<Dispatch>& out) {
  Resampling resampling;
  read(problem, &resampling);
  const Shape before = shape_before_epilogue(problem);
  Dispatch dispatch;
  dispatch.shader = &find_shader("resize", "f32");
  Loop loop;
  for (size_t i = 0; i < 4; ++i) loop.extent[i] = static_cast<uint32_t>(before[i]);
  add_epilogue(problem, problem.node.epilogue, loop, dispatch);
  auto& params = dispatch.params;
  params.insert(params.end(), loop.extent.begin(), loop.extent.end());
  params.push_back(loop.count());
  for (const ops::ResampleAxis& axis : resampling.axis) params.push_back(static_cast<uint32_t>(axis.in));
  for (uint32_t i = 0; i < 2; ++i) {
    const ops::Taps taps = ops::resample_taps(resampling.rule, resampling.axis[i]);
    dispatch.constants[1 + i] = static_cast<uint32_t>(taps.count);
    for (size_t k = 0; k < taps.index.size(); ++k) {
      params.push_back(static_cast<uint32_t>(taps.index[k]));
      params.push_back(std::bit_cast<uint32_t>(static_cast<float>(taps.weight[k])));
    }
  }
  dispatch.reads.push_back({src_binding, problem.node.in[0]});
  cover(loop.count(), workgroup, dispatch);
  out.push_back(std::move(dispatch));
}

constexpr VkKernel list[] = {
    {"Resize", "", "resize", "resize", accepts_resize, emit_resize},
    {"Upsample", "", "resize", "resize", accepts_resize, emit_resize},
};

}  // namespace

const List<VkKernel> resize_kernels = list;

}  // namespace tessera::vulkan
