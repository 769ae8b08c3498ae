#include "driver/driver.h"

#include <gmock/gmock.h>

#include <limits>

#include "core/real_world.h"
#include "tests/driver/driver_fixture.h"
#include "tests/support/await.h"
#include "wire/training_spec.h"

namespace sluice::driver {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Says = wire::HeartbeatReply::Kind;

class DriverTest : public DriverFixture {
 protected:
  // What a server that counts wrongly makes of the job.
  Status status_with(const wire::LedgerReply& first, const wire::LedgerReply& second) {
    start();
    servers[0].answer_ledger(first);
    servers[1].answer_ledger(second);
    const int64_t worker = join_worker();
    train_everything(worker);
    leave(worker);
    return end().status();
  }
};

TEST_F(DriverTest, ServersGetTheirShardsTheRuleThePushesAndTheInitialValues) {
  start();
  size_t next = 0;
  for (int i = 0; i < kServers; ++i) {
    const auto told = servers[i].told();
    ASSERT_EQ(told.created.size(), 1u);
    EXPECT_EQ(told.created[0].server, i);
    EXPECT_EQ(told.created[0].update_rule, "the rule");
    EXPECT_THAT(told.created[0].pushes, ElementsAre(2, 3, 3));
    EXPECT_EQ(told.created[0].job, job);
    for (const wire::Shard& shard : told.created[0].shard_map.shards()) {
      EXPECT_EQ(told.assigned.contains(shard.index), shard.server == i);
      if (shard.server != i) continue;
      const auto& values = told.assigned.at(shard.index);
      ASSERT_EQ(values.size(), shard.size);
      for (size_t k = 0; k < shard.size; ++k) EXPECT_EQ(values[k], initial[shard.offset + k]);
      next += shard.size;
    }
  }
  EXPECT_EQ(next, initial.size());
}

// Its host's name means nothing here, or is that of another.
TEST_F(DriverTest, AServerIsReachedWhereItCameFromWhenNobodyAnswersWhereItSaid) {
  listen("10.0.0.9:70", 0);
  make_driver();
  server_members[0] = join(wire::Role::kServer, 100, "hostb:70", "10.0.0.9");
  server_members[1] = join(wire::Role::kServer, 101, "server 1");
  run();
  world.advance(5s);
  ASSERT_EQ(observer.all<TrainingStarted>().size(), 1u);
  const auto found = observer.all<ServerFound>();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].address, "10.0.0.9:70");
  EXPECT_THAT(found[0].why, HasSubstr("hostb:70"));
  EXPECT_THAT(acquire(join_worker()).parameters.servers, ElementsAre("10.0.0.9:70", "server 1"));
  EXPECT_EQ(servers[0].told().assigned.size(), 2u);
}

TEST_F(DriverTest, AServerThatIsReachedNowhereEndsTheJobWithAllThatWasTried) {
  make_driver();
  server_members[0] = join(wire::Role::kServer, 100, "hostb:70", "10.0.0.9");
  server_members[1] = join(wire::Role::kServer, 101, "server 1");
  run();
  live_for(40s, {server_members[0], server_members[1]});
  leave(server_members[0]);
  leave(server_members[1]);
  ASSERT_EQ(ends, 1);
  EXPECT_THAT(result.status().message(), HasSubstr("hostb:70 or 10.0.0.9:70"));
  EXPECT_THAT(result.status().message(), HasSubstr("--advertise"));
}

TEST_F(DriverTest, TrainingTimeBeginsWithTheFirstLease) {
  start();
  live_for(20s, {server_members[0], server_members[1]});
  const int64_t worker = join_worker();
  const auto lease = acquire(worker).lease;
  world.advance(2s);
  EXPECT_TRUE(finish(worker, lease).ok());
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(finish(worker, acquire(worker).lease).ok());
  leave(worker);
  ASSERT_TRUE(end().ok()) << result.status();
  EXPECT_DOUBLE_EQ(result->training_time_s, 2.0);
}

TEST_F(DriverTest, MembersAreToldHowLargeShardsAre) {
  start();
  const auto spec = wire::parse_training_spec(job_spec);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->largest_message, 64) << "all shards, should there be one server one day";
  EXPECT_EQ(spec->partitions, 3);
}

