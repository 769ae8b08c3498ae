#include "train/child_processes.h"

#include <gmock/gmock.h>
#include <signal.h>

#include "tests/support/process.h"

// This very program is what it starts again: the last argument says what it does there.
namespace sluice::train {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

ChildProcesses::Ended wait_for_one(ChildProcesses& children) {
  for (int i = 0; i < 2000; ++i) {
    const auto ended = children.reap();
    if (!ended.empty()) return ended.front();
    usleep(5000);
  }
  return {};
}

// gtest runs no test that is filtered out, so this child ends at once with status 0.
const std::vector<std::string> kQuick = {"train_test", "--gtest_filter=NoSuchTest"};
// Ends only by a signal.
const std::vector<std::string> kForever = {"train_test", "--gtest_also_run_disabled_tests",
                                           "--gtest_filter=*DISABLED_SleepsForever"};

TEST(ChildProcessesTest, DISABLED_SleepsForever) {
  for (;;) pause();
}

TEST(ChildProcessesTest, EndOfAChildIsReportedWithItsStatus) {
  ChildProcesses children;
  const auto pid = children.start(kQuick);
  ASSERT_TRUE(pid.ok()) << pid.status();
  const auto ended = wait_for_one(children);
  EXPECT_EQ(ended.pid, *pid);
  EXPECT_EQ(ended.fate, "ended with exit status 0");
  EXPECT_FALSE(ended.failed);
  EXPECT_TRUE(children.empty());
}

TEST(ChildProcessesTest, KilledChildIsReportedWithItsSignal) {
  ChildProcesses children;
  const auto pid = children.start(kForever);
  ASSERT_TRUE(pid.ok()) << pid.status();
  EXPECT_TRUE(children.reap().empty());
  kill(*pid, SIGKILL);
  const auto ended = wait_for_one(children);
  EXPECT_EQ(ended.fate, "was killed by signal 9 (Killed)");
  EXPECT_TRUE(ended.failed);
}

TEST(ChildProcessesTest, StopLeavesNobodyBehind) {
  ChildProcesses children;
  const auto a = children.start(kForever);
  const auto b = children.start(kForever);
  ASSERT_TRUE(a.ok() && b.ok());
  kill(*a, SIGSTOP);  // cannot take the SIGTERM
  children.stop(50ms);
  EXPECT_TRUE(children.empty());
  EXPECT_FALSE(testing_support::alive(*a));
  EXPECT_FALSE(testing_support::alive(*b));
}

// As under `trap '' CHLD` in a shell.
TEST(ChildProcessesTest, EndsAreNoticedWhereSigchldWasIgnored) {
  signal(SIGCHLD, SIG_IGN);
  ChildProcesses children;
  const auto pid = children.start(kQuick);
  ASSERT_TRUE(pid.ok()) << pid.status();
  EXPECT_EQ(wait_for_one(children).fate, "ended with exit status 0");
  signal(SIGCHLD, SIG_DFL);
}

TEST(ChildProcessesTest, ChildThatSomebodyElseHasWaitedForHasEnded) {
  ChildProcesses children;
  const auto pid = children.start(kQuick);
  ASSERT_TRUE(pid.ok()) << pid.status();
  ASSERT_EQ(waitpid(*pid, nullptr, 0), *pid);
  EXPECT_EQ(wait_for_one(children).pid, *pid);
  EXPECT_TRUE(children.empty());
}

TEST(ChildProcessesTest, DefaultsAreAddedToTheEnvironmentAndDoNotOverrideIt) {
  const auto environment_of = [](pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/environ", std::ios::binary);
    return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  };
  setenv("SLUICE_TEST_SET", "before", 1);
  ChildProcesses children;
  const auto pid = children.start(kForever, {"SLUICE_TEST_SET=after", "SLUICE_TEST_NEW=1"});
  unsetenv("SLUICE_TEST_SET");
  ASSERT_TRUE(pid.ok()) << pid.status();
  std::string environment;  // there when the child has got as far as to be another program
  for (int i = 0; i < 2000 && environment.empty(); ++i) {
    environment = environment_of(*pid);
    usleep(1000);
  }
  EXPECT_THAT(environment, HasSubstr("SLUICE_TEST_NEW=1"));
  EXPECT_THAT(environment, HasSubstr("SLUICE_TEST_SET=before"));
  EXPECT_THAT(environment, testing::Not(HasSubstr("SLUICE_TEST_SET=after")));
}

}  // namespace
}  // namespace sluice::train
