// Finding a model's convention: its declarations, metadata, and its shape inference over a few sizes.
#include "upscale/convention.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "runtime/base/rounding.h"

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

/// Pixels by which a result may be larger than a whole multiple, in units of the scale.
constexpr int64_t most_surplus = 8;

/// Scale and loss along one axis from two input and output extents; false if no whole scale fits.
bool solve(int64_t in_a, int64_t out_a, int64_t in_b, int64_t out_b, int64_t& scale, int64_t& lost) {
  if (in_a == in_b) {
    if (out_a != out_b) return false;
    // A square window alone: the model loses borders, or it has a few pixels more.
    scale = std::max<int64_t>(1, (out_a + in_a - 1) / in_a);
    if (out_a - (scale - 1) * in_a <= most_surplus && scale > 1) --scale;
  } else {
    if ((out_a - out_b) % (in_a - in_b) != 0) return false;
    scale = (out_a - out_b) / (in_a - in_b);
  }
  lost = scale * in_a - out_a;
  return scale >= 1 && lost >= -most_surplus * scale && out_a > 0 && out_b > 0 && scale * in_b - out_b == lost;
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
    const int64_t channels = shape[static_cast<size_t>(axes.channel)];
    if (channels != reading.channels && !(reading.channels == 1 && channels == 3)) continue;
    int64_t scale = 0, lost = 0;
    if (!solve(height, shape[static_cast<size_t>(axes.y)], width, shape[static_cast<size_t>(axes.x)], scale, lost))
      continue;
    reading.out = axes;
    reading.out_channels = static_cast<int>(channels);
    reading.scale = scale;
    reading.lost_before = floor_div(lost, 2);
    reading.lost_after = lost - reading.lost_before;
    return true;
  }
  return false;
}

/// Why a model is refused: the first thing that was in the way, in words that hold for any picture.
struct Refusal {
  std::string text;
  void add(const std::string& reason) {
    if (!text.empty()) return;
    // Of a node that does not fit, its name; the extents in the message are those of a trial.
    const size_t node = reason.find("node \""), end = reason.find("): ", node);
    text = node != std::string::npos && end != std::string::npos
               ? cat(reason.substr(node, end + 1 - node), " fits no size of picture that was tried")
               : reason.substr(0, reason.find('\n'));
  }
};

/// What asks a model's shape inference for its form.
struct Inquiry {
  const Upsampler& model;
  std::vector<bool> taken;  ///< which outputs may be the picture
  Refusal refusal;

  Inquiry(const Upsampler& of, const std::string& name) : model(of), taken(of.outputs().size(), name.empty()) {
    if (name.empty()) return;
    std::string names;
    for (size_t i = 0; i < taken.size(); ++i) {
      const std::string& output = model.outputs()[i].name;
      taken[i] = output == name;
      names += cat(names.empty() ? "" : ", ", output);
    }
    if (!any()) fail(Error::Kind::usage, "no output of the model is \"", name, "\"; it has ", names);
  }
  bool any() const { return first() < taken.size(); }
  size_t first() const { return static_cast<size_t>(std::find(taken.begin(), taken.end(), true) - taken.begin()); }
};

/// Tries one size. Of several outputs that could be the picture, it is the largest, and of those the first.
bool probe(Inquiry& inquiry, Convention& reading, int64_t width, int64_t height) {
  const List<Port> declared = inquiry.model.outputs();
  try {
    const std::vector<Type> outputs = inquiry.model.output_types(reading.input(width, height));
    std::optional<Convention> best;
    for (size_t i = 0; i < outputs.size(); ++i) {
      Convention with = reading;
      if (!inquiry.taken[i] || !match_output(outputs[i], width, height, with)) continue;
      with.output = static_cast<int>(i);
      if (!best || with.scale > best->scale) best = with;
    }
    if (best) {
      reading = *best;
      return true;
    }
    const size_t asked = inquiry.first();
    // Where sizes are open, the extents of this trial would only confuse.
    const bool open = declared[asked].ranked && outputs[asked].shape.rank() > 2;
    inquiry.refusal.add(cat("its output \"", declared[asked].name, "\", ", open ? declared[asked].type : outputs[asked],
                            ", is no whole multiple of a picture's size"));
  } catch (const Error& error) {
    if (!tells_of_model(error)) throw;
    inquiry.refusal.add(error.what());
  }
  return false;
}

