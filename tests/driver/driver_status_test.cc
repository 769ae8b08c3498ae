// What people ask of a driver, and want changed.
#include <gmock/gmock.h>

#include "driver/job_status.h"
#include "tests/driver/driver_fixture.h"
#include "tests/support/update_rules.h"

namespace sluice::driver {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;

class DriverStatusTest : public DriverFixture {
 protected:
  DriverStatusTest() {
    options.dataset = "twelve";
    options.model = "small";
    options.training.optimizer = SGD({.learning_rate = 0.25f});
    options.training.batch_size = 2;
  }
  JobStatus status() {
    Pending<Result<wire::StatusReply>> told;
    driver->status({}, told.reply());
    world.run();
    EXPECT_TRUE(told.is_there() && told.get().ok());
    return *parse_job_status(told.get()->json);
  }
  Result<std::string> command(const std::string& verb, std::vector<std::string> arguments = {}) {
    Pending<Result<wire::CommandReply>> done;
    wire::CommandRequest request{verb, std::move(arguments), {}};
    request.process.host = "hosta";
    request.process.pid = 9;
    driver->command(request, done.reply());
    world.run();
    EXPECT_TRUE(done.is_there());
    if (!done.get().ok()) return done.get().status();
    return done.get()->said;
  }
};

TEST_F(DriverStatusTest, TellsTheJobFromItsBeginning) {
  make_driver();
  const JobStatus before = status();
  EXPECT_EQ(before.job.phase, "waiting for servers");
  EXPECT_EQ(before.job.dataset, "twelve");
  EXPECT_EQ(before.job.model, "small");
  EXPECT_EQ(before.job.trainer, "adag");
  EXPECT_EQ(before.job.optimizer, "sgd");
  EXPECT_EQ(before.job.parameters, 64);
  EXPECT_EQ(before.job.total_samples, 24);
  EXPECT_EQ(before.job.total_updates, 8);
  EXPECT_EQ(before.job.training_s, -1);
  EXPECT_THAT(before.waits.whom, HasSubstr("parameter server(s) to join"));
}

TEST_F(DriverStatusTest, TellsLeasesShardsRatesAndEpochs) {
  start();
  for (int i = 0; i < kServers; ++i) {
    wire::LedgerReply ledger;
    ledger.shards = 2;
    ledger.version = 4 + 2 * i;
    ledger.duplicates = 1;
    ledger.fenced = 2;
    ledger.staleness_sum = 10;
    ledger.staleness_max = 3;
    ledger.superseded = 1;
    if (i == 0) ledger.epochs = epochs_until(1);
    servers[i].answer_ledger(ledger);
  }
  const int64_t worker = join_worker();
  const wire::Lease lease = acquire(worker).lease;
  live_for(2s, with_servers(worker));
  const JobStatus now = status();
  EXPECT_EQ(now.job.phase, "training");
  EXPECT_EQ(now.job.samples, 18);
  EXPECT_EQ(now.job.updates, 4);
  ASSERT_EQ(now.leases.size(), 1u);
  EXPECT_EQ(now.leases[0].first_push, 1);
  EXPECT_EQ(now.leases[0].last_push, lease.last);
  EXPECT_EQ(now.leases[0].steps, 4) << "two epochs of four records in batches of two";
  ASSERT_EQ(now.servers.size(), 2u);
  EXPECT_EQ(now.servers[1].address, "server 1");
  EXPECT_EQ(now.servers[1].shards, 2);
  EXPECT_EQ(now.servers[1].version, 6);
  EXPECT_EQ(now.servers[1].duplicates, 1);
  EXPECT_EQ(now.servers[1].fenced, 2);
  EXPECT_EQ(now.servers[1].staleness_max, 3);
  EXPECT_DOUBLE_EQ(now.servers[1].staleness_mean, 10.0 / (6 - 1)) << "of what was applied";
  EXPECT_GT(now.rates.over_s, 1);
  ASSERT_EQ(now.epochs.size(), 2u);
  EXPECT_EQ(now.epochs[0].samples, 12);
  EXPECT_EQ(now.epochs[0].loss, 0.5);
}

TEST_F(DriverStatusTest, AKnobIsSetToldKeptAndShown) {
  start();
  const int64_t worker = join_worker();
  const Heard held = send_heartbeat(worker);
  EXPECT_FALSE(held.is_there());
  EXPECT_EQ(*command("set", {"learning-rate", "0.5"}),
            "learning-rate: 0.5, before 0.25; in force at each worker within one window");
  ASSERT_TRUE(held.is_there()) << "at once";
  EXPECT_EQ(held.get()->knobs->learning_rate, 0.5f);
  EXPECT_EQ(*command("set", {"learning-rate", "0.50"}), "learning-rate is 0.5 already");
  const auto changed = observer.all<JobChanged>();
  ASSERT_EQ(changed.size(), 1u);
  EXPECT_EQ(to_text(changed[0]), "learning-rate: 0.5, before 0.25, by sluice ctl (pid 9 on hosta)");
  EXPECT_EQ(status().knobs[0].value, "0.5");
  EXPECT_EQ(status().changes.size(), 1u);
  train_everything(worker);
  leave(worker);
  const auto& ended = end();
  ASSERT_TRUE(ended.ok()) << ended.status();
  ASSERT_EQ(ended->changes.size(), 1u);
  EXPECT_EQ(ended->changes[0].to, "0.5");
}

TEST_F(DriverStatusTest, AStalenessThatIsSetReachesTheServersAtOnce) {
  start();
  const int64_t worker = join_worker();
  (void)acquire(worker);
  const size_t before = servers[1].told().gates.size();
  EXPECT_EQ(*command("set", {"max-staleness", "4"}),
            "max-staleness: 4, before none; in force at the servers at once");
  for (const FakeServer& server : servers) {
    const auto gates = server.told().gates;
    ASSERT_EQ(gates.size(), before + 1);
    EXPECT_EQ(gates.back().gate.max_staleness, 4);
    EXPECT_EQ(gates.back().gate.trainees.size(), 1u);
  }
  EXPECT_EQ(status().gate.max_staleness, 4);
  EXPECT_EQ(*command("set", {"max-staleness", "none"}),
            "max-staleness: none, before 4; in force at the servers at once");
  EXPECT_EQ(servers[0].told().gates.back().gate.max_staleness, -1);
}

TEST_F(DriverStatusTest, TellsWhoWaitsForWhomAtTheServersAndTheGain) {
  options.training.trainer = "downpour";
  options.training.trainer.set("window", int64_t{1});
  options.max_staleness = 0;
  options.workers = 1;
  start();
  for (int i = 0; i < kServers; ++i) {
    wire::LedgerReply ledger = complete_ledger(i);
    ledger.superseded = 3;
    ledger.floor = 7;
    ledger.trainees = {{.worker = 1, .clock = 8}, {.worker = 0, .clock = 7}, {.worker = 2}};
    if (i == 1) ledger.trainees[0].held_s = 2.5;
    servers[i].answer_ledger(ledger);
  }
  const int64_t a = join_worker(10), b = join_worker(11);
  (void)acquire(a);
  (void)acquire(b);
  live_for(2s, {{server_members[0], server_members[1], a, b}});
  const JobStatus now = status();
  EXPECT_EQ(now.gate.max_staleness, 0);
  EXPECT_FALSE(now.gate.rounds);
  EXPECT_EQ(now.gate.floor, 7);
  EXPECT_EQ(now.gate.superseded, 3);
  EXPECT_EQ(now.gate.slowest, "worker 0");
  ASSERT_EQ(now.gate.workers.size(), 3u);
  EXPECT_EQ(now.gate.workers[0].windows, 7);
  EXPECT_EQ(now.gate.workers[0].answer_held_s, -1);
  EXPECT_EQ(now.gate.workers[1].answer_held_s, 2.5) << "at another server";
  EXPECT_EQ(now.gate.workers[2].windows, -1);
  EXPECT_EQ(now.gain.workers, 2);
  EXPECT_EQ(now.gain.value, 2);
  EXPECT_EQ(now.gain.scale, 0.5);
  EXPECT_TRUE(now.gain.bounded);
  const auto changes = observer.all<GainChanged>();
  ASSERT_EQ(changes.size(), 1u) << "two train where one was asked for";
  EXPECT_EQ(changes[0].workers, 2);
}

TEST_F(DriverStatusTest, WorkersAreScaledWhereTheyAreStartedHere) {
  start();
  EXPECT_THAT(command("scale", {"workers=2"}).status().message(),
              HasSubstr("are started elsewhere: start more there with sluice worker, or send some "
                        "SIGTERM"));
  EXPECT_TRUE(observer.all<WorkersWanted>().empty());
}

TEST_F(DriverStatusTest, ScalingIsToldToTheLauncherKeptAndShown) {
  options.starts_members = true;
  options.workers = 2;
  options.max_workers = 4;
  start();
  EXPECT_EQ(*command("scale", {"workers=4"}), "workers: 4, before 2; the others are started");
  ASSERT_EQ(observer.all<WorkersWanted>().size(), 1u);
  EXPECT_EQ(observer.all<WorkersWanted>()[0].workers, 4);
  EXPECT_EQ(to_text(observer.all<JobChanged>().back()),
            "workers: 4, before 2, by sluice ctl (pid 9 on hosta)");
  EXPECT_EQ(status().job.workers, 4);
  EXPECT_EQ(status().changes.back().knob, "workers");
  EXPECT_EQ(*command("scale", {"workers=1"}),
            "workers: 1, before 4; the last ones end what they push, and leave");
  EXPECT_EQ(command("scale", {"workers=5"}).status(),
            invalid_argument("scale: expected at most 4 worker(s), by --max-workers, got 5"));
  EXPECT_EQ(command("scale", {"workers=0"}).status(),
            invalid_argument("scale: expected at least 1 worker(s), by --min-workers, got 0"));
  for (const char* wrong : {"", "5", "workers", "workers=", "workers=x", "workers=2x", "work=3",
                            "workers=99999999999999999999"}) {
    EXPECT_EQ(command("scale", {wrong}).status().message(),
              std::string("scale: expected workers=N or servers=N, got \"") + wrong + "\"");
  }
  EXPECT_EQ(observer.all<WorkersWanted>().size(), 2u);
}

// Whoever starts them says how many there are; as many again brings back those that are missing.
TEST_F(DriverStatusTest, WorkersThatAreGoneMayBeAskedForAgain) {
  options.starts_members = true;
  options.workers = 2;
  start();
  join_worker();
  driver->workers_wanted(1);
  EXPECT_EQ(*command("scale", {"workers=1"}), "workers are 1 already");
  EXPECT_EQ(*command("scale", {"workers=2"}), "workers: 2, before 1; the others are started");
  EXPECT_EQ(*command("scale", {"workers=2"}),
            "workers are 2 already, of which 1 is missing: whoever has been given up is started "
            "again, others are on their way");
  EXPECT_EQ(observer.all<WorkersWanted>().size(), 2u);
  EXPECT_THAT(command("scale", {"workers=60000"}).status().message(),
              MatchesRegex("scale: expected at most [0-9]+ worker.s., 64 for each core of this "
                           "machine, got 60000; start the job with --max-workers 60000 if you "
                           "mean it"));
}

TEST_F(DriverStatusTest, WhatMakesNoSenseIsRefusedAndChangesNothing) {
  start();
  for (const auto& [verb, arguments] :
       std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"dance", {}},
           {"", {}},
           {"pause", {"now"}},
           {"set", {}},
           {"set", {"learning-rate"}},
           {"set", {"learning-rate", "fast"}},
           {"set", {"batch-size", "3"}}}) {
    EXPECT_EQ(command(verb, arguments).status().code(), StatusCode::kInvalidArgument) << verb;
  }
  EXPECT_TRUE(observer.all<JobChanged>().empty());
}

