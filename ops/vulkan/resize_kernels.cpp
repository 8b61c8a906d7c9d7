// Resize and Upsample over height and width: the host tabulates, per output row and column, which
// source elements count and how much; see shaders/resize.comp.

#include "ops/interpolation.h"
#include "ops/vulkan/epilogue.h"

namespace tessera::vulkan {

#include "shaders/params/resize.h"

namespace {

using ops::Coordinates;
using ops::Interpolation;
using ops::Nearest;

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
  if (problem.node.op->since < 11) {  // Upsample's last opset is 9, Resize's first 10
    rule.coordinates = Coordinates::asymmetric;
    rule.nearest = problem.node.op->since < 10 ? Nearest::floor : Nearest::simple;
    return !attrs.has("height_scale") && read_axes(problem, 1, to->axis);
  }
  rule.cubic_a = static_cast<double>(attrs.real("cubic_coeff_a"));
  rule.exclude_outside = attrs.integer("exclude_outside") != 0;
  rule.antialias = attrs.integer("antialias") != 0 && rule.mode != Interpolation::nearest;
  return !attrs.has("axes") && attrs.text("keep_aspect_ratio_policy") == "stretch" &&
         choose(coordinates, attrs.text("coordinate_transformation_mode"), &rule.coordinates) &&
         choose(roundings, attrs.text("nearest_mode"), &rule.nearest) && read_axes(problem, 2, to->axis);
}

bool accepts_resize(const VkKernel&, const Problem& problem) {
  if (!is_float_input(problem, 0) || problem.in[0].shape.size() != 4 || problem.out[0].shape.size() != 4) return false;
  const Shape before = shape_before_epilogue(problem);
  if (before[0] != problem.in[0].shape[0] || before[1] != problem.in[0].shape[1]) return false;
  Resampling resampling;
  return read(problem, &resampling) && epilogue_fits(problem, problem.node.epilogue, before);
}

std::vector<Tap> table_of(const ops::Taps& taps) {
  std::vector<Tap> table;
  for (size_t i = 0; i < taps.index.size(); ++i)
    table.push_back({static_cast<uint32_t>(taps.index[i]), static_cast<float>(taps.weight[i])});
  return table;
}

void record_resize(const VkKernel&, const Problem& problem, Recorder& recorder) {
  Resampling resampling;
  read(problem, &resampling);
  const Loop loop = loop_over(shape_before_epilogue(problem));
  const List<Fused> functions = problem.node.epilogue;
  ResizeParams params;
  params.epilogue = epilogue_params(problem, functions, loop);
  assign(params.extents, loop.extent);
  params.count = loop.count();
  params.in_h = static_cast<uint32_t>(resampling.axis[0].in);
  params.in_w = static_cast<uint32_t>(resampling.axis[1].in);
  const ops::Taps rows = ops::resample_taps(resampling.rule, resampling.axis[0]);
  const ops::Taps columns = ops::resample_taps(resampling.rule, resampling.axis[1]);

  Dispatch& dispatch = recorder.dispatch("resize", params);
  add_epilogue(functions, recorder, dispatch);
  dispatch.set("row_taps", static_cast<uint32_t>(rows.count));
  dispatch.set("column_taps", static_cast<uint32_t>(columns.count));
  dispatch.bind("src", recorder.in(0));
  dispatch.bind("rows", recorder.table(table_of(rows)));
  dispatch.bind("columns", recorder.table(table_of(columns)));
  cover(params.count, dispatch);
}

constexpr VkKernel list[] = {
    {"Resize", "", "resize", {"resize"}, accepts_resize, record_resize},
    {"Upsample", "", "resize", {"resize"}, accepts_resize, record_resize},
};

}  // namespace

extern const KernelFile resize_kernels;
const KernelFile resize_kernels{list};

}  // namespace tessera::vulkan
