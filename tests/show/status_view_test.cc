#include "show/status_view.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <sstream>

namespace sluice::show {
namespace {

using driver::JobStatus;
using testing::HasSubstr;
using testing::Not;

JobStatus sample() {
  JobStatus status;
  JobStatus::Job& job = status.job;
  job.phase = "training";
  job.model = "mnist_cnn";
  job.dataset = "mnist";
  job.trainer = "adag";
  job.optimizer = "adam";
  job.host = "hosta";
  job.pid = 4711;
  job.parameters = 1048853;
  job.epochs = 5;
  job.running_s = 62;
  job.training_s = 58.4;
  job.samples = 91264;
  job.total_samples = 300000;
  job.updates = 1141;
  job.total_updates = 3750;
  status.rates = {5.04, 4213.4, 52.66, 220e6};
  status.epochs = {{1, 60000, 60000, 0.166}, {2, 31264, 60000, 0.0812}};
  status.members = {{.role = "server",
                     .index = 0,
                     .host = "hosta",
                     .pid = 4712,
                     .state = "serving",
                     .heard_s = 0.3,
                     .peak_memory_bytes = int64_t{160} << 20},
                    {.role = "worker",
                     .index = 0,
                     .host = "hosta",
                     .pid = 4713,
                     .state = "training",
                     .heard_s = 0.2,
                     .progress_s = 0.1,
                     .peak_memory_bytes = int64_t{150} << 20},
                    {.role = "worker",
                     .index = 1,
                     .host = "hostb",
                     .pid = 17,
                     .state = "waiting",
                     .heard_s = 12,
                     .progress_s = 12.4,
                     .waiting_for = "server 0 at hosta:7071",
                     .waiting_s = 11}};
  status.servers = {{.server = 0,
                     .shards = 2,
                     .version = 1141,
                     .duplicates = 1,
                     .staleness_mean = 1.954,
                     .staleness_max = 5}};
  status.leases = {{.partition = 2,
                    .worker = 0,
                    .first_push = 1,
                    .last_push = 250,
                    .step = 1210,
                    .steps = 1250,
                    .held_s = 58}};
  status.knobs = {{"learning-rate", "0.001", "help"}};
  return status;
}

TEST(StatusViewTest, IsReadAtAGlance) {
  EXPECT_EQ(to_text(sample()),
            R"(training: mnist_cnn on mnist, adag with adam
driver (pid 4711 on hosta), for 62 s, trains for 58 s; 1,048,853 parameters
91,264 of 300,000 samples (30%), 1,141 of 3,750 updates
4,213 samples/s, 52.7 updates/s, 209.81 MB/s pushed, over 5.0 s
epoch 1 of 5: 60000/60000, loss 0.1660
epoch 2 of 5: 31264/60000, loss 0.0812

SERVER  PID            STATE     SEEN  SHARDS  VERSION    STALENESS  MEMORY
0       4712 on hosta  serving  0.3 s       2    1,141  1.95, max 5  160 MB
  1 push came again

WORKER  PID            STATE      SEEN  GOT ON     LEASE       STEP  HELD  MEMORY
0       4713 on hosta  training  0.2 s   0.1 s  2: 1-250  1210/1250  58 s  150 MB
1       17 on hostb    waiting    12 s    12 s         -          -     -       -
  waits 11 s for server 0 at hosta:7071

learning-rate 0.001
)");
}

TEST(StatusViewTest, WhoIsWaitedForAndWhatWasChangedIsTold) {
  JobStatus status = sample();
  status.waits = {"worker 2 of 3, which has not been heard of", 10, 20, "start it"};
  status.changes = {{"learning-rate", "0.01", "0.001", "sluice ctl (pid 9 on a)", 4},
                    {"paused", "no", "yes", "sluice ctl (pid 9 on a)", 400}};
  const std::string text = to_text(status);
  EXPECT_THAT(text, HasSubstr("\nwaiting 10 s for worker 2 of 3, which has not been heard of "
                              "(given up in 20 s); start it\n"));
  EXPECT_THAT(text, HasSubstr("\n4.0 s ago learning-rate: 0.001, before 0.01, by sluice ctl (pid 9 "
                              "on a)\n6:40 ago paused by sluice ctl (pid 9 on a)\n"));
}

TEST(StatusViewTest, WhoHoldsWhomBackAndTheGainAreTold) {
  JobStatus status = sample();
  status.gain = {1, 30, 30, true, 1.0 / 30};
  status.gate.max_staleness = 2;
  status.gate.floor = 17;
  status.gate.workers = {{0, 20, 4.25}, {1, 17, -1}, {2, -1, -1}};
  status.gate.slowest = "worker 1";
  const std::string text = to_text(status);
  EXPECT_THAT(text, HasSubstr("\ngain: 30 workers would move the servers 30.0 times as far at once "
                              "as one worker's step; pushes are scaled by 0.0333\n"
                              "2 windows ahead of the slowest at most; answers are held, for up to "
                              "4.2 s, until worker 1 has pushed window 18\n"));
  EXPECT_THAT(text, HasSubstr("MEMORY          AHEAD\n"));
  EXPECT_THAT(text, HasSubstr("150 MB  3, held 4.2 s\n"));
  EXPECT_THAT(text, HasSubstr("       -              0\n"));
}

TEST(StatusViewTest, RoundsAreTold) {
  JobStatus status = sample();
  status.gate.rounds = true;
  status.gate.backup_workers = 1;
  status.gate.superseded = 4;
  status.gain = {0, 3, 0, true, 1};
  const std::string text = to_text(status);
  EXPECT_THAT(text, HasSubstr("\nin rounds, which do not wait for the last 1; 4 updates came too "
                              "late for a round, and did not count\n"));
  EXPECT_THAT(text, Not(HasSubstr("gain:")));
  status.gain = {1, 3, 3, false, 1};
  EXPECT_THAT(to_text(status),
              HasSubstr("gain: 3 workers move the servers 3.0 times as far at once "
                        "as one worker's step; pushes are not scaled, as "
                        "published\n"));
}

TEST(StatusViewTest, AJobThatHasNothingYetIsShownToo) {
  EXPECT_THAT(to_text({}), HasSubstr("0 of 0 samples (0%), 0 of 0 updates\n"));
}

// Hosts and containers are named by others.
TEST(StatusViewTest, NamesDoNotReachTheTerminalAsTheyAre) {
  JobStatus status = sample();
  status.members[0].host = "\033[2J";
  status.members[1].waiting_for = "a\nb\033c";
  status.members[1].state = "waiting";
  EXPECT_THAT(to_text(status), Not(HasSubstr("\033")));
  EXPECT_THAT(to_text(status), HasSubstr("for a?b?c\n"));
}

TEST(StatusViewTest, FitsATerminalWithoutLosingAWord) {
  EXPECT_EQ(fit("ab cd ef gh\nij\n\nkl\n", 7, 10), "ab cd\n  ef gh\nij\n\nkl\n");
  EXPECT_EQ(fit("abcdefghij\n", 4, 10), "abcd\n  ef\n  gh\n  ij\n") << "a word that is too long";
  EXPECT_EQ(fit("abcd efgh\n", 4, 10), "abcd\n  ef\n  gh\n");
  EXPECT_EQ(fit("ab cd ef gh\nij\nkl\n", 7, 2), "ab cd\n  ef gh\n");
  EXPECT_EQ(fit("ab\nij\nkl\n", 7, 2), "ab\nij\n");
  const std::string text = to_text(sample());
  for (const size_t columns : {20u, 40u, 80u}) {
    std::istringstream lines(fit(text, columns, 1000));
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), columns) << line;
  }
}

}  // namespace
}  // namespace sluice::show
