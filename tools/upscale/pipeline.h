// Pipeline: pictures are read, upscaled, encoded and written by threads of their own.
#pragma once

#include "tools/upscale/console.h"
#include "tools/upscale/jobs.h"
#include "upscale/chain.h"

namespace tessera::upscale {

/// Threads for each stage.
struct Stages {
  int load = 1, process = 1, save = 2;
};

struct PipelineOptions {
  Stages stages;
  DecodeLimits limits;
  EncodeOptions encode;
  bool verbose = false;
};

/// What became of one job.
struct Result {
  bool done = false;
  std::string error;
  Error::Kind kind = Error::Kind::file;
  Report report;
  int64_t in_width = 0, in_height = 0, out_width = 0, out_height = 0;
  double load_seconds = 0, process_seconds = 0, save_seconds = 0;
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
  void load(Item& item) const;
  void process(Item& item) const;
  void save(Item& item) const;
  static void publish(std::vector<Item>& items);

  const Chain& chain_;
  PipelineOptions options_;
  Console& console_;
  const std::atomic<bool>& cancel_;
};

}  // namespace tessera::upscale
