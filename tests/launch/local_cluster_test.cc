// The children are this very program, which takes no notice of a role's command line: the
// environment makes it run one disabled test, where it does what the parent planned.
#include "launch/local_cluster.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>

#include "driver/job_status.h"
#include "tests/support/local_job.h"
#include "tests/support/process.h"
#include "tests/support/update_rules.h"
#include "transport/grpc/grpc_transport.h"

namespace sluice::launch {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr const char* kPlan = "SLUICE_TEST_PLAN";  // "all end", "all fail", "0 fails", "none ends"
constexpr const char* kStarts = "SLUICE_TEST_FILE";  // where each child writes its index

TEST(LocalClusterChild, DISABLED_Runs) {
  const std::vector<std::string> arguments = testing_support::command_line(getpid());
  ASSERT_EQ(arguments.size(), 7u);
  const std::string index = arguments[5], plan = std::getenv(kPlan);
  std::ofstream(std::getenv(kStarts), std::ios::app) << index << std::flush;
  if (plan == "all end") return;
  if (plan == "all fail" || plan == index + " fails") std::_Exit(1);
  for (;;) pause();
}

LocalClusterOptions options(int servers, int workers, int max_restarts) {
  return {.program = "launch_test",
          .servers = servers,
          .workers = workers,
          .max_restarts = max_restarts};
}

std::filesystem::path folder_of(const LocalCluster& cluster) {
  return std::filesystem::path(cluster.driver_address().substr(5)).parent_path();
}

constexpr const char* kFolderIs = "its folder is ";

TEST(LocalClusterChild, DISABLED_IsKilled) {
  const auto cluster = LocalCluster::create(options(1, 1, 0));
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  std::cout << kFolderIs << folder_of(**cluster).string() << std::flush;
  kill(getpid(), SIGKILL);
}

class LocalClusterTest : public testing::Test {
 protected:
  void SetUp() override {
    log::set_level("off");
    const Sequential model = testing_support::small_model();
    const Dataset data = testing_support::small_dataset(30);
    driver::DriverOptions options;
    options.training = testing_support::small_job(model, data, 2, 1).training;
    options.update_rule = add_rule_json();
    options.pushes = worker::pushes_by_partition(options.training);
    driver_ =
        std::make_unique<driver::Driver>(core::real_world(), transport_, options, data.records(),
                                         model.parameters().values(), observer_);
  }
  void TearDown() override {
    for (const char* name :
         {kPlan, kStarts, "GTEST_FILTER", "GTEST_ALSO_RUN_DISABLED_TESTS", "GTEST_BRIEF"}) {
      unsetenv(name);
    }
    log::set_level("info");
  }

  static std::unique_ptr<LocalCluster> make(int servers, int workers, int max_restarts) {
    auto cluster = LocalCluster::create(options(servers, workers, max_restarts));
    EXPECT_TRUE(cluster.ok()) << cluster.status();
    return std::move(*cluster);
  }

  void start(LocalCluster& cluster, const char* plan, std::stop_token stop = {}) {
    observer_.cluster = &cluster;
    starts_ = folder_of(cluster) / "starts";
    setenv(kPlan, plan, 1);
    setenv(kStarts, starts_.c_str(), 1);
    setenv("GTEST_FILTER", "LocalClusterChild.DISABLED_Runs", 1);
    setenv("GTEST_ALSO_RUN_DISABLED_TESTS", "1", 1);
    setenv("GTEST_BRIEF", "1", 1);
    const Status started = cluster.start("unix:/nowhere", *driver_, std::move(stop));
    ASSERT_TRUE(started.ok()) << started;
    driver_->start([this](Result<driver::JobResult> result) { ended_.set_value(result.status()); });
  }
  // The indices of all children that were started, sorted.
  std::string starts() const {
    std::ifstream file(starts_);
    std::string indices;
    file >> indices;
    std::sort(indices.begin(), indices.end());
    return indices;
  }
  static std::vector<pid_t> running() { return testing_support::children_of(getpid()); }
  static bool wait_until(const std::function<bool()>& condition) {
    for (int i = 0; i < 30000; ++i) {
      if (condition()) return true;
      usleep(1000);
    }
    return false;
  }
  bool over() { return end_.wait_for(0s) == std::future_status::ready; }
  std::string abort_reason() { return end_.get().message(); }
  // As the driver does, of the only process that runs.
  static driver::JobEvent ended(driver::MemberEnded::How how, const std::string& fate = "") {
    core::ProcessFacts process = core::real_world().process();
    process.pid = running().front();
    return {core::real_world().now(), driver::MemberEnded{{.process = process}, how, fate, -1}};
  }

