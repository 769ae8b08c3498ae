#include "core/control_groups.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

namespace sluice::core {
namespace {

struct Mount {
  std::string root;   // the group that is mounted
  std::string point;  // where
  int version = 2;
};

bool has(const std::string& list, const std::string& word) {
  std::istringstream words(list);
  for (std::string each; std::getline(words, each, ',');) {
    if (each == word) return true;
  }
  return false;
}

// proc(5): ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [OPTIONAL...] - TYPE SOURCE OPTIONS
std::vector<Mount> mounts_of(const std::string& controller, const std::string& root) {
  std::vector<Mount> mounts;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string skipped, type, options;
    Mount mount;
    fields >> skipped >> skipped >> skipped >> mount.root >> mount.point;
    while (fields >> skipped && skipped != "-") {
    }
    fields >> type >> skipped >> options;
    if (type == "cgroup2") {
      mounts.push_back(mount);
    } else if (type == "cgroup" && has(options, controller)) {
      mount.version = 1;
      mounts.push_back(mount);
    }
  }
  return mounts;
}

// cgroups(7): HIERARCHY:CONTROLLERS:PATH, and 0::PATH for version 2.
std::optional<std::string> path_of(const std::string& controller, int version,
                                   const std::string& root) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool wanted = version == 2 ? controllers.empty() : has(controllers, controller);
    if (wanted) return line.substr(second + 1);
  }
  return std::nullopt;
}

// The path below the mount's root. A group elsewhere can't be seen there: the topmost must do.
std::string below(const std::string& path, const std::string& root) {
  if (path.find("..") != std::string::npos) return "";
  if (root == "/") return path == "/" ? "" : path;
  if (path.starts_with(root + "/")) return path.substr(root.size());
  return "";
}

bool is_folder(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

}  // namespace

std::optional<std::string> ControlGroup::line(const std::string& file) const {
  std::ifstream stream(folder + "/" + file);
  std::string text;
  if (!std::getline(stream, text)) return std::nullopt;
  return text;
}

std::optional<int64_t> ControlGroup::number(const std::string& file) const {
  const auto text = line(file);
  int64_t value = 0;
  if (!text) return std::nullopt;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::optional<int64_t> ControlGroup::number(const std::string& file,
                                            const std::string& name) const {
  std::ifstream stream(folder + "/" + file);
  std::string each;
  for (int64_t value = 0; stream >> each >> value;) {
    if (each == name) return value;
  }
  return std::nullopt;
}

std::string ControlGroup::identity() const {
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) return folder;
  return std::to_string(info.st_ino);
}

std::vector<ControlGroup> control_groups(const std::string& controller, const std::string& root) {
  std::vector<ControlGroup> groups;
  for (const Mount& mount : mounts_of(controller, root)) {
    const auto path = path_of(controller, mount.version, root);
    if (!path) continue;
    std::string rest = below(*path, mount.root);
    for (;;) {
      const std::string folder = root + mount.point + rest;
      if (is_folder(folder)) groups.push_back({folder, mount.version});
      if (rest.empty()) break;
      rest.erase(rest.rfind('/'));
    }
  }
  return groups;
}

MemoryBound memory_bound(const std::string& root) {
  // Version 1 has no limit as a number that no machine has.
  constexpr int64_t kNoLimit = int64_t{1} << 60;
  MemoryBound bound;
  for (const ControlGroup& group : control_groups("memory", root)) {
    const bool second = group.version == 2;
    // A group counts what happens in those below it (2), or only its own (1).
    const auto killed = second ? group.number("memory.events", "oom_kill")
                               : group.number("memory.oom_control", "oom_kill");
    bound.killed = std::max(bound.killed, killed.value_or(0));
    const auto limit = group.number(second ? "memory.max" : "memory.limit_in_bytes");
    if (!limit || *limit >= kNoLimit || (bound.limit_bytes > 0 && *limit >= bound.limit_bytes)) {
      continue;
    }
    bound.limit_bytes = *limit;
    bound.peak_bytes =
        group.number(second ? "memory.peak" : "memory.max_usage_in_bytes").value_or(0);
  }
  return bound;
}

}  // namespace sluice::core
