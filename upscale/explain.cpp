#include "upscale/explain.h"

namespace tessera::upscale {
namespace {

Finding field_of(const Reach& walked, const Reach& settled) {
  const std::string pixels = cat(settled.radius, settled.radius == 1 ? " pixel" : " pixels");
  if (walked.followed && !settled.measured)
    return {"receptive field", pixels, "every operator of the graph was followed"};
  const std::string why = walked.followed
                              ? cat("the graph allows ", walked.radius)
                              : cat(walked.reason.empty() ? "the graph" : walked.reason, " is not followed");
  return {"receptive field", settled.global ? "all of the picture" : pixels,
          cat(why, "; tried with windows of noise: what is further away changes less than half a level")};
}

Finding tiles_of(const Tiler& tiler, const Reach& reach) {
  const std::string overlap = cat("overlap by ", tiler.overlap_of(reach));
  if (!tiler.reach().stretches.empty() && reach.pools.empty() && !reach.global)
    return {"tiles", overlap,
            cat(tiler.reach().stretches.size(), " grids are stretched over the picture (", tiler.reach().reason,
                "): tiles are told where they lie, and agree with the whole")};
  if (!reach.pools.empty())
    return {"tiles", overlap,
            cat(reach.pools.size(), " means over the picture (", reach.reason,
                ") are taken over all tiles first: tiles agree with the whole")};
  if (reach.global)
    return {"tiles", overlap,
            cat(reach.reason.empty() ? "a pixel's place matters" : reach.reason + " looks at the whole picture",
                ": tiles differ from the whole; they are as large as memory allows")};
  return {"tiles", overlap,
          tiler.overlap_of(reach) < reach.radius
              ? "less than a pixel's result depends on: tiles may differ where they meet"
          : reach.measured ? "all that changes a pixel's result by half a level: tiles agree with the whole to a level"
                           : "all that a pixel's result depends on: tiles agree with the whole"};
}

}  // namespace

Findings explain(const Tiler& tiler) {
  Findings all = tiler.knowledge().findings;
  const Reach &walked = tiler.reach(), &settled = tiler.settled_reach();
  all.push_back(field_of(walked, settled));
  if (settled.lattice > 1)
    all.push_back({"positions", cat("multiples of ", settled.lattice),
                   "tiles that begin elsewhere see other blocks, or other pixels of a stride"});
  all.push_back(tiles_of(tiler, settled));
  return all;
}

}  // namespace tessera::upscale