TEST_F(DriverStatusTest, AJobIsPausedAndResumed) {
  start();
  const int64_t worker = join_worker();
  EXPECT_THAT(*command("pause"), HasSubstr("paused: each worker"));
  EXPECT_EQ(*command("pause"), "the job is paused already");
  EXPECT_EQ(status().job.phase, "paused");
  const Acquired waiting = ask_for_lease(worker);
  EXPECT_FALSE(waiting.is_there());
  EXPECT_EQ(*command("resume"), "resumed");
  ASSERT_TRUE(waiting.is_there()) << "at once";
  EXPECT_EQ(waiting.get()->kind, wire::AcquireReply::Kind::kGranted);
  EXPECT_EQ(*command("resume"), "the job is not paused");
  EXPECT_EQ(observer.all<JobChanged>().size(), 2u);
}

TEST_F(DriverStatusTest, StopKeepsWhatWasLearnedWhereThatIsAskedFor) {
  options.keep_when_stopped = true;
  start();
  const int64_t worker = join_worker();
  (void)acquire(worker);
  EXPECT_EQ(*command("stop"),
            "stopping: the workers end what they push, and what was learned is saved");
  EXPECT_EQ(status().job.phase, "stopping");
  EXPECT_EQ(command("pause").status().code(), StatusCode::kFailedPrecondition);
  leave(worker, cancelled("stopped"));
  const auto& ended = end();
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(ended->stopped, "the driver was stopped by sluice ctl (pid 9 on hosta)");
}

