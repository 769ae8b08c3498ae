// `sluice status` and `sluice ctl` as people use them: of real jobs, from another process.
#include <gmock/gmock.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "tests/support/digits_folder.h"
#include "tests/support/process.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing_support::command_line;
using testing_support::DigitsFolder;
using testing_support::Process;

constexpr const char* kSluice = SLUICE_BINARY_DIR "/bin/sluice";

#if defined(SLUICE_SANITIZED)
constexpr int64_t kRecords = 600;
#else
constexpr int64_t kRecords = 1800;
#endif

class StatusTest : public testing::Test {
 protected:
  // Jobs of this machine that are not the test's are not in its way.
  void SetUp() override {
    std::filesystem::create_directories(digits().path() + "/run");
    setenv("XDG_RUNTIME_DIR", (digits().path() + "/run").c_str(), 1);
    std::filesystem::remove(report_path());
  }
  static const DigitsFolder& digits() {
    static const DigitsFolder folder(kRecords, 300);
    return folder;
  }
  static std::string report_path() { return digits().path() + "/report.json"; }
  static json report() {
    std::ifstream file(report_path());
    return json::parse(file);
  }
  static std::vector<std::string> train(int epochs, const std::vector<std::string>& more = {}) {
    std::vector<std::string> command = {
        kSluice,     "train", "--dataset", digits().path(), "--epochs", std::to_string(epochs),
        "--verbose", "2",     "--report",  report_path()};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }

  struct Ran {
    int status;
    std::string output;
  };
  static Ran sluice(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), kSluice);
    Process process(arguments);
    const int status = process.wait(60s);
    return {status, process.output()};
  }
  static json status_of_the_job() {
    const Ran ran = sluice({"status", "--json"});
    EXPECT_EQ(ran.status, 0) << ran.output;
    return ran.status == 0 ? json::parse(ran.output) : json();
  }
  // Asks until it is so.
  static json wait_until(const std::function<bool(const json&)>& so) {
    json status;
    for (int i = 0; i < 1200; ++i) {
      status = status_of_the_job();
      if (status.is_null() || so(status)) return status;
      usleep(50000);
    }
    ADD_FAILURE() << "it has not come to that: " << status.dump(2);
    return status;
  }
  static size_t count_workers(const json& s) {
    size_t workers = 0;
    for (const json& member : s["members"]) workers += member["role"] == "worker" ? 1 : 0;
    return workers;
  }
  static pid_t a_worker(const Process& process) {
    for (const pid_t pid : process.children()) {
      const auto arguments = command_line(pid);
      if (arguments.size() > 2 && arguments[2] == "worker") return pid;
    }
    return -1;
  }
  static void expect_exact_counts(const json& r, int epochs) {
    const int64_t steps = epochs * ((kRecords / 3 + 15) / 16);
    EXPECT_EQ(r["samples_trained"], epochs * kRecords);
    EXPECT_EQ(r["server_updates"], 3 * ((steps + 4) / 5));
  }
};

TEST_F(StatusTest, WithoutAJobOneLineSaysSo) {
  const Ran status = sluice({"status"});
  EXPECT_EQ(status.status, 1);
  EXPECT_EQ(status.output,
            "sluice: no job of yours runs on this machine; name the driver of one elsewhere: "
            "sluice status ADDRESS\n");
  EXPECT_EQ(sluice({"ctl", "pause"}).status, 1);
  const Ran nobody = sluice({"status", "127.0.0.1:1"});
  EXPECT_EQ(nobody.status, 1);
  EXPECT_THAT(nobody.output, HasSubstr("127.0.0.1:1"));
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{"status", "nonsense"},
                                             {"status", "--wtach"},
                                             {"status", "a:1", "b:2"},
                                             {"ctl"},
                                             {"ctl", "dance"},
                                             {"ctl", "pause", "now"},
                                             {"ctl", "scale"},
                                             {"ctl", "set", "learning-rate"}}) {
    const Ran refused = sluice(wrong);
    EXPECT_EQ(refused.status, 2) << refused.output;
    EXPECT_THAT(refused.output, ContainsRegex("^sluice: .*\n$"));
  }
}

