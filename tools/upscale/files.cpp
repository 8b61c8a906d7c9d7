// Jobs from paths, and atomic writing.
#include "tools/upscale/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

namespace tessera::upscale {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_with_errno(const fs::path& path, Text doing) {
  fail(Error::Kind::file, path.string(), ": ", doing, ": ", std::strerror(errno));
}

struct Descriptor {
  int number = -1;
  ~Descriptor() {
    if (number > STDERR_FILENO) ::close(number);
  }
};

void write_all(int descriptor, List<std::byte> bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), std::min<size_t>(bytes.size(), size_t{1} << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_with_errno(path, "cannot be written");
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

/// Removes the temporary file unless it was renamed.
struct Unlink {
  std::string name;
  ~Unlink() {
    if (!name.empty()) ::unlink(name.c_str());
  }
};

void replace_atomically(const fs::path& target, List<std::byte> bytes) {
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  const std::string name = (folder / cat(".", target.filename().string(), ".", ::getpid(), ".part")).string();
  Descriptor file;
  Unlink half_done;
  // A nameless file vanishes with the process, whatever ends it.
  file.number = ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
  const bool nameless = file.number >= 0;
  if (!nameless) {
    file.number = ::open(name.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (file.number < 0) fail_with_errno(target, "cannot be created");
    half_done.name = name;
  }
  write_all(file.number, bytes, target);
  if (::fsync(file.number) != 0) fail_with_errno(target, "cannot be flushed to the disk");
  if (nameless) {
    const std::string link = cat("/proc/self/fd/", file.number);
    ::unlink(name.c_str());
    if (::linkat(AT_FDCWD, link.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
      fail_with_errno(target, "cannot be created");
    half_done.name = name;
  }
  if (::rename(name.c_str(), target.c_str()) != 0) fail_with_errno(target, "cannot be created");
  half_done.name.clear();
}

/// Adds the job for one source; decides its name.
void add_job(const fs::path& in, const fs::path& folder, const JobOptions& options, std::set<fs::path>& taken,
             JobList& list) {
  Job job{in, {}, options.format.value_or(Format::png)};
  const std::string extension = cat(".", extension_of(job.format));
  job.out = folder / (in.stem().string() + extension);
  if (taken.contains(job.out)) job.out = folder / (in.filename().string() + extension);
  if (!taken.insert(job.out).second) fail(Error::Kind::usage, "two sources would both become ", job.out.string());
  std::error_code error;
  if (options.resume && fs::exists(job.out, error)) {
    ++list.present;
    return;
  }
  if (!options.overwrite && fs::equivalent(job.in, job.out, error) && !error)
    fail(Error::Kind::usage, in.string(), " would be replaced by its own result; --overwrite allows it");
  list.jobs.push_back(std::move(job));
}

void walk(const fs::path& in, const fs::path& out, const fs::path& whole_out, const JobOptions& options,
          std::set<fs::path>& taken, JobList& list) {
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  for (fs::directory_iterator it(in, error), end; !error && it != end; it.increment(error)) entries.push_back(*it);
  if (error) fail(Error::Kind::file, in.string(), ": cannot be listed: ", error.message());
  std::sort(entries.begin(), entries.end());
  for (const fs::directory_entry& entry : entries) {
    const fs::path& path = entry.path();
    if (path.filename().string().starts_with('.')) continue;
    if (entry.is_directory(error)) {
      // The results may lie inside of the sources; they are not sources.
      if (options.recursive && !entry.is_symlink(error) && !fs::equivalent(path, whole_out, error))
        walk(path, out / path.filename(), whole_out, options, taken, list);
    } else if (!entry.is_regular_file(error) || !format_of(path.extension().string())) {
      list.notes.push_back(cat(path.string(), ": skipped, not a PNG, JPEG or WebP file"));
    } else {
      add_job(path, out, options, taken, list);
    }
  }
}

}  // namespace

Bytes read_file(const fs::path& path, int64_t largest) {
  Descriptor file;
  file.number = path == standard_stream ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file.number < 0) fail_with_errno(path, "cannot be opened");
  struct stat status {};
  if (::fstat(file.number, &status) != 0) fail_with_errno(path, "cannot be read");
  if (S_ISDIR(status.st_mode)) fail(Error::Kind::file, path.string(), ": is a folder");
  Bytes bytes;
  size_t used = 0;
  bytes.resize(S_ISREG(status.st_mode) ? static_cast<size_t>(std::min<int64_t>(status.st_size, largest)) + 1 : 1 << 16);
  while (true) {
    if (used == bytes.size()) bytes.resize(bytes.size() * 2);
    const ssize_t got = ::read(file.number, bytes.data() + used, bytes.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_with_errno(path, "cannot be read");
    if (got == 0) break;
    used += static_cast<size_t>(got);
    if (static_cast<int64_t>(used) > largest)
      fail(Error::Kind::file, path.string(), ": larger than ", largest >> 20, " MiB");
  }
  bytes.resize(used);
  return bytes;
}

void write_file(const fs::path& path, List<std::byte> bytes) {
  if (path == standard_stream) return write_all(STDOUT_FILENO, bytes, "standard output");
  std::error_code error;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
  if (error) fail(Error::Kind::file, path.parent_path().string(), ": cannot be made: ", error.message());
  // A link stays a link: what it points to is replaced.
  fs::path target = fs::weakly_canonical(path, error);
  if (error) target = path;
  const fs::file_status status = fs::status(target, error);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    if (fs::is_directory(status)) fail(Error::Kind::file, path.string(), ": is a folder");
    Descriptor file;
    file.number = ::open(target.c_str(), O_WRONLY | O_CLOEXEC);
    if (file.number < 0) fail_with_errno(path, "cannot be opened");
    return write_all(file.number, bytes, path);
  }
  replace_atomically(target, bytes);
}

JobList list_jobs(const fs::path& in, const fs::path& out, const JobOptions& options) {
  std::error_code error;
  JobList list;
  if (in != standard_stream && !fs::exists(in, error)) fail(Error::Kind::file, in.string(), ": no such file or folder");
  if (in != standard_stream && fs::is_directory(in, error)) {
    if (out == standard_stream || (fs::exists(out, error) && !fs::is_directory(out, error)))
      fail(Error::Kind::usage, "the input is a folder, so the output must be one");
    std::set<fs::path> taken;
    walk(in, out, out, options, taken, list);
    return list;
  }
  if (out != standard_stream && (fs::is_directory(out, error) || out.string().ends_with('/'))) {
    std::set<fs::path> taken;
    add_job(in == standard_stream ? fs::path("stdin") : in, out, options, taken, list);
    for (Job& job : list.jobs) job.in = in;
    return list;
  }
  Job job{in, out, Format::png};
  if (options.format)
    job.format = *options.format;
  else if (out != standard_stream) {
    const std::optional<Format> named = format_of(out.extension().string());
    if (!named || !out.has_extension())
      fail(Error::Kind::usage, out.string(), ": its ending does not name a format: png, jpg or webp (or use -f)");
    job.format = *named;
  }
  if (options.resume && out != standard_stream && fs::exists(out, error))
    ++list.present;
  else if (!options.overwrite && in != standard_stream && out != standard_stream && fs::equivalent(in, out, error) &&
           !error)
    fail(Error::Kind::usage, in.string(), " would be replaced by its own result; --overwrite allows it");
  else
    list.jobs.push_back(std::move(job));
  return list;
}

}  // namespace tessera::upscale
