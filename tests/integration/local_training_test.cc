// `sluice train` as people run it: real processes, killed and paused and interrupted.
#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/digits_folder.h"
#include "tests/support/process.h"
#include "tests/support/stopped_thread.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using testing_support::alive;
using testing_support::command_line;
using testing_support::DigitsFolder;
using testing_support::Process;
using testing_support::StoppedThread;

#if defined(SLUICE_SANITIZED)
constexpr int64_t kRecords = 600;  // each takes some fifteen times as long
#else
constexpr int64_t kRecords = 1800;
#endif

// How often each of `partitions` pushes: a step per batch of 16, the last of an epoch smaller, and
// a push per 5 steps.
constexpr int64_t pushes(int64_t records, int64_t partitions, int64_t epochs) {
  const int64_t steps = epochs * ((records / partitions + 15) / 16);
  return (steps + 4) / 5;
}

class LocalTrainingTest : public testing::Test {
 protected:
  // A small job on generated digits, in 3 partitions.
  std::vector<std::string> train(int epochs, std::vector<std::string> more = {}) {
    std::vector<std::string> command = {
        SLUICE_BINARY_DIR "/bin/sluice", "train",     "--dataset", digits().path(), "--epochs",
        std::to_string(epochs),          "--verbose", "2",         "--report",      report_path()};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }

  static const DigitsFolder& digits() {
    static const DigitsFolder folder(kRecords, 300);
    return folder;
  }
  std::string report_path() const { return digits().path() + "/report.json"; }
  json report() const {
    std::ifstream file(report_path());
    return json::parse(file);
  }

  static pid_t child(const Process& process, const std::string& role) {
    for (pid_t pid : process.children()) {
      const auto arguments = command_line(pid);
      if (arguments.size() > 2 && arguments[2] == role) return pid;
    }
    return -1;
  }

  static void expect_exact_counts(const json& r, int epochs) {
    EXPECT_EQ(r["samples_trained"], epochs * kRecords);
    EXPECT_EQ(r["server_updates"], 3 * pushes(kRecords, 3, epochs));
    ASSERT_EQ(r["history"].size(), static_cast<size_t>(epochs));
  }

  void SetUp() override { std::filesystem::remove(report_path()); }
};

TEST_F(LocalTrainingTest, TrainsToTheStatedAccuracyAndReportsExactCounts) {
  Process process(train(5));
  ASSERT_EQ(process.wait(240s), 0) << process.output();
  EXPECT_THAT(process.output(), HasSubstr("Number of parameter server updates: " +
                                          std::to_string(3 * pushes(kRecords, 3, 5))));
  EXPECT_THAT(process.output(), HasSubstr("Epoch 5/5"));
  const json r = report();
  expect_exact_counts(r, 5);
  EXPECT_GT(r["test_accuracy"].get<double>(), kRecords == 1800 ? 0.75 : 0.3);
  EXPECT_EQ(r["workers"].size(), 3u);
  EXPECT_EQ(r["config"]["batch_size"], 16);
  EXPECT_GE(r["staleness"]["max"].get<int>(), 1);
  EXPECT_FALSE(r.contains("died"));
  EXPECT_THAT(process.output(), Not(HasSubstr("warning: ")));
}

TEST_F(LocalTrainingTest, ANetworkThatHasDiedIsSaidWithCauseAndRemedyHereAndInTheReport) {
  Process process(train(3, {"--trainer", "downpour", "--no-bound-gain", "--learning-rate", "0.5",
                            "--verbose", "0", "--history", digits().path() + "/history.jsonl"}));
  ASSERT_EQ(process.wait(240s), 0) << process.output();
  EXPECT_THAT(process.output(),
              testing::AllOf(HasSubstr("warning: "), HasSubstr("no better than guessing"),
                             HasSubstr("3 workers move the servers 3 times as far"),
                             HasSubstr("leave out --no-bound-gain")));
  const json r = report();
  expect_exact_counts(r, 3);
  ASSERT_TRUE(r.contains("died")) << r["history"];
  EXPECT_NEAR(r["died"]["loss_of_guessing"].get<double>(), 2.3, 0.01);
  EXPECT_EQ(r["history"].back()["died"], true);
  std::ifstream history(digits().path() + "/history.jsonl");
  const std::string lines((std::istreambuf_iterator<char>(history)), {});
  EXPECT_THAT(lines, HasSubstr("\"died\":true"));
}

