// Resize and Upsample over height and width: the host computes, per output row and column, which
// source elements count and how much; see shaders/resize.comp.

#include <algorithm>
#include <bit>
#include <cmath>

#include "ops/vulkan/kernel.h"

namespace tessera::vulkan {
namespace {

constexpr uint32_t workgroup = 128;

enum class Mode { nearest, linear, cubic };

struct Settings {
  Mode mode = Mode::nearest;
  Text coordinates = "asymmetric", rounding = "floor";
  double cubic_a = -0.75;
  bool exclude_outside = false;
  double scale[2] = {1, 1};  // height, width
};

bool read_mode(Text text, Mode* mode) {
  if (text == "nearest") return *mode = Mode::nearest, true;
  if (text == "linear" || text == "bilinear") return *mode = Mode::linear, true;
  if (text == "cubic") return *mode = Mode::cubic, true;
  return false;
}

// The scales of all four axes as the model gives them; without any, from the extents.
bool read_scales(const Problem& problem, size_t input, Settings* settings) {
  const Shape& in = problem.in[0].shape;
  const Shape before = shape_before_epilogue(problem);
  const size_t inputs = problem.node.op_inputs();
  const List<float> written = AttrReader(problem.node).reals("scales");
  const Tensor* given = input < inputs ? problem.constants[input] : nullptr;
  if (input < inputs && problem.node.in[input] != absent && !given) return false;
  for (size_t i = 0; i < 2; ++i) {
    settings->scale[i] = static_cast<double>(before[2 + i]) / static_cast<double>(in[2 + i]);
    if (written.size() == 4) settings->scale[i] = static_cast<double>(written[2 + i]);
    if (given && given->type.dtype == DType::float32 && given->type.shape.elements() == 4)
      settings->scale[i] = static_cast<double>(given->as<const float>()[2 + i]);
  }
  return true;
}

bool read_settings(const Problem& problem, Settings* settings) {
  const AttrReader attrs(problem.node);
  const bool upsample = problem.node.op->name == "Upsample";
  const bool full = !upsample && problem.node.op->since >= 11;
  if (!read_mode(attrs.text("mode"), &settings->mode)) return false;
  if (!full) return settings->mode != Mode::cubic && read_scales(problem, 1, settings);
  if (attrs.integer("antialias") || attrs.has("axes")) return false;
  if (attrs.has("keep_aspect_ratio_policy") && attrs.text("keep_aspect_ratio_policy") != "stretch") return false;
  settings->coordinates = attrs.text("coordinate_transformation_mode");
  settings->rounding = attrs.text("nearest_mode");
  settings->exclude_outside = attrs.integer("exclude_outside") != 0;
  settings->cubic_a = static_cast<double>(attrs.real("cubic_coeff_a"));
  constexpr Text known[] = {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"};
  return std::find(std::begin(known), std::end(known), settings->coordinates) != std::end(known) &&
         read_scales(problem, 2, settings);
}

double source_coordinate(const Settings& settings, int64_t i, int64_t from, int64_t to, double scale) {
  const auto position = static_cast<double>(i);
  if (settings.coordinates == "asymmetric") return position / scale;
  if (settings.coordinates == "align_corners")
    return to == 1 ? 0 : position * static_cast<double>(from - 1) / static_cast<double>(to - 1);
  if (settings.coordinates == "pytorch_half_pixel" && to == 1) return 0;
  return (position + 0.5) / scale - 0.5;
}

double nearest(Text rounding, double x) {
  if (rounding == "floor") return std::floor(x);
  if (rounding == "ceil") return std::ceil(x);
  if (rounding == "round_prefer_ceil") return std::floor(x + 0.5);
  return std::ceil(x - 0.5);
}

uint32_t tap_count(Mode mode) { return mode == Mode::nearest ? 1 : mode == Mode::linear ? 2 : 4; }

// The weights of the taps around a coordinate with this fraction.
void tap_weights(const Settings& settings, double fraction, double* weights) {
  if (settings.mode == Mode::nearest) {
    weights[0] = 1;
  } else if (settings.mode == Mode::linear) {
    weights[0] = 1 - fraction;
    weights[1] = fraction;
  } else {
    const double a = settings.cubic_a;
    for (int k = 0; k < 4; ++k) {
      const double d = std::abs(fraction - (k - 1));
      weights[k] = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    }
  }
}

void append_taps(const Settings& settings, int64_t from, int64_t to, double scale, std::vector<uint32_t>& params) {
  const auto taps = static_cast<int64_t>(tap_count(settings.mode));
  for (int64_t i = 0; i < to; ++i) {
    const double x = source_coordinate(settings, i, from, to, scale);
    const double base = settings.mode == Mode::nearest ? nearest(settings.rounding, x) : std::floor(x);
    double weights[4], sum = 0;
    tap_weights(settings, x - base, weights);
    const int64_t first = static_cast<int64_t>(base) - (settings.mode == Mode::cubic ? 1 : 0);
    for (int64_t k = 0; k < taps; ++k) {
      if (settings.exclude_outside && (first + k < 0 || first + k >= from)) weights[k] = 0;
      sum += weights[k];
    }
    for (int64_t k = 0; k < taps; ++k) {
      const double weight = settings.exclude_outside ? weights[k] / sum : weights[k];
      params.push_back(static_cast<uint32_t>(std::clamp<int64_t>(first + k, 0, from - 1)));
      params.push_back(std::bit_cast<uint32_t>(static_cast<float>(weight)));
    }
  }
}

bool accepts_resize(const Problem& problem) {
  if (!is_float_input(problem, 0) || problem.in[0].shape.size() != 4 || problem.out[0].shape.size() != 4) return false;
  const Shape before = shape_before_epilogue(problem);
  if (before[0] != problem.in[0].shape[0] || before[1] != problem.in[0].shape[1]) return false;
  Settings settings;
  return read_settings(problem, &settings) && epilogue_fits(problem, problem.node.epilogue, before);
}

void emit_resize(const Problem& problem, std::vector<Dispatch>& out) {
  Settings settings;
  read_settings(problem, &settings);
  const Shape& in = problem.in[0].shape;
  const Shape before = shape_before_epilogue(problem);
  Dispatch dispatch;
  dispatch.shader = &find_shader("resize", "f32");
  Loop loop;
  for (size_t i = 0; i < 4; ++i) loop.extent[i] = static_cast<uint32_t>(before[i]);
  add_epilogue(problem, problem.node.epilogue, loop, dispatch);
  auto& params = dispatch.params;
  params.insert(params.end(), loop.extent.begin(), loop.extent.end());
  params.insert(params.end(), {loop.count(), static_cast<uint32_t>(in[2]), static_cast<uint32_t>(in[3])});
  for (size_t i = 0; i < 2; ++i) append_taps(settings, in[2 + i], before[2 + i], settings.scale[i], params);
  dispatch.constants[1] = tap_count(settings.mode);
  dispatch.reads.push_back({src_binding, problem.node.in[0]});
  cover(loop.count(), workgroup, dispatch);
  out.push_back(std::move(dispatch));
}

constexpr VkKernel list[] = {
    {"Resize", "", "resize", accepts_resize, emit_resize},
    {"Upsample", "", "resize", accepts_resize, emit_resize},
};

}  // namespace

const List<VkKernel> resize_kernels = list;

}  // namespace tessera::vulkan
