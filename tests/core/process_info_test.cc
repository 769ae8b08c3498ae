#include "core/process_info.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <string>
#include <vector>

#include "core/world.h"
#include "tests/support/fake_root.h"

namespace sluice::core {
namespace {

TEST(ProcessInfoTest, PeakMemoryGrowsWithWhatIsTouched) {
  const int64_t before = peak_memory_bytes();
  EXPECT_GT(before, 0);
  const std::vector<char> block(size_t{64} << 20, 1);
  EXPECT_GE(peak_memory_bytes(), before + (int64_t{32} << 20)) << block[12345];
}

TEST(ProcessInfoTest, AContainerIsFoundByItsNumber) {
  const std::string number(64, 'a');
  const testing_support::FakeRoot root;
  EXPECT_EQ(container_name(root.path()), "");
  root.write("/proc/self/mountinfo", "40 31 8:1 /var/lib/docker/containers/" + number +
                                         "/hosts /etc/hosts rw - ext4 /dev/sda1 rw\n");
  EXPECT_EQ(container_name(root.path()), "aaaaaaaaaaaa");
  root.write("/proc/self/cgroup", "0::/docker/b" + number.substr(1) + "\n");
  EXPECT_EQ(container_name(root.path()), "baaaaaaaaaaa");
  root.write("/proc/self/cgroup", "0::/user.slice/0" + number + "\n");  // something else
  EXPECT_EQ(container_name(root.path()), "aaaaaaaaaaaa");
}

TEST(ProcessInfoTest, AProcessIsNamedByNumberHostAndContainer) {
  EXPECT_EQ(to_text({"hosta", "", 4711, 0, ""}), "pid 4711 on hosta");
  EXPECT_EQ(to_text({"node7", "", 1, 0, "web-0"}), "pid 1 on node7, container web-0");
  EXPECT_EQ(to_text({"web-0", "", 1, 0, "web-0"}), "pid 1 on web-0") << "nothing new";
}

TEST(ProcessInfoTest, ALimitOfOpenFilesThatIsTooLowIsNamed) {
  EXPECT_EQ(check_limits(), ok_status());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 12;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  const Status status = check_limits();
  low.rlim_cur = 60;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  const Status few_members = check_limits(1), many_members = check_limits(16);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(few_members, ok_status());
  EXPECT_EQ(many_members.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(),
              testing::HasSubstr("of 32 files could be opened: Too many open "
                                 "files; raise this process's limit (ulimit -n)"));
  EXPECT_EQ(check_limits(), ok_status()) << "it lets go of what it opened";
}

TEST(ProcessInfoTest, HostHasAName) { EXPECT_FALSE(host_name().empty()); }

}  // namespace
}  // namespace sluice::core
