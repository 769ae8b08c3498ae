// Each trainer by itself, with nothing but its name: three processes, one of them killed.
#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "algorithm/algorithm.h"
#include "tests/support/digits_folder.h"
#include "tests/support/process.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;
using testing_support::command_line;
using testing_support::DigitsFolder;
using testing_support::Process;

constexpr int64_t kBatch = 16, kEpochs = 4;
#if defined(SLUICE_SANITIZED)
// What differs between trainers is few lines: one of each kind. Ten times slower, on few records,
// of which there is little to learn.
const std::vector<std::string> kTrainers = {"aeasgd", "async_sgd", "ensemble", "hogwild",
                                            "local_sgd"};
constexpr int64_t kRecords = 600;
constexpr double kAccuracy = 0.15;
#else
const std::vector<std::string> kTrainers = algorithm::algorithm_names();
constexpr int64_t kRecords = 3000;
// The least of all trainers had 0.71, most more than 0.9.
constexpr double kAccuracy = 0.5;
#endif

class TrainersTest : public testing::TestWithParam<std::string> {
 protected:
  static const DigitsFolder& digits() {
    static const DigitsFolder folder(kRecords, 500);
    return folder;
  }
  static pid_t worker_of(const Process& process) {
    for (const pid_t pid : process.children()) {
      const auto arguments = command_line(pid);
      if (arguments.size() > 2 && arguments[2] == "worker") return pid;
    }
    return -1;
  }

  // Trains while one of the workers is killed, and reads the report, of which is checked what holds
  // for every trainer.
  void train(const std::vector<std::string>& more = {}) {
    const algorithm::Choice choice(GetParam());
    const int64_t workers = choice.algorithm->most_workers == 1 ? 1 : 3;
    const std::string report_path = digits().path() + "/" + GetParam() + ".json";
    std::vector<std::string> command{SLUICE_BINARY_DIR "/bin/sluice", "train"};
    command.insert(command.end(), {"--dataset", digits().path(), "--trainer", GetParam()});
    command.insert(command.end(), {"--workers", std::to_string(workers)});
    command.insert(command.end(), {"--batch-size", std::to_string(kBatch)});
    command.insert(command.end(), {"--epochs", std::to_string(kEpochs), "--verbose", "2"});
    command.insert(command.end(), {"--report", report_path});
    command.insert(command.end(), more.begin(), more.end());
    Process process(command);
    ASSERT_TRUE(process.wait_for_output("Epoch 1/", 60s)) << process.output();
    const pid_t worker = worker_of(process);
    ASSERT_GT(worker, 0) << process.output();
    kill(worker, SIGKILL);
    ASSERT_EQ(process.wait(400s), 0) << process.output();
    output_ = process.output();
    EXPECT_THAT(output_, HasSubstr("killed by signal 9"));

    report_ = json::parse(std::ifstream(report_path));
    EXPECT_EQ(count("samples_trained") + count("superseded_samples"), kEpochs * kRecords);
    const int64_t epoch_steps = (kRecords / workers + kBatch - 1) / kBatch;
    EXPECT_EQ(count("server_updates"),
              workers * choice.worker_rule()->pushes(kEpochs * epoch_steps, epoch_steps));
    EXPECT_GT(report_["test_accuracy"].get<double>(), kAccuracy);
    EXPECT_FALSE(report_.contains("died"));
  }
  int64_t count(const char* figure) const { return report_.at(figure).get<int64_t>(); }

  json report_;
  std::string output_;
};

TEST_P(TrainersTest, LearnsAndCountsExactlyThoughAWorkerIsKilled) {
  train();
  if (HasFatalFailure()) return;
  EXPECT_EQ(count("superseded_updates"), 0);
  EXPECT_EQ(count("superseded_samples"), 0);
}

using BackupWorkersTest = TrainersTest;

// Of a round's three pushes the last is not waited for: it is counted apart, and nothing is counted
// in both ways.
TEST_P(BackupWorkersTest, WhatComesTooLateIsCountedApartThoughAWorkerIsKilled) {
  train({"--backup-workers", "1"});
  if (HasFatalFailure()) return;
  const int64_t late = count("superseded_updates"), samples = count("superseded_samples");
  EXPECT_GT(late, 0);
  EXPECT_LT(late, count("server_updates"));
  EXPECT_GE(samples, late);
  EXPECT_LE(samples, late * kBatch);
  int64_t updates = 0, trained = 0;
  for (const json& worker : report_["workers"]) {
    updates += worker["updates"].get<int64_t>();
    trained += worker["samples"].get<int64_t>();
  }
  EXPECT_EQ(updates, count("server_updates"));
  EXPECT_EQ(trained, count("samples_trained"));
  EXPECT_THAT(output_, HasSubstr("dropped: " + std::to_string(late) + " updates of " +
                                 std::to_string(samples) + " samples"));
}

INSTANTIATE_TEST_SUITE_P(All, TrainersTest, testing::ValuesIn(kTrainers),
                         [](const auto& trainer) { return trainer.param; });
INSTANTIATE_TEST_SUITE_P(All, BackupWorkersTest, testing::Values("synchronous"),
                         [](const auto& trainer) { return trainer.param; });

}  // namespace
}  // namespace sluice
