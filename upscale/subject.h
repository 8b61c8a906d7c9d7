// Subject: what a picture shows, found by trying: parts of it are made half as large and enlarged again, by a model
// for photos and by one for drawings. What comes nearer to the picture will do so beyond it.
#pragma once

#include "upscale/tiler.h"

namespace tessera::upscale {

enum class Subject { photo, drawing };

/// Both models enlarge twice. Reads the source from its next row, the first, to its end, and restarts it. Colors that
/// transparency hides do not count. A photo where there is too little to tell by.
Subject subject_of(RowSource& source, const Tiler& photo, const Tiler& drawing);

}  // namespace tessera::upscale