// With a momentum of 1 averages stay what the first push had made, which is not much: that is the
// model that is tested, whereas the training went on.
TEST_F(LocalTrainingTest, WithUseEmaTheTrainedModelHasTheAverages) {
  Process process(train(5, {"--optimizer", "adam(use_ema=true, ema_momentum=1)"}));
  ASSERT_EQ(process.wait(240s), 0) << process.output();
  const json r = report();
  expect_exact_counts(r, 5);
  const double trained = r["history"].back()["accuracy"], tested = r["test_accuracy"];
  EXPECT_GT(trained, kRecords == 1800 ? 0.75 : 0.3);
  EXPECT_LT(tested, 0.6 * trained);
}

TEST_F(LocalTrainingTest, KilledWorkerIsNamedAndReplacedAndNothingIsLostOrDoubled) {
  Process process(train(8));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/8", 120s)) << process.output();
  const pid_t victim = child(process, "worker");
  ASSERT_GT(victim, 0);
  kill(victim, SIGKILL);
  ASSERT_EQ(process.wait(240s), 0) << process.output();
  EXPECT_THAT(process.output(), HasSubstr("(pid " + std::to_string(victim) + " on "));
  EXPECT_THAT(process.output(), HasSubstr("was killed by signal 9"));
  EXPECT_THAT(process.output(), HasSubstr("goes back to the queue"));
  expect_exact_counts(report(), 8);
}

// Its heartbeats still come: only the thread that trains stands still.
TEST_F(LocalTrainingTest, AWorkerThatIsStuckIsNamedAndReplacedAndNothingIsLostOrDoubled) {
  Process process(train(10, {"--stall-timeout", "3"}));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/10", 120s)) << process.output();
  const pid_t victim = child(process, "worker");
  ASSERT_GT(victim, 0);
  const StoppedThread stuck(victim, "training");
  if (!stuck.ok()) GTEST_SKIP() << "no thread may be traced here";
  ASSERT_TRUE(process.wait_for_output("which has stood at step ", 60s)) << process.output();
  ASSERT_TRUE(process.wait_for_output("is stuck: it has stood at step ", 60s)) << process.output();
  ASSERT_EQ(process.wait(240s), 0) << process.output();
  EXPECT_THAT(process.output(), HasSubstr("(pid " + std::to_string(victim) + " on "));
  EXPECT_THAT(process.output(), HasSubstr("starting worker "));
  EXPECT_FALSE(alive(victim));
  expect_exact_counts(report(), 10);
}

TEST_F(LocalTrainingTest, SurvivorsFinishTheWorkOfADeadWorkerThatIsNotReplaced) {
  Process process(train(6, {"--max-restarts", "0"}));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/6", 120s)) << process.output();
  kill(child(process, "worker"), SIGKILL);
  ASSERT_EQ(process.wait(240s), 0) << process.output();
  expect_exact_counts(report(), 6);
}

TEST_F(LocalTrainingTest, PausedWorkerLosesItsLeaseAndIsFencedOffWhenItWakesUp) {
  Process process(train(12, {"--lease-timeout", "1"}));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/12", 120s)) << process.output();
  const pid_t sleeper = child(process, "worker");
  ASSERT_GT(sleeper, 0);
  kill(sleeper, SIGSTOP);
  ASSERT_TRUE(process.wait_for_output("has not been heard of", 60s)) << process.output();
  kill(sleeper, SIGCONT);
  ASSERT_EQ(process.wait(240s), 0) << process.output();
  expect_exact_counts(report(), 12);
}

// Ctrl-Z, and later fg: nobody has been silent, though whoever wakes up first hears of nobody.
TEST_F(LocalTrainingTest, AJobThatWasStoppedAsAWholeGoesOnWhoeverOfItWakesUpFirst) {
  Process process(train(12, {"--peer-timeout", "2", "--lease-timeout", "2"}));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/12", 120s)) << process.output();
  const std::vector<pid_t> members = process.children();
  process.signal(SIGSTOP);
  for (const pid_t member : members) kill(member, SIGSTOP);
  usleep(6000000);
  for (const pid_t member : members) kill(member, SIGCONT);
  usleep(500000);
  process.signal(SIGCONT);
  ASSERT_EQ(process.wait(240s), 0) << process.output();
  EXPECT_THAT(process.output(), Not(HasSubstr("starting worker ")));
  expect_exact_counts(report(), 12);
}

TEST_F(LocalTrainingTest, DeadServerEndsTheJobWithItsName) {
  Process process(train(50));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/50", 120s)) << process.output();
  const pid_t victim = child(process, "server");
  ASSERT_GT(victim, 0);
  kill(victim, SIGKILL);
  EXPECT_EQ(process.wait(30s), 1) << process.output();
  EXPECT_THAT(process.output(), HasSubstr("server 0 (pid " + std::to_string(victim)));
  EXPECT_THAT(process.output(), HasSubstr("killed by signal 9"));
}

