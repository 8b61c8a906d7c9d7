#include "runtime/base/cores.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <vector>

namespace tessera {
namespace {

// Words of one line, and whether a comma-separated list has a word.
std::vector<std::string> words(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> out;
  for (std::string word; stream >> word;) out.push_back(word);
  return out;
}

bool lists(const std::string& list, const std::string& name) {
  return ("," + list + ",").find("," + name + ",") != std::string::npos;
}

// A mounted hierarchy that may limit processor time.
struct Mount {
  std::string root, point;  // the group that is mounted, and where
  bool v2 = false;
};

// Lines of mountinfo: id parent device ROOT POINT options... - TYPE source SUPER-OPTIONS
std::vector<Mount> mounts(const std::string& root) {
  std::vector<Mount> out;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> fields = words(line);
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 5 || fields.end() - dash < 4) continue;
    const bool v2 = dash[1] == "cgroup2";
    if (v2 || (dash[1] == "cgroup" && lists(dash[3], "cpu"))) out.push_back({fields[3], fields[4], v2});
  }
  return out;
}

// The path of this process's group in the hierarchy. Lines of cgroup: id:controllers:PATH, where
// version 2 has no controllers.
std::string group(const std::string& root, bool v2) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (v2 ? controllers.empty() : lists(controllers, "cpu")) return line.substr(second + 1);
  }
  return {};
}

// Cores that one group's own quota grants; 0 if it has none.
int quota(const std::string& folder, bool v2) {
  double granted = 0, period = 0;
  if (v2) {  // "max 100000" or "150000 100000"
    std::ifstream file(folder + "/cpu.max");
    if (!(file >> granted >> period)) return 0;
  } else {
    std::ifstream quota(folder + "/cpu.cfs_quota_us"), length(folder + "/cpu.cfs_period_us");
    if (!(quota >> granted) || !(length >> period)) return 0;
  }
  if (granted <= 0 || period <= 0) return 0;
  return std::max(1, static_cast<int>(std::min(1e6, (granted + period - 1) / period)));
}

}  // namespace

int cgroup_cores(const std::string& root) {
  int cores = 0;
  for (const Mount& mount : mounts(root)) {
    std::string path = group(root, mount.v2);
    // In a container without a namespace of its own, both begin with the container's group.
    if (mount.root != "/" && path.starts_with(mount.root)) path.erase(0, mount.root.size());
    for (;;) {
      while (path.ends_with('/')) path.pop_back();
      if (const int here = quota(root + mount.point + path, mount.v2)) cores = cores ? std::min(cores, here) : here;
      if (path.empty()) break;
      path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
  }
  return cores;
}

int available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  if (const int granted = cgroup_cores("")) cores = std::min(cores, granted);
  return std::max(1, cores);
}

}  // namespace tessera
