// Chain: a picture through one model, or through several one after the other without leaving memory; and how large the
// result is to be.
#pragma once

#include "upscale/tiler.h"

namespace tessera::upscale {

/// The size of a result: by a factor, or by its extents.
struct SizeRule {
  double scale = 0;               ///< 0: the models' own
  int64_t width = 0, height = 0;  ///< one of them alone: the other keeps the picture's shape; both 0: by `scale`
  bool fit = false;               ///< the picture's shape is kept, and both extents are limits
  Region preview = {};            ///< of the picture, the only part whose result is made; empty: all

  friend bool operator==(const SizeRule&, const SizeRule&) = default;
};

class Chain;
/// What a picture goes through, and the name of its model.
struct Assigned {
  const Chain* chain = nullptr;
  std::string model;
};
/// By what pictures that belong together show; null: all have the same.
using ChainFor = std::function<Assigned(List<RowSource*>)>;

class Chain {
 public:
  explicit Chain(const SizeRule& size = {}) : size_(size) {}

  /// The next model; what the last one gives goes through it.
  void add(std::shared_ptr<const Tiler> tiler) { links_.push_back(std::move(tiler)); }
  const std::vector<std::shared_ptr<const Tiler>>& links() const { return links_; }

  /// What all of them enlarge by.
  double scale() const;
  /// Extents of a picture's result, with the picture's own depth.
  Wanted result_of(int64_t width, int64_t height, int bits) const;
  /// As Tiler::bytes_for, with what lies between the models.
  int64_t bytes_for(const Frame& frame) const;
  /// Pictures at once that keep all devices busy.
  int at_once() const;

  /// As Tiler::upscale. Between the models samples have 16 bits, so that nothing is lost; the last model
  /// makes the result's size.
  Picture upscale(const Picture& picture, Report& report, const Progress& progress = {}) const;
  void upscale(RowSource& source, RowSink& sink, Report& report, const Progress& progress = {}) const;

 private:
  SizeRule size_;
  std::vector<std::shared_ptr<const Tiler>> links_;
};

}  // namespace tessera::upscale