// Calls to it are under way: each worker's, and the driver's for the validation.
TEST_F(LocalTrainingTest, DeadServerIsNamedAtOnceAlsoWhenItWasSilentBefore) {
  Process process(train(50, {"--validation-split", "0.1"}));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/50", 120s)) << process.output();
  const pid_t victim = child(process, "server");
  ASSERT_GT(victim, 0);
  kill(victim, SIGSTOP);
  ASSERT_TRUE(process.wait_for_output(" s for server 0, which has not been heard of", 30s))
      << process.output();
  const auto begin = std::chrono::steady_clock::now();
  kill(victim, SIGKILL);
  EXPECT_EQ(process.wait(30s), 1) << process.output();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
  EXPECT_THAT(process.output(), HasSubstr("killed by signal 9"));
}

// Standard error is a pipe that is full from the start, and stays so.
TEST_F(LocalTrainingTest, EndsWithItsReportAndItsModelThoughNobodyReadsStandardError) {
  const std::string model = digits().path() + "/model.sluice";
  std::vector<std::string> command = train(2, {"--save", model});
  const std::string fill = "head -c 70000 /dev/zero >&2 & sleep 0.3; kill $!; ";
  command.insert(command.begin(), {"/bin/bash", "-c", fill + "exec \"$0\" \"$@\" >/dev/null"});
  Process process(command);
  for (int i = 0; i < 12000 && process.running(); ++i) usleep(10000);
  ASSERT_FALSE(process.running());
  EXPECT_EQ(process.wait(1s), 0);
  expect_exact_counts(report(), 2);
  EXPECT_TRUE(std::filesystem::exists(model));
}

TEST_F(LocalTrainingTest, GoesOnWhenTheReaderOfStandardErrorGoes) {
  std::vector<std::string> command = train(2);
  command.insert(command.begin(),
                 {"/bin/bash", "-c", "set -o pipefail; \"$0\" \"$@\" 2>&1 >/dev/null | head -1"});
  Process process(command);
  EXPECT_EQ(process.wait(120s), 0) << process.output();
  expect_exact_counts(report(), 2);
}

TEST_F(LocalTrainingTest, InterruptEndsAllProcessesWithinTwoSeconds) {
  Process process(train(200));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/200", 120s)) << process.output();
  const auto children = process.children();
  ASSERT_EQ(children.size(), 4u);
  const auto begin = std::chrono::steady_clock::now();
  process.signal_group(SIGINT);  // as a terminal does
  EXPECT_EQ(process.wait(20s), 130) << process.output();
  // 2 s are promised; a sanitizer's build on a busy machine gets more.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
  for (pid_t pid : children) EXPECT_FALSE(alive(pid)) << pid;
  EXPECT_THAT(process.output(), HasSubstr("interrupted"));
  EXPECT_THAT(process.output(), HasSubstr("the driver was stopped by SIGINT"));
  EXPECT_THAT(process.output(), Not(HasSubstr("starting worker")));
}

// By the terminal, by a batch system, and by a service manager that ends every process of a job,
// the server included.
TEST_F(LocalTrainingTest, WhatWasLearnedUntilASignalIsSaved) {
  const std::string model = digits().path() + "/interrupted.sluice";
  for (const int signal : {SIGINT, SIGUSR1, SIGTERM}) {
    std::filesystem::remove(model);
    // Windows of one batch: they end in the second that workers have to leave, on a busy machine
    // too.
    Process process(train(100000, {"--save", model, "--shards", "4", "--window", "1"}));
    ASSERT_TRUE(process.wait_for_output("Epoch 1/100000", 120s)) << process.output();
    process.signal_group(signal);
    EXPECT_EQ(process.wait(30s), 128 + signal) << process.output();
    EXPECT_THAT(process.output(), testing::ContainsRegex("interrupted after [0-9,]+ updates; the "
                                                         "model as it was by then is saved to"));
    EXPECT_EQ(report()["interrupted_by"], std::string("SIG") + sigabbrev_np(signal));
    EXPECT_GT(report()["server_updates"], 0);
    // Each push is in all shards or in none.
    int64_t updates = 0;
    const json workers = report()["workers"];
    for (const json& worker : workers) updates += worker["updates"].get<int64_t>();
    EXPECT_EQ(report()["server_updates"], updates);
    EXPECT_FALSE(report().contains("test_accuracy"));
    Process evaluate({SLUICE_BINARY_DIR "/bin/sluice", "train", "--dataset", digits().path(),
                      "--model", model, "--workers", "1", "--epochs", "1"});
    EXPECT_EQ(evaluate.wait(120s), 0) << evaluate.output();
  }
}

