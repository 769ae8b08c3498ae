// The children are this very program, which takes no notice of a role's command line: the
// environment makes it run one disabled test, where it does what the parent planned.
#include "train/local_cluster.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/local_job.h"
#include "tests/support/process.h"
#include "transport/grpc/grpc_transport.h"

namespace sluice::train {
namespace {

using testing::HasSubstr;

constexpr const char* kPlan = "SLUICE_TEST_PLAN";    // "all end", "all fail", "0 fails"
constexpr const char* kStarts = "SLUICE_TEST_FILE";  // where each child writes its index

TEST(LocalClusterChild, DISABLED_Runs) {
  const std::vector<std::string> arguments = testing_support::command_line(getpid());
  ASSERT_EQ(arguments.size(), 8u);
  die_with_parent(static_cast<pid_t>(std::atoi(arguments[3].c_str())));
  const std::string index = arguments[6], plan = std::getenv(kPlan);
  std::ofstream(std::getenv(kStarts), std::ios::app) << index << std::flush;
  if (plan == "all end") return;
  if (plan == "all fail" || plan == index + " fails") std::_Exit(1);
  for (;;) pause();
}

class LocalClusterTest : public testing::Test {
 protected:
  void SetUp() override {
    log::set_level("off");
    const Sequential model = testing_support::small_model();
    const Dataset data = testing_support::small_dataset(30);
    driver::DriverOptions options;
    options.training = testing_support::small_job(model, data, 2, 1).training;
    driver_ = std::make_unique<driver::Driver>(options, data.records(), model.parameters().values(),
                                               transport_, observer_);
  }
  void TearDown() override {
    for (const char* name :
         {kPlan, kStarts, "GTEST_FILTER", "GTEST_ALSO_RUN_DISABLED_TESTS", "GTEST_BRIEF"}) {
      unsetenv(name);
    }
    log::set_level("info");
  }

  static LocalCluster make(int servers, int workers, int max_restarts) {
    auto cluster = LocalCluster::create({.program = "train_test",
                                         .servers = servers,
                                         .workers = workers,
                                         .max_restarts = max_restarts});
    EXPECT_TRUE(cluster.ok()) << cluster.status();
    return std::move(*cluster);
  }
  static std::filesystem::path folder_of(const LocalCluster& cluster) {
    return std::filesystem::path(cluster.driver_address().substr(5)).parent_path();
  }

  void start(LocalCluster& cluster, const char* plan) {
    starts_ = folder_of(cluster) / "starts";
    setenv(kPlan, plan, 1);
    setenv(kStarts, starts_.c_str(), 1);
    setenv("GTEST_FILTER", "LocalClusterChild.DISABLED_Runs", 1);
    setenv("GTEST_ALSO_RUN_DISABLED_TESTS", "1", 1);
    setenv("GTEST_BRIEF", "1", 1);
    const Status started = cluster.start("unix:/nowhere");
    ASSERT_TRUE(started.ok()) << started;
  }
  // The indices of all children that were started, sorted.
  std::string starts() const {
    std::ifstream file(starts_);
    std::string indices;
    file >> indices;
    std::sort(indices.begin(), indices.end());
    return indices;
  }
  static size_t running() {
    std::ifstream file("/proc/self/task/" + std::to_string(getpid()) + "/children");
    size_t count = 0;
    for (pid_t child; file >> child;) ++count;
    return count;
  }
  // Looks after the children until `condition`.
  bool look_after_until(LocalCluster& cluster, const std::function<bool()>& condition) {
    for (int i = 0; i < 20000; ++i) {
      cluster.look_after(*driver_);
      if (condition()) return true;
      usleep(1000);
    }
    return false;
  }
  std::string abort_reason() { return driver_->run(stop_).status().message(); }

  transport::GrpcTransport transport_;  // nobody listens and nobody connects
  driver::JobObserver observer_;
  std::unique_ptr<driver::Driver> driver_;
  std::atomic<bool> stop_{false};
  std::filesystem::path starts_;
};

TEST_F(LocalClusterTest, ItsFolderIsForThisUserOnlyAndGoesWithIt) {
  LocalCluster cluster = make(1, 1, 0);
  const std::filesystem::path folder = folder_of(cluster);
  struct stat info {};
  ASSERT_EQ(stat(folder.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  {
    const LocalCluster moved = std::move(cluster);
    EXPECT_TRUE(std::filesystem::exists(folder));
  }
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(LocalClusterTest, FoldersWhoseProcessWasKilledAreRemovedAndOthersStay) {
  const LocalCluster other = make(1, 1, 0);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    const LocalCluster killed = make(1, 1, 0);
    const std::string folder = folder_of(killed);
    if (write(ends[1], folder.data(), folder.size()) < 0) _exit(1);
    kill(getpid(), SIGKILL);
  }
  char folder[256] = {};
  ASSERT_GT(read(ends[0], folder, sizeof(folder) - 1), 0);
  ASSERT_EQ(waitpid(pid, nullptr, 0), pid);
  ASSERT_TRUE(std::filesystem::exists(folder));
  const LocalCluster cluster = make(1, 1, 0);
  EXPECT_FALSE(std::filesystem::exists(folder));
  EXPECT_TRUE(std::filesystem::exists(folder_of(other)));
  close(ends[0]);
  close(ends[1]);
}

TEST_F(LocalClusterTest, AServerThatFailsAbortsTheJobBeforeItHasJoined) {
  LocalCluster cluster = make(1, 0, 5);
  start(cluster, "all fail");
  ASSERT_TRUE(look_after_until(cluster, [&] { return driver_->over(); }));
  EXPECT_THAT(abort_reason(),
              testing::MatchesRegex("a parameter server .pid [0-9]+. ended with exit status 1"));
  EXPECT_EQ(starts(), "0");
}

TEST_F(LocalClusterTest, WorkersAreReplacedAsOftenAsAllowedInAllAndThenTheJobIsAborted) {
  LocalCluster cluster = make(0, 2, 3);
  start(cluster, "all fail");
  ASSERT_TRUE(look_after_until(cluster, [&] { return driver_->over(); }));
  EXPECT_THAT(abort_reason(), testing::MatchesRegex("every worker is gone; the last one, worker "
                                                    "[01] .pid [0-9]+., ended with exit status 1"));
  EXPECT_EQ(starts().size(), 2u + 3u);
}

TEST_F(LocalClusterTest, AReplacementHasTheNumberOfTheDeadAndSurvivorsGoOnAlone) {
  LocalCluster cluster = make(0, 2, 1);
  start(cluster, "0 fails");
  ASSERT_TRUE(look_after_until(cluster, [&] { return starts().size() == 3 && running() == 1; }));
  EXPECT_EQ(starts(), "001");
  EXPECT_FALSE(driver_->over());
}

TEST_F(LocalClusterTest, WorkersThatEndWellAreNotReplaced) {
  LocalCluster cluster = make(0, 1, 5);
  start(cluster, "all end");
  ASSERT_TRUE(look_after_until(cluster, [&] { return running() == 0; }));
  EXPECT_EQ(starts(), "0");
  EXPECT_FALSE(driver_->over());
}

TEST_F(LocalClusterTest, NobodyIsReplacedWhenTheJobIsOver) {
  LocalCluster cluster = make(0, 1, 5);
  start(cluster, "all fail");
  driver_->abort("somebody said so");
  ASSERT_TRUE(look_after_until(cluster, [&] { return running() == 0; }));
  EXPECT_EQ(starts(), "0");
  EXPECT_EQ(abort_reason(), "somebody said so");
}

}  // namespace
}  // namespace sluice::train
