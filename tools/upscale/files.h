// Files and folders: what to read, where to write, and writing so that a result is whole or absent.
#pragma once

#include <filesystem>

#include "tools/upscale/codec.h"

namespace tessera::upscale {

inline constexpr Text standard_stream = "-";

/// The whole file, or standard input for "-". Throws Error::file.
Bytes read_file(const std::filesystem::path& path, int64_t largest = int64_t{4} << 30);

/// Writes beside the target, flushes to the disk, and renames: `path` is the old file or the whole
/// new one at every moment. Pipes, devices and "-" are written directly. Throws Error::file.
void write_file(const std::filesystem::path& path, List<std::byte> bytes);

/// One picture to be made.
struct Job {
  std::filesystem::path in, out;
  Format format = Format::png;
};

struct JobOptions {
  std::optional<Format> format;  ///< of the results; from the output's name, else PNG
  bool recursive = false;
  bool resume = false;     ///< leave out results that are there
  bool overwrite = false;  ///< a result may replace its own source
};

struct JobList {
  std::vector<Job> jobs;
  std::vector<std::string> notes;
  int64_t present = 0;  ///< results left out because they are there
};

/// A file gives one job; a folder one for each picture in it, in order of their names, with the same
/// structure at the output. Two sources of one name become a.png and a.jpg.png. Throws Error::usage.
JobList list_jobs(const std::filesystem::path& in, const std::filesystem::path& out, const JobOptions& options);

}  // namespace tessera::upscale