TEST_F(DriverTest, TheResultIsWhatTheServersCounted) {
  start();
  const int64_t worker = join_worker();
  wire::LedgerReply first = complete_ledger(0), second = complete_ledger(1);
  first.duplicates = 1;
  first.fenced = 2;
  first.staleness_sum = 4;
  first.staleness_max = 3;
  first.workers = {{0, 8, 24}};
  first.peak_memory_bytes = 1000;
  first.update_seconds = 0.5;
  second.duplicates = second.fenced = 1;
  second.staleness_sum = 12;
  second.staleness_max = 5;
  second.workers = {{0, 99, 99}};  // only the ledger server counts what was trained
  second.epochs = {{0, 99, 99, {99}}};
  servers[0].answer_ledger(first);
  servers[1].answer_ledger(second);
  servers[0].set_values(0.25f);
  servers[1].set_values(0.5f);
  train_everything(worker);
  leave(worker);

  const auto& report = end();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->samples_trained, 24);
  EXPECT_EQ(report->server_updates, 8);
  EXPECT_EQ(report->duplicate_pushes, 2);
  EXPECT_EQ(report->fenced_pushes, 3);
  EXPECT_DOUBLE_EQ(report->staleness_mean, 1.0);  // 16 over 2 x 8 pushes
  EXPECT_EQ(report->staleness_max, 5);
  EXPECT_EQ(report->epochs, first.epochs);
  ASSERT_EQ(report->workers.size(), 1u);
  EXPECT_EQ(report->workers[0].updates, 8);
  EXPECT_EQ(report->workers[0].samples, 24);
  EXPECT_EQ(report->workers[0].leases, 3);
  ASSERT_EQ(report->workers[0].processes.size(), 1u);
  EXPECT_EQ(report->workers[0].processes[0].name, "pid 10 on manual-host");
  EXPECT_EQ(report->workers[0].processes[0].fate, "left");
  EXPECT_TRUE(report->workers[0].processes[0].left);
  ASSERT_EQ(report->servers.size(), 2u);
  EXPECT_EQ(report->servers[0].address, "server 0");
  EXPECT_EQ(report->servers[0].shards, 2);
  EXPECT_EQ(report->servers[0].peak_memory_bytes, 1000);
  EXPECT_EQ(report->servers[0].update_seconds, 0.5);
  const std::span<const float> parameters = report->parameters.span();
  ASSERT_EQ(parameters.size(), 64u);
  EXPECT_EQ(parameters.front(), 0.25f);
  EXPECT_EQ(parameters.back(), 0.5f);
}

TEST_F(DriverTest, AJobWithAveragesEndsWithThemAndWithTheValues) {
  options.training.optimizer.use_ema = true;
  start();
  const int64_t worker = join_worker();
  servers[0].set_values(0.25f);
  servers[1].set_values(0.5f);
  for (FakeServer& each : servers) each.set_average(2);
  train_everything(worker);
  leave(worker);
  ASSERT_TRUE(end().ok()) << result.status();
  EXPECT_EQ(result->parameters.span().front(), 0.25f);
  EXPECT_EQ(result->parameters.span().back(), 0.5f);
  ASSERT_EQ(result->averages.size(), 64u);
  EXPECT_THAT(result->averages.span(), testing::Each(2.0f));
  EXPECT_EQ(result->trained().data(), result->averages.data());
}

TEST_F(DriverTest, AJobThatEndsBetweenValuesAndAveragesEndsOnce) {
  options.training.optimizer.use_ema = true;
  start();
  const int64_t worker = join_worker();
  servers[1].keep_silent(ServerCall::kPull);
  train_everything(worker);
  driver->abort("every worker is gone");
  world.run();
  leave(worker);
  EXPECT_EQ(end().status(), Status(StatusCode::kAborted, "every worker is gone"));
  servers[1].speak();
  world.run();
  EXPECT_EQ(ends, 1);
}

TEST_F(DriverTest, WorkersThatCameAfterOneAnotherAreReportedTogether) {
  start();
  acquire(join_worker(10));
  process_ended(10, "was killed by signal 9 (Killed)");
  const int64_t next = join_worker(11);
  train_everything(next);
  leave(next);
  const auto& report = end();
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->workers.size(), 1u);
  ASSERT_EQ(report->workers[0].processes.size(), 2u);
  EXPECT_EQ(report->workers[0].processes[0].fate, "was killed by signal 9 (Killed)");
  EXPECT_FALSE(report->workers[0].processes[0].left);
  EXPECT_TRUE(report->workers[0].processes[1].left);
  EXPECT_EQ(report->workers[0].leases, 4);
}

