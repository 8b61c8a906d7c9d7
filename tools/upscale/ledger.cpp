#include "tools/upscale/ledger.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <sstream>

#include "runtime/base/disk_cache.h"
#include "runtime/base/mapped_file.h"
#include "upscale/codecs/files.h"
#include "upscale/upsampler.h"

namespace tessera::upscale {
namespace {

namespace fs = std::filesystem;

/// Lines from which on the file is written anew where most of them have been replaced.
constexpr size_t many_lines = 10'000;
/// A file that changed twice within the clock's tick looks as if it had changed once.
constexpr time_t tick = 2;

std::string ledger_file() {
  const std::string folder = cache_folder();
  return folder.empty() ? folder : folder + "/results";
}

/// Bytes are not read here. Without `fresh`, the stamp of a file that has just changed is not believed.
Seen look_at(const fs::path& path, bool fresh = false) {
  Seen seen;
  struct stat status {};
  if (path == standard_stream || ::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return seen;
  seen.size = status.st_size;
  if (!fresh && status.st_ctim.tv_sec + tick >= std::time(nullptr)) return seen;
  Digest stamp;
  for (const auto number :
       {static_cast<uint64_t>(status.st_ino), static_cast<uint64_t>(status.st_size),
        static_cast<uint64_t>(status.st_mtim.tv_sec), static_cast<uint64_t>(status.st_mtim.tv_nsec),
        static_cast<uint64_t>(status.st_ctim.tv_sec), static_cast<uint64_t>(status.st_ctim.tv_nsec)})
    stamp.add(std::as_bytes(List<uint64_t>(&number, 1)));
  seen.stamp = stamp.value();
  return seen;
}

/// Whether a file is as it was; what is known of it is brought up to date.
bool is_still(const fs::path& path, Seen& known, bool& renewed) {
  Seen now = look_at(path);
  if (now.size != known.size || now.size < 0) return false;
  if (now.stamp && now.stamp == known.stamp) return true;
  const auto digest = digest_of(path);
  if (!digest || *digest != known.digest) return false;
  now.digest = *digest;
  renewed |= now.stamp != known.stamp;
  known = now;
  return true;
}

uint64_t name_of(const fs::path& path) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error);
  Digest digest;
  digest.add((error ? path : real).native());
  return digest.value();
}

}  // namespace

std::optional<uint64_t> digest_of(const fs::path& path) {
  const Descriptor file = Descriptor::open(path.c_str(), O_RDONLY);
  if (!file) return std::nullopt;
  Digest digest;
  Bytes piece(size_t{1} << 20);
  while (true) {
    size_t used = 0;
    while (used < piece.size()) {
      const ssize_t got = ::read(file.number(), piece.data() + used, piece.size() - used);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return std::nullopt;
      if (got == 0) break;
      used += static_cast<size_t>(got);
    }
    digest.add({piece.data(), used});
    if (used < piece.size()) return digest.value();
  }
}

uint64_t digest_of_model(const fs::path& path, bool copy) {
  Digest digest;
  if (const BundledModel* bundled = bundled_model(path.native())) {
    digest.add(bundled->bytes);
    return digest.value();
  }
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path.string(), copy);
  const List<std::byte> bytes = file->bytes();
  digest.add(bytes);
  const auto names = [&](Text word) {
    return ::memmem(bytes.data(), bytes.size(), word.data(), word.size()) != nullptr;
  };
  if (!names("location")) return digest.value();
  int unlisted = 0;
  std::error_code error;
  for (const fs::path& other : entries_of(path.parent_path(), unlisted)) {
    if (!fs::is_regular_file(other, error) || other.filename() == path.filename() || !names(other.filename().native()))
      continue;
    if (const auto weights = digest_of(other)) digest.add(std::as_bytes(List<uint64_t>(&*weights, 1)));
  }
  return digest.value();
}

