// The control groups (cgroups) that bound this process: its own and those above it, of version 1
// and version 2, as far as they can be seen from where it is. A container sees its own group as the
// topmost, a limit of a service or of a pod may be some levels up.
// https://docs.kernel.org/admin-guide/cgroup-v2.html
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice::core {

// A group's folder in a hierarchy that has a controller.
struct ControlGroup {
  std::string folder;
  int version = 2;

  // The first line of one of its files, or none.
  std::optional<std::string> line(const std::string& file) const;
  // The number in one of its files; none: the file is not there, or says "max".
  std::optional<int64_t> number(const std::string& file) const;
  // The number behind a name, in a file of lines "NAME NUMBER".
  std::optional<int64_t> number(const std::string& file, const std::string& name) const;
  // A text that is the same in every process of the group, also where containers see the group
  // under another path.
  std::string identity() const;
};

// The groups that have `controller` ("cpu", "memory"), from the process's own upwards. `root`: a
// folder with a /proc and a /sys of its own, for tests.
std::vector<ControlGroup> control_groups(const std::string& controller,
                                         const std::string& root = "");

// The limit on the memory of this process and its children, and what the kernel says of its use.
struct MemoryBound {
  int64_t killed = 0;       // processes that the kernel has killed for want of memory so far
  int64_t limit_bytes = 0;  // the smallest of all groups; 0: none has one
  int64_t peak_bytes = 0;   // the most that the group with that limit has had; 0: not known
};
MemoryBound memory_bound(const std::string& root = "");

}  // namespace sluice::core