// --- Progress ---

TEST_F(DriverTest, ProgressIsWhatTheServersHave) {
  start();
  const int64_t worker = join_worker();
  acquire(worker);
  wire::LedgerReply ledger = complete_ledger(0);
  ledger.epochs = epochs_until(0);
  ledger.version = 3;
  servers[0].answer_ledger(ledger);
  world.advance(200ms);
  const auto progress = observer.last<Progress>();
  EXPECT_EQ(progress.samples, 6);
  EXPECT_EQ(progress.total_samples, 24);
  EXPECT_EQ(progress.updates, 3);
  ASSERT_EQ(progress.workers.size(), 1u);
  EXPECT_EQ(progress.workers[0].partition, 0);
  EXPECT_FALSE(servers[0].told().ledgers.back()) << "what costs shards x partitions";
}

TEST_F(DriverTest, AnEpochEndsOnceWhenEveryRecordOfItIsPushed) {
  const auto have_trained = [this](int whole) {
    wire::LedgerReply ledger = complete_ledger(0);
    ledger.epochs = epochs_until(whole);
    servers[0].answer_ledger(ledger);
  };
  const auto ended = [this] {
    std::vector<int> epochs;
    for (const EpochEnded& epoch : observer.all<EpochEnded>()) {
      EXPECT_EQ(epoch.metrics.samples, 12);
      epochs.push_back(epoch.metrics.epoch);
    }
    return epochs;
  };
  have_trained(0);
  start();
  const int64_t worker = join_worker();
  world.advance(500ms);
  EXPECT_THAT(ended(), IsEmpty());
  have_trained(1);
  world.advance(500ms);
  EXPECT_THAT(ended(), ElementsAre(0));
  // The last one may end together with the job.
  have_trained(2);
  train_everything(worker);
  leave(worker);
  ASSERT_TRUE(end().ok()) << result.status();
  EXPECT_THAT(ended(), ElementsAre(0, 1));
}

// The times are the servers', however long nobody asked for them; and no answer turns time back.
TEST_F(DriverTest, AnEpochEndsWhenItsLastSampleWasCounted) {
  wire::LedgerReply ledger = complete_ledger(0);
  ledger.epochs = epochs_until(0);
  servers[0].answer_ledger(ledger);
  start();
  const core::TimePoint started = world.now();
  const int64_t worker = join_worker();
  live_for(30s, with_servers(worker));
  ledger.epochs = epochs_until(2);
  ledger.epoch_ages_s = {20, 5};
  servers[0].answer_ledger(ledger);
  const auto ends_with = [&] {
    std::vector<core::TimePoint> times;
    for (const JobEvent& event : observer.events) {
      if (std::holds_alternative<EpochEnded>(event.what)) times.push_back(event.at);
    }
    return times;
  };
  ASSERT_TRUE(world.run_until([&] { return !ends_with().empty(); }, 1s));
  const core::TimePoint read = world.now();
  ASSERT_GT(read - started, 20s);
  EXPECT_THAT(ends_with(), ElementsAre(read - 20s, read - 5s));
  leave(worker);
}

TEST_F(DriverTest, AnAgeThatMakesNoSenseLeavesTimeGoingOn) {
  start();
  const core::TimePoint started = world.now();
  const int64_t worker = join_worker();
  wire::LedgerReply ledger = complete_ledger(0);
  ledger.epoch_ages_s = {1e300, std::numeric_limits<double>::quiet_NaN()};
  servers[0].answer_ledger(ledger);
  train_everything(worker);
  leave(worker);
  ASSERT_TRUE(end().ok()) << result.status();
  core::TimePoint before = started;
  for (const JobEvent& event : observer.events) {
    if (!std::holds_alternative<EpochEnded>(event.what)) continue;
    EXPECT_GE(event.at, before);
    EXPECT_LE(event.at, world.now());
    before = event.at;
  }
  EXPECT_EQ(observer.all<EpochEnded>().size(), 2u);
}

