#include "core/process_info.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::core {
namespace {

TEST(ProcessInfoTest, PeakMemoryGrowsWithWhatIsTouched) {
  const int64_t before = peak_memory_bytes();
  EXPECT_GT(before, 0);
  const std::vector<char> block(size_t{64} << 20, 1);
  EXPECT_GE(peak_memory_bytes(), before + (int64_t{32} << 20)) << block[12345];
}

TEST(ProcessInfoTest, HostHasAName) { EXPECT_FALSE(host_name().empty()); }

}  // namespace
}  // namespace sluice::core
