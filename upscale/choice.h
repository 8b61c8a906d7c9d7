// Choice: on which device, and in which precision, a model runs fastest here: tried once, and kept.
#pragma once

#include "upscale/placed_model.h"

namespace tessera::upscale {

struct Place {
  std::string device, precision;
  friend bool operator==(const Place&, const Place&) = default;
};

/// What came of a try.
struct Trial {
  Place place;
  double seconds = 0;    ///< of the calibration picture
  float difference = 0;  ///< from the first trial's result, in 0..1
  std::string failure;   ///< why it is out of question; else empty
};

/// The fastest of those that are right: within two of 255 levels of the first, which is the judge. Half precision has
/// to be at least 1.3 times as fast as single precision on its device. The first where no other is.
const Trial& best_of(List<Trial> trials);

/// What a model was given by.
struct Candidate {
  std::string path;
  PlaceOptions options;
  bool precision_given = false;  ///< then no other is tried
  int64_t side = 256;            ///< of the picture that it is tried on
};

/// Where a model may run here.
struct Machine {
  std::vector<Place> places;  ///< worth a try: the CPU first, then the GPUs, each in single and in half precision
  std::string devices;        ///< what they are, and their drivers
};
/// Software renderers are none of the places.
Machine machine_for(const Candidate& candidate);

struct Choice {
  Place place;
  std::string told;   ///< how fast which was
  bool kept = false;  ///< it had been tried before
};

/// Tries the model on all places, unless the answer is in the cache folder, by the model, the devices and their
/// drivers. Null: there is nothing to choose from.
std::optional<Choice> choose(const Candidate& candidate, const Machine& machine, uint64_t model_digest,
                             const std::atomic<bool>* cancel);

}  // namespace tessera::upscale
