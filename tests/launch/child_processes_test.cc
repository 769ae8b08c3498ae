#include "launch/child_processes.h"

#include <gmock/gmock.h>
#include <signal.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>

#include "tests/support/process.h"

// This very program is what it starts again: the last argument says what it does there.
namespace sluice::launch {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// gtest runs no test that is filtered out, so this child ends at once with status 0.
const std::vector<std::string> kQuick = {"launch_test", "--gtest_filter=NoSuchTest"};
// Ends only by a signal.
const std::vector<std::string> kForever = {"launch_test", "--gtest_also_run_disabled_tests",
                                           "--gtest_filter=*DISABLED_SleepsForever"};

TEST(ChildProcessesChild, DISABLED_SleepsForever) {
  for (;;) pause();
}

// Writes a letter for each SIGTERM, and for nothing else ends.
const std::vector<std::string> kCounts = {"launch_test", "--gtest_also_run_disabled_tests",
                                          "--gtest_filter=*DISABLED_CountsSignals"};
constexpr const char* kCountFile = "SLUICE_TEST_FILE";

TEST(ChildProcessesChild, DISABLED_CountsSignals) {
  sigset_t expected;
  sigemptyset(&expected);
  sigaddset(&expected, SIGTERM);
  sigprocmask(SIG_BLOCK, &expected, nullptr);
  std::ofstream file(std::getenv(kCountFile));
  file << '.' << std::flush;
  for (int signal = 0; sigwait(&expected, &signal) == 0;) file << 'T' << std::flush;
}

// Writes its child's number into a file when that has been stopped.
constexpr const char* kGrandchild = "SLUICE_TEST_GRANDCHILD";

TEST(ChildProcessesChild, DISABLED_StartsAndStopsAChild) {
  ChildProcesses children([](const ChildProcesses::Ended&) {});
  const auto pid = children.start(kForever);
  ASSERT_TRUE(pid.ok());
  kill(*pid, SIGSTOP);
  const std::string path = std::getenv(kGrandchild);
  std::ofstream(path + ".new") << *pid << std::flush;
  std::filesystem::rename(path + ".new", path);
  for (;;) pause();
}

class ChildProcessesTest : public testing::Test {
 protected:
  // Returns the next end that was told.
  ChildProcesses::Ended wait_for_end() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 60s, [this] { return ends_.size() > seen_; });
    return ends_.size() > seen_ ? ends_[seen_++] : ChildProcesses::Ended{};
  }
  std::vector<ChildProcesses::Ended> ends() {
    std::lock_guard lock(mutex_);
    return ends_;
  }
  pid_t start(const std::vector<std::string>& arguments) {
    const auto pid = children_.start(arguments);
    EXPECT_TRUE(pid.ok()) << pid.status();
    return pid.ok() ? *pid : -1;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ChildProcesses::Ended> ends_;
  size_t seen_ = 0;
  core::Duration slow_{};  // how long on_end takes
  ChildProcesses children_{[this](const ChildProcesses::Ended& ended) {
    std::this_thread::sleep_for(slow_);
    std::lock_guard lock(mutex_);
    ends_.push_back(ended);
    changed_.notify_all();
  }};
};

TEST_F(ChildProcessesTest, EndOfAChildIsReportedWithItsStatus) {
  const pid_t pid = start(kQuick);
  const auto ended = wait_for_end();
  EXPECT_EQ(ended.pid, pid);
  EXPECT_EQ(ended.fate, "ended with exit status 0");
  EXPECT_TRUE(children_.empty());
}

TEST_F(ChildProcessesTest, KilledChildIsReportedWithItsSignal) {
  const pid_t pid = start(kForever);
  EXPECT_FALSE(children_.empty());
  kill(pid, SIGKILL);
  const auto ended = wait_for_end();
  EXPECT_EQ(ended.pid, pid);
  EXPECT_EQ(ended.fate, "was killed by signal 9 (Killed)");
}

// The kernel kills as kill -9 does; only its own count tells.
TEST(ChildProcessesMemoryTest, WhomTheKernelKilledForWantOfMemoryIsToldApart) {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> fates;
  std::atomic<int64_t> killed{4};  // of others, before
  ChildProcesses children(
      [&](const ChildProcesses::Ended& ended) {
        std::lock_guard lock(mutex);
        fates.push_back(ended.fate);
        changed.notify_all();
      },
      [&] {
        return core::MemoryBound{killed, int64_t{300} << 20, int64_t{299} << 20};
      });
  const auto fate_of_next = [&] {
    const auto pid = children.start(kForever);
    EXPECT_TRUE(pid.ok()) << pid.status();
    const size_t before = fates.size();
    kill(*pid, SIGKILL);
    std::unique_lock lock(mutex);
    changed.wait_for(lock, 60s, [&] { return fates.size() > before; });
    return fates.empty() ? "" : fates.back();
  };
  EXPECT_EQ(fate_of_next(), "was killed by signal 9 (Killed)");
  killed = 5;
  EXPECT_EQ(fate_of_next(),
            "was killed by signal 9 (Killed) for want of memory: the limit of this container or "
            "service is 300 MiB, of which 299 MiB were in use at most; allow more, or take fewer "
            "workers or a smaller --batch-size");
  EXPECT_EQ(fate_of_next(), "was killed by signal 9 (Killed)");
}

