// Which pictures to make of which, decided and checked before anything is computed.
#pragma once

#include "tools/upscale/ledger.h"
#include "upscale/codecs/files.h"

namespace tessera::upscale {

/// One picture to be made.
struct Job {
  std::filesystem::path in, out;
  Format format = Format::png;
  WriteOptions write;  ///< the source's permissions; replaces only what was there when the job was listed
  Seen source;         ///< as it was then
};

struct JobOptions {
  std::optional<Format> format;  ///< of the results; from the output's name, else PNG
  bool recursive = false;
  bool short_names = false;  ///< a.jpg becomes a.png, which a.png would become as well
  bool resume = false;       ///< leave out results that would be made again just as they are
  bool overwrite = false;    ///< a result may replace its own source
  bool compare = false;      ///< results are compared with their sources, which must still be there
  bool all_notes = false;    ///< each file that is left out by its name
  /// Of all jobs, those of the part `shard` of `shards`, from 1 on.
  int64_t shard = 1, shards = 1;
};

/// What is known to fail.
struct Failure {
  std::filesystem::path path;
  std::string error;  ///< names the path
};

struct JobList {
  std::vector<Job> jobs;
  std::vector<std::string> notes;
  std::vector<Failure> failures;  ///< folders and pictures that cannot be read, results that cannot be written
  int64_t present = 0;            ///< results left out because they are there
  int64_t elsewhere = 0;          ///< jobs of other shards
};

/// The name of a result in a folder, of its source's name alone: a source that has the result's format keeps its name,
/// any other gets the format's ending behind its own, as a.jpg.png. So does a name with two endings of pictures,
/// a.jpg.png, so that no two pictures ever share a result.
std::string result_name(const std::filesystem::path& source, Format format, bool short_names);

/// A file gives one job; a folder one for each picture in it, in order of their names, with the same
/// structure at the output. The name of a result follows from its source's and the options alone, and so does the
/// shard that makes it.
/// Throws Error::usage where two sources would share a result, or a result would replace a source (its own:
/// unless `overwrite`; files are compared by what they are, not by their names).
JobList list_jobs(const std::vector<std::filesystem::path>& in, const std::filesystem::path& out,
                  const JobOptions& options, Ledger& ledger);

}  // namespace tessera::upscale
