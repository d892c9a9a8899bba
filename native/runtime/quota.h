// How much CPU time the process's control groups grant it.
#pragma once

#include <string>

namespace latent {

// The least number of CPUs that the process's group or one above it is limited to; 0 where none is. `groups` is where
// control groups are mounted, `self` the list of those that the process is in. Knows version 2 (cpu.max) and version 1
// (cpu.cfs_quota_us).
double quotaCpus(const std::string& groups = "/sys/fs/cgroup", const std::string& self = "/proc/self/cgroup");

}  // namespace latent
