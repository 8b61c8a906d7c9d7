// Jobs from paths.
#include "tools/upscale/jobs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

namespace tessera::upscale {
namespace {

namespace fs = std::filesystem;

/// What a path leads to, whatever it is called. Standard streams are no files.
struct File {
  int error = 0;  ///< errno where it cannot be told
  struct stat status {};

  explicit File(const fs::path& path) {
    if (path == standard_stream)
      error = ENOENT;
    else if (::stat(path.c_str(), &status) != 0)
      error = errno;
  }
  /// What a job reads, which for "-" may be a file as well.
  static File source(const fs::path& path) {
    File file(path);
    if (path == standard_stream && ::fstat(STDIN_FILENO, &file.status) == 0) file.error = 0;
    return file;
  }
  std::pair<dev_t, ino_t> identity() const { return {status.st_dev, status.st_ino}; }
  bool exists() const { return error == 0; }
  bool regular() const { return exists() && S_ISREG(status.st_mode); }
  bool folder() const { return exists() && S_ISDIR(status.st_mode); }
};

bool something_is_at(const fs::path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

/// Why no file can be made in a folder, which may be still to be made itself; empty if it can.
std::string obstacle(const fs::path& folder) {
  if (folder.empty()) return obstacle(".");
  const File found(folder);
  if (found.error == ENOENT && folder != ".") return obstacle(folder.parent_path());
  if (!found.exists()) return cat(folder.string(), ": ", std::strerror(found.error));
  if (!found.folder()) return cat(folder.string(), ": is not a folder");
  if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return "";
  return cat(folder.string(), ": cannot be written to: ", std::strerror(errno));
}

/// Collects sources, then decides about them all.
class Lister {
 public:
  Lister(fs::path out, const JobOptions& options) : out_(std::move(out)), options_(options) {}

  /// A file or a folder, with its results in a folder.
  void add(const fs::path& in) {
    if (File(in).folder())
      walk(in, out_);
    else
      add_picture(in, out_);
  }
  void add(Job job) { jobs_.push_back(std::move(job)); }

  JobList decide() {
    forbid_shared_results();
    forbid_lost_sources();
    for (Job& job : jobs_) keep(std::move(job));
    // One reason for all is told once.
    const auto& failures = list_.failures;
    const auto same = [&](const Failure& failure) { return failure.error == failures[0].error; };
    if (failures.size() > 1 && list_.jobs.empty() && !list_.present &&
        std::all_of(failures.begin(), failures.end(), same))
      fail(Error::Kind::file, failures[0].error);
    return std::move(list_);
  }

 private:
  void add_picture(const fs::path& in, const fs::path& folder) {
    const fs::path name = in == standard_stream ? fs::path("stdin") : in.filename();
    const Format format = options_.format.value_or(Format::png);
    const std::string stem = options_.full_names ? name.string() : name.stem().string();
    jobs_.push_back({in, folder / cat(stem, ".", extension_of(format)), format, {}});
  }

  void fail_at(const fs::path& path, const std::string& error) { list_.failures.push_back({path, error}); }
  void walk(const fs::path& in, const fs::path& out);
  void forbid_shared_results();
  void forbid_lost_sources() const;
  void keep(Job job);
  const std::string& obstacle_of(const fs::path& folder);

  fs::path out_;
  const JobOptions& options_;
  std::vector<Job> jobs_;
  std::map<fs::path, std::string> obstacles_;
  JobList list_;
};

void Lister::walk(const fs::path& in, const fs::path& out) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (fs::directory_iterator it(in, error), end; !error && it != end; it.increment(error))
    entries.push_back(it->path());
  if (error) return fail_at(in, cat(in.string(), ": cannot be listed: ", error.message()));
  std::sort(entries.begin(), entries.end());
  for (const fs::path& path : entries) {
    if (path.filename().string().starts_with('.')) continue;
    const File file(path);
    const bool picture = format_of(path.extension().string()).has_value();
    if (!file.exists() && (picture || file.error == EACCES)) {
      fail_at(path, cat(path.string(), ": cannot be opened: ", std::strerror(file.error)));
    } else if (file.folder()) {
      if (!options_.recursive) continue;
      if (fs::is_symlink(path, error))
        list_.notes.push_back(cat(path.string(), ": skipped, a link to a folder"));
      else if (!fs::equivalent(path, out_, error))  // the results may lie inside of the sources; they are not sources
        walk(path, out / path.filename());
    } else if (!file.regular() || !picture) {
      list_.notes.push_back(cat(path.string(), ": skipped, not a ", names_of_formats(), " file"));
    } else {
      add_picture(path, out);
    }
  }
}

void Lister::forbid_shared_results() {
  std::map<fs::path, const Job*> by_path;
  std::map<std::pair<dev_t, ino_t>, const Job*> by_identity;
  std::vector<Job> different;
  std::vector<bool> again(jobs_.size());
  const auto clash = [&](const Job& first, const Job& job) {
    fail(Error::Kind::usage, first.in.string(), " and ", job.in.string(), " would both become ", first.out.string(),
         ": nothing was done; ",
         options_.full_names ? "give them different output folders"
                             : "--full-names names results after the whole name of their source, as a.jpg.png");
  };
  for (size_t i = 0; i < jobs_.size(); ++i) {
    const Job& job = jobs_[i];
    if (job.out == standard_stream) continue;
    std::error_code error;
    const fs::path real = fs::weakly_canonical(job.out, error);
    const auto [at, is_new] = by_path.emplace(error ? job.out : real, &job);
    if (!is_new) {
      const File first = File::source(at->second->in), second = File::source(job.in);
      // One source given twice is made once.
      again[i] = first.exists() && second.exists() && first.identity() == second.identity();
      if (!again[i]) clash(*at->second, job);
      continue;
    }
    // One file under two names, where names that differ are the same to the file system.
    const File file(job.out);
    if (!file.regular() || file.status.st_nlink != 1) continue;
    if (const auto [same, fresh] = by_identity.emplace(file.identity(), &job); !fresh) clash(*same->second, job);
  }
  for (size_t i = 0; i < jobs_.size(); ++i)
    if (!again[i]) different.push_back(std::move(jobs_[i]));
  jobs_.swap(different);
}

void Lister::forbid_lost_sources() const {
  std::map<std::pair<dev_t, ino_t>, const Job*> sources;
  for (const Job& job : jobs_)
    if (const File file = File::source(job.in); file.regular()) sources.emplace(file.identity(), &job);
  for (const Job& job : jobs_) {
    const File file(job.out);
    if (!file.regular()) continue;
    const auto found = sources.find(file.identity());
    if (found == sources.end()) continue;
    const File own = File::source(job.in);
    if (!own.exists() || own.identity() != file.identity())
      fail(Error::Kind::usage, found->second->in.string(), " would be replaced by the result of ", job.in.string(),
           ": nothing was done; choose another output");
    if (!options_.overwrite)
      fail(Error::Kind::usage, job.in.string(), " would be replaced by its own result; --overwrite allows it");
  }
}

void Lister::keep(Job job) {
  if (job.out == standard_stream) return list_.jobs.push_back(std::move(job));
  const File found(job.out);
  if (options_.resume && found.exists()) {
    ++list_.present;
    return;
  }
  std::string reason;
  if (found.folder())
    reason = "is a folder";
  else if (!found.exists() && found.error != ENOENT)
    reason = std::strerror(found.error);
  if (!reason.empty()) return fail_at(job.in, cat(job.out.string(), ": ", reason));
  if (!found.exists() || found.regular()) {
    const std::string& obstacle = obstacle_of(job.out.parent_path());
    if (!obstacle.empty()) return fail_at(job.in, obstacle);
  }
  job.write.replace = something_is_at(job.out);
  if (const File source = File::source(job.in); source.regular()) job.write.mode = source.status.st_mode & 0777;
  list_.jobs.push_back(std::move(job));
}

const std::string& Lister::obstacle_of(const fs::path& folder) {
  const auto [at, is_new] = obstacles_.try_emplace(folder);
  if (is_new) at->second = obstacle(folder);
  return at->second;
}

void require_folder(const std::vector<fs::path>& in, const fs::path& out) {
  const Text why = in.size() > 1 ? "there are several inputs" : "the input is a folder";
  if (out == standard_stream) fail(Error::Kind::usage, why, ", so the output must be a folder, not standard output");
  const File found(out);
  if (found.exists() ? !found.folder() : !out.string().ends_with('/') && format_of(out.extension().string()))
    fail(Error::Kind::usage, why, ", so the output must be a folder; ", out.string(), " is none",
         found.exists() ? "" : ": give it another name, or a / at its end");
}

}  // namespace

JobList list_jobs(const std::vector<fs::path>& in, const fs::path& out, const JobOptions& options) {
  if (in.empty()) fail(Error::Kind::usage, "no input was given");
  bool folders = in.size() > 1;
  for (const fs::path& path : in) {
    if (path == standard_stream) continue;
    const File file(path);
    if (!file.exists())
      fail(Error::Kind::file, path.string(), ": ",
           file.error == ENOENT ? "no such file or folder" : std::strerror(file.error));
    folders = folders || file.folder();
  }
  Lister lister(out, options);
  if (folders) require_folder(in, out);
  if (folders || (out != standard_stream && (File(out).folder() || out.string().ends_with('/')))) {
    for (const fs::path& path : in) lister.add(path);
    return lister.decide();
  }
  Job job{in[0], out, options.format.value_or(Format::png), {}};
  if (!options.format && out != standard_stream) {
    const std::optional<Format> named = format_of(out.extension().string());
    if (!named || !out.has_extension())
      fail(Error::Kind::usage, out.string(), ": its ending does not name a format: ", extensions_of_formats(),
           " (or use -f)");
    job.format = *named;
  }
  lister.add(std::move(job));
  return lister.decide();
}

}  // namespace tessera::upscale
