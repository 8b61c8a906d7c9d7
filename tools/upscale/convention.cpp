// Finding a model's convention by asking its shape inference about sizes.
#include "tools/upscale/convention.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tessera::upscale {
namespace {

bool is_channel_count(int64_t n) { return n == 1 || n == 3 || n == 4; }

bool is_sample_type(DType type) {
  return type == DType::float32 || type == DType::float16 || type == DType::float64 || type == DType::bfloat16 ||
         type == DType::uint8 || type == DType::uint16;
}

/// Every reading of the declared input that could be one of pictures, the likeliest first.
std::vector<Convention> readings(const Port& port) {
  const Shape& shape = port.type.shape;
  const int rank = port.ranked ? shape.rank() : 4;
  const auto extent = [&](int axis) { return port.ranked ? shape[static_cast<size_t>(axis)] : int64_t{-1}; };
  std::vector<Convention> found;
  if (rank != 3 && rank != 4) return found;
  const int first = rank - 3;
  const Axes planar{first ? 0 : -1, first, first + 1, first + 2};
  const Axes packed{first ? 0 : -1, first + 2, first, first + 1};
  for (const Axes& axes : {planar, packed})
    for (const int channels : {3, 1, 4}) {
      const int64_t declared = extent(axes.channel);
      if (declared > 0 ? declared != channels : channels == 4) continue;
      Convention reading;
      reading.dtype = port.type.dtype;
      reading.rank = rank;
      reading.in = axes;
      reading.channels = channels;
      reading.batch = axes.batch >= 0 ? std::max<int64_t>(extent(axes.batch), 1) : 1;
      reading.fixed_height = std::max<int64_t>(extent(axes.y), 0);
      reading.fixed_width = std::max<int64_t>(extent(axes.x), 0);
      found.push_back(reading);
    }
  // A declared channel count is better evidence than an open one.
  std::stable_sort(found.begin(), found.end(), [&](const Convention& a, const Convention& b) {
    return is_channel_count(extent(a.in.channel)) > is_channel_count(extent(b.in.channel));
  });
  return found;
}

/// Scale and loss along one axis from two input and output extents; false if no whole scale fits.
bool solve(int64_t in_a, int64_t out_a, int64_t in_b, int64_t out_b, int64_t& scale, int64_t& lost) {
  if (in_a == in_b) {
    if (out_a != out_b) return false;
    scale = (out_a + in_a - 1) / in_a;
  } else {
    if ((out_a - out_b) % (in_a - in_b) != 0) return false;
    scale = (out_a - out_b) / (in_a - in_b);
  }
  lost = scale * in_a - out_a;
  return scale >= 1 && lost >= 0 && out_a > 0 && out_b > 0 && scale * in_b - out_b == lost;
}

/// Fills in what the output's shape for that input says; false if it says nothing sensible.
bool match_output(const Type& output, int64_t width, int64_t height, Convention& reading) {
  const Shape& shape = output.shape;
  const int rank = shape.rank();
  if ((rank != 3 && rank != 4) || !is_sample_type(output.dtype)) return false;
  const int first = rank - 3;
  const Axes planar{first ? 0 : -1, first, first + 1, first + 2};
  const Axes packed{first ? 0 : -1, first + 2, first, first + 1};
  for (const Axes& axes : {planar, packed}) {
    if (shape[static_cast<size_t>(axes.channel)] != reading.channels) continue;
    int64_t scale = 0, lost = 0;
    if (!solve(height, shape[static_cast<size_t>(axes.y)], width, shape[static_cast<size_t>(axes.x)], scale, lost))
      continue;
    reading.out = axes;
    reading.scale = scale;
    reading.lost_before = lost / 2;
    reading.lost_after = lost - lost / 2;
    return true;
  }
  return false;
}

/// Tries one size; the reason of a refusal goes to `refusal`.
bool probe(const Upsampler& model, Convention& reading, int64_t width, int64_t height, std::string& refusal) {
  try {
    const Type output = model.output_type(reading.input(width, height));
    if (match_output(output, width, height, reading)) return true;
    refusal = cat(reading.input(width, height), " gives ", output, ", which is no whole multiple of it");
  } catch (const Error& error) {
    if (error.kind() == Error::Kind::cancelled || error.kind() == Error::Kind::device) throw;
    refusal = error.what();
  }
  return false;
}

/// Finds `multiple`: the smallest unit whose odd multiples the model takes with one scale.
bool fit_sizes(const Upsampler& model, Convention& reading, std::string& refusal) {
  if (reading.fixed_width && reading.fixed_height)
    return probe(model, reading, reading.fixed_width, reading.fixed_height, refusal);
  static constexpr std::array<int64_t, 15> units = {1, 2, 4, 8, 16, 32, 64, 3, 5, 6, 7, 10, 12, 14, 24};
  for (const int64_t unit : units) {
    // Odd counts of the unit, unequal, and large enough for models that lose 18 pixels a side.
    const int64_t count = (72 / unit) | 1;
    const int64_t width = reading.fixed_width ? reading.fixed_width : unit * count;
    const int64_t height = reading.fixed_height ? reading.fixed_height : unit * (count + 2);
    Convention first = reading, second = reading;
    if (!probe(model, first, width, height, refusal)) continue;
    const int64_t other_width = reading.fixed_width ? width : width + 4 * unit;
    const int64_t other_height = reading.fixed_height ? height : height + 8 * unit;
    if (!probe(model, second, other_width, other_height, refusal)) continue;
    if (first.scale != second.scale || first.lost_before != second.lost_before || first.lost_after != second.lost_after)
      continue;
    reading = first;
    reading.multiple = unit;
    return true;
  }
  return false;
}

/// What the model makes of an even gray.
double answer_to_gray(const Upsampler& model, const Convention& convention, int64_t width, int64_t height,
                      double gray) {
  const Tensor input = Tensor::make(convention.input(width, height));
  const View view = input.view();
  for (int64_t i = 0; i < view.elements(); ++i) set_element(view, i, gray);
  const Tensor output = model.run(input);
  const View result = output.view();
  double sum = 0;
  const int64_t count = result.elements();
  for (int64_t i = 0; i < count; ++i) sum += element_as_double(result, i);
  return sum / static_cast<double>(count);
}

/// White is 1 for floats, unless an even gray comes back clearly on another scale.
void find_range(const Upsampler& model, Convention& convention) {
  const bool whole = !is_float(convention.dtype);
  convention.in_top = whole ? (convention.dtype == DType::uint16 ? 65535.0f : 255.0f) : 1.0f;
  int64_t width = convention.fixed_width, height = convention.fixed_height;
  const int64_t context = (convention.lost_before + convention.lost_after) / convention.scale + 1;
  const int64_t unit = convention.multiple;
  if (!width) width = (16 + 2 * context + unit - 1) / unit * unit;
  if (!height) height = (16 + 2 * context + unit - 1) / unit * unit;
  const Type out = model.output_type(convention.input(width, height));
  convention.out_top = out.dtype == DType::uint8 ? 255.0f : out.dtype == DType::uint16 ? 65535.0f : 1.0f;
  // A model of one large size says too little for the cost of asking.
  if (!is_float(out.dtype) || width * height > 256 * 256) return;
  const double answer = answer_to_gray(model, convention, width, height, convention.in_top / 2);
  if (answer > 32 && answer < 255) convention.out_top = 255.0f;
  if (whole || (answer > 0.15 && answer < 0.85) || convention.out_top > 1) return;
  // Gray comes back as no gray: perhaps the model wants 0..255, if gray of that comes back as such.
  const double second = answer_to_gray(model, convention, width, height, 127.5);
  const bool one = second > 0.25 && second<0.75, wide = second> 64 && second < 192;
  if (one || wide) convention.in_top = 255.0f;
  if (wide) convention.out_top = 255.0f;
}

}  // namespace

