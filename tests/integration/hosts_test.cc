// The README's three lines on hosts that do not know one another's names.
#include <gmock/gmock.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "tests/support/digits_folder.h"
#include "tests/support/network.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing_support::DigitsFolder;
using testing_support::Network;
using testing_support::Process;

class HostsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "network namespaces need root";
    network_.emplace(std::vector<std::string>{"hosta", "hostb", "hostc"}, Network::Names::kUnknown);
    if (!network_->ok()) GTEST_SKIP() << "this machine makes no network namespaces (ip netns)";
  }
  std::unique_ptr<Process> start(const std::string& host, const std::string& command,
                                 const DigitsFolder& folder) const {
    return std::make_unique<Process>(network_->arguments(host, command, folder.path()));
  }
  std::unique_ptr<Process> start_driver(const std::string& flags = "--epochs 2") const {
    return start("hosta",
                 "sluice driver --listen 0.0.0.0:7070 --workers 2 --report report.json " + flags,
                 digits_);
  }
  std::unique_ptr<Process> start_worker() const {
    return start("hostc", "sluice worker --driver 10.77.0.1:7070", elsewhere_);
  }
  nlohmann::json report() const {
    std::ifstream file(digits_.path() + "/report.json");
    return nlohmann::json::parse(file);
  }
  int64_t samples_trained() const { return report()["samples_trained"]; }

  std::optional<Network> network_;
  const DigitsFolder digits_{320, 50};
  const DigitsFolder elsewhere_{3, 3};
};

TEST_F(HostsTest, TheThreeRolesWorkWhereNamesDoNotResolve) {
  const auto driver = start_driver();
  const auto server =
      start("hostb", "sluice server --driver 10.77.0.1:7070 --listen 0.0.0.0:7071", elsewhere_);
  const auto worker1 = start_worker();
  const auto worker2 = start_worker();
  EXPECT_EQ(driver->wait(240s), 0) << driver->output() << server->output() << worker1->output();
  EXPECT_EQ(server->wait(30s), 0) << server->output();
  EXPECT_EQ(worker1->wait(30s), 0) << worker1->output();
  EXPECT_EQ(worker2->wait(30s), 0) << worker2->output();
  EXPECT_EQ(samples_trained(), 640);
  const std::string said = driver->output();
  EXPECT_THAT(said, ContainsRegex("driver \\(pid [0-9]+ on hosta\\): listening at 0.0.0.0:7070"));
  EXPECT_THAT(said, ContainsRegex("[0-9][0-9]:[0-9][0-9]:[0-9][0-9] server 0 \\(pid [0-9]+ on "
                                  "hostb\\) joined, listening at hostb:7071"));
  EXPECT_THAT(said, HasSubstr("is reached at 10.77.0.2:7071, where it came from"));
  EXPECT_THAT(said, HasSubstr("--advertise"));
  EXPECT_THAT(said, ContainsRegex("worker 1 \\(pid [0-9]+ on hostc\\) joined"));
  EXPECT_THAT(server->output(),
              HasSubstr("I server 0@hostb | joined the driver at 10.77.0.1:7070"));
  EXPECT_THAT(server->output(), HasSubstr("shard(s), of 1048853 parameters"));
  EXPECT_THAT(worker1->output(), ContainsRegex("pid [0-9]+ on hostc: joining the driver at"));
}

TEST_F(HostsTest, WhatIsCompressedCountsOnceThoughAWorkerIsKilled) {
  const auto driver =
      start_driver("--epochs 30 --compress-push topk:0.1 --compress-pull int8 --verbose 2");
  const auto server =
      start("hostb", "sluice server --driver 10.77.0.1:7070 --listen 0.0.0.0:7071", elsewhere_);
  const auto worker1 = start_worker();
  const auto worker2 = start_worker();
  ASSERT_TRUE(driver->wait_for_output("Epoch 2/30", 120s)) << driver->output();
  worker1->signal(SIGKILL);
  const auto worker3 = start_worker();
  EXPECT_EQ(driver->wait(240s), 0) << driver->output() << server->output() << worker2->output();
  EXPECT_EQ(worker2->wait(30s), 0) << worker2->output();
  EXPECT_EQ(worker3->wait(30s), 0) << worker3->output();
  EXPECT_EQ(samples_trained(), 30 * 320);
  // One that is killed may not have told of its last exchanges.
  int64_t bytes = 0, saved = 0;
  std::string hints;
  const nlohmann::json written = report();
  for (const nlohmann::json& worker : written["workers"]) {
    for (const nlohmann::json& traffic : worker["traffic"]) {
      EXPECT_EQ(traffic["way"], "TCP");
      bytes += traffic["sent_bytes"].get<int64_t>() + traffic["received_bytes"].get<int64_t>();
      saved += traffic["saved_bytes"].get<int64_t>();
      hints += traffic["hint"].get<std::string>();
    }
  }
  EXPECT_GT(saved, 2 * bytes);
  EXPECT_THAT(hints, HasSubstr("not in this network namespace"));
}

TEST_F(HostsTest, ADriverSaysWhereItsHostsNameLeads) {
  const auto driver = start("hosta", "sluice driver --listen hosta:7070", digits_);
  EXPECT_TRUE(driver->wait_for_output(
      "listening at hosta:7070 (127.0.1.1, which only this host reaches) for 1 server", 60s))
      << driver->output();
}

// It comes over the loopback, and its host's name is 127.0.1.1 to the driver.
TEST_F(HostsTest, AServerBesideTheDriverIsReachedFromElsewhere) {
  const auto driver = start_driver();
  const auto server =
      start("hosta", "sluice server --driver 127.0.0.1:7070 --listen 0.0.0.0:7071", elsewhere_);
  const auto worker1 = start_worker();
  const auto worker2 = start_worker();
  EXPECT_EQ(driver->wait(240s), 0) << driver->output() << server->output() << worker1->output();
  EXPECT_EQ(worker1->wait(30s), 0) << worker1->output();
  EXPECT_EQ(worker2->wait(30s), 0) << worker2->output();
  EXPECT_EQ(samples_trained(), 640);
}

}  // namespace
}  // namespace sluice
