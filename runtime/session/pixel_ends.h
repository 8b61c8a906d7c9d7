// Pixel ends: what lies around a model's graph, so that rows of pixels go into it and come out.
#pragma once

#include "runtime/graph/graph.h"

namespace tessera {

/// A graph's only input as pixels. Lists are of the model's channels, in its own order.
struct PixelsIn {
  int bits = 8, samples = 3;  ///< of a sample; of a pixel
  bool packed = false;        ///< channels are the last axis
  std::vector<int64_t> from;  ///< the sample that goes into a channel, or -1 for the largest there is
  std::vector<float> black, white;
};

/// One of its outputs as pixels.
struct PixelsOut {
  int bits = 8;
  size_t output = 0;
  bool packed = false, batched = true;  ///< batched: with an axis of extent 1 in front
  std::vector<int64_t> from;            ///< the channels that come out, a sample each,
  bool mean = false;                    ///< but the first three as one sample, their mean
  std::vector<float> black, white;      ///< of all channels
};

/// The graph from pixels [height, width, samples] to pixels and their facts (see ops/planes_to_pixels.cpp).
Graph with_pixel_ends(const Graph& graph, const PixelsIn& in, const PixelsOut& out);

}  // namespace tessera