TEST_F(StatusTest, ALocalJobIsFoundChangedPausedAndResumedAndEverySampleCounts) {
  Process process(train(10));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/10", 120s)) << process.output();
  const json training = wait_until([](const json& s) {
    return s["job"]["phase"] == "training" && s["leases"].size() == 3 && s["job"]["samples"] > 0;
  });
  EXPECT_EQ(training["job"]["pid"], process.pid());
  EXPECT_EQ(training["job"]["total_samples"], 10 * kRecords);
  EXPECT_EQ(training["members"].size(), 4u);
  EXPECT_EQ(training["servers"][0]["shards"], 2);

  const Ran set = sluice({"ctl", "set", "learning-rate", "0.0005"});
  EXPECT_EQ(set.status, 0);
  EXPECT_EQ(set.output,
            "learning-rate: 0.0005, before 0.001; in force at each worker within one window\n");
  const Ran fixed = sluice({"ctl", "set", "batch-size", "3"});
  EXPECT_EQ(fixed.status, 2);
  EXPECT_THAT(fixed.output, HasSubstr("cannot be changed while the job runs: "));

  EXPECT_EQ(sluice({"ctl", "pause"}).status, 0);
  const json paused = wait_until([](const json& s) {
    int waiting = 0;
    for (const json& member : s["members"]) waiting += member["state"] == "paused" ? 1 : 0;
    return waiting == 3;
  });
  EXPECT_EQ(paused["job"]["phase"], "paused");
  EXPECT_EQ(paused["waits"]["whom"], "the job to be resumed");
  // Ledgers are read five times a second.
  usleep(1000000);
  const json later = status_of_the_job(), last = (usleep(1000000), status_of_the_job());
  EXPECT_EQ(later["job"]["updates"], last["job"]["updates"]) << "no window begins";
  EXPECT_EQ(sluice({"ctl", "resume"}).status, 0);
  ASSERT_EQ(process.wait(400s), 0) << process.output();
  EXPECT_THAT(process.output(), HasSubstr("learning-rate: 0.0005, before 0.001, by sluice ctl"));
  EXPECT_THAT(process.output(), HasSubstr("paused by sluice ctl (pid "));
  EXPECT_THAT(process.output(), HasSubstr("resumed by sluice ctl (pid "));
  expect_exact_counts(report(), 10);
  ASSERT_EQ(report()["changes"].size(), 3u);
  EXPECT_EQ(report()["changes"][0]["to"], "0.0005");
  EXPECT_EQ(sluice({"status"}).status, 1) << "its file went with it";
}

TEST_F(StatusTest, AWorkerThatIsStoppedIsNamedWhileItIs) {
  Process process(train(12, {"--lease-timeout", "60"}));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/12", 120s)) << process.output();
  const pid_t sleeper = a_worker(process);
  ASSERT_GT(sleeper, 0);
  kill(sleeper, SIGSTOP);
  const json status = wait_until([](const json& s) {
    const std::string whom = s["waits"]["whom"];
    return whom.find("which has not been heard of") != std::string::npos;
  });
  EXPECT_THAT(status["waits"]["whom"].get<std::string>(),
              ContainsRegex("worker [012] of 3, which"));
  EXPECT_GT(status["waits"]["given_up_in_s"], 30);
  int silent = 0;
  for (const json& member : status["members"]) {
    if (member["state"] != "silent") continue;
    ++silent;
    EXPECT_EQ(member["pid"], sleeper);
    EXPECT_GE(member["heard_s"], 3);
  }
  EXPECT_EQ(silent, 1);
  EXPECT_THAT(sluice({"status"}).output, ContainsRegex("waiting [0-9.]+ s for worker [012] of 3"));
  EXPECT_TRUE(process.wait_for_output("(last seen ", 30s)) << process.output();
  kill(sleeper, SIGCONT);
  ASSERT_EQ(process.wait(400s), 0) << process.output();
  expect_exact_counts(report(), 12);
}

