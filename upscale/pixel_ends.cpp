#include "upscale/pixel_ends.h"

#include <algorithm>
#include <cmath>

namespace tessera::upscale {
namespace {

/// Adds nodes before or behind a graph.
class Builder {
 public:
  Builder(Graph& graph, std::vector<Node>& nodes) : graph_(graph), nodes_(nodes) {}

  ValueId value(const char* name) {
    Value value;
    value.name = name;
    return graph_.add_value(std::move(value));
  }

  Node& node(Text domain, Text op, int opset, ValueId in, ValueId out, Attrs attrs) {
    Node node;
    node.op = find_op(domain, op, opset);
    node.opset = opset;
    node.name = op;
    node.in = {in};
    node.out = {out};
    node.attrs = std::make_shared<const Attrs>(std::move(attrs));
    return nodes_.emplace_back(std::move(node));
  }

  /// The same value in another form.
  ValueId convert(Text op, int opset, ValueId in, Attrs attrs) {
    const ValueId out = value("converted");
    node("", op, opset, in, out, std::move(attrs));
    return out;
  }

 private:
  Graph& graph_;
  std::vector<Node>& nodes_;
};

Attrs cast_to(DType dtype) { return {{"to", static_cast<int64_t>(dtype)}}; }

/// The model's own place for red, green, blue (or luma) or alpha.
size_t place(const Convention& convention, size_t channel, int channels) {
  return convention.bgr && channels > 1 && channel < 3 ? 2 - channel : channel;
}

ValueId add_pixels(Builder& builder, Graph& graph, const PixelEnds& ends) {
  const ValueId pixels = builder.value("pixels");
  Value& value = graph.values[pixels];
  value.type = {ends.bits_in == 16 ? DType::uint16 : DType::uint8, {-1, -1, ends.samples_in}};
  value.dim_names.resize(3);
  value.ranked = true;
  return pixels;
}

/// The nodes from pixels to the model's own input.
void put_before(Graph& graph, const Convention& c, const PixelEnds& ends, std::vector<Node>& nodes) {
  Builder builder(graph, nodes);
  const auto channels = static_cast<size_t>(c.channels);
  std::vector<int64_t> from(channels);
  std::vector<float> black(channels), span(channels);
  for (size_t i = 0; i < channels; ++i) {
    const size_t at = place(c, i, c.channels);
    from[at] = ends.from[i];
    black[at] = c.in_levels[i].black;
    span[at] = c.in_levels[i].white - c.in_levels[i].black;
  }
  const ValueId input = graph.inputs[0], pixels = add_pixels(builder, graph, ends);
  ValueId at = builder.value("planes");
  builder.node(internal_domain, "PixelsToPlanes", 1, pixels, at, {{"from", from}, {"black", black}, {"span", span}});
  if (c.in.channel > c.in.x) at = builder.convert("Transpose", 13, at, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
  if (c.rank == 3) at = builder.convert("Squeeze", 11, at, {{"axes", std::vector<int64_t>{0}}});
  if (c.dtype != DType::float32) builder.convert("Cast", 13, at, cast_to(c.dtype));
  nodes.back().out[0] = input;
  graph.inputs = {pixels};
}

/// The nodes from the model's own output to pixels.
void put_behind(Graph& graph, const Convention& c, const PixelEnds& ends, std::vector<Node>& nodes) {
  Builder builder(graph, nodes);
  const auto channels = static_cast<size_t>(c.out_channels);
  std::vector<float> black(channels), unit(channels);
  for (size_t i = 0; i < channels; ++i) {
    const size_t at = place(c, i, c.out_channels);
    black[at] = c.out_levels[i].black;
    unit[at] = 1 / (c.out_levels[i].white - c.out_levels[i].black);
  }
  std::vector<int64_t> from;
  for (const int64_t channel : ends.to)
    from.push_back(static_cast<int64_t>(place(c, static_cast<size_t>(channel), c.out_channels)));
  ValueId at = graph.outputs[0];
  if (graph.values[at].type.dtype != DType::float32) at = builder.convert("Cast", 13, at, cast_to(DType::float32));
  if (c.out.batch < 0) at = builder.convert("Unsqueeze", 11, at, {{"axes", std::vector<int64_t>{0}}});
  if (c.out.channel > c.out.x) at = builder.convert("Transpose", 13, at, {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
  const ValueId pixels = builder.value("pixels out"), facts = builder.value("facts");
  builder
      .node(internal_domain, "PlanesToPixels", 1, at, pixels,
            {{"from", from},
             {"black", black},
             {"unit", unit},
             {"gray", int64_t{ends.gray}},
             {"bits", int64_t{ends.bits_out}}})
      .out.push_back(facts);
  graph.outputs = {pixels, facts};
}

}  // namespace

PixelFacts::PixelFacts(const Tensor& facts, int bits) {
  const int64_t samples = facts.type.shape[1];
  const float* values = facts.as<const float>();
  const float top = bits == 16 ? 65535.0f : 255.0f;
  const auto stored = [&](float value) { return std::lround(std::clamp(value, 0.0f, 1.0f) * top); };
  for (int64_t s = 0; s < samples; ++s) {
    finite = finite && !(values[s] > 0);
    even = even && stored(values[samples + s]) >= stored(values[2 * samples + s]);
  }
}

bool has_pixel_ends(const Convention& convention) {
  return is_float(convention.dtype) && convention.batch == 1 && !convention.linear;
}

Graph with_pixel_ends(const Graph& graph, const Convention& convention, const PixelEnds& ends) {
  const ValueId wanted = graph.outputs[static_cast<size_t>(convention.output)];
  Graph whole = part_of(graph, {}, {}, {&wanted, 1});
  std::vector<Node> nodes, behind;
  put_before(whole, convention, ends, nodes);
  put_behind(whole, convention, ends, behind);
  nodes.insert(nodes.end(), std::make_move_iterator(whole.nodes.begin()), std::make_move_iterator(whole.nodes.end()));
  nodes.insert(nodes.end(), std::make_move_iterator(behind.begin()), std::make_move_iterator(behind.end()));
  whole.nodes = std::move(nodes);
  return whole;
}

}  // namespace tessera::upscale
