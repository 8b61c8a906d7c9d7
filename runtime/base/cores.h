// How many cores this process may use.
#pragma once

#include <string>

namespace tessera {

/// Cores that the scheduler's affinity mask and the quotas of all enclosing cgroups leave, at least 1.
int available_cores();

/// The smallest quota, in cores rounded up, of the cgroups (versions 1 and 2) that this process is in
/// and of all that enclose them; 0 if none has one. `root` is put before every path: tests have a tree
/// of their own.
int cgroup_cores(const std::string& root);

}  // namespace tessera