TEST_F(StatusTest, ABoundOfTheStalenessThatIsLiftedLetsOthersGoOnWithoutWhoHasStopped) {
  Process process(train(12, {"--lease-timeout", "120", "--max-staleness", "0"}));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/12", 120s)) << process.output();
  (void)wait_until([](const json& s) { return s["job"]["updates"] > 10; });
  const pid_t sleeper = a_worker(process);
  ASSERT_GT(sleeper, 0);
  kill(sleeper, SIGSTOP);
  const json blocked = wait_until([](const json& s) {
    int held = 0;
    for (const json& worker : s["gate"]["workers"]) held += worker["answer_held_s"] > 1 ? 1 : 0;
    return held == 2;
  });
  int64_t its = -1;
  for (const json& member : blocked["members"]) {
    if (member["pid"] == sleeper) its = member["index"];
  }
  EXPECT_EQ(blocked["gate"]["slowest"], "worker " + std::to_string(its));
  EXPECT_EQ(blocked["gate"]["max_staleness"], 0);
  EXPECT_THAT(sluice({"status"}).output,
              ContainsRegex("0 windows ahead of the slowest at most; answers are held, for up to "
                            "[0-9.]+ s, until worker " +
                            std::to_string(its) + " has pushed window [0-9]+\n"));
  const int64_t updates = status_of_the_job()["job"]["updates"];
  EXPECT_EQ(status_of_the_job()["job"]["updates"], updates) << "nobody goes on";

  const Ran set = sluice({"ctl", "set", "max-staleness", "none"});
  EXPECT_EQ(set.status, 0);
  EXPECT_EQ(set.output, "max-staleness: none, before 0; in force at the servers at once\n");
  (void)wait_until([&](const json& s) { return s["job"]["updates"] > updates + 10; });
  kill(sleeper, SIGCONT);
  ASSERT_EQ(process.wait(400s), 0) << process.output();
  expect_exact_counts(report(), 12);
  EXPECT_EQ(report()["changes"][0]["to"], "none");
}

TEST_F(StatusTest, WorkersAreScaledUpAndDownAndEverySampleCounts) {
  constexpr int kEpochs = 20;
  Process process(train(kEpochs, {"--workers", "2", "--max-workers", "4", "--trainer", "downpour",
                                  "--threads-per-worker", "1"}));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/20", 120s)) << process.output();
  const Ran many = sluice({"ctl", "scale", "workers=5"});
  EXPECT_EQ(many.status, 2);
  EXPECT_EQ(many.output, "sluice: scale: expected at most 4 worker(s), by --max-workers, got 5\n");
  const Ran four = sluice({"ctl", "scale", "workers=4"});
  EXPECT_EQ(four.status, 0);
  EXPECT_EQ(four.output, "workers: 4, before 2; the others are started\n");
  const json grown = wait_until([](const json& s) { return s["leases"].size() == 4; });
  EXPECT_EQ(grown["job"]["workers"], 4);
  EXPECT_EQ(grown["gain"]["scale"], 0.25);
  ASSERT_TRUE(process.wait_for_output("gain: 4 workers would move the servers 4.0 times", 120s))
      << process.output();
  const Ran one = sluice({"ctl", "scale", "workers=1"});
  EXPECT_EQ(one.status, 0);
  EXPECT_EQ(one.output, "workers: 1, before 4; the last ones end what they push, and leave\n");
  const json shrunk = wait_until([](const json& s) { return count_workers(s) == 1; });
  EXPECT_EQ(shrunk["gain"]["scale"], 1);
  ASSERT_EQ(process.wait(400s), 0) << process.output();
  EXPECT_THAT(process.output(), HasSubstr("workers: 4, before 2, by sluice ctl (pid "));
  EXPECT_THAT(process.output(), HasSubstr("workers: 1, before 4, by sluice ctl (pid "));
  const json r = report();
  EXPECT_EQ(r["samples_trained"], kEpochs * kRecords);
  const int64_t steps = kEpochs * ((kRecords / 2 + 15) / 16);
  // DOWNPOUR's first window has a step less than the others.
  EXPECT_EQ(r["server_updates"], 2 * ((steps + 1 + 4) / 5));
  EXPECT_EQ(r["changes"].size(), 2u);
  EXPECT_EQ(r["workers"].size(), 4u);
  ASSERT_GE(r["gains"].size(), 1u);
  EXPECT_EQ(r["gains"][0]["workers"], 4);
}

TEST_F(StatusTest, WorkersThatNobodyReplacesAreAskedForAgain) {
  constexpr int kEpochs = 30;
  Process process(train(kEpochs, {"--max-restarts", "0", "--threads-per-worker", "1"}));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/30", 120s)) << process.output();
  kill(a_worker(process), SIGKILL);
  (void)wait_until([](const json& s) { return s["job"]["workers"] == 2; });
  const Ran three = sluice({"ctl", "scale", "workers=3"});
  EXPECT_EQ(three.output, "workers: 3, before 2; the others are started\n");
  (void)wait_until([](const json& s) { return count_workers(s) == 3; });
  ASSERT_EQ(process.wait(400s), 0) << process.output();
  expect_exact_counts(report(), kEpochs);
}