TEST_F(DriverStatusTest, StopEndsAJobThatKeepsNothing) {
  start();
  EXPECT_EQ(*command("stop"), "stopping: the job was started without --save and --report");
  EXPECT_EQ(*command("stop"), "the job is about to end by itself");
  EXPECT_EQ(status().job.phase, "stopped");
  const auto& ended = end();
  EXPECT_EQ(ended.status(), cancelled("the driver was stopped by sluice ctl (pid 9 on hosta)"));
}

// --- Servers ---

class DriverServersTest : public DriverStatusTest {
 protected:
  DriverServersTest() { options.update_rule = add_rule_json(); }
  std::string refused(const std::string& number) {
    const auto said = command("scale", {"servers=" + number});
    return said.ok() ? "" : said.status().message();
  }
};

TEST_F(DriverServersTest, MoreAreAskedForAndTheirPlaceIsFree) {
  start();
  driver->listens_at("hosta:7070");
  EXPECT_EQ(*command("scale", {"servers=2"}), "servers are 2 already");
  EXPECT_EQ(*command("scale", {"servers=3"}),
            "servers: 3, before 2; start it with: sluice server --driver hosta:7070; shards go "
            "there when all have joined");
  EXPECT_EQ(observer.last<ServersWanted>().servers, 3);
  EXPECT_EQ(status().job.servers, 3);
  EXPECT_EQ(status().changes.back().knob, "servers");
  EXPECT_EQ(*command("scale", {"servers=2"}),
            "servers: 2, before 3; those that have joined leave again");
  EXPECT_EQ(status().job.servers, 2);
}