Type Convention::input(int64_t width, int64_t height) const {
  Type type{dtype, Shape(static_cast<size_t>(rank), 1), Layout::row_major};
  if (in.batch >= 0) type.shape[static_cast<size_t>(in.batch)] = batch;
  type.shape[static_cast<size_t>(in.channel)] = channels;
  type.shape[static_cast<size_t>(in.y)] = height;
  type.shape[static_cast<size_t>(in.x)] = width;
  return type;
}

Convention discover(const Upsampler& model, float top) {
  const auto refuse = [](const auto&... parts) {
    fail(Error::Kind::unsupported, "not an upscaler of pictures: ", parts...);
  };
  const List<Port> inputs = model.inputs();
  if (inputs.size() != 1) refuse("it has ", inputs.size(), " inputs, not one");
  const Port& port = inputs[0];
  if (port.kind != Kind::tensor || !is_sample_type(port.type.dtype))
    refuse("its input \"", port.name, "\" is ", port.type, ", not a tensor of samples");
  if (model.outputs().empty()) refuse("it has no outputs");
  std::string refusal =
      cat("its input \"", port.name, "\" is ", port.type, ", not 1, 3 or 4 channels of rows and columns");
  for (Convention reading : readings(port)) {
    if (!fit_sizes(model, reading, refusal)) continue;
    find_range(model, reading);
    if (top > 0) reading.in_top = reading.out_top = top;
    return reading;
  }
  refuse(refusal);
  return {};
}

}  // namespace tessera::upscale
