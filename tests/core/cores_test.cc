#include "core/cores.h"

#include <gmock/gmock.h>
#include <sched.h>

#include <cstdlib>

#include "tests/support/fake_root.h"

namespace sluice::core {
namespace {

using testing::Contains;
using testing::Field;
using testing::StartsWith;
using testing_support::FakeRoot;

// Nothing is said by the launcher, whoever started the tests.
class CoresTest : public testing::Test {
 protected:
  CoresTest() {
    unsetenv("SLURM_CPUS_PER_TASK");
    unsetenv("OMP_NUM_THREADS");
  }
  ~CoresTest() override {
    unsetenv("SLURM_CPUS_PER_TASK");
    unsetenv("OMP_NUM_THREADS");
  }
};

TEST_F(CoresTest, AreThoseOfTheAffinityMask) {
  const FakeRoot root;
  cpu_set_t all;
  ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
  EXPECT_EQ(usable_cores(root.path()).count, CPU_COUNT(&all));
  int first = 0;
  while (!CPU_ISSET(first, &all)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  const UsableCores cores = usable_cores(root.path());
  sched_setaffinity(0, sizeof(all), &all);
  EXPECT_EQ(cores.count, 1);
  if (CPU_COUNT(&all) > 1) {
    EXPECT_EQ(cores.why, "affinity mask");
    EXPECT_THAT(cores.pools, Contains(CorePool{"cpus " + std::to_string(first), 1}));
  }
}

TEST_F(CoresTest, AQuotaBoundsThem) {
  const FakeRoot root;
  root.mount_version_2("/");
  root.write("/sys/fs/cgroup/cpu.max", "50000 100000\n");
  const UsableCores cores = usable_cores(root.path());
  EXPECT_DOUBLE_EQ(cores.count, 0.5);
  EXPECT_EQ(cores.threads(), 1);
  EXPECT_EQ(cores.why, "cgroup quota");
  EXPECT_EQ(to_text(cores), "0.5 cores");
  EXPECT_THAT(cores.pools, Contains(Field(&CorePool::name, StartsWith("cgroup "))));
  EXPECT_FALSE(cores.stated);
}

TEST_F(CoresTest, AQuotaOfAGroupAboveBoundsThemToo) {
  const FakeRoot root;
  root.mount_version_2("/pod/container");
  root.write("/sys/fs/cgroup/pod/container/cpu.max", "max 100000\n");
  root.write("/sys/fs/cgroup/pod/cpu.max", "75000 100000\n");
  EXPECT_DOUBLE_EQ(usable_cores(root.path()).count, 0.75);
}

TEST_F(CoresTest, AQuotaOfVersion1BoundsThem) {
  const FakeRoot root;
  root.mount_version_1("/docker/4f2a", "/docker/4f2a");
  root.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "25000\n");
  root.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_DOUBLE_EQ(usable_cores(root.path()).count, 0.25);
}

TEST_F(CoresTest, NoQuotaAndALargeOneChangeNothing) {
  const FakeRoot root;
  root.mount_version_2("/");
  const double all = usable_cores(root.path()).count;
  root.write("/sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(usable_cores(root.path()).count, all);
  root.write("/sys/fs/cgroup/cpu.max", "100000000 100000\n");
  EXPECT_EQ(usable_cores(root.path()).count, all);
}

TEST_F(CoresTest, OneAndAHalfCoresAreForTwoThreads) {
  EXPECT_EQ((UsableCores{.count = 1.5}).threads(), 2);
  EXPECT_EQ(to_text({.count = 1.5}), "1.5 cores");
  EXPECT_EQ(to_text({.count = 1}), "1 core");
}

TEST_F(CoresTest, WhatTheLauncherSaysComesFirst) {
  const FakeRoot root;
  root.mount_version_2("/");
  root.write("/sys/fs/cgroup/cpu.max", "50000 100000\n");
  setenv("OMP_NUM_THREADS", "3,2", 1);
  EXPECT_EQ(usable_cores(root.path()).count, 3);
  EXPECT_EQ(usable_cores(root.path()).why, "OMP_NUM_THREADS");
  setenv("SLURM_CPUS_PER_TASK", "5", 1);
  EXPECT_EQ(usable_cores(root.path()).count, 5);
  EXPECT_EQ(usable_cores(root.path()).why, "SLURM_CPUS_PER_TASK");
  EXPECT_TRUE(usable_cores(root.path()).stated);
}

TEST_F(CoresTest, NonsenseInAVariableIsNothingSaid) {
  const FakeRoot root;
  const double all = usable_cores(root.path()).count;
  for (const char* text : {"", "0", "-2", "two", "2x", "99999999999"}) {
    setenv("OMP_NUM_THREADS", text, 1);
    EXPECT_EQ(usable_cores(root.path()).count, all) << text;
  }
}

}  // namespace
}  // namespace sluice::core
