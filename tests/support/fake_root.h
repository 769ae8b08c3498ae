// A folder with a /proc and a /sys of its own, for code that reads what the kernel tells.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace sluice::testing_support {

class FakeRoot {
 public:
  FakeRoot() : path_(std::filesystem::temp_directory_path() / "sluice-root-XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  FakeRoot(const FakeRoot&) = delete;
  ~FakeRoot() { std::filesystem::remove_all(path_); }

  const std::string& path() const { return path_; }
  void write(const std::string& file, const std::string& text) const {
    const std::string whole = path_ + file;
    std::filesystem::create_directories(std::filesystem::path(whole).parent_path());
    std::ofstream(whole) << text;
  }

  // As a kernel with version 2 only: the process is in `group`, of which `root` is mounted.
  void mount_version_2(const std::string& group, const std::string& root = "/") const {
    write("/proc/self/cgroup", "0::" + group + "\n");
    write("/proc/self/mountinfo",
          "22 1 0:20 / /proc rw,relatime shared:5 - proc proc rw\n"
          "30 24 0:26 " +
              root + " /sys/fs/cgroup rw,nosuid shared:4 master:2 - cgroup2 cgroup2 rw\n");
  }
  // As Docker without namespaces of groups: the cpu controller beside another, memory on its own.
  void mount_version_1(const std::string& group, const std::string& root = "/") const {
    write("/proc/self/cgroup", "11:cpu,cpuacct:" + group + "\n5:memory:" + group + "\n0::/\n");
    write("/proc/self/mountinfo",
          "33 31 0:29 " + root +
              " /sys/fs/cgroup/cpu,cpuacct ro,relatime - cgroup cgroup rw,cpu,cpuacct\n"
              "34 31 0:32 " +
              root + " /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory\n");
  }

 private:
  std::string path_;
};

}  // namespace sluice::testing_support
