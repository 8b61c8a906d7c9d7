// The control groups that this process is in.
#pragma once

#include <string>
#include <vector>

namespace tessera {

/// The folder of a cgroup, of version 1 or 2.
struct CGroup {
  std::string folder;
  bool v2 = false;
};

/// The cgroups whose limits of `controller` ("cpu", "memory") hold for this process: its own and all that enclose them.
/// `root` is put before every path: tests have a tree of their own.
std::vector<CGroup> cgroups(const std::string& root, const std::string& controller);

}  // namespace tessera
