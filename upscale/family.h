// The bundled models as one: each picture gets the one for what it shows and for how much larger its result is.
#pragma once

#include <map>
#include <mutex>

#include "upscale/placed_model.h"
#include "upscale/subject.h"

namespace tessera::upscale {

class Family {
 public:
  using Open = std::function<std::shared_ptr<const PlacedModel>(const std::string& name)>;
  explicit Family(Open open) : open_(std::move(open)) {}

  /// Opened when it is first asked for; by many threads.
  const PlacedModel& model(Text name) const;
  /// For pictures of one size that belong together, as the frames of a video.
  const PlacedModel& for_pictures(List<RowSource*> sources, const Wanted& wanted) const;
  /// Those that were opened so far.
  std::vector<std::shared_ptr<const PlacedModel>> opened() const;

 private:
  const Open open_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<const PlacedModel>, std::less<>> models_;
};

}  // namespace tessera::upscale
