// Limits of control groups, in trees of files made for the test.
#include "runtime/quota.h"

#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>

#include "check.h"

using namespace latent;

namespace {

// A folder of the test's own, removed at the end.
class Folder {
 public:
  Folder()
      : path_((std::filesystem::temp_directory_path() / ("latent-quota-" + std::to_string(std::random_device()())))
                  .generic_string()) {
    LATENT_CHECK(std::filesystem::create_directory(path_), "no folder");
  }
  ~Folder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
    LATENT_CHECK(!error, "%s stays", path_.c_str());
  }
  std::string at(const std::string& name) const { return path_ + "/" + name; }
  void make(const std::string& name) const { std::filesystem::create_directory(at(name)); }
  void write(const std::string& name, const char* text) const {
    std::FILE* file = std::fopen(at(name).c_str(), "w");
    LATENT_CHECK(file != nullptr, "%s", name.c_str());
    if (file == nullptr) return;
    std::fputs(text, file);
    std::fclose(file);
  }

 private:
  std::string path_;
};

void expect(const Folder& folder, double want, const char* what) {
  const double got = quotaCpus(folder.at("groups"), folder.at("self"));
  LATENT_CHECK(got == want, "%s: %g CPUs instead of %g", what, got, want);
}

void version2() {
  const Folder folder;
  folder.make("groups");
  folder.write("self", "0::/service/job\n");
  expect(folder, 0, "no limits at all");
  folder.make("groups/service");
  folder.make("groups/service/job");
  folder.write("groups/service/job/cpu.max", "max 100000\n");
  expect(folder, 0, "max");
  folder.write("groups/service/cpu.max", "250000 100000\n");
  expect(folder, 2.5, "the group above");
  folder.write("groups/service/job/cpu.max", "400000 100000\n");
  expect(folder, 2.5, "more than the group above has");
  folder.write("groups/service/job/cpu.max", "50000 100000\n");
  expect(folder, 0.5, "less than the group above has");
  folder.write("self", "0::/\n");
  expect(folder, 0, "the root without a limit");
  folder.write("groups/cpu.max", "300000 100000");
  expect(folder, 3, "the root, as a container sees it");
  folder.write("self", "0::/elsewhere/on/the/host\n");
  expect(folder, 3, "a path outside of what the container sees");
}

void version1() {
  const Folder folder;
  folder.make("groups");
  folder.make("groups/cpu,cpuacct");
  folder.make("groups/cpu,cpuacct/job");
  folder.make("groups/memory");
  folder.write("self", "7:memory:/job\n4:cpu,cpuacct:/job\n3:cpuset:/\n");
  folder.write("groups/cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
  folder.write("groups/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
  expect(folder, 0, "no quota");
  folder.write("groups/cpu,cpuacct/job/cpu.cfs_quota_us", "150000\n");
  expect(folder, 1.5, "a quota");
  folder.write("groups/cpu,cpuacct/cpu.cfs_quota_us", "100000\n");
  folder.write("groups/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  expect(folder, 1, "the mount's own quota is less");
  folder.write("self", "7:memory:/job\n3:cpuset:/\n");
  expect(folder, 0, "the process is in no group of the CPU controller");
}

void oddFiles() {
  const Folder folder;
  folder.make("groups");
  expect(folder, 0, "no list of groups");
  folder.write("groups/cpu.max", "200000 100000\n");
  expect(folder, 2, "no list of groups, but a limit");
  for (const char* text : {"", "text", "0::", "::\n", "0:/\n", ":\n"}) {
    folder.write("self", text);
    quotaCpus(folder.at("groups"), folder.at("self"));
  }
  folder.write("self", "0::/\n");
  for (const char* text : {"", "text", "-5 100000", "100000 0", "100000", "nan nan"}) {
    folder.write("groups/cpu.max", text);
    expect(folder, 0, text);
  }
}

}  // namespace

int main() {
  version2();
  version1();
  oddFiles();
  return test::finish("test_quota");
}