/// Sizes that a model may want multiples of, the usual ones first.
std::vector<int64_t> units() {
  std::vector<int64_t> all{1, 2, 4, 8, 16, 32, 64, 3, 6, 12, 24, 128};
  for (int64_t unit = 5; unit <= 256; ++unit)
    if (std::find(all.begin(), all.end(), unit) == all.end()) all.push_back(unit);
  return all;
}

bool fits(Inquiry& inquiry, Convention& reading, int64_t unit) {
  // Odd counts of the unit, unequal, and large enough for models that lose 18 pixels a side.
  const int64_t count = (72 / unit) | 1;
  const int64_t width = reading.fixed_width ? reading.fixed_width : unit * count;
  const int64_t height = reading.fixed_height ? reading.fixed_height : unit * (count + 2);
  Convention first = reading, second = reading;
  if (!probe(inquiry, first, width, height)) return false;
  const int64_t other_width = reading.fixed_width ? width : width + 5 * unit;  // an even count too
  const int64_t other_height = reading.fixed_height ? height : height + (reading.fixed_width ? 5 : 8) * unit;
  if (!probe(inquiry, second, other_width, other_height)) return false;
  if (first.scale != second.scale || first.lost_before != second.lost_before || first.lost_after != second.lost_after ||
      first.output != second.output)
    return false;
  reading = first;
  reading.multiple = unit;
  return true;
}

/// The least multiple that the model takes, where it takes the larger ones: halvings must leave something. A window may
/// have it on one side alone, too: pictures are narrow.
void find_smallest(Inquiry& inquiry, Convention& reading) {
  const int64_t usual = (72 / reading.multiple) | 1;
  const auto takes_both = [&](int64_t across, int64_t down) {
    Convention trial = reading;
    return probe(inquiry, trial, reading.fixed_width ? reading.fixed_width : across * reading.multiple,
                 reading.fixed_height ? reading.fixed_height : down * reading.multiple) &&
           trial.scale == reading.scale && trial.lost_before == reading.lost_before && trial.output == reading.output;
  };
  const auto takes = [&](int64_t count) {
    return takes_both(count, count) && takes_both(count, usual) && takes_both(usual, count);
  };
  int64_t bad = 0, good = usual;
  if (takes(1)) good = 1;
  while (good - bad > 1) (takes((bad + good) / 2) ? good : bad) = (bad + good) / 2;
  reading.smallest = good * reading.multiple;
}

/// Finds `multiple`: the smallest unit whose odd multiples the model takes with one scale.
bool fit_sizes(Inquiry& inquiry, Convention& reading) {
  if (reading.fixed_width && reading.fixed_height)
    return probe(inquiry, reading, reading.fixed_width, reading.fixed_height);
  for (const int64_t unit : units())
    if (fits(inquiry, reading, unit)) {
      find_smallest(inquiry, reading);
      return true;
    }
  return false;
}

Levels parse_level(const std::string& text, const std::string& whole) {
  Levels levels;
  const auto number = [&](const char* begin, const char* end, float& value) {
    const auto [stop, error] = std::from_chars(begin, end, value);
    return stop == end && error == std::errc() && std::isfinite(value);
  };
  const size_t colon = text.find(':');
  const char *begin = text.data(), *end = begin + text.size();
  if (colon == std::string::npos || !number(begin, begin + colon, levels.black) ||
      !number(begin + colon + 1, end, levels.white) || levels.black == levels.white)
    fail(Error::Kind::usage, "--range ", whole,
         ": give BLACK:WHITE, such as 0:255 or -1:1, or one of them per channel");
  return levels;
}

}  // namespace

std::vector<Levels> parse_levels(const std::string& text) {
  std::vector<Levels> all;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    all.push_back(parse_level(text.substr(begin, end - begin), text));
    begin = end + 1;
  }
  if (all.size() == 2 || all.size() > 4)
    fail(Error::Kind::usage, "--range ", text, ": give one range, or one for each of 3 or 4 channels");
  return all;
}

Type Convention::input(int64_t width, int64_t height) const {
  Type type{dtype, Shape(static_cast<size_t>(rank), 1)};
  if (in.batch >= 0) type.shape[static_cast<size_t>(in.batch)] = batch;
  type.shape[static_cast<size_t>(in.channel)] = channels;
  type.shape[static_cast<size_t>(in.y)] = height;
  type.shape[static_cast<size_t>(in.x)] = width;
  return type;
}

