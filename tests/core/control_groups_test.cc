#include "core/control_groups.h"

#include <gmock/gmock.h>

#include "tests/support/fake_root.h"

namespace sluice::core {
namespace {

using testing::ElementsAre;
using testing_support::FakeRoot;

std::vector<std::string> folders(const std::string& controller, const FakeRoot& root) {
  std::vector<std::string> result;
  for (const ControlGroup& group : control_groups(controller, root.path())) {
    result.push_back(group.folder.substr(root.path().size()));
  }
  return result;
}

TEST(ControlGroupsTest, AreTheProcesssOwnAndThoseAboveIt) {
  const FakeRoot root;
  root.mount_version_2("/system.slice/sluice.service");
  root.write("/sys/fs/cgroup/system.slice/sluice.service/cpu.max", "max 100000\n");
  EXPECT_THAT(folders("cpu", root), ElementsAre("/sys/fs/cgroup/system.slice/sluice.service",
                                                "/sys/fs/cgroup/system.slice", "/sys/fs/cgroup"));
}

// A container of version 1 is told its path on the host, and has its own group mounted as the root.
TEST(ControlGroupsTest, AreFoundInsideAContainerThatIsToldItsPathOutside) {
  const FakeRoot root;
  root.mount_version_1("/docker/4f2a", "/docker/4f2a");
  root.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  root.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_THAT(folders("cpu", root), ElementsAre("/sys/fs/cgroup/cpu,cpuacct"));
  EXPECT_THAT(folders("memory", root), ElementsAre("/sys/fs/cgroup/memory"));
  EXPECT_THAT(folders("pids", root), ElementsAre());
}

TEST(ControlGroupsTest, AGroupThatIsNotMountedIsLeftOut) {
  const FakeRoot root;
  root.mount_version_2("/../outside");
  root.write("/sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_THAT(folders("cpu", root), ElementsAre("/sys/fs/cgroup"));
}

TEST(ControlGroupsTest, NothingIsFoundWhereTheKernelTellsNothing) {
  EXPECT_TRUE(control_groups("cpu", FakeRoot().path()).empty());
}

TEST(MemoryBoundTest, IsTheSmallestLimitWithItsPeak) {
  const FakeRoot root;
  root.mount_version_2("/pod/container");
  root.write("/sys/fs/cgroup/pod/container/memory.max", "max\n");
  root.write("/sys/fs/cgroup/pod/container/memory.events",
             "low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\n");
  root.write("/sys/fs/cgroup/pod/memory.max", "314572800\n");
  root.write("/sys/fs/cgroup/pod/memory.peak", "314000000\n");
  root.write("/sys/fs/cgroup/pod/memory.events", "oom 3\noom_kill 2\n");
  const MemoryBound bound = memory_bound(root.path());
  EXPECT_EQ(bound.killed, 2);
  EXPECT_EQ(bound.limit_bytes, 314572800);
  EXPECT_EQ(bound.peak_bytes, 314000000);
}

TEST(MemoryBoundTest, IsReadFromVersion1) {
  const FakeRoot root;
  root.mount_version_1("/docker/4f2a", "/docker/4f2a");
  root.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "314572800\n");
  root.write("/sys/fs/cgroup/memory/memory.max_usage_in_bytes", "314572800\n");
  root.write("/sys/fs/cgroup/memory/memory.oom_control",
             "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
  const MemoryBound bound = memory_bound(root.path());
  EXPECT_EQ(bound.killed, 1);
  EXPECT_EQ(bound.limit_bytes, 314572800);
  EXPECT_EQ(bound.peak_bytes, 314572800);
}

TEST(MemoryBoundTest, NoLimitIsNone) {
  const FakeRoot root;
  root.mount_version_1("/");
  root.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(memory_bound(root.path()).limit_bytes, 0);
}

}  // namespace
}  // namespace sluice::core