TEST_F(StatusTest, StopSavesWhatWasLearned) {
  const std::string model = digits().path() + "/stopped.sluice";
  Process process(train(100000, {"--save", model, "--window", "1"}));
  ASSERT_TRUE(process.wait_for_output("Epoch 1/100000", 120s)) << process.output();
  (void)wait_until([](const json& s) { return s["job"]["updates"] > 0; });
  const Ran stop = sluice({"ctl", "stop"});
  EXPECT_EQ(stop.status, 0);
  EXPECT_THAT(stop.output, HasSubstr("what was learned is saved"));
  EXPECT_EQ(process.wait(30s), 1) << process.output();
  EXPECT_THAT(process.output(), HasSubstr("stopped by sluice ctl (pid "));
  EXPECT_THAT(process.output(), HasSubstr("the model as it was by then is saved to"));
  EXPECT_TRUE(std::filesystem::exists(model));
  const json r = report();
  EXPECT_THAT(r["interrupted_by"].get<std::string>(), HasSubstr("sluice ctl"));
  int64_t updates = 0;
  for (const json& worker : r["workers"]) updates += worker["updates"].get<int64_t>();
  EXPECT_EQ(r["server_updates"], updates) << "each push is in all shards or in none";
}

TEST_F(StatusTest, OfSeveralJobsOneIsChosenByItsAddress) {
  Process one({kSluice, "driver", "--dataset", digits().path(), "--listen", "127.0.0.1:0"});
  Process other({kSluice, "driver", "--dataset", digits().path(), "--listen", "127.0.0.1:0"});
  ASSERT_TRUE(one.wait_for_output("listening at", 60s)) << one.output();
  ASSERT_TRUE(other.wait_for_output("listening at", 60s)) << other.output();
  const Ran several = sluice({"status"});
  EXPECT_EQ(several.status, 2);
  EXPECT_THAT(several.output, HasSubstr("2 jobs of yours run on this machine:\n"));
  EXPECT_THAT(several.output, HasSubstr("choose one: sluice status ADDRESS\n"));
  EXPECT_THAT(several.output, HasSubstr("pid " + std::to_string(one.pid()) + ", since "));
  const size_t at = several.output.find("127.0.0.1:");
  ASSERT_NE(at, std::string::npos);
  const std::string address = several.output.substr(at, several.output.find(' ', at) - at);
  const Ran status = sluice({"status", address});
  EXPECT_EQ(status.status, 0);
  EXPECT_THAT(status.output, HasSubstr("of 1 parameter server(s) and 3 of 3 worker(s) to join"));
  EXPECT_THAT(status.output, HasSubstr("start it with: sluice server|worker --driver " + address));
  // One that is killed leaves its file, which is no job.
  one.signal(SIGKILL);
  EXPECT_EQ(one.wait(20s), 128 + SIGKILL);
  EXPECT_EQ(sluice({"status"}).status, 0);
  const Ran scaled = sluice({"ctl", "scale", "workers=2"});
  EXPECT_EQ(scaled.status, 1);
  EXPECT_THAT(scaled.output,
              HasSubstr("start more there with sluice worker, or send some SIGTERM"));
  EXPECT_EQ(sluice({"ctl", "stop"}).status, 0);
  EXPECT_EQ(other.wait(30s), 1) << other.output();
}

TEST_F(StatusTest, WatchTellsEachSecondUntilTheJobHasEnded) {
  Process job({kSluice, "driver", "--dataset", digits().path(), "--listen", "127.0.0.1:0"});
  ASSERT_TRUE(job.wait_for_output("listening at", 60s)) << job.output();
  Process watch({kSluice, "status", "--watch", "--json"});
  ASSERT_TRUE(watch.wait_for_output("}\n{", 30s)) << watch.output();
  Process text({kSluice, "status", "--watch"});
  ASSERT_TRUE(text.wait_for_output("\n\nwaiting for servers: ", 30s)) << text.output();
  job.signal(SIGTERM);
  EXPECT_EQ(watch.wait(30s), 0) << watch.output();
  EXPECT_EQ(text.wait(30s), 0) << text.output();
  EXPECT_THAT(watch.output(), HasSubstr("sluice: the job has ended: "));
  std::istringstream lines(watch.output());
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(json::parse(line)["job"]["phase"], "waiting for servers");
}

}  // namespace
}  // namespace sluice
