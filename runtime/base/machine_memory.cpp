#include "runtime/base/machine_memory.h"

#include <sys/sysinfo.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "runtime/base/cgroup.h"

namespace tessera {
namespace {

constexpr int64_t unlimited = std::numeric_limits<int64_t>::max();

// The number in a file; `otherwise` where it is missing, is a word ("max") or too large to mean anything.
int64_t number_in(const std::string& path, int64_t otherwise) {
  std::ifstream file(path);
  int64_t number = 0;
  return file >> number && number < (int64_t{1} << 60) ? number : otherwise;
}

// The number behind a word in a file of lines of both.
int64_t field(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  int64_t number = 0;
  for (std::string word; file >> word;)
    if (word == name && file >> number) return number;
  return 0;
}

int64_t limit_of(const CGroup& group) {
  if (!group.v2) return number_in(group.folder + "/memory.limit_in_bytes", unlimited);
  return std::min(number_in(group.folder + "/memory.max", unlimited),
                  number_in(group.folder + "/memory.high", unlimited));
}

// Pages of files can be dropped: they count as free.
int64_t used_of(const CGroup& group) {
  const std::string stat = group.folder + "/memory.stat", total = group.v2 ? "" : "total_";
  const int64_t used = number_in(group.folder + (group.v2 ? "/memory.current" : "/memory.usage_in_bytes"), 0);
  return std::max<int64_t>(0, used - field(stat, total + "inactive_file") - field(stat, total + "active_file"));
}

// Of the machine: /proc's field, or what the system call says where /proc is not there.
int64_t machine(const std::string& root, const std::string& name, bool whole) {
  if (const int64_t kilobytes = field(root + "/proc/meminfo", name)) return kilobytes * 1024;
  struct sysinfo info {};
  if (sysinfo(&info) != 0) return 0;
  const auto unit = static_cast<int64_t>(info.mem_unit);
  return static_cast<int64_t>(whole ? info.totalram : info.freeram + info.bufferram) * unit;
}

}  // namespace

int64_t total_memory(const std::string& root) {
  int64_t bytes = machine(root, "MemTotal:", true);
  for (const CGroup& group : cgroups(root, "memory"))
    if (const int64_t limit = limit_of(group); limit != unlimited) bytes = bytes ? std::min(bytes, limit) : limit;
  return bytes;
}

int64_t available_memory(const std::string& root) {
  int64_t bytes = machine(root, "MemAvailable:", false);
  for (const CGroup& group : cgroups(root, "memory"))
    if (const int64_t limit = limit_of(group); limit != unlimited)
      bytes = std::min(bytes, std::max<int64_t>(0, limit - used_of(group)));
  return bytes;
}

}  // namespace tessera
