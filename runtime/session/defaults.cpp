#include "runtime/session/defaults.h"

#include <map>

namespace tessera {
namespace {

using Given = std::map<const Tensor*, ValueId>;  // by the constant, which bodies share: the value in the graph at hand

void open(Value& value) {
  value.constant = nullptr;
  value.type.shape = {};
  value.ranked = false;
}

// Gives the graph bodies of its own, which capture what is given.
void own_bodies(Graph& graph, const Given& given) {
  for (Node& node : graph.nodes) {
    if (!node.attrs) continue;
    Attrs attrs = *node.attrs;
    bool changed = false;
    for (auto& [name, attr] : attrs) {
      auto* body = std::get_if<std::shared_ptr<Graph>>(&attr);
      if (!body) continue;
      *body = std::make_shared<Graph>(**body);
      changed = true;
      Given inside;
      for (ValueId id = 0; id < (*body)->values.size(); ++id) {
        Value& value = (*body)->values[id];
        const auto found = given.find(value.constant.get());
        if (!value.constant || found == given.end()) continue;
        inside[found->first] = id;
        (*body)->captures.emplace_back(found->second, id);
        open(value);
      }
      own_bodies(**body, inside);
    }
    if (changed) node.attrs = std::make_shared<const Attrs>(std::move(attrs));
  }
}

}  // namespace

Graph with_inputs(const Graph& graph, List<ValueId> given) {
  Graph copy = graph;
  Given constants;
  for (const ValueId id : given) {
    constants[copy.values[id].constant.get()] = id;
    open(copy.values[id]);
    copy.inputs.push_back(id);
  }
  own_bodies(copy, constants);
  return copy;
}

}  // namespace tessera
