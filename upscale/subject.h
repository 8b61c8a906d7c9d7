// Subject: what a picture shows, found by trying: parts of it are made half as large and enlarged again, by a model
// for photos and by one for drawings. What comes nearer to the picture will do so beyond it. Whether noise or JPEG has
// spoilt a photo is measured on all of it.
#pragma once

#include "upscale/tiler.h"

namespace tessera::upscale {

enum class Subject { photo, spoilt_photo, drawing };

/// Bundled models that try, each for a subject; they enlarge twice.
struct Judge {
  Subject subject;
  Text model;
};
inline constexpr Judge judges[] = {{Subject::photo, "photo-x2"}, {Subject::drawing, "art-x2"}};

/// The bundled model for a result that is so many times as large.
Text model_for(Subject subject, double scale);

/// `models`: the judges', in their order. Reads each source, pictures that belong together, from its next row, the
/// first, to its end, and restarts it. Colors that transparency hides do not count. A photo where there is too little
/// to tell by.
Subject subject_of(List<RowSource*> sources, List<const Tiler*> models);

}  // namespace tessera::upscale
