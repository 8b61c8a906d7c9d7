#include "runtime/base/disk_cache.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "runtime/base/digest.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

// Before the bytes of every file.
struct Header {
  char magic[8];
  uint64_t size, checksum;
};
constexpr char magic[8] = {'t', 'e', 's', 's', 'e', 'r', 'a', '1'};

uint64_t checksum_of(List<std::byte> bytes) {
  Digest digest;
  digest.add(bytes);
  return digest.value();
}

std::string file_of(const std::string& name) {
  const std::string folder = cache_folder();
  return folder.empty() ? folder : folder + '/' + name;
}

bool write_all(const std::string& path, const Header& header, List<std::byte> bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(&header), sizeof header);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  return file.good();
}

}  // namespace

std::string cache_folder() {
  if (const char* folder = std::getenv("TESSERA_CACHE"); folder && *folder == '/') return folder;
  if (const char* folder = std::getenv("XDG_CACHE_HOME"); folder && *folder == '/') return cat(folder, "/tessera");
  if (const char* home = std::getenv("HOME"); home && *home == '/') return cat(home, "/.cache/tessera");
  return {};
}

std::vector<std::byte> load_cached(const std::string& name) {
  const std::string path = file_of(name);
  std::error_code error;
  if (path.empty() || !fs::is_regular_file(path, error)) return {};
  std::ifstream file(path, std::ios::binary);
  Header header;
  if (!file.read(reinterpret_cast<char*>(&header), sizeof header)) return {};
  const uint64_t size = fs::file_size(path, error);
  if (error || std::memcmp(header.magic, magic, sizeof magic) != 0 || header.size != size - sizeof header) return {};
  std::vector<std::byte> bytes(header.size);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file || checksum_of(bytes) != header.checksum) return {};
  return bytes;
}

bool store_cached(const std::string& name, List<std::byte> bytes) {
  const std::string path = file_of(name);
  if (path.empty()) return false;
  std::error_code error;
  fs::create_directories(cache_folder(), error);
  static std::atomic<int> number{0};
  const std::string fresh = cat(path, '.', ::getpid(), '.', number++, ".new");
  Header header{{}, bytes.size(), checksum_of(bytes)};
  std::memcpy(header.magic, magic, sizeof magic);
  if (write_all(fresh, header, bytes)) fs::rename(fresh, path, error);
  const bool stored = !error && !fs::exists(fresh, error);
  if (!stored) fs::remove(fresh, error);
  return stored;
}

Remembered::Remembered(std::string name) : name_(std::move(name)), answers_(read()) {}

// A line each: key, tab, value.
Remembered::Answers Remembered::read() const {
  Answers answers;
  const std::vector<std::byte> bytes = load_cached(name_);
  std::istringstream text(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  for (std::string line; std::getline(text, line);)
    if (const size_t tab = line.find('\t'); tab != std::string::npos)
      answers[line.substr(0, tab)] = line.substr(tab + 1);
  return answers;
}

std::optional<std::string> Remembered::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = answers_.find(key);
  return found == answers_.end() ? std::nullopt : std::optional(found->second);
}

size_t Remembered::size() const {
  const std::lock_guard lock(mutex_);
  return answers_.size();
}

void Remembered::set(const Answers& answers) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, value] : answers) answers_[key] = value;
  for (const auto& [theirs, answer] : read()) answers_.try_emplace(theirs, answer);
  std::string text;
  for (const auto& [own, answer] : answers_) text += own + '\t' + answer + '\n';
  store_cached(name_, std::as_bytes(List<char>(text)));
}

}  // namespace tessera