std::string Ledger::line_of(uint64_t name, const Entry& entry) {
  char text[256];
  const auto& [recipe, source, result] = entry;
  std::snprintf(text, sizeof text,
                "%016" PRIx64 " %016" PRIx64 " %" PRId64 " %016" PRIx64 " %016" PRIx64 " %" PRId64 " %016" PRIx64
                " %016" PRIx64,
                name, recipe, source.size, source.digest, source.stamp, result.size, result.digest, result.stamp);
  Digest sum;
  sum.add(Text(text));
  char line[288];
  std::snprintf(line, sizeof line, "%s %016" PRIx64 "\n", text, sum.value());
  return line;
}

bool Ledger::parse(Text line, uint64_t& name, Entry& entry) {
  auto& [recipe, source, result] = entry;
  const std::string text(line);
  if (std::sscanf(text.c_str(),
                  "%16" SCNx64 " %16" SCNx64 " %" SCNd64 " %16" SCNx64 " %16" SCNx64 " %" SCNd64 " %16" SCNx64
                  " %16" SCNx64,
                  &name, &recipe, &source.size, &source.digest, &source.stamp, &result.size, &result.digest,
                  &result.stamp) != 8)
    return false;
  return line_of(name, entry) == text + "\n";
}

Ledger::Ledger(uint64_t recipe) : recipe_(recipe) {
  Bytes bytes;
  try {
    bytes = read_file(ledger_file());
  } catch (const Error&) {  // then nothing is known
  }
  std::istringstream file({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  size_t lines = 0;
  uint64_t name = 0;
  Entry entry;
  for (std::string line; std::getline(file, line); ++lines)
    if (parse(line, name, entry)) entries_[name] = entry;
  if (lines > many_lines && lines > 2 * entries_.size()) rewrite();
}

Ledger::Standing Ledger::standing(const fs::path& source, const fs::path& result) {
  const std::lock_guard lock(mutex_);
  const uint64_t name = name_of(result);
  const auto found = entries_.find(name);
  if (found == entries_.end()) return Standing::unknown;
  Entry& entry = found->second;
  bool renewed = false;
  if (entry.recipe != recipe_) return Standing::recipe;
  if (!is_still(source, entry.source, renewed)) return Standing::source;
  if (!is_still(result, entry.result, renewed)) return Standing::changed;
  if (renewed) append(name, entry);
  return Standing::good;
}

bool Ledger::is_result(const fs::path& file) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(name_of(file));
  bool renewed = false;
  return found != entries_.end() && is_still(file, found->second.result, renewed);
}

Seen Ledger::look(const fs::path& source) { return look_at(source, true); }

void Ledger::add(const fs::path& source, const Seen& before, const fs::path& result) {
  Entry entry{recipe_, look_at(source), look_at(result)};
  const auto from = digest_of(source), made = digest_of(result);
  if (look(source) != before || before.size < 0 || entry.result.size < 0 || !from || !made) return;
  entry.source.digest = *from;
  entry.result.digest = *made;
  const std::lock_guard lock(mutex_);
  const uint64_t name = name_of(result);
  entries_[name] = entry;
  append(name, entry);
}

// One write, so that lines of several processes do not mix. Where none can be kept, results are made again.
void Ledger::append(uint64_t name, const Entry& entry) {
  const std::string path = ledger_file();
  if (path.empty()) return;
  std::error_code error;
  fs::create_directories(cache_folder(), error);
  const Descriptor file = Descriptor::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT, 0666);
  const std::string line = line_of(name, entry);
  if (file) static_cast<void>(!::write(file.number(), line.data(), line.size()));
}

void Ledger::rewrite() const {
  std::string text;
  for (const auto& [name, entry] : entries_) text += line_of(name, entry);
  try {
    write_file(ledger_file(), std::as_bytes(List<char>(text)));
  } catch (const Error&) {  // then it stays long
  }
}

}  // namespace tessera::upscale
