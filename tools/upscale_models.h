// The models that `tessera upscale` was given, each on every device that was asked for.
#pragma once

#include <set>

#include "include/tessera/tessera.hpp"
#include "tools/upscale/pipeline.h"
#include "upscale/family.h"

namespace tessera::tools {

struct ModelsOptions {
  std::string model, name;  ///< as -m and -n have them
  std::string devices = "auto", precision = "fp32";
  std::vector<std::string> inputs;  ///< NAME=NUMBER,... for a model's input beside the picture
  bool precision_given = false;     ///< else a GPU that is chosen may have half precision
  bool copy_files = false;
  bool tune = false;  ///< as tessera_options has it
  int threads = 0;
  upscale::TilerOptions tiler;
  upscale::SizeRule size;
};

/// "photo-x2, photo-x4".
std::string bundled_names();

/// The files of the models in the order in which a picture goes through them, or names of bundled models.
/// Throws Error::usage or Error::file.
std::vector<std::string> find_models(const ModelsOptions& options);

/// Where no model was named, all that a picture may get.
std::vector<std::string> bundled_choice(const ModelsOptions& options);

class Models {
 public:
  /// Opens them all; what is to be said goes to the console. With `judge` also those that a picture may be given to
  /// because of what it shows.
  Models(const ModelsOptions& options, upscale::Console& console, bool judge = false);

  /// For photos of the size that was asked for, and for all pictures where a model was named.
  const upscale::Chain& chain() const { return chain_; }
  /// Whether pictures are looked at first.
  bool judge() const { return family_.has_value(); }
  /// For pictures that belong together, by what they show.
  upscale::Assigned chain_for(List<upscale::RowSource*> sources) const;
  void describe(upscale::Console& console) const;
  /// Prints all that was found out of each, on standard output.
  void explain(bool json) const;
  /// What crossed the bus.
  void tell_traffic(upscale::Console& console) const;

 private:
  std::shared_ptr<const upscale::PlacedModel> open(const std::string& file) const;
  std::vector<std::shared_ptr<const upscale::PlacedModel>> opened() const;

  const ModelsOptions options_;
  upscale::Console& console_;
  std::vector<std::string> devices_;
  std::optional<api::Environment> environment_;  ///< of those that tune
  std::vector<std::shared_ptr<const upscale::PlacedModel>> models_;
  upscale::Chain chain_;
  std::optional<upscale::Family> family_;
  mutable std::mutex mutex_;
  mutable std::set<std::string> told_;
  mutable std::map<std::string, upscale::Chain> chains_;  ///< of the family, by the names of its models
};

}  // namespace tessera::tools
