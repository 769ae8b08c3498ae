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
constexpr double kAccuracy = 0;
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
};

TEST_P(TrainersTest, LearnsAndCountsExactlyThoughAWorkerIsKilled) {
  const algorithm::Choice choice(GetParam());
  const int64_t workers = choice.algorithm->most_workers == 1 ? 1 : 3;
  const std::string report_path = digits().path() + "/" + GetParam() + ".json";
  Process process({SLUICE_BINARY_DIR "/bin/sluice", "train", "--dataset", digits().path(),
                   "--trainer", GetParam(), "--workers", std::to_string(workers), "--batch-size",
                   std::to_string(kBatch), "--epochs", std::to_string(kEpochs), "--verbose", "2",
                   "--report", report_path});
  ASSERT_TRUE(process.wait_for_output("Epoch 1/", 60s)) << process.output();
  const pid_t worker = worker_of(process);
  ASSERT_GT(worker, 0) << process.output();
  kill(worker, SIGKILL);
  ASSERT_EQ(process.wait(400s), 0) << process.output();
  EXPECT_THAT(process.output(), HasSubstr("killed by signal 9"));

  const json report = json::parse(std::ifstream(report_path));
  EXPECT_EQ(report["samples_trained"], kEpochs * kRecords);
  const int64_t epoch_steps = (kRecords / workers + kBatch - 1) / kBatch;
  EXPECT_EQ(report["server_updates"],
            workers * choice.worker_rule()->pushes(kEpochs * epoch_steps, epoch_steps));
  EXPECT_GT(report["test_accuracy"].get<double>(), kAccuracy);
  EXPECT_FALSE(report.contains("died"));
}

INSTANTIATE_TEST_SUITE_P(All, TrainersTest, testing::ValuesIn(kTrainers),
                         [](const auto& trainer) { return trainer.param; });

}  // namespace
}  // namespace sluice
