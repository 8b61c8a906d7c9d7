// The models that `tessera upscale` was given, each on every device that was asked for.
#pragma once

#include "tools/upscale/pipeline.h"
#include "upscale/placed_model.h"

namespace tessera::tools {

struct ModelsOptions {
  std::string model, name;  ///< as -m and -n have them
  std::string devices = "auto", precision = "fp32";
  std::vector<std::string> inputs;  ///< NAME=NUMBER for a model's input beside the picture
  bool precision_given = false;     ///< else a GPU that is chosen may have half precision
  int threads = 0;
  upscale::TilerOptions tiler;
  upscale::SizeRule size;
};

/// "photo-x2, photo-x4".
std::string bundled_names();

/// The files of the models in the order in which a picture goes through them, or names of bundled models.
/// Throws Error::usage or Error::file.
std::vector<std::string> find_models(const ModelsOptions& options);

/// Where no model was named, the bundled ones by which a picture is told to be a photo or a drawing. The second one is
/// for drawings.
std::vector<std::string> judging_models(const ModelsOptions& options);

class Models {
 public:
  /// Opens them all; what is to be said goes to the console. With `judge` also those that a picture may be given to
  /// because of what it shows.
  Models(const ModelsOptions& options, upscale::Console& console, bool judge = false);

  /// For photos, and for all pictures where a model was named.
  const upscale::Chain& chain() const { return chain_; }
  /// Whether pictures are looked at first.
  bool judge() const { return !judges_.empty(); }
  /// For a picture, by what it shows.
  upscale::Assigned chain_for(upscale::RowSource& source) const;
  void describe(upscale::Console& console) const;
  /// Prints all that was found out of each, on standard output.
  void explain(bool json) const;
  /// What crossed the bus.
  void tell_traffic(upscale::Console& console) const;

 private:
  std::shared_ptr<upscale::Tiler> open(const std::string& file, const std::vector<std::string>& devices,
                                       const ModelsOptions& options, upscale::Console& console);

  std::vector<std::unique_ptr<upscale::PlacedModel>> models_;
  upscale::Chain chain_, drawings_;
  std::vector<std::shared_ptr<upscale::Tiler>> judges_;
};

}  // namespace tessera::tools
