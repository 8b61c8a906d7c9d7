// Which pictures to make of which, decided and checked before anything is computed.
#pragma once

#include "tools/upscale/files.h"

namespace tessera::upscale {

/// One picture to be made.
struct Job {
  std::filesystem::path in, out;
  Format format = Format::png;
  WriteOptions write;  ///< the source's permissions; replaces only what was there when the job was listed
};

struct JobOptions {
  std::optional<Format> format;  ///< of the results; from the output's name, else PNG
  bool recursive = false;
  bool full_names = false;  ///< a.jpg becomes a.jpg.png, not a.png
  bool resume = false;      ///< leave out results that are there
  bool overwrite = false;   ///< a result may replace its own source
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
};

/// A file gives one job; a folder one for each picture in it, in order of their names, with the same
/// structure at the output. The name of a result follows from its source's and the options alone.
/// Throws Error::usage where two sources would share a result, or a result would replace a source (its own:
/// unless `overwrite`; files are compared by what they are, not by their names).
JobList list_jobs(const std::vector<std::filesystem::path>& in, const std::filesystem::path& out,
                  const JobOptions& options);

}  // namespace tessera::upscale
