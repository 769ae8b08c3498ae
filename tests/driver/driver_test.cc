#include "driver/driver.h"

#include <gmock/gmock.h>

#include "tests/driver/driver_fixture.h"

namespace sluice::driver {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Remembers which epochs ended, and the parameters as they were then.
class EpochObserver final : public JobObserver {
 public:
  void on_epoch_end(int epoch, const wire::EpochMetrics& metrics,
                    const std::function<Status(std::span<float>)>& pull) override {
    std::vector<float> parameters(64);
    EXPECT_TRUE(pull(parameters).ok());
    EXPECT_EQ(metrics.samples, 12);
    std::lock_guard lock(mutex_);
    ended_.emplace_back(epoch, parameters.front());
  }
  void on_progress(const JobProgress& progress) override {
    std::lock_guard lock(mutex_);
    samples_ = progress.samples;
  }
  std::vector<std::pair<int, float>> ended() {
    std::lock_guard lock(mutex_);
    return ended_;
  }
  int64_t samples() {
    std::lock_guard lock(mutex_);
    return samples_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<int, float>> ended_;
  int64_t samples_ = 0;
};

class DriverTest : public DriverFixture {
 protected:
  // Every record of the first `whole` epochs, and half of them in the next.
  static wire::LedgerReply ledger_of(int whole) {
    wire::LedgerReply ledger;
    for (int epoch = 0; epoch < whole; ++epoch) ledger.epochs.push_back({epoch, 12, 6.0, 9});
    if (whole < 2) ledger.epochs.push_back({whole, 6, 3.0, 3});
    return ledger;
  }