// Servers of the test's cannot move: whatever keeps a real one from it looks the same.
TEST_F(DriverServersTest, AMoveThatFailsIsCalledOffAndSaid) {
  start();
  const int64_t worker = join_worker();
  listen("server 2", 1);
  EXPECT_TRUE(command("scale", {"servers=3"}).ok());
  const int64_t third = join(wire::Role::kServer, 102, "server 2");
  world.run();
  const auto kept = observer.last<ServersKept>();
  EXPECT_EQ(kept.servers, 2);
  EXPECT_EQ(kept.wanted, 3);
  EXPECT_THAT(kept.why, HasSubstr("keeps its shards"));
  EXPECT_EQ(servers[1].told().created.back().revision, 1);
  EXPECT_EQ(send_heartbeat(third).get()->kind, wire::HeartbeatReply::Kind::kDone);
  leave(third);
  EXPECT_EQ(acquire(worker).kind, wire::AcquireReply::Kind::kGranted) << "the job goes on";
  train_everything(worker);
  leave(worker);
  EXPECT_TRUE(end().ok());
}

TEST_F(DriverServersTest, WhatMakesNoSenseIsRefused) {
  start();
  EXPECT_EQ(refused("0"), "scale: expected 1 to 65536 server(s), got 0");
  EXPECT_EQ(refused("70000"), "scale: expected 1 to 65536 server(s), got 70000");
  EXPECT_EQ(refused("5"),
            "scale: 4 shards cannot be spread over 5 servers: ask for at least one each");
  EXPECT_EQ(refused("x"), "scale: expected workers=N or servers=N, got \"servers=x\"");
  EXPECT_TRUE(observer.all<ServersWanted>().empty());
}

TEST_F(DriverServersTest, ALocalJobStartsNoMoreThanItsMachineCanRun) {
  initial.resize(100'000 * 16);
  options.shards = 0;
  options.starts_members = true;
  start();
  EXPECT_THAT(refused("60000"),
              MatchesRegex("scale: expected at most [0-9]+ server.s., 64 for each core of this "
                           "machine, got 60000"));
}

TEST_F(DriverServersTest, BeforeTrainingThereIsNothingToMove) {
  make_driver();
  run();
  EXPECT_THAT(refused("3"), HasSubstr("waits for its servers"));
}

}  // namespace
}  // namespace sluice::driver
