// Whole jobs whose workers train on GPUs: those of this machine, or emulated ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "backend/replica.h"
#include "tests/support/digits_folder.h"
#include "tests/support/process.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::HasSubstr;
using testing_support::command_line;
using testing_support::DigitsFolder;
using testing_support::Process;

const std::string kSluice = testing_support::program_beside_this("sluice");

class GpuJobTest : public ::testing::Test {
 protected:
  GpuJobTest() : digits_(600, 200) {
    // Small: an emulated GPU computes some hundred images a second.
    std::ofstream(model_path()) << R"({"class_name": "Sequential", "config": {"name": "small",
      "layers": [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [null, 28, 28, 1]}},
        {"class_name": "MaxPooling2D", "config": {"name": "p", "pool_size": [2, 2]}},
        {"class_name": "Conv2D", "config": {"name": "c", "filters": 4, "kernel_size": [3, 3],
                                            "strides": [2, 2], "activation": "relu"}},
        {"class_name": "Flatten", "config": {"name": "f"}},
        {"class_name": "Dense", "config": {"name": "d", "units": 32, "activation": "relu"}},
        {"class_name": "Dense", "config": {"name": "e", "units": 10, "activation": "softmax"}}
      ]}})";
  }

  void SetUp() override {
    const auto gpu = backend::open_backend({.name = "cuda"});
    if (!gpu.ok()) GTEST_SKIP() << gpu.status().message();
  }

  std::string model_path() const { return digits_.path() + "/model.json"; }
  std::string report_path() const { return digits_.path() + "/report.json"; }
  json report() const {
    std::ifstream file(report_path());
    return json::parse(file);
  }

  std::vector<std::string> job(const char* command, int epochs,
                               std::vector<std::string> more = {}) const {
    std::vector<std::string> words = {kSluice,           command,
                                      "--dataset",       digits_.path(),
                                      "--model",         model_path(),
                                      "--learning-rate", "0.01",
                                      "--epochs",        std::to_string(epochs),
                                      "--verbose",       "2",
                                      "--report",        report_path()};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  // Partitions of 200 records are 13 batches an epoch.
  static void expect_exact_counts(const json& r, int epochs, int partitions = 3) {
    const int batches = (600 / partitions + 15) / 16;
    EXPECT_EQ(r["samples_trained"], epochs * 600);
    EXPECT_EQ(r["server_updates"], partitions * ((epochs * batches + 4) / 5));
  }

  const DigitsFolder digits_;
};

TEST_F(GpuJobTest, WorkersTrainOnGpusAndCountExactly) {
  for (const char* overlap : {"--no-overlap", "--overlap"}) {
    Process process(job("train", 12, {"--device", "cuda", "--log-level", "info", overlap}));
    ASSERT_EQ(process.wait(300s), 0) << process.output();
    EXPECT_THAT(process.output(), HasSubstr("Device: cuda:0 ("));
    EXPECT_THAT(process.output(), HasSubstr("trains on cuda:0 ("));
    expect_exact_counts(report(), 12);
    EXPECT_GT(report()["test_accuracy"].get<double>(), 0.5) << overlap;
  }
}

TEST_F(GpuJobTest, AsynchronousSgdAndMixedPrecisionTrainToo) {
  if (!(*backend::open_backend({.name = "cuda"}))->check(backend::Precision::kMixedBfloat16).ok()) {
    GTEST_SKIP() << "this GPU has no bfloat16";
  }
  Process process(job("train", 12,
                      {"--device", "cuda", "--trainer", "async_sgd", "--precision",
                       "mixed_bfloat16", "--deterministic", "--gpu-memory", "256"}));
  ASSERT_EQ(process.wait(300s), 0) << process.output();
  expect_exact_counts(report(), 12);
  EXPECT_GT(report()["test_accuracy"].get<double>(), 0.3);
}

TEST_F(GpuJobTest, AKilledWorkerIsReplacedAndNothingIsLostOrDoubled) {
  // Long enough that the worker dies in the middle: a GPU trains 40 epochs in a second.
  const int epochs = std::getenv("SLUICE_EMULATED_GPUS") != nullptr ? 8 : 200;
  Process process(job("train", epochs, {"--device", "cuda"}));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/", 200s)) << process.output();
  pid_t victim = -1;
  for (const pid_t pid : process.children()) {
    const auto arguments = command_line(pid);
    if (arguments.size() > 2 && arguments[2] == "worker") victim = pid;
  }
  ASSERT_GT(victim, 0);
  kill(victim, SIGKILL);
  ASSERT_EQ(process.wait(300s), 0) << process.output();
  EXPECT_THAT(process.output(), HasSubstr("was killed by signal 9"));
  expect_exact_counts(report(), epochs);
}

TEST_F(GpuJobTest, CpuAndGpuWorkersTrainTogether) {
  Process driver(job("driver", 4,
                     {"--listen", "127.0.0.1:0", "--workers", "2", "--parallelism-factor", "2",
                      "--device", "cuda"}));
  ASSERT_TRUE(driver.wait_for_output(" for 1 server(s)", 60s)) << driver.output();
  const size_t begin = driver.output().find("listening at ") + 13;
  const std::string address =
      driver.output().substr(begin, driver.output().find(' ', begin) - begin);
  Process server({kSluice, "server", "--driver", address, "--listen", "127.0.0.1:0"});
  Process on_cpu({kSluice, "worker", "--driver", address, "--device", "cpu"});
  Process on_gpu({kSluice, "worker", "--driver", address});
  ASSERT_EQ(driver.wait(300s), 0) << driver.output();
  EXPECT_EQ(on_cpu.wait(30s), 0) << on_cpu.output();
  EXPECT_EQ(on_gpu.wait(30s), 0) << on_gpu.output();
  EXPECT_THAT(on_cpu.output(), HasSubstr("trains on cpu ("));
  EXPECT_THAT(on_gpu.output(), HasSubstr("trains on cuda:"));
  expect_exact_counts(report(), 4, 4);
}

TEST_F(GpuJobTest, TooLittleMemoryEndsTheJobWithWhatToDo) {
  // Its parameters alone, their gradients and Adam's slots are 16 MB.
  Process process(job(
      "train", 1,
      {"--device", "cuda", "--model", "mnist_mlp", "--gpu-memory", "8", "--max-restarts", "0"}));
  EXPECT_EQ(process.wait(120s), 1) << process.output();
  EXPECT_THAT(process.output(), HasSubstr("of --gpu-memory; raise it"));
}

}  // namespace
}  // namespace sluice