TEST_F(ChildProcessesTest, OneCanBeKilledAndTheOthersLive) {
  const pid_t victim = start(kForever), other = start(kForever);
  kill(victim, SIGSTOP);  // which takes no other signal
  children_.kill(victim);
  EXPECT_EQ(wait_for_end().pid, victim);
  children_.kill(victim);  // nobody any more, and not who may have its number by now
  EXPECT_TRUE(testing_support::alive(other));
  EXPECT_FALSE(children_.empty());
}

TEST_F(ChildProcessesTest, EveryEndIsToldOnce) {
  std::vector<pid_t> started;
  for (int i = 0; i < 6; ++i) started.push_back(start(i % 2 == 0 ? kQuick : kForever));
  for (int i = 0; i < 3; ++i) wait_for_end();
  children_.stop(50ms);
  std::vector<pid_t> told;
  for (const auto& ended : ends()) told.push_back(ended.pid);
  EXPECT_THAT(told, testing::UnorderedElementsAreArray(started));
}

TEST_F(ChildProcessesTest, StopReturnsWhenEveryEndHasBeenTold) {
  slow_ = 100ms;
  start(kForever);
  start(kForever);
  children_.stop(5s);
  EXPECT_EQ(ends().size(), 2u);
}

TEST_F(ChildProcessesTest, StopLeavesNobodyBehind) {
  const pid_t a = start(kForever), b = start(kForever);
  kill(a, SIGSTOP);  // cannot take the SIGTERM
  children_.stop(50ms);
  EXPECT_TRUE(children_.empty());
  EXPECT_FALSE(testing_support::alive(a));
  EXPECT_FALSE(testing_support::alive(b));
  EXPECT_EQ(ends().size(), 2u);
  children_.stop(0s);  // nobody is left
}

// The second signal to a process ends it at once, and it has not been asked twice.
TEST_F(ChildProcessesTest, WhoWasAskedToEndIsNotAskedAgain) {
  const std::string path = testing::TempDir() + "signals-" + std::to_string(getpid());
  setenv(kCountFile, path.c_str(), 1);
  const auto written = [&path] {
    std::ifstream file(path);
    std::string text;
    file >> text;
    return text;
  };
  start(kCounts);
  for (int i = 0; i < 30000 && written() != "."; ++i) usleep(1000);
  children_.terminate();
  for (int i = 0; i < 30000 && written() != ".T"; ++i) usleep(1000);
  children_.terminate();
  children_.stop(100ms);
  EXPECT_EQ(written(), ".T");
  unsetenv(kCountFile);
  std::filesystem::remove(path);
}

// As under `trap '' CHLD` in a shell; and what the program had is left as it was.
TEST_F(ChildProcessesTest, EndsAreNoticedWhereSigchldWasIgnored) {
  signal(SIGCHLD, SIG_IGN);
  {
    std::promise<std::string> fate;
    ChildProcesses children(
        [&](const ChildProcesses::Ended& ended) { fate.set_value(ended.fate); });
    ASSERT_TRUE(children.start(kQuick).ok());
    EXPECT_EQ(fate.get_future().get(), "ended with exit status 0");
  }
  EXPECT_EQ(signal(SIGCHLD, SIG_DFL), SIG_IGN);
}

// However early: one that is stopped has no chance to ask for it.
TEST_F(ChildProcessesTest, AChildIsOfItsParentsDeathFromItsFirstMoment) {
  // The parent is a process of its own that starts a child, stops it at once and is killed.
  const std::string path = testing::TempDir() + "grandchild-" + std::to_string(getpid());
  const auto started = children_.start({"launch_test", "--gtest_also_run_disabled_tests",
                                        "--gtest_filter=*DISABLED_StartsAndStopsAChild"},
                                       {kGrandchild + ("=" + path)});
  ASSERT_TRUE(started.ok());
  pid_t grandchild = 0;
  for (int i = 0; i < 30000 && grandchild == 0; ++i) {
    std::ifstream(path) >> grandchild;
    usleep(1000);
  }
  ASSERT_GT(grandchild, 0);
  children_.kill(*started);
  wait_for_end();
  for (int i = 0; i < 30000 && testing_support::alive(grandchild); ++i) usleep(1000);
  EXPECT_FALSE(testing_support::alive(grandchild));
  std::filesystem::remove(path);
}

TEST_F(ChildProcessesTest, ChildThatSomebodyElseHasWaitedForHasEnded) {
  const pid_t pid = start(kQuick);
  const pid_t waited = waitpid(pid, nullptr, 0);  // unless the child has been waited for before
  EXPECT_TRUE(waited == pid || waited == -1);
  EXPECT_EQ(wait_for_end().pid, pid);
  EXPECT_TRUE(children_.empty());
}

TEST_F(ChildProcessesTest, DefaultsAreAddedToTheEnvironmentAndDoNotOverrideIt) {
  const auto environment_of = [](pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/environ", std::ios::binary);
    return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  };
  setenv("SLUICE_TEST_SET", "before", 1);
  const auto pid = children_.start(kForever, {"SLUICE_TEST_SET=after", "SLUICE_TEST_NEW=1"});
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
}  // namespace sluice::launch
