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

/// The folder itself, or the nearest around it that is there.
fs::path first_there(fs::path folder) {
  while (!folder.empty() && !File(folder).exists()) folder = folder.parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

/// Why a name cannot be given in a folder that is there; empty if it can.
std::string too_long(const fs::path& path, const fs::path& folder) {
  const long longest = ::pathconf(folder.c_str(), _PC_NAME_MAX);
  if (longest <= 0 || path.filename().native().size() <= static_cast<size_t>(longest)) return "";
  return cat(path.string(), ": ", std::strerror(ENAMETOOLONG), ": ", path.filename().native().size(), " bytes, of ",
             longest);
}

/// Tries it, which tells more than permissions do; false with errno set.
bool can_make_a_file(const fs::path& folder) {
  if (Descriptor::open(folder.c_str(), O_TMPFILE | O_WRONLY, 0600)) return true;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT) return false;
  // A file system without nameless files.
  const std::string name = (folder / cat(".tessera-", ::getpid(), "-try")).string();
  if (!Descriptor::open(name.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600)) return false;
  ::unlink(name.c_str());
  return true;
}

/// Why no file can be made in a folder, which may be still to be made itself; empty if it can.
std::string obstacle(const fs::path& folder) {
  if (folder.empty()) return obstacle(".");
  const File found(folder);
  if (found.error == ENOENT && folder != ".") {
    const fs::path around = folder.has_parent_path() ? folder.parent_path() : fs::path(".");
    const std::string reason = obstacle(around);
    return reason.empty() ? too_long(folder, first_there(around)) : reason;
  }
  if (!found.exists()) return cat(folder.string(), ": ", std::strerror(found.error));
  if (!found.folder()) return cat(folder.string(), ": is not a folder");
  if (can_make_a_file(folder)) return "";
  return cat(folder.string(), ": cannot be written to: ", std::strerror(errno));
}

/// Collects sources, then decides about them all.
class Lister {
 public:
  Lister(fs::path out, const JobOptions& options, Ledger& ledger)
      : out_(std::move(out)), options_(options), ledger_(ledger) {}

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
    for (Job& job : jobs_)
      if (is_ours(job))
        keep(std::move(job));
      else
        ++list_.elsewhere;
    tell();
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
    jobs_.push_back({in, folder / result_name(name, format, options_.short_names), format, {}, {}});
  }

  void fail_at(const fs::path& path, const std::string& error) { list_.failures.push_back({path, error}); }
  void walk(const fs::path& in, const fs::path& out);
  void forbid_shared_results();
  void forbid_lost_sources() const;
  bool is_ours(const Job& job) const;
  void keep(Job job);
  void tell();
  const std::string& obstacle_of(const fs::path& folder);

  fs::path out_;
  const JobOptions& options_;
  Ledger& ledger_;
  std::vector<Job> jobs_;
  /// By the reason: files that are no sources, and results that are made again.
  std::map<std::string, std::vector<fs::path>> skipped_, again_;
  std::map<fs::path, std::string> obstacles_;
  JobList list_;
};

void Lister::walk(const fs::path& in, const fs::path& out) {
  int refused = 0;
  const std::vector<fs::path> entries = entries_of(in, refused);
  if (refused != 0) return fail_at(in, cat(in.string(), ": cannot be listed: ", std::strerror(refused)));
  std::error_code error;
  const bool among_results = fs::equivalent(in, out, error);
  for (const fs::path& path : entries) {
    if (path.filename().string().starts_with('.')) continue;
    const File file(path);
    const bool picture = format_of(path.extension().string()).has_value();
    if (!file.exists() && (picture || file.error == EACCES)) {
      fail_at(path, cat(path.string(), ": cannot be opened: ", std::strerror(file.error)));
    } else if (file.folder()) {
      if (!options_.recursive) continue;
      if (fs::is_symlink(path, error))
        skipped_["links to folders"].push_back(path);
      else if (!fs::equivalent(path, out_, error))  // the results may lie inside of the sources; they are not sources
        walk(path, out / path.filename());
    } else if (!file.regular() || !picture) {
      skipped_[cat("not ", names_of_formats())].push_back(path);
    } else if (among_results && ledger_.is_result(path)) {
      skipped_["results made before"].push_back(path);
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
         options_.short_names ? "without --short-names they have names of their own, as a.jpg.png"
                              : "give them different output folders");
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
    if (options_.compare)
      fail(Error::Kind::usage, job.in.string(), " would be replaced by its own result: --compare needs both");
  }
}