  EpochObserver epochs;
};

TEST_F(DriverTest, ServersGetTheirShardsTheRuleAndTheInitialValues) {
  start();
  size_t next = 0;
  for (int i = 0; i < kServers; ++i) {
    const auto told = servers[i].told();
    ASSERT_EQ(told.created.size(), 1u);
    EXPECT_EQ(told.created[0].server, i);
    EXPECT_EQ(told.created[0].update_rule, "the rule");
    EXPECT_EQ(told.created[0].job, servers[0].told().created[0].job);
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

TEST_F(DriverTest, TheResultIsWhatTheServersCounted) {
  start();
  const int64_t worker = join(wire::Role::kWorker, 10);
  wire::LedgerReply first = ledger_of(2), second;
  first.shards = {{0, 8, 1, 2, 4.0, 3}, {1, 8, 0, 0, 4.0, 2}};
  first.workers = {{0, 8, 24}};
  first.peak_memory_bytes = 1000;
  first.update_seconds = 0.5;
  second.shards = {{2, 7, 1, 0, 15.0, 5}, {3, 7, 0, 1, 7.0, 1}};
  second.workers = {{0, 99, 99}};  // only shard 0's server counts what was trained
  second.epochs = {{0, 99, 99, 99}};
  servers[0].answer_ledger(first);
  servers[1].answer_ledger(second);
  servers[0].set_values(0.25f);
  servers[1].set_values(0.5f);
  train_everything(worker);

  const auto& job = end();
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->samples_trained, 24);
  EXPECT_EQ(job->server_updates, 7);  // applied by every shard
  EXPECT_EQ(job->duplicate_pushes, 2);
  EXPECT_EQ(job->fenced_pushes, 3);
  EXPECT_DOUBLE_EQ(job->staleness_mean, 1.0);  // 30 over 8 + 8 + 7 + 7 pushes
  EXPECT_EQ(job->staleness_max, 5);
  EXPECT_EQ(job->epochs, first.epochs);
  ASSERT_EQ(job->workers.size(), 1u);
  EXPECT_EQ(job->workers[0].updates, 8);
  EXPECT_EQ(job->workers[0].samples, 24);
  EXPECT_EQ(job->workers[0].leases, 3);
  EXPECT_THAT(job->workers[0].processes, ElementsAre("pid 10 on hosta: left"));
  ASSERT_EQ(job->servers.size(), 2u);
  EXPECT_EQ(job->servers[0].shards, 2);
  EXPECT_EQ(job->servers[0].peak_memory_bytes, 1000);
  EXPECT_EQ(job->servers[0].update_seconds, 0.5);
  const std::span<const float> parameters = job->parameters.span();
  ASSERT_EQ(parameters.size(), 64u);
  EXPECT_EQ(parameters.front(), 0.25f);
  EXPECT_EQ(parameters.back(), 0.5f);
  for (const FakeServer& server : servers) {
    EXPECT_THAT(server.told().shutdowns, ElementsAre("the job is done"));
  }
  EXPECT_TRUE(driver->over());
}

TEST_F(DriverTest, AnEpochEndsOnceWhenEveryRecordOfItIsPushed) {
  observer = &epochs;
  start();
  servers[0].answer_ledger(ledger_of(0));
  ASSERT_TRUE(wait_for([&] { return epochs.samples() == 6; }));
  EXPECT_TRUE(epochs.ended().empty());
  servers[0].set_values(0.25f);
  servers[0].answer_ledger(ledger_of(1));
  ASSERT_TRUE(wait_for([&] { return epochs.samples() == 18; }));
  EXPECT_THAT(epochs.ended(), ElementsAre(std::pair(0, 0.25f)));
  // The last one may end together with the job.
  servers[0].set_values(0.5f);
  servers[0].answer_ledger(ledger_of(2));
  train_everything(join(wire::Role::kWorker, 10));
  ASSERT_TRUE(end().ok()) << result.status();
  EXPECT_THAT(epochs.ended(), ElementsAre(std::pair(0, 0.25f), std::pair(1, 0.5f)));
}

TEST_F(DriverTest, EpochsThatEndTogetherAreAllReported) {
  observer = &epochs;
  start();
  servers[0].set_values(0.5f);
  servers[0].answer_ledger(ledger_of(2));
  train_everything(join(wire::Role::kWorker, 10));
  ASSERT_TRUE(end().ok()) << result.status();
  EXPECT_THAT(epochs.ended(), ElementsAre(std::pair(0, 0.5f), std::pair(1, 0.5f)));
}

TEST_F(DriverTest, SamplesThatDoNotAddUpAreNotTakenForASuccess) {
  start();
  servers[0].answer_ledger(ledger_of(1));
  train_everything(join(wire::Role::kWorker, 10));
  EXPECT_EQ(end().status().code(), StatusCode::kInternal);
  EXPECT_THAT(result.status().message(), HasSubstr("count 18 samples, the job has 24"));
  EXPECT_EQ(servers[0].told().shutdowns.size(), 1u);
}

TEST_F(DriverTest, StoppingEndsTheJobForEverybody) {
  start();
  const int64_t worker = join(wire::Role::kWorker, 10);
  EXPECT_EQ(acquire(worker).kind, wire::AcquireReply::Kind::kGranted);
  stop = true;
  ASSERT_TRUE(wait_for([&] { return driver->over(); }));
  EXPECT_EQ(driver->acquire(worker)->kind, wire::AcquireReply::Kind::kAbort);
  EXPECT_TRUE(driver->leave({worker, cancelled("stopped")}).ok());
  EXPECT_EQ(end().status().code(), StatusCode::kCancelled);
  for (const FakeServer& server : servers) {
    EXPECT_THAT(server.told().shutdowns, ElementsAre(HasSubstr("stopped by a signal")));
  }
}

TEST_F(DriverTest, AnAbortCarriesItsReasonToTheResultAndTheServers) {
  start();
  driver->abort("every worker is gone");
  EXPECT_EQ(end().status(), Status(StatusCode::kAborted, "every worker is gone"));
  EXPECT_THAT(servers[1].told().shutdowns, ElementsAre(HasSubstr("every worker is gone")));
}

TEST_F(DriverTest, StopIsSeenWhileServersAreWaitedFor) {
  make_driver();
  join(wire::Role::kServer, 100, "server 0");
  run();
  stop = true;
  EXPECT_EQ(end().status().code(), StatusCode::kCancelled);
}

TEST_F(DriverTest, AServerThatRefusesItsShardsEndsTheJobWithItsWords) {
  servers[1].answer_create(Status(StatusCode::kInvalidArgument, "no such rule"));
  make_driver();
  join_servers();
  run();
  EXPECT_EQ(end().status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(result.status().message(), HasSubstr("no such rule"));
}

// driver.h: servers are told to end in every case.
TEST_F(DriverTest, ServersAreToldToEndAlsoWhenTheJobFailsBeforeTraining) {
  servers[1].answer_create(Status(StatusCode::kInvalidArgument, "no such rule"));
  make_driver();
  join_servers();
  run();
  EXPECT_FALSE(end().ok());
  for (const FakeServer& server : servers) {
    EXPECT_THAT(server.told().shutdowns, ElementsAre(HasSubstr("no such rule")));
  }
}

TEST_F(DriverTest, WhatCannotBeCutIsRefusedBeforeAnybodyJoins) {
  options.shards = 5;  // none may have fewer than 16 parameters
  EXPECT_THROW(make_driver(), std::invalid_argument);
  options.shards = 4;
  options.training.partitions = 13;
  EXPECT_THROW(make_driver(), std::invalid_argument);
}

}  // namespace
}  // namespace sluice::driver
