#include "runtime/base/cores.h"

#include <sched.h>

#include <algorithm>
#include <fstream>

#include "runtime/base/cgroup.h"

namespace tessera {
namespace {

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
  for (const CGroup& group : cgroups(root, "cpu"))
    if (const int here = quota(group.folder, group.v2)) cores = cores ? std::min(cores, here) : here;
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
