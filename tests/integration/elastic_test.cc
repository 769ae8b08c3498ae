// Workers that come and go while a job runs, as real processes.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "tests/support/digits_folder.h"
#include "tests/support/process.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing_support::DigitsFolder;
using testing_support::Process;
using json = nlohmann::json;

#if defined(SLUICE_SANITIZED)
constexpr int64_t kRecords = 1000;  // each takes ten times as long
#else
constexpr int64_t kRecords = 3000;
#endif

const std::string kSluice = SLUICE_BINARY_DIR "/bin/sluice";

// A driver and a server; workers come later.
class ElasticTest : public testing::Test {
 protected:
  void begin(int64_t records, int epochs, int workers, const std::vector<std::string>& more = {}) {
    records_ = records;
    epochs_ = epochs;
    partitions_ = workers;
    digits_.emplace(records, 50);
    std::vector<std::string> arguments{kSluice,
                                       "driver",
                                       "--dataset",
                                       digits_->path(),
                                       "--listen",
                                       "127.0.0.1:0",
                                       "--epochs",
                                       std::to_string(epochs),
                                       "--workers",
                                       std::to_string(workers),
                                       "--report",
                                       report(),
                                       "--verbose",
                                       "2",
                                       "--threads-per-worker",
                                       "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    driver_.emplace(arguments);
    ASSERT_TRUE(driver_->wait_for_output("listening at ", 60s)) << driver_->output();
    driver_->wait_for_output(" for ", 5s);
    const size_t at = driver_->output().find("listening at ") + 13;
    address_ = driver_->output().substr(at, driver_->output().find(' ', at) - at);
    server_.emplace(std::vector<std::string>{kSluice, "server", "--driver", address_, "--listen",
                                             "127.0.0.1:0"});
  }
  std::unique_ptr<Process> worker() const {
    return std::make_unique<Process>(
        std::vector<std::string>{kSluice, "worker", "--driver", address_, "--log-level", "warn"});
  }
  bool says(const std::string& what) { return driver_->wait_for_output(what, 120s); }
  static std::string of(const Process& process) {
    return "(pid " + std::to_string(process.pid()) + " on ";
  }

  // Each sample once in each epoch, each window once, whoever trained it.
  json ends_with_exact_counts() {
    EXPECT_EQ(driver_->wait(400s), 0) << driver_->output();
    std::ifstream file(report());
    const json r = json::parse(file);
    EXPECT_EQ(r["samples_trained"], epochs_ * records_);
    int64_t updates = 0;
    for (int64_t p = 0; p < partitions_; ++p) {
      const int64_t size = records_ / partitions_ + (p < records_ % partitions_ ? 1 : 0);
      updates += (epochs_ * ((size + 15) / 16) + 4) / 5;
    }
    EXPECT_EQ(r["server_updates"], updates);
    EXPECT_EQ(r["history"].size(), static_cast<size_t>(epochs_));
    return r;
  }

  std::string report() const { return digits_->path() + "/report.json"; }

  std::optional<DigitsFolder> digits_;
  std::optional<Process> driver_, server_;
  std::string address_;

 private:
  int64_t records_ = 0, epochs_ = 0, partitions_ = 0;
};

TEST_F(ElasticTest, WorkersJoinMakeRoomDieAndFreezeAndEverySampleCountsOnce) {
  begin(kRecords, 20, 2, {"--lease-timeout", "2"});
  const auto first = worker(), second = worker();
  ASSERT_TRUE(says("Epoch 1/20")) << driver_->output();

  const auto late = worker();
  ASSERT_TRUE(says("worker 2 " + of(*late))) << driver_->output();

  first->signal(SIGTERM);
  EXPECT_EQ(first->wait(60s), 0) << first->output();
  ASSERT_TRUE(says("was stopped by SIGTERM")) << driver_->output();

  second->signal(SIGKILL);
  EXPECT_EQ(second->wait(60s), 128 + SIGKILL);
  ASSERT_TRUE(says("has not been heard of for 2 s")) << driver_->output();

  late->signal(SIGSTOP);  // nobody else is there: its lease goes to the next who comes
  ASSERT_TRUE(says(" for a worker to join")) << driver_->output();
  const auto last = worker();
  ASSERT_TRUE(says(of(*last))) << driver_->output();
  late->signal(SIGCONT);

  (void)ends_with_exact_counts();
  EXPECT_EQ(late->wait(30s), 0) << late->output();
  EXPECT_EQ(last->wait(30s), 0) << last->output();
}

// As above, of servers: their shards go from one to three and back to two, and a worker dies
// between.
TEST_F(ElasticTest, ServersComeAndGoAndNothingIsLost) {
  begin(kRecords, 20, 2, {"--lease-timeout", "2", "--shards", "12"});
  const auto first = worker(), second = worker();
  ASSERT_TRUE(says("Epoch 1/20")) << driver_->output();
  const auto scale = [this](const std::string& servers) {
    Process ctl({kSluice, "ctl", address_, "scale", "servers=" + servers});
    EXPECT_EQ(ctl.wait(60s), 0) << ctl.output();
    return ctl.output();
  };
  const auto server = [this] {
    return std::make_unique<Process>(std::vector<std::string>{kSluice, "server", "--driver",
                                                              address_, "--listen", "127.0.0.1:0"});
  };
  EXPECT_THAT(scale("3"),
              HasSubstr("servers: 3, before 1; start it with: sluice server --driver " + address_));
  const auto more = server(), most = server();
  ASSERT_TRUE(says("servers: 3, before 1; ")) << driver_->output();
  first->signal(SIGKILL);
  EXPECT_EQ(first->wait(60s), 128 + SIGKILL);
  const auto third = worker();
  ASSERT_TRUE(says(of(*third))) << driver_->output();
  EXPECT_THAT(scale("2"), HasSubstr("the last ones give their shards to the others, and leave"));
  ASSERT_TRUE(says("servers: 2, before 3; ")) << driver_->output();
  const json r = ends_with_exact_counts();
  EXPECT_EQ(r["servers"].size(), 2u);
  ASSERT_EQ(r["moves"].size(), 2u);
  EXPECT_EQ(r["moves"][0]["to"], 3);
  EXPECT_EQ(r["moves"][1]["to"], 2);
  EXPECT_GT(r["moves"][0]["bytes"], 0);
  EXPECT_GT(r["moves"][0]["held_s"], 0);
  EXPECT_EQ(more->wait(30s), 0) << more->output();
  EXPECT_EQ(most->wait(30s), 0) << most->output();
}

// A worker that gets a tenth of the time: for 45 ms it is stopped, for 5 ms it runs.
TEST_F(ElasticTest, AStragglerIsNamedAndOthersDoItsWork) {
  begin(3 * kRecords, 4, 3);
  const auto a = worker(), b = worker(), slow = worker();
  ASSERT_TRUE(says(of(*slow))) << driver_->output();
  std::atomic<bool> over{false};
  std::thread brake([&over, pid = slow->pid()] {
    while (!over) {
      kill(pid, SIGSTOP);
      std::this_thread::sleep_for(45ms);
      kill(pid, SIGCONT);
      std::this_thread::sleep_for(5ms);
    }
  });
  const json r = ends_with_exact_counts();
  over = true;
  brake.join();
  EXPECT_THAT(driver_->output(), HasSubstr(" times slower than the others"));
  int64_t least = INT64_MAX, most = 0;
  double slower = 1;
  for (const json& one : r["workers"]) {
    least = std::min(least, one["updates"].get<int64_t>());
    most = std::max(most, one["updates"].get<int64_t>());
    slower = std::max(slower, one["times_slower"].get<double>());
  }
  EXPECT_GT(slower, 1.5);
  EXPECT_LT(2 * least, most);
}

TEST_F(ElasticTest, WithTooFewWorkersTheJobWaitsAndTooManyAreRefused) {
  begin(600, 2, 2, {"--min-workers", "2", "--max-workers", "2"});
  const auto first = worker();
  ASSERT_TRUE(says(" for 1 of 2 worker(s) to join")) << driver_->output();
  const auto second = worker();
  ASSERT_TRUE(says("trains pushes")) << driver_->output();
  const auto third = worker();
  EXPECT_EQ(third->wait(60s), 5) << third->output();
  EXPECT_THAT(third->output(), HasSubstr("this job has its 2 worker(s) already"));
  (void)ends_with_exact_counts();
}

}  // namespace
}  // namespace sluice