// By what the job is, not by its place among the others, which changes when pictures are added.
bool Lister::is_ours(const Job& job) const {
  Digest digest;
  digest.add(job.out.lexically_relative(out_).native());
  return static_cast<int64_t>(digest.value() % static_cast<uint64_t>(options_.shards)) == options_.shard - 1;
}

// One line for each reason.
void Lister::tell() {
  const auto tell_of = [this](const std::map<std::string, std::vector<fs::path>>& by_reason, Text becomes) {
    for (const auto& [reason, paths] : by_reason) {
      const size_t named = options_.all_notes ? paths.size() : std::min<size_t>(paths.size(), 2);
      std::string names;
      for (size_t i = 0; i < named; ++i) names += cat(i ? ", " : "", paths[i].string());
      if (named < paths.size()) names += cat(" and ", paths.size() - named, " more");
      list_.notes.push_back(cat(names, becomes, reason));
    }
  };
  tell_of(skipped_, ": skipped, ");
  tell_of(again_, ": made again, ");
}

void Lister::keep(Job job) {
  if (job.out == standard_stream) return list_.jobs.push_back(std::move(job));
  const File found(job.out);
  job.source = Ledger::look(job.in);
  if (options_.resume && found.regular()) {
    switch (ledger_.standing(job.in, job.out)) {
      case Ledger::Standing::good: ++list_.present; return;
      case Ledger::Standing::unknown: again_["nothing is known of how they were made"].push_back(job.out); break;
      case Ledger::Standing::changed: again_["they are not as they were made"].push_back(job.out); break;
      case Ledger::Standing::source: again_["their sources have changed"].push_back(job.out); break;
      case Ledger::Standing::recipe: again_["they were made by another model or other options"].push_back(job.out);
    }
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
    if (const std::string reason = too_long(job.out, first_there(job.out.parent_path())); !reason.empty())
      return fail_at(job.in, reason);
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

std::string result_name(const fs::path& source, Format format, bool short_names) {
  const Text ending = extension_of(format);
  if (short_names) return cat(source.stem().string(), ".", ending);
  const bool own = source.has_extension() && format_of(source.extension().string()) == format;
  const fs::path stem = source.stem();
  if (own && !(stem.has_extension() && format_of(stem.extension().string()))) return source.string();
  return cat(source.string(), ".", ending);
}

JobList list_jobs(const std::vector<fs::path>& in, const fs::path& out, const JobOptions& options, Ledger& ledger) {
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
  Lister lister(out, options, ledger);
  if (folders) require_folder(in, out);
  if (folders || (out != standard_stream && (File(out).folder() || out.string().ends_with('/')))) {
    for (const fs::path& path : in) lister.add(path);
    return lister.decide();
  }
  Job job{in[0], out, options.format.value_or(Format::png), {}, {}};
  if (!options.format && out != standard_stream) {
    const std::optional<Format> named = format_of(out.extension().string());
    if (!named || !out.has_extension())
      fail(Error::Kind::usage, out.string(), ": its ending does not name a format: ", extensions_of_formats(),
           " (or use -f; a folder ends in /)");
    if (!is_written(*named)) fail(Error::Kind::usage, out.string(), ": ", why_not_written(*named));
    job.format = *named;
  }
  const std::optional<Format> named = format_of(out.extension().string());
  const bool misnamed = out.has_extension() && named && *named != job.format;
  const Text written = extension_of(job.format);
  lister.add(std::move(job));
  JobList list = lister.decide();
  if (misnamed) list.notes.push_back(cat(out.string(), ": is written as ", written, ", whatever its ending says"));
  return list;
}

}  // namespace tessera::upscale
