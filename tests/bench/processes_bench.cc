// What training across processes costs, against the same training in one.
//
//   sluice_processes_bench [--json FILE] [--rounds N] [--epochs N] [--only jobs|overhead|workers]
//
// The MNIST CNN with Adam on MNIST. Each run is processes of its own; a reference is measured in
// turns with what is compared with it. With `sluice_processes_bench --fit BATCH EPOCHS PRECISION
// THREADS WEIGHTS` this program is that reference: fit(), which has no servers, workers or windows.
//
// All begin with the weights of one epoch, and keep them: the learning rate is so small that
// nothing changes. For the backward pass takes the longer the fewer activations are zero, and that
// differs from one training to another by up to a tenth of a step, several times the overhead that
// is looked for: by chance, and because adag's steps are smaller with one worker than fit()'s.
//
//   jobs      images/s of `sluice train` as the README has it (batch 16, window 5, three workers,
//             one server; --epochs), blocking and overlapped, in both precisions, over fit()'s on
//             all cores: medians of --rounds
//   overhead  CPU seconds of all processes of a job of one worker (batch 128, window 5, a thread),
//             from their start to their end, over those of fit(): medians of --rounds
//   workers   images/s of two workers on all cores over those of one with its server on one core:
//             medians of a third of --rounds. Beside it what the machine lets two cores gain: the
//             speed of two fit() at the same time, each on a core, over one's alone
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "sluice/sluice.h"
#include "tests/bench/measure.h"
#include "train/builtin_models.h"

extern char** environ;