TEST_F(DriverTest, EpochsThatEndTogetherAreAllReported) {
  start();
  const int64_t worker = join_worker();
  train_everything(worker);
  leave(worker);
  ASSERT_TRUE(end().ok()) << result.status();
  EXPECT_EQ(observer.all<EpochEnded>().size(), 2u);
}

TEST_F(DriverTest, ParametersCanBePulledWhileTheJobTrains) {
  std::vector<float> into(64);
  const auto pull = [&] {
    Pending<Status> pulled;
    driver->pull(into, pulled.reply());
    world.run();
    return pulled;
  };
  make_driver();
  EXPECT_EQ(pull().get().code(), StatusCode::kCancelled);
  join_servers();
  run();
  servers[0].set_values(0.25f);
  EXPECT_TRUE(pull().get().ok());
  EXPECT_EQ(into[0], 0.25f);
  EXPECT_EQ(into[63], 63.0f);

  servers[1].keep_silent(ServerCall::kPull);
  const auto first = pull();
  const auto second = pull();  // after the first
  EXPECT_FALSE(first.is_there());
  servers[1].speak();
  world.run();
  EXPECT_TRUE(first.get().ok() && second.get().ok());

  servers[1].keep_silent(ServerCall::kPull);
  const auto third = pull();
  const auto fourth = pull();
  driver->abort("every worker is gone");
  world.run();
  ASSERT_TRUE(third.is_there() && fourth.is_there());
  EXPECT_EQ(third.get().code(), StatusCode::kCancelled);
  EXPECT_EQ(fourth.get().code(), StatusCode::kCancelled);
  EXPECT_EQ(pull().get().code(), StatusCode::kCancelled);
}

// --- The final check ---

TEST_F(DriverTest, SamplesThatDoNotAddUpAreNotTakenForASuccess) {
  wire::LedgerReply first = complete_ledger(0);
  first.epochs = epochs_until(1);
  const Status status = status_with(first, complete_ledger(1));
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_THAT(status.message(), HasSubstr("count 18 samples, the job has 24"));
}

TEST_F(DriverTest, NorIsAnEpochThatHasAnothersSamples) {
  wire::LedgerReply first = complete_ledger(0);
  first.epochs[0].samples += 1;
  first.epochs[1].samples -= 1;
  EXPECT_THAT(status_with(first, complete_ledger(1)).message(),
              HasSubstr("count 13 samples of epoch 0, the job has 12"));
}

TEST_F(DriverTest, NorIsAServerThatHasAPushTooManyOrTooFew) {
  wire::LedgerReply second = complete_ledger(1);
  second.version = 9;
  EXPECT_THAT(status_with(complete_ledger(0), second).message(),
              HasSubstr("count 9 updates of server 1, the job has 8"));
}

TEST_F(DriverTest, NorIsAShardThatIsMissing) {
  wire::LedgerReply second = complete_ledger(1);
  second.shards = 1;
  EXPECT_THAT(status_with(complete_ledger(0), second).message(),
              HasSubstr("count 1 shards of server 1, the job has 2"));
}

TEST_F(DriverTest, NorIsAPartitionThatIsNotTrainedToItsEnd) {
  wire::LedgerReply second = complete_ledger(1);
  second.partitions = {{0, 3}, {1, 2}, {2, 3}};
  EXPECT_THAT(status_with(complete_ledger(0), second).message(),
              HasSubstr("count 3 pushes of partition 0, the job has 2"));
}

TEST_F(DriverTest, NorIsAPartitionThatIsMissing) {
  wire::LedgerReply second = complete_ledger(1);
  second.partitions.pop_back();
  EXPECT_THAT(status_with(complete_ledger(0), second).message(),
              HasSubstr("count 0 pushes of partition 2, the job has 3"));
}

TEST_F(DriverTest, NorIsAPartitionThatTheJobDoesNotHave) {
  wire::LedgerReply second = complete_ledger(1);
  second.partitions.push_back({77, 1});
  EXPECT_THAT(status_with(complete_ledger(0), second).message(),
              HasSubstr("count 1 pushes of partition 77, the job has 0"));
}