namespace {

void tell_form(const Convention& c, const Port& in, const Port& out, const Upsampler& model, Findings& findings) {
  const std::string declared = model.declared();
  const char* colors = c.channels == 1 ? "luma" : c.channels == 3 ? "RGB" : "RGBA";
  const auto text = [](const Port& port) {
    return port.ranked ? cat(port.type) : cat(name_of(port.type.dtype), " of any shape");
  };
  findings.push_back({"picture", cat(colors, " ", name_of(c.dtype), c.in.channel < c.in.x ? " NCHW" : " NHWC"),
                      cat("its input \"", in.name, "\" is declared as ", declared.empty() ? text(in) : declared)});
  findings.push_back({"scale", cat("x", c.scale),
                      cat("how the extents of output \"", out.name, "\" follow from those of the input",
                          c.out_channels != c.channels ? cat("; it has ", c.out_channels, " channels") : "")});
  if (model.frames() > 0)
    findings.push_back(
        {"frames", cat(model.frames()), "its input has an axis of them: each picture is shown so often"});
  if (c.fixed_width || c.fixed_height)
    findings.push_back({"sizes", cat(c.fixed_width, "x", c.fixed_height), "the file declares no other"});
  else
    findings.push_back(
        {"sizes",
         c.multiple == 1 && c.smallest == 1 ? std::string("any")
                                            : cat("multiples of ", c.multiple, " from ", c.smallest, " on"),
         declared.empty()
             ? std::string("the first unit whose multiples its shapes allow")
             : cat("the file declares ", declared, " alone, but its graph computes each pixel alike for every size")});
}

/// The likeliest reading that the shapes allow; none: `inquiry` has the reason.
std::optional<Convention> find_form(Inquiry& inquiry, const Port& input) {
  for (Convention reading : readings(input))
    if (fit_sizes(inquiry, reading)) return reading;
  return std::nullopt;
}

}  // namespace

std::optional<Convention> form_of(const Upsampler& model) {
  const List<Port> inputs = model.inputs();
  if (inputs.size() != 1 || !is_sample_type(inputs[0].type.dtype) || model.outputs().empty()) return std::nullopt;
  Inquiry inquiry(model, {});
  return find_form(inquiry, inputs[0]);
}

Knowledge examine(const Upsampler& model, const ConventionOptions& options) {
  const auto refuse = [](const auto&... parts) {
    fail(Error::Kind::unsupported, "not an upscaler of pictures: ", parts...);
  };
  const List<Port> inputs = model.inputs(), outputs = model.outputs();
  if (inputs.size() != 1) refuse("it has ", inputs.size(), " inputs, not one");
  const Port& port = inputs[0];
  if (!is_sample_type(port.type.dtype))
    refuse("its input \"", port.name, "\" is ", port.type, ", not a tensor of samples");
  if (outputs.empty()) refuse("it has no outputs");
  Inquiry inquiry(model, options.output);
  // Features of a picture may have the shape of one: if an answer does not resemble the picture, the next output is
  // asked.
  std::optional<Knowledge> best;
  std::optional<Error> refused;
  while (inquiry.any()) {
    const std::optional<Convention> form = find_form(inquiry, port);
    if (!form) break;
    const auto output = static_cast<size_t>(form->output);
    inquiry.taken[output] = false;
    Knowledge knowledge{*form, 0, 0, {}};
    tell_form(*form, port, outputs[output], model, knowledge.findings);
    if (outputs.size() > 1)
      knowledge.findings.push_back({"output", outputs[output].name,
                                    options.output.empty() ? "of those that resemble the picture, the largest"
                                                           : "as --model-output or the manifest says"});
    try {
      find_levels(model, options, knowledge);
      if (!best || knowledge.unlike < best->unlike) best = knowledge;
      if (knowledge.unlike <= doubtful_unlike) return knowledge;
    } catch (const Error& error) {
      if (!tells_of_model(error)) throw;
      if (!refused) refused = error;
    }
  }
  if (best) return *best;
  if (refused) throw Error(*refused);
  inquiry.refusal.add(
      cat("its input \"", port.name, "\" is ", port.type, ", not 1, 3 or 4 channels of rows and columns"));
  refuse(inquiry.refusal.text);
  return {};
}

}  // namespace tessera::upscale
