#include "core/process_info.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <vector>

namespace sluice::core {
namespace {

TEST(ProcessInfoTest, PeakMemoryGrowsWithWhatIsTouched) {
  const int64_t before = peak_memory_bytes();
  EXPECT_GT(before, 0);
  const std::vector<char> block(size_t{64} << 20, 1);
  EXPECT_GE(peak_memory_bytes(), before + (int64_t{32} << 20)) << block[12345];
}

TEST(ProcessInfoTest, CoresAreThoseOfTheAffinityMask) {
  cpu_set_t all;
  ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
  EXPECT_EQ(available_cores(), CPU_COUNT(&all));
  int first = 0;
  while (!CPU_ISSET(first, &all)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(available_cores(), 1);
  sched_setaffinity(0, sizeof(all), &all);
}

TEST(ProcessInfoTest, HostHasAName) { EXPECT_FALSE(host_name().empty()); }

}  // namespace
}  // namespace sluice::core