  // What happens in the job is for the cluster too.
  class Observer final : public driver::JobObserver {
   public:
    void on_event(const driver::JobEvent& event) override {
      if (cluster != nullptr) cluster->on_event(event);
    }
    LocalCluster* cluster = nullptr;
  };

  transport::GrpcTransport transport_;  // nobody listens and nobody connects
  Observer observer_;
  std::promise<Status> ended_;
  std::future<Status> end_ = ended_.get_future();
  std::unique_ptr<driver::Driver> driver_;
  std::filesystem::path starts_;
};

TEST_F(LocalClusterTest, ItsFolderIsForThisUserOnlyAndGoesWithIt) {
  auto cluster = make(1, 1, 0);
  const std::filesystem::path folder = folder_of(*cluster);
  struct stat info {};
  ASSERT_EQ(stat(folder.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  cluster.reset();
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(LocalClusterTest, FoldersWhoseProcessWasKilledAreRemovedAndOthersStay) {
  const auto other = make(1, 1, 0);
  testing_support::Process child({"/proc/self/exe", "--gtest_also_run_disabled_tests",
                                  "--gtest_filter=LocalClusterChild.DISABLED_IsKilled"});
  ASSERT_EQ(child.wait(30s), 128 + SIGKILL) << child.output();
  const size_t begin = child.output().find(kFolderIs) + std::strlen(kFolderIs);
  const std::filesystem::path folder = child.output().substr(begin);
  ASSERT_TRUE(std::filesystem::exists(folder)) << child.output();
  const auto cluster = make(1, 1, 0);
  EXPECT_FALSE(std::filesystem::exists(folder));
  EXPECT_TRUE(std::filesystem::exists(folder_of(*other)));
}

TEST_F(LocalClusterTest, ItsFolderIsWhereOneCanBeMade) {
  LocalClusterOptions where = options(0, 0, 0);
  const std::string place = testing::TempDir() + "sockets-" + std::to_string(getpid());
  std::filesystem::create_directory(place);
  const std::string too_long = place + "/" + std::string(100, 'x');
  std::filesystem::create_directory(too_long);
  where.places = {"/proc/sluice", too_long, place};
  {
    const auto cluster = LocalCluster::create(where);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    EXPECT_EQ(folder_of(**cluster).parent_path(), place);
  }
  where.places.pop_back();
  const Status none = LocalCluster::create(where).status();
  EXPECT_THAT(none.message(), HasSubstr("/proc/sluice: No such file or directory"));
  EXPECT_THAT(none.message(), HasSubstr("xxx: its name is too long"));
  EXPECT_THAT(none.message(), HasSubstr("set TMPDIR"));
  std::filesystem::remove_all(place);
}

TEST_F(LocalClusterTest, AServerThatFailsAbortsTheJobBeforeItHasJoined) {
  const auto cluster = make(1, 0, 5);
  start(*cluster, "all fail");
  EXPECT_THAT(abort_reason(),
              testing::MatchesRegex("a parameter server .pid [0-9]+. ended with exit status 1"));
  EXPECT_EQ(starts(), "0");
}

TEST_F(LocalClusterTest, WorkersComeAndGoAsTheyAreWanted) {
  const auto cluster = make(0, 2, 5);
  start(*cluster, "none ends");
  const auto want = [&](int workers) {
    cluster->on_event({core::real_world().now(), driver::WorkersWanted{workers}});
    return wait_until([&] { return running().size() == static_cast<size_t>(workers); });
  };
  EXPECT_TRUE(want(4));
  EXPECT_TRUE(wait_until([&] { return starts() == "0123"; })) << starts();
  EXPECT_TRUE(want(1));
  EXPECT_TRUE(want(2));
  EXPECT_TRUE(wait_until([&] { return starts() == "01123"; })) << "nobody was replaced";
  EXPECT_FALSE(over());
}

TEST_F(LocalClusterTest, OthersComeWhenThoseThatLeaveAreGone) {
  const auto cluster = make(0, 4, 5);
  start(*cluster, "none ends");
  ASSERT_TRUE(wait_until([&] { return starts() == "0123"; })) << starts();
  for (const int workers : {1, 4}) {
    cluster->on_event({core::real_world().now(), driver::WorkersWanted{workers}});
  }
  size_t most = 0;
  EXPECT_TRUE(wait_until([&] {
    most = std::max(most, running().size());
    return starts() == "0112233" && running().size() == 4;
  })) << starts();
  EXPECT_LE(most, 4u);
}

TEST_F(LocalClusterTest, AWorkerThatMadeRoomIsNotReplaced) {
  const auto cluster = make(0, 1, 5);
  start(*cluster, "none ends");
  EXPECT_TRUE(wait_until([&] { return starts() == "0"; }));
  cluster->on_event(ended(driver::MemberEnded::How::kDrained));
  kill(running().front(), SIGKILL);
  EXPECT_THAT(abort_reason(), HasSubstr("every worker is gone"));
  EXPECT_EQ(starts(), "0");
}

TEST_F(LocalClusterTest, WorkersAreReplacedAsOftenAsAllowedInAllAndThenTheJobIsAborted) {
  const auto cluster = make(0, 2, 3);
  start(*cluster, "all fail");
  EXPECT_THAT(abort_reason(), testing::MatchesRegex("every worker is gone; the last one, worker "
                                                    "[01] .pid [0-9]+., ended with exit status 1"));
  EXPECT_EQ(starts().size(), 2u + 3u);
}

TEST_F(LocalClusterTest, AReplacementHasTheNumberOfTheDeadAndSurvivorsGoOnAlone) {
  const auto cluster = make(0, 2, 1);
  start(*cluster, "0 fails");
  ASSERT_TRUE(wait_until([&] { return starts().size() == 3 && running().size() == 1; }));
  EXPECT_EQ(starts(), "001");
  EXPECT_FALSE(over());
}

// Something in the program has called exit(0).
TEST_F(LocalClusterTest, WorkersThatEndWhileTheJobGoesOnAreReplacedWhateverTheirStatus) {
  const auto cluster = make(0, 1, 2);
  start(*cluster, "all end");
  EXPECT_THAT(abort_reason(), testing::MatchesRegex("every worker is gone; the last one, worker 0 "
                                                    ".pid [0-9]+., ended with exit status 0"));
  EXPECT_EQ(starts(), "000");
}

TEST_F(LocalClusterTest, AServerThatEndsWhileTheJobGoesOnAbortsItWhateverItsStatus) {
  const auto cluster = make(1, 0, 5);
  start(*cluster, "all end");
  EXPECT_THAT(abort_reason(),
              testing::MatchesRegex("a parameter server .pid [0-9]+. ended with exit status 0"));
}

TEST_F(LocalClusterTest, NobodyIsReplacedWhenTheJobIsOver) {
  const auto cluster = make(0, 1, 5);
  start(*cluster, "none ends");
  ASSERT_TRUE(wait_until([&] { return starts() == "0"; }));
  driver_->abort("somebody said so");
  EXPECT_EQ(abort_reason(), "somebody said so");
  kill(running().front(), SIGKILL);
  ASSERT_TRUE(wait_until([&] { return running().empty(); }));
  cluster->stop(0s);
  EXPECT_EQ(starts(), "0");
}

// As when a signal has come for the whole group of processes.
TEST_F(LocalClusterTest, NobodyIsReplacedWhenAStopWasRequested) {
  std::stop_source stop;
  const auto cluster = make(0, 1, 5);
  start(*cluster, "none ends", stop.get_token());
  ASSERT_TRUE(wait_until([&] { return starts() == "0"; }));
  stop.request_stop();
  cluster->terminate();
  ASSERT_TRUE(wait_until([&] { return running().empty(); }));
  cluster->stop(0s);
  EXPECT_EQ(starts(), "0");
}

TEST_F(LocalClusterTest, NobodyIsReplacedWhenTheClusterIsStopped) {
  auto cluster = make(0, 2, 5);
  start(*cluster, "none ends");
  ASSERT_TRUE(wait_until([&] { return starts() == "01"; }));
  kill(running().front(), SIGSTOP);
  cluster->stop(10ms);
  EXPECT_TRUE(running().empty());
  EXPECT_EQ(starts(), "01");
  cluster.reset();
  EXPECT_TRUE(running().empty());
}

TEST_F(LocalClusterTest, AWorkerThatIsStuckIsKilledAndReplaced) {
  const auto cluster = make(0, 1, 1);
  start(*cluster, "none ends");
  ASSERT_TRUE(wait_until([&] { return starts() == "0"; }));
  const pid_t stuck = running().front();
  kill(stuck, SIGSTOP);  // as stuck as one can be
  cluster->on_event(ended(driver::MemberEnded::How::kStuck));
  ASSERT_TRUE(wait_until([&] { return starts() == "00"; }));
  EXPECT_NE(running().front(), stuck);
  EXPECT_FALSE(over());
}

TEST_F(LocalClusterTest, AWorkerThatIsOnlyUnheardIsLeftAlone) {
  const auto cluster = make(0, 1, 1);
  start(*cluster, "none ends");
  ASSERT_TRUE(wait_until([&] { return starts() == "0"; }));
  const pid_t sleeper = running().front();
  cluster->on_event(ended(driver::MemberEnded::How::kUnheard));
  cluster->on_event(ended(driver::MemberEnded::How::kLeft));
  usleep(50000);
  EXPECT_THAT(running(), testing::ElementsAre(sleeper));
}

TEST_F(LocalClusterTest, WhatTheLastWorkerGaveUpForIsWhatTheJobEndsWith) {
  const auto cluster = make(0, 1, 0);
  start(*cluster, "none ends");
  ASSERT_TRUE(wait_until([&] { return starts() == "0"; }));
  cluster->on_event(ended(driver::MemberEnded::How::kGaveUp, "gave up: exchange: no such rule"));
  kill(running().front(), SIGKILL);
  EXPECT_THAT(abort_reason(),
              testing::MatchesRegex("every worker is gone; the last one, worker 0 .pid [0-9]+., "
                                    "gave up: exchange: no such rule"));
}

// It is left alone until somebody asks for as many as there were; not if it is back by then.
TEST_F(LocalClusterTest, WhoeverWasGivenUpIsReplacedWhenScaled) {
  const auto cluster = make(0, 1, 0);
  start(*cluster, "none ends");
  ASSERT_TRUE(wait_until([&] { return starts() == "0"; }));
  const pid_t sleeper = running().front();
  const driver::JobEvent unheard = ended(driver::MemberEnded::How::kUnheard);
  const driver::JobEvent wanted{core::real_world().now(), driver::WorkersWanted{1}};
  cluster->on_event(unheard);
  const auto& who = std::get<driver::MemberEnded>(unheard.what).who;
  cluster->on_event({core::real_world().now(), driver::MemberJoined{who, ""}});
  cluster->on_event(wanted);
  usleep(50000);
  EXPECT_THAT(running(), testing::ElementsAre(sleeper));
  kill(sleeper, SIGSTOP);
  cluster->on_event(unheard);
  cluster->on_event(wanted);
  ASSERT_TRUE(wait_until([&] { return starts() == "00"; }));
  EXPECT_NE(running().front(), sleeper);
  EXPECT_FALSE(over());
}

// A server that the job has given up is not waited for to end.
TEST_F(LocalClusterTest, AServerThatWasGivenUpIsKilledAndAnotherComesWhenScaled) {
  const auto cluster = make(0, 0, 0);
  start(*cluster, "none ends");
  const driver::JobEvent wanted{core::real_world().now(), driver::ServersWanted{1}};
  cluster->on_event(wanted);
  ASSERT_TRUE(wait_until([&] { return starts() == "0"; }));
  const pid_t first = running().front();
  const driver::JobEvent unheard = ended(driver::MemberEnded::How::kUnheard);
  const auto& who = std::get<driver::MemberEnded>(unheard.what).who;
  cluster->on_event({core::real_world().now(), driver::MemberJoined{who, ""}});
  cluster->on_event(wanted);
  usleep(50000);
  EXPECT_THAT(running(), testing::ElementsAre(first));
  kill(first, SIGSTOP);
  cluster->on_event(unheard);
  cluster->on_event(wanted);
  ASSERT_TRUE(wait_until([&] { return starts() == "00" && running().size() == 1; }));
  EXPECT_NE(running().front(), first);
  EXPECT_FALSE(over());
}

// It may take its time to end.
TEST_F(LocalClusterTest, AnotherComesBesideAServerThatHasLeft) {
  const auto cluster = make(0, 0, 0);
  start(*cluster, "none ends");
  const driver::JobEvent wanted{core::real_world().now(), driver::ServersWanted{1}};
  cluster->on_event(wanted);
  ASSERT_TRUE(wait_until([&] { return starts() == "0"; }));
  cluster->on_event(ended(driver::MemberEnded::How::kLeft));
  cluster->on_event(wanted);
  EXPECT_TRUE(wait_until([&] { return starts() == "00" && running().size() == 2; }));
}

TEST_F(LocalClusterTest, TheDriverKnowsHowManyWorkersAreKeptRunning) {
  const auto cluster = make(0, 3, 0);
  start(*cluster, "none ends");
  ASSERT_TRUE(wait_until([&] { return starts() == "012"; }));
  const auto workers = [&] {
    std::promise<int> answer;
    driver_->status({}, [&](const Result<wire::StatusReply>& reply) {
      answer.set_value(driver::parse_job_status(reply->json)->job.workers);
    });
    return answer.get_future().get();
  };
  kill(running().front(), SIGKILL);  // nobody replaces it
  EXPECT_TRUE(wait_until([&] { return workers() == 2; }));
  cluster->on_event(ended(driver::MemberEnded::How::kDrained));
  EXPECT_TRUE(wait_until([&] { return workers() == 1; }));
  cluster->on_event({core::real_world().now(), driver::WorkersWanted{4}});
  EXPECT_TRUE(wait_until([&] { return workers() == 4; }));
}

// What one cannot do, another of its kind could not either.
TEST_F(LocalClusterTest, AWorkerThatWasRefusedIsNotReplaced) {
  const auto cluster = make(0, 1, 5);
  start(*cluster, "none ends");
  ASSERT_TRUE(wait_until([&] { return starts() == "0"; }));
  cluster->on_event(ended(driver::MemberEnded::How::kRefused));
  kill(running().front(), SIGKILL);
  EXPECT_THAT(abort_reason(), HasSubstr("every worker is gone; the last one, worker 0"));
  EXPECT_EQ(starts(), "0");
}

}  // namespace
}  // namespace sluice::launch
