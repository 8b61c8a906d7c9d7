// The rewrites, one per file. Each returns whether it changed the graph.
#pragma once

#include "optimizer/edit.h"

namespace tessera::optimizer {

bool remove_identities(Graph& graph, const Fits& fits);    // identities.cpp
bool remove_no_ops(Graph& graph, const Fits& fits);        // identities.cpp: what types show to be identities
bool cancel_pairs(Graph& graph, const Fits& fits);         // cancel_pairs.cpp
bool fold_batch_norm(Graph& graph, const Fits& fits);      // fold_batch_norm.cpp
bool find_depth_to_space(Graph& graph, const Fits& fits);  // find_depth_to_space.cpp
bool find_attention(Graph& graph, const Fits& fits);       // find_attention.cpp
bool find_activations(Graph& graph, const Fits& fits);     // find_activations.cpp
bool find_layer_norm(Graph& graph, const Fits& fits);      // find_layer_norm.cpp
bool fold_pad(Graph& graph, const Fits& fits);             // fold_pad.cpp
bool fuse_epilogue(Graph& graph, const Fits& fits);        // fuse_epilogue.cpp
bool find_quantized(Graph& graph, const Fits& fits);       // find_quantized.cpp
bool expand_quantized(Graph& graph, const Fits& fits);     // keep_quantized.cpp
bool keep_quantized(Graph& graph, const Fits& fits);       // keep_quantized.cpp
bool round_to_quanta(Graph& graph, const Fits& fits);      // round_to_quanta.cpp
bool mark_first(Graph& graph, const Fits& fits);           // mark_first.cpp
bool mark_quantized(Graph& graph, const Fits& fits);       // mark_quantized.cpp
bool merge_convs(Graph& graph, const Fits& fits);          // merge_convs.cpp
bool widen_groups(Graph& graph, const Fits& fits);         // widen_groups.cpp
bool shuffle_transposed(Graph& graph, const Fits& fits);   // shuffle_transposed.cpp
bool spell_out(Graph& graph, const Fits& fits);            // spell_out.cpp
bool scale_integers(Graph& graph, const Fits& fits);       // spell_bytes.cpp
bool spell_last(Graph& graph, const Fits& fits);           // spell_out.cpp
bool widen_halves(Graph& graph, const Fits& fits);         // widen_halves.cpp

}  // namespace tessera::optimizer
