#include "runtime/base/cgroup.h"

#include <algorithm>
#include <fstream>
#include <sstream>

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

// A mounted hierarchy that may have the controller.
struct Mount {
  std::string root, point;  // the group that is mounted, and where
  bool v2 = false;
};

// Lines of mountinfo: id parent device ROOT POINT options... - TYPE source SUPER-OPTIONS
std::vector<Mount> mounts(const std::string& root, const std::string& controller) {
  std::vector<Mount> out;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> fields = words(line);
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 5 || fields.end() - dash < 4) continue;
    const bool v2 = dash[1] == "cgroup2";
    if (v2 || (dash[1] == "cgroup" && lists(dash[3], controller))) out.push_back({fields[3], fields[4], v2});
  }
  return out;
}

// The path of this process's group in the hierarchy. Lines of cgroup: id:controllers:PATH, where
// version 2 has no controllers.
std::string group(const std::string& root, const std::string& controller, bool v2) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string listed = line.substr(first + 1, second - first - 1);
    if (v2 ? listed.empty() : lists(listed, controller)) return line.substr(second + 1);
  }
  return {};
}

}  // namespace

std::vector<CGroup> cgroups(const std::string& root, const std::string& controller) {
  std::vector<CGroup> groups;
  for (const Mount& mount : mounts(root, controller)) {
    std::string path = group(root, controller, mount.v2);
    // In a container without a namespace of its own, both begin with the container's group.
    if (mount.root != "/" && path.starts_with(mount.root)) path.erase(0, mount.root.size());
    for (;;) {
      while (path.ends_with('/')) path.pop_back();
      groups.push_back({root + mount.point + path, mount.v2});
      if (path.empty()) break;
      path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
  }
  return groups;
}

}  // namespace tessera
