// Knowledge: what was found out of a model, checked by a picture, and kept in the cache folder.
#pragma once

#include "upscale/reach.h"

namespace tessera::upscale {

/// Finds out the model's convention, and checks it. Throws as discover() does, and where the picture comes back as
/// something else. What was found out before, of a model with this identity, is taken from the cache folder.
Knowledge know(const Upsampler& model, const ConventionOptions& options);

/// The reach by trying, for graphs whose walk says nothing, or more than the `most` pixels that tiles can have.
Reach know_reach(const Upsampler& model, const Knowledge& knowledge, const ConventionOptions& options,
                 const Reach& walked, int64_t most);

/// What the user should know before he trusts the result; empty where all is well.
std::string warning_of(const Knowledge& knowledge);

}  // namespace tessera::upscale
