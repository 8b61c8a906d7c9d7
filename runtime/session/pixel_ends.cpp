#include "runtime/session/pixel_ends.h"

#include <iterator>

#include "runtime/graph/op.h"
#include "runtime/session/parts.h"

namespace tessera {
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

/// The nodes from pixels to the model's own input.
void put_before(Graph& graph, const PixelsIn& in, std::vector<Node>& nodes) {
  Builder builder(graph, nodes);
  std::vector<float> span(in.white.size());
  for (size_t i = 0; i < span.size(); ++i) span[i] = in.white[i] - in.black[i];
  const ValueId input = graph.inputs[0], pixels = builder.value("pixels");
  Value& value = graph.values[pixels];
  value.type = {in.bits == 16 ? DType::uint16 : DType::uint8, {-1, -1, in.samples}};
  value.dim_names.resize(3);
  value.ranked = true;
  const int rank = graph.values[input].ranked ? graph.values[input].type.shape.rank() : 4;
  const DType dtype = graph.values[input].type.dtype;
  ValueId at = builder.value("planes");
  builder.node(internal_domain, "PixelsToPlanes", 1, pixels, at,
               {{"from", in.from}, {"black", in.black}, {"span", span}});
  if (in.packed) at = builder.convert("Transpose", 13, at, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
  if (rank == 3) at = builder.convert("Squeeze", 11, at, {{"axes", std::vector<int64_t>{0}}});
  if (dtype != DType::float32) builder.convert("Cast", 13, at, cast_to(dtype));
  nodes.back().out[0] = input;
  graph.inputs = {pixels};
}

/// The nodes from the graph's only output to pixels.
void put_behind(Graph& graph, const PixelsOut& out, std::vector<Node>& nodes) {
  Builder builder(graph, nodes);
  std::vector<float> unit(out.white.size());
  for (size_t i = 0; i < unit.size(); ++i) unit[i] = 1 / (out.white[i] - out.black[i]);
  ValueId at = graph.outputs[0];
  if (graph.values[at].type.dtype != DType::float32) at = builder.convert("Cast", 13, at, cast_to(DType::float32));
  if (!out.batched) at = builder.convert("Unsqueeze", 11, at, {{"axes", std::vector<int64_t>{0}}});
  if (out.packed) at = builder.convert("Transpose", 13, at, {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
  const ValueId pixels = builder.value("pixels out"), facts = builder.value("facts");
  builder
      .node(internal_domain, "PlanesToPixels", 1, at, pixels,
            {{"from", out.from},
             {"black", out.black},
             {"unit", unit},
             {"gray", int64_t{out.mean}},
             {"bits", int64_t{out.bits}}})
      .out.push_back(facts);
  graph.outputs = {pixels, facts};
}

}  // namespace

Graph with_pixel_ends(const Graph& graph, const PixelsIn& in, const PixelsOut& out) {
  const ValueId wanted = graph.outputs[out.output];
  Graph whole = part_of(graph, {}, {}, {&wanted, 1});
  std::vector<Node> nodes, behind;
  put_before(whole, in, nodes);
  put_behind(whole, out, behind);
  nodes.insert(nodes.end(), std::make_move_iterator(whole.nodes.begin()), std::make_move_iterator(whole.nodes.end()));
  nodes.insert(nodes.end(), std::make_move_iterator(behind.begin()), std::make_move_iterator(behind.end()));
  whole.nodes = std::move(nodes);
  return whole;
}

}  // namespace tessera
