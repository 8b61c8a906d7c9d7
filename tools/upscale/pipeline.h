// Pipeline: several pictures at once, each from a file's rows to another's.
#pragma once

#include "tools/upscale/console.h"
#include "tools/upscale/jobs.h"
#include "upscale/chain.h"
#include "upscale/codecs/animation.h"

namespace tessera::upscale {

struct PipelineOptions {
  int at_once = 0;  ///< pictures; 0: as many as keep the devices and the cores busy, and have room in memory
  DecodeLimits limits;
  EncodeOptions encode;
  bool verbose = false;
  ChainFor chain_for;
};

/// What became of one job.
struct Result {
  bool done = false;
  std::string error;
  std::string model;  ///< that was taken because of what the picture shows, or empty
  Error::Kind kind = Error::Kind::file;
  Report report;
  int64_t in_width = 0, in_height = 0, out_width = 0, out_height = 0;
  /// Of the picture, and of that what went into reading and writing, most of it beside the model's work.
  double seconds = 0, load_seconds = 0, save_seconds = 0;
};

class Pipeline {
 public:
  Pipeline(const Chain& chain, PipelineOptions options, Console& console, const std::atomic<bool>& cancel)
      : chain_(chain), options_(options), console_(console), cancel_(cancel) {}

  /// One result per job, in their order. A bad file fails alone. Throws Error::cancelled.
  std::vector<Result> run(const std::vector<Job>& jobs,
                          const std::function<void(const Job&, const Result&)>& on_result = {});

 private:
  struct Item;
  void make(Item& item) const;
  void make_animation(Item& item, const Animation& animation) const;
  const Chain& chain_for(List<RowSource*> sources, Result& result) const;
  int pictures_at_once() const;
  static void publish(std::vector<Item>& items);

  const Chain& chain_;
  PipelineOptions options_;
  Console& console_;
  const std::atomic<bool>& cancel_;
};

}  // namespace tessera::upscale
