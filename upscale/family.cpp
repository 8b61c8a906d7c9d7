#include "upscale/family.h"

#include <algorithm>

namespace tessera::upscale {

const PlacedModel& Family::model(Text name) const {
  const std::lock_guard lock(mutex_);
  const auto known = models_.find(name);
  if (known != models_.end()) return *known->second;
  return *models_.emplace(name, open_(std::string(name))).first->second;
}

const PlacedModel& Family::for_pictures(List<RowSource*> sources, const Wanted& wanted) const {
  const auto times = [](int64_t large, int64_t small) {
    return static_cast<double>(large) / static_cast<double>(small);
  };
  const Head& head = sources[0]->head();
  const double scale = std::max(times(wanted.width, head.width), times(wanted.height, head.height));
  std::vector<const Tiler*> models;
  for (const Judge& judge : judges) models.push_back(model(judge.model).tiler().get());
  return model(model_for(subject_of(sources, models), scale));
}

std::vector<std::shared_ptr<const PlacedModel>> Family::opened() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<const PlacedModel>> all;
  for (const auto& [name, model] : models_) all.push_back(model);
  return all;
}

}  // namespace tessera::upscale