namespace sluice::bench {
namespace {

using nlohmann::json;

constexpr const char* kNoLearning = "1e-12";  // no float32 above 2e-5 changes by such a step

struct Settings {
  std::string self, sluice;  // programs
  std::string weights;       // a file
  int rounds = 10, epochs = 1;
  std::string only, json_file;
};

struct Run {
  json report;
  double cpu_seconds = 0;  // of all its processes
};

struct Started {
  std::string program, report;
  pid_t pid = -1;
};

// A program that writes a report.
Started start(std::vector<std::string> command) {
  static int number = 0;
  Started started{command[0], "/tmp/sluice-processes-bench-" + std::to_string(getpid()) + "-" +
                                  std::to_string(++number) + ".json"};
  command.insert(command.end(), {"--report", started.report});
  std::vector<char*> argv;
  for (std::string& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  if (posix_spawnp(&started.pid, argv[0], &actions, nullptr, argv.data(), environ) != 0) {
    throw std::runtime_error("cannot start " + started.program);
  }
  posix_spawn_file_actions_destroy(&actions);
  return started;
}

Run wait(const Started& started) {
  int status = 0;
  rusage used{};
  wait4(started.pid, &status, 0, &used);
  if (status != 0) throw std::runtime_error(started.program + " failed");
  std::ifstream in(started.report);
  Run result{json::parse(in)};
  std::remove(started.report.c_str());
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  result.cpu_seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
  return result;
}

double speed_of(const Run& one) { return one.report["samples_per_second"]; }

std::vector<std::string> on_core(int core) { return {"taskset", "-c", std::to_string(core)}; }

Started start_fit(const Settings& settings, int batch, int epochs, const std::string& precision,
                  int threads, std::vector<std::string> before = {}) {
  before.insert(before.end(),
                {settings.self, "--fit", std::to_string(batch), std::to_string(epochs), precision,
                 std::to_string(threads), settings.weights});
  return start(std::move(before));
}

Run fit(const Settings& settings, int batch, int epochs, const std::string& precision,
        int threads) {
  return wait(start_fit(settings, batch, epochs, precision, threads));
}

Run train(const Settings& settings, int batch, int epochs, int workers,
          const std::vector<std::string>& more = {}, std::vector<std::string> before = {}) {
  before.insert(before.end(), {settings.sluice,   "train",
                               "--dataset",       "mnist",
                               "--device",        "cpu",
                               "--verbose",       "0",
                               "--window",        "5",
                               "--batch-size",    std::to_string(batch),
                               "--epochs",        std::to_string(epochs),
                               "--workers",       std::to_string(workers),
                               "--learning-rate", kNoLearning,
                               "--weights",       settings.weights});
  before.insert(before.end(), more.begin(), more.end());
  return wait(start(std::move(before)));
}

json jobs(const Settings& settings) {
  json rows = json::array();
  for (const std::string precision : {"float32", "mixed_bfloat16"}) {
    for (const bool overlap : {false, true}) {
      std::vector<std::string> more = {"--precision", precision};
      if (overlap) more.emplace_back("--overlap");
      std::vector<double> job, alone, ratios;
      json report;
      for (int round = 0; round < settings.rounds; ++round) {
        alone.push_back(speed_of(fit(settings, 16, settings.epochs, precision, 0)));
        report = train(settings, 16, settings.epochs, 3, more).report;
        job.push_back(report["samples_per_second"]);
        ratios.push_back(job.back() / alone.back());
      }
      std::printf("job, %s, %s: %.0f images/s, fit() %.0f, ratio %.2f\n", precision.c_str(),
                  overlap ? "overlapped" : "blocking", median(job), median(alone), median(ratios));
      for (const char* much : {"history", "config", "model"}) report.erase(much);
      rows.push_back({{"precision", precision},
                      {"overlap", overlap},
                      {"images_per_second", median(job)},
                      {"fit_images_per_second", median(alone)},
                      {"ratio", median(ratios)},
                      {"report", report}});
    }
  }
  return rows;
}

json overhead(const Settings& settings) {
  std::vector<double> alone, job, ratios;
  for (int round = 0; round < settings.rounds; ++round) {
    alone.push_back(fit(settings, 128, 2, "float32", 1).cpu_seconds);
    job.push_back(train(settings, 128, 2, 1, {"--threads-per-worker", "1"}).cpu_seconds);
    ratios.push_back(job.back() / alone.back());
  }
  std::printf("one worker, batch 128: %.2f CPU s, fit() %.2f, ratio %.3f\n", median(job),
              median(alone), median(ratios));
  return {{"cpu_seconds", median(job)},
          {"fit_cpu_seconds", median(alone)},
          {"ratio", median(ratios)},
          {"rounds", settings.rounds}};
}

json workers(const Settings& settings) {
  std::vector<double> one, two, ratios, apart;
  for (int round = 0; round < std::max(settings.rounds / 3, 1); ++round) {
    one.push_back(speed_of(train(settings, 16, 1, 1, {}, on_core(0))));
    two.push_back(speed_of(train(settings, 16, 1, 2)));
    ratios.push_back(two.back() / one.back());
    const double alone = speed_of(wait(start_fit(settings, 16, 1, "float32", 1, on_core(0))));
    const Started left = start_fit(settings, 16, 1, "float32", 1, on_core(0));
    const Started right = start_fit(settings, 16, 1, "float32", 1, on_core(1));
    apart.push_back((speed_of(wait(left)) + speed_of(wait(right))) / alone);
  }
  std::printf(
      "two workers: %.0f images/s, one on a core %.0f, ratio %.2f; two fit() that have "
      "nothing to do with each other: %.2f times one\n",
      median(two), median(one), median(ratios), median(apart));
  return {{"images_per_second", median(two)},
          {"one_images_per_second", median(one)},
          {"ratio", median(ratios)},
          {"fit_ratio", median(apart)}};
}

int measure(const Settings& settings) {
  json all;
  Model model = train::make_model("mnist_cnn", 0);
  const auto [records, test] = mnist();
  (void)model.fit(
      records,
      {.batch_size = 128, .epochs = 1, .optimizer = Adam(), .verbose = 0, .device = "cpu"});
  model.save_weights(settings.weights);
  const auto wanted = [&](const char* what) {
    return settings.only.empty() || settings.only == what;
  };
  if (wanted("jobs")) all["jobs"] = jobs(settings);
  if (wanted("overhead")) all["overhead"] = overhead(settings);
  if (wanted("workers")) all["workers"] = workers(settings);
  std::remove(settings.weights.c_str());
  if (!settings.json_file.empty()) std::ofstream(settings.json_file) << all.dump(2) << "\n";
  return 0;
}

// The reference: trains, tests, and writes a report, as a job does.
int fit_here(int batch, int epochs, const std::string& precision, int threads,
             const std::string& weights, const std::string& report) {
  Model model = train::make_model("mnist_cnn", 0);
  model.load_weights(weights);
  const auto [records, test] = mnist();
  const auto start = std::chrono::steady_clock::now();
  (void)model.fit(records, {.batch_size = batch,
                            .epochs = epochs,
                            .optimizer = Adam({.learning_rate = std::stof(kNoLearning)}),
                            .threads = threads,
                            .verbose = 0,
                            .device = "cpu",
                            .precision = precision});
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  const double accuracy = model.evaluate(test, {.threads = threads, .device = "cpu"}).accuracy;
  const double images = static_cast<double>(records.size()) * epochs;
  std::ofstream(report) << json(
      {{"samples_per_second", images / time.count()}, {"test_accuracy", accuracy}});
  return 0;
}

Settings parse(int argc, char** argv) {
  Settings settings;
  settings.self = argv[0];
  settings.weights = "/tmp/sluice-processes-bench-" + std::to_string(getpid()) + ".weights.h5";
  settings.sluice = settings.self.substr(0, settings.self.rfind('/') + 1) + "sluice";
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i], value = argv[i + 1];
    if (flag == "--json") {
      settings.json_file = value;
    } else if (flag == "--rounds") {
      settings.rounds = std::max(std::atoi(value.c_str()), 1);
    } else if (flag == "--epochs") {
      settings.epochs = std::max(std::atoi(value.c_str()), 1);
    } else if (flag == "--only") {
      settings.only = value;
    } else {
      throw std::invalid_argument(flag + ": not known; see the beginning of processes_bench.cc");
    }
  }
  return settings;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) try {
  if (argc == 9 && std::strcmp(argv[1], "--fit") == 0) {
    return sluice::bench::fit_here(std::atoi(argv[2]), std::atoi(argv[3]), argv[4],
                                   std::atoi(argv[5]), argv[6], argv[8]);
  }
  return sluice::bench::measure(sluice::bench::parse(argc, argv));
} catch (const std::exception& error) {
  std::cerr << "sluice_processes_bench: " << error.what() << "\n";
  return 1;
}
