#include "quota.h"

#include <cstdio>
#include <cstring>

namespace latent {
namespace {

// Reads up to two numbers; how many there are.
int numbersIn(const std::string& path, double& first, double& second) {
  std::FILE* file = std::fopen(path.c_str(), "r");
  if (file == nullptr) return 0;
  const int n = std::fscanf(file, "%lf %lf", &first, &second);
  std::fclose(file);
  return n;
}

void limit(double quota, double period, double& least) {
  if (!(quota > 0) || !(period > 0)) return;
  const double cpus = quota / period;
  if (least == 0 || cpus < least) least = cpus;
}

void readGroup(const std::string& folder, double& least) {
  double quota = 0, period = 0, unused = 0;
  // "max" in place of a number is no limit.
  if (numbersIn(folder + "/cpu.max", quota, period) == 2) limit(quota, period, least);
  if (numbersIn(folder + "/cpu.cfs_quota_us", quota, unused) >= 1 &&
      numbersIn(folder + "/cpu.cfs_period_us", period, unused) >= 1) {
    limit(quota, period, least);
  }
}

// The group and all above it, to the mount itself: in a container the group's own path may lie outside of what it sees.
void readUpwards(const std::string& mount, std::string group, double& least) {
  for (;;) {
    readGroup(mount + group, least);
    const size_t slash = group.rfind('/');
    if (slash == std::string::npos) return;
    group.resize(slash);
  }
}

// Whether a comma-separated list names the CPU controller.
bool namesCpu(const std::string& controllers) {
  const std::string list = "," + controllers + ",";
  return list.find(",cpu,") != std::string::npos;
}

}  // namespace

double quotaCpus(const std::string& groups, const std::string& self) {
  double least = 0;
  std::FILE* file = std::fopen(self.c_str(), "r");
  if (file == nullptr) {
    readGroup(groups, least);
    return least;
  }
  // number:controllers:path; version 2 has no controllers in its one line.
  char line[4096];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    line[std::strcspn(line, "\n")] = '\0';
    char* controllers = std::strchr(line, ':');
    char* path = controllers == nullptr ? nullptr : std::strchr(controllers + 1, ':');
    if (path == nullptr) continue;
    *path++ = '\0';
    ++controllers;
    std::string group = path;
    if (group == "/") group.clear();
    if (*controllers == '\0') {
      readUpwards(groups, group, least);
    } else if (namesCpu(controllers)) {
      readUpwards(groups + "/" + controllers, group, least);
      readUpwards(groups + "/cpu", group, least);
    }
  }
  std::fclose(file);
  return least;
}

}  // namespace latent
