// The ordered list of rewrites.

#include <atomic>

#include "optimizer/check_types.h"
#include "optimizer/dtypes.h"
#include "optimizer/rewrites.h"
#include "runtime/base/run_scope.h"

namespace tessera::optimizer {
namespace {

constexpr Pass list[] = {
    {"remove_identities", false, remove_identities},
    {"cancel_pairs", false, cancel_pairs},
    {"widen_halves", false, widen_halves},
    {"find_quantized", false, find_quantized},
    {"mark_quantized", false, mark_quantized},
    {"fold_batch_norm", false, fold_batch_norm},
    {"merge_convs", false, merge_convs},
    {"mark_first", false, mark_first},
    {"widen_groups", false, widen_groups},
    {"scale_integers", true, scale_integers},
    {"spell_out", true, spell_out},
    {"find_activations", true, find_activations},
    {"remove_no_ops", true, remove_no_ops},
    {"expand_quantized", true, expand_quantized},
    {"find_depth_to_space", true, find_depth_to_space},
    {"find_layer_norm", true, find_layer_norm},
    {"fold_pad", true, fold_pad},
    {"find_attention", true, find_attention},
    {"round_to_quanta", true, round_to_quanta},
    {"keep_quantized", true, keep_quantized},
    {"spell_last", true, spell_last},
    {"shuffle_transposed", true, shuffle_transposed},
    {"fuse_epilogue", true, fuse_epilogue},
};

std::atomic<bool> checked{false};

void run_all(Graph& graph, bool with_types, const Fits& fits) {
  Edit(graph).finish();  // what nobody reads goes even where no rewrite changes anything
  const bool check = with_types && checked;
  const std::vector<Type> outputs = check ? output_types(graph) : std::vector<Type>{};
  if (check) check_types(graph, outputs, "of nothing");
  // A rewrite may make room for another: again until nothing changes, within reason.
  for (int round = 0; round < 4; ++round) {
    bool changed = false;
    for (const Pass& pass : list) {
      check_cancelled();
      if (pass.needs_types && !with_types) continue;
      if (!pass.run(graph, fits)) continue;
      changed = true;
      if (check) check_types(graph, outputs, pass.name);
    }
    if (!changed) break;
  }
}

}  // namespace

List<Pass> passes() { return list; }

void check_rewrites(bool on) { checked = on; }

bool wants_unfolded(const Node& node) { return node.op->name == "DequantizeLinear"; }

void prepare(Graph& graph) {
  std::vector<DType> dtypes;  // of what bodies capture
  for (Node& node : graph.nodes) {
    if (!node.attrs) continue;
    for (const auto& [name, attr] : *node.attrs) {
      const auto* body = std::get_if<std::shared_ptr<Graph>>(&attr);
      if (!body) continue;
      if (dtypes.empty()) dtypes = dtypes_of(graph);
      for (const auto& [outer, inner] : (*body)->captures) (*body)->values[inner].type.dtype = dtypes[outer];
      prepare(**body);
    }
  }
  run_all(graph, false, [](const Graph&, const Node&) { return false; });
}

void specialize(Graph& graph, const Fits& fits) { run_all(graph, true, fits); }

}  // namespace tessera::optimizer