TEST_F(LocalTrainingTest, AnInterruptedEvaluationEndsAtOnceAndTheModelIsThere) {
  const DigitsFolder many(100, 10000);
  const std::string model = digits().path() + "/untested.sluice";
  Process process({SLUICE_BINARY_DIR "/bin/sluice", "train", "--dataset", many.path(), "--epochs",
                   "1", "--workers", "1", "--save", model});
  ASSERT_TRUE(process.wait_for_output("Evaluating on", 120s)) << process.output();
  process.signal(SIGINT);
  EXPECT_EQ(process.wait(30s), 128 + SIGINT) << process.output();
  EXPECT_THAT(process.output(), HasSubstr("interrupted before its test; the model is saved to "));
  EXPECT_THAT(process.output(), Not(HasSubstr("Accuracy")));
  EXPECT_TRUE(std::filesystem::exists(model));
}

TEST_F(LocalTrainingTest, BeforeAnythingIsLearnedThereIsNothingToSave) {
  const std::string model = digits().path() + "/nothing.sluice";
  Process process({SLUICE_BINARY_DIR "/bin/sluice", "driver", "--dataset", digits().path(),
                   "--listen", "127.0.0.1:0", "--save", model});
  ASSERT_TRUE(process.wait_for_output("listening at", 60s)) << process.output();
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(30s), 128 + SIGTERM) << process.output();
  EXPECT_THAT(process.output(), HasSubstr("no model was saved"));
  EXPECT_FALSE(std::filesystem::exists(model));
}

// train() is a call like any other: it throws, and what it has borrowed is as it was.
TEST_F(LocalTrainingTest, AProgramIsLeftAsItWasWhenItsTrainingIsInterrupted) {
  Process process({SLUICE_BINARY_DIR "/bin/interrupted_program"});
  ASSERT_TRUE(process.wait_for_output("Epoch 3/1000000", 60s)) << process.output();
  process.signal(SIGTERM);  // which the program handles itself
  ASSERT_TRUE(process.wait_for_output("Epoch 100/1000000", 60s)) << process.output();
  process.signal(SIGINT);
  EXPECT_EQ(process.wait(60s), 0) << process.output();
  EXPECT_THAT(process.output(), HasSubstr("training was interrupted by SIGINT; the model has what "
                                          "was learned until then\nsignal 2, 1 of its own, loss "
                                          "lower\nSIGINT at its default: yes\n"
                                          "trained again: 400 samples\n"));
}

TEST_F(LocalTrainingTest, NoProcessOutlivesAKilledDriver) {
  Process process(train(200));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/200", 120s)) << process.output();
  const auto children = process.children();
  ASSERT_EQ(children.size(), 4u);
  process.signal(SIGKILL);
  EXPECT_EQ(process.wait(20s), 128 + SIGKILL);
  for (pid_t pid : children) {
    for (int i = 0; i < 1000 && alive(pid); ++i) usleep(10000);
    EXPECT_FALSE(alive(pid)) << pid;
  }
}

// As fit() does, and Keras: what is less than a batch is one.
TEST_F(LocalTrainingTest, ABatchMayBeLargerThanAPartition) {
  Process process(train(2, {"--batch-size", "1000000", "--window", "1"}));
  ASSERT_EQ(process.wait(240s), 0) << process.output();
  const json r = report();
  EXPECT_EQ(r["samples_trained"], 2 * kRecords);
  EXPECT_EQ(r["server_updates"], 3 * 2);  // one batch an epoch in each of three partitions
}

TEST_F(LocalTrainingTest, SparseLabelsParallelismAndSeveralServersGiveExactCountsToo) {
  Process process(train(2, {"--loss", "sparse_categorical_crossentropy", "--servers", "2",
                            "--workers", "2", "--parallelism-factor", "2", "--overlap",
                            "--validation-split", "0.1", "--class-weight", "0:2,9:0.5"}));
  ASSERT_EQ(process.wait(240s), 0) << process.output();
  const json r = report();
  constexpr int64_t kTrained = kRecords / 10 * 9;
  EXPECT_EQ(r["samples_trained"], 2 * kTrained);
  EXPECT_EQ(r["server_updates"], 4 * pushes(kTrained, 4, 2));
  EXPECT_TRUE(r["history"][1].contains("val_accuracy"));
}

}  // namespace
}  // namespace sluice