TEST_F(DriverTest, WhatWasMiscountedIsToldToTheMembers) {
  start();
  wire::LedgerReply second = complete_ledger(1);
  second.version = 9;
  servers[1].answer_ledger(second);
  const auto server = send_heartbeat(server_members[0]);
  train_everything(join_worker());
  ASSERT_TRUE(server.is_there());
  EXPECT_EQ(server.get()->kind, Says::kAbort);
  EXPECT_THAT(server.get()->reason, HasSubstr("9 updates of server 1"));
}

// --- In the real world ---

// The strand, the transport and the test are threads of their own.
TEST(DriverThreadsTest, MembersMayCallFromAnyThreadUntilTheDriverGoes) {
  core::World& world = core::real_world();
  transport::InprocTransport transport;
  FakeServer server;
  wire::LedgerReply ledger;
  ledger.shards = 1;
  ledger.version = 3;
  ledger.partitions = {{0, 1}, {1, 1}, {2, 1}};
  ledger.epochs = {{0, 3, 1.0, {1}}};
  server.answer_ledger(ledger);
  const auto listening = transport.listen("server", &server, {});
  ASSERT_TRUE(listening.ok());
  DriverOptions options;
  options.training.partitions = 3;
  options.training.epochs = 1;
  options.pushes = {1, 1, 1};
  const std::vector<float> initial(64, 1.0f);
  JobObserver quiet;
  Driver driver(
      world, transport, options,
      Dataset::from_arrays(std::vector<float>(3), std::vector<int32_t>{0, 1, 2}, {1}, 3).records(),
      initial, quiet);
  auto control = transport.listen("driver", &driver);
  ASSERT_TRUE(control.ok());
  Awaited<Result<JobResult>> job;
  driver.start([reply = std::make_shared<core::Reply<Result<JobResult>>>(job.reply())](
                   Result<JobResult> result) { (*reply)(std::move(result)); });

  const auto channel = transport.connect_control("driver");
  const auto joined = [&](wire::Role role, int64_t pid) {
    wire::JoinRequest request = join_request(role, pid);
    request.address = "server";
    return await_result<wire::JoinReply>(
        [&](auto reply) { channel->join(request, {}, std::move(reply)); });
  };
  const auto member = joined(wire::Role::kServer, 1);
  ASSERT_TRUE(member.ok()) << member.status();
  Awaited<Result<wire::HeartbeatReply>> held;
  wire::HeartbeatRequest heartbeat;
  heartbeat.job = member->job;
  heartbeat.member = member->member;
  heartbeat.hold = 10s;
  channel->heartbeat(heartbeat, {}, held.reply());
  std::vector<std::thread> workers;
  for (int64_t pid = 10; pid < 13; ++pid) {
    workers.emplace_back([&, pid] {
      const auto worker = joined(wire::Role::kWorker, pid);
      ASSERT_TRUE(worker.ok()) << worker.status();
      for (;;) {
        const auto acquired = await_result<wire::AcquireReply>([&](auto reply) {
          channel->acquire({worker->job, worker->member}, {}, std::move(reply));
        });
        ASSERT_TRUE(acquired.ok()) << acquired.status();
        if (acquired->kind == wire::AcquireReply::Kind::kDone) break;
        if (acquired->kind == wire::AcquireReply::Kind::kWait) continue;
        const wire::Lease& lease = acquired->lease;
        EXPECT_TRUE(await_status([&](auto reply) {
                      channel->finish(
                          {worker->job, worker->member, lease.partition, lease.incarnation}, {},
                          std::move(reply));
                    }).ok());
      }
      EXPECT_TRUE(
          await_status([&](auto reply) {
            channel->leave({worker->job, worker->member, ok_status()}, {}, std::move(reply));
          }).ok());
    });
  }
  for (std::thread& worker : workers) worker.join();
  const auto heard = held.get();
  ASSERT_TRUE(heard.ok()) << heard.status();
  EXPECT_EQ(heard->kind, Says::kDone);
  Awaited<Result<wire::HeartbeatReply>> last;  // is answered, whoever does it
  heartbeat.member = 7;
  channel->heartbeat(heartbeat, {}, last.reply());
  EXPECT_TRUE(await_status([&](auto reply) {
                channel->leave({member->job, member->member, ok_status()}, {}, std::move(reply));
              }).ok());
  const auto result = job.get();
  EXPECT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(last.get().ok());
  control->reset();
}

}  // namespace
}  // namespace sluice::driver
