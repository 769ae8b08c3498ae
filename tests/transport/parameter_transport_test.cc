// The data plane, end to end within one process, the same over every transport.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <thread>

#include "tests/transport/transport_fixture.h"

namespace sluice::transport {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kJob = 0xfedcba9876543210;
constexpr size_t kParameters = 100'003;

class ParameterTransportTest : public ::testing::TestWithParam<std::tuple<TransportKind, int>> {
 protected:
  void SetUp() override {
    server_.serve_job(kJob);
    transport_ = make_transport(std::get<0>(GetParam()));
    auto listener =
        transport_->listen(any_address(std::get<0>(GetParam())), &server_, {.threads = 2});
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    channel_ = transport_->connect_parameters(listener_->address());
  }

  // Every shard assigned with `value`.
  void start_job(size_t parameters, float value) {
    map_ = wire::ShardMap::even(parameters, std::get<1>(GetParam()), 1);
    const Status created = create(*channel_, adding(kJob, map_));
    ASSERT_TRUE(created.ok()) << created;
    for (const wire::Shard& shard : map_.shards()) {
      const Status assigned =
          assign(*channel_, {kJob, {shard.index, 1}}, std::vector<float>(shard.size, value));
      ASSERT_TRUE(assigned.ok()) << assigned;
    }
  }

  std::vector<float> pull_all() {
    std::vector<float> values(map_.parameters());
    for (const wire::Shard& shard : map_.shards()) {
      const auto pulled = pull(*channel_, kJob, {shard.index, 1},
                               std::span(values).subspan(shard.offset, shard.size));
      EXPECT_TRUE(pulled.ok()) << pulled.status();
    }
    return values;
  }

  wire::ShardRange all() const { return {0, map_.size()}; }
  wire::Payload all_of(float value) const {
    return payload_of(std::vector<float>(map_.parameters(), value));
  }
  // Pushes `value` for every float, all shards in one message.
  Result<PulledVersion> exchange_all(const wire::PushIdentity& id, float value,
                                     std::span<float> into) {
    return exchange(*channel_, header_of(kJob, all(), id), all_of(value), into);
  }

  server::ParameterServer server_{core::real_world()};
  std::unique_ptr<wire::Transport> transport_;
  std::unique_ptr<wire::Listener> listener_;
  std::shared_ptr<wire::ParameterChannel> channel_;
  wire::ShardMap map_;
};

TEST_P(ParameterTransportTest, AssignedValuesArePulledBitForBit) {
  start_job(kParameters, 0);
  for (const wire::Shard& shard : map_.shards()) {
    std::vector<float> values(shard.size);
    std::iota(values.begin(), values.end(), static_cast<float>(shard.offset) + 0.25f);
    ASSERT_TRUE(assign(*channel_, {kJob, {shard.index, 1}}, values).ok());
    std::vector<float> pulled(shard.size);
    const auto version = pull(*channel_, kJob, {shard.index, 1}, pulled);
    ASSERT_TRUE(version.ok()) << version.status();
    EXPECT_EQ(version->version, 0);
    EXPECT_EQ(pulled, values);
  }
}

TEST_P(ParameterTransportTest, ExchangePushesAndPullsInOneTrip) {
  start_job(kParameters, 1);
  std::vector<float> into(kParameters);
  const auto reply = exchange_all({0, 1, 1}, 0.5f, into);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->push.version, 1);
  EXPECT_EQ(reply->version, 1);
  EXPECT_EQ(into, std::vector<float>(kParameters, 1.5f));
}

// A message for each shard; whoever commits first may be faster than the last piece.
TEST_P(ParameterTransportTest, APushMayComeInPieces) {
  start_job(kParameters, 1);
  std::vector<float> into(kParameters);
  const auto send = [&](wire::PushStep step, const wire::Shard& shard) {
    const bool commits = step == wire::PushStep::kCommit;
    wire::PushHeader header = header_of(kJob, {shard.index, 1}, {0, 1, 1});
    header.step = step;
    const auto part = std::span(into).subspan(shard.offset, shard.size);
    return std::async(std::launch::async, [=, this] {
      return exchange(*channel_, header,
                      commits ? wire::Payload() : payload_of(std::vector<float>(shard.size, 0.5f)),
                      commits ? part : std::span<float>());
    });
  };
  std::vector<std::future<Result<PulledVersion>>> commits;
  for (const wire::Shard& shard : map_.shards()) {
    commits.push_back(send(wire::PushStep::kCommit, shard));
  }
  for (const wire::Shard& shard : map_.shards()) {
    const auto staged = send(wire::PushStep::kStage, shard).get();
    ASSERT_TRUE(staged.ok()) << staged.status();
  }
  for (auto& commit : commits) {
    const auto committed = commit.get();
    ASSERT_TRUE(committed.ok()) << committed.status();
    EXPECT_EQ(committed->version, 1);
  }
  EXPECT_EQ(into, std::vector<float>(kParameters, 1.5f));
}

TEST_P(ParameterTransportTest, DuplicatesAreAppliedOnce) {
  start_job(kParameters, 0);
  std::vector<float> into(kParameters);
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto reply = exchange_all({0, 1, 1}, 1, into);
    ASSERT_TRUE(reply.ok());
    EXPECT_EQ(reply->push.duplicate, attempt > 0);
  }
  EXPECT_EQ(pull_all(), std::vector<float>(kParameters, 1));
}

// Small whole numbers add up exactly in any order.
TEST_P(ParameterTransportTest, ConcurrentPushesAddUpExactly) {
  start_job(kParameters, 0);
  constexpr int kThreads = 4;
  constexpr int kPushes = 15;
  std::vector<std::thread> workers;
  for (int worker = 0; worker < kThreads; ++worker) {
    workers.emplace_back([this, worker] {
      const auto channel = transport_->connect_parameters(listener_->address());
      for (int64_t sequence = 1; sequence <= kPushes; ++sequence) {
        std::vector<float> into(kParameters);
        const wire::PushHeader header = header_of(kJob, all(), {worker, 1, sequence});
        for (int attempt = 0; attempt < 2; ++attempt) {  // every push comes twice
          const auto reply =
              exchange(*channel, header, all_of(static_cast<float>(worker + 1)), into);
          ASSERT_TRUE(reply.ok()) << reply.status();
        }
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(pull_all(), std::vector<float>(kParameters, kPushes * (1 + 2 + 3 + 4)));
  const auto counted = ledger(*channel_, kJob);
  ASSERT_TRUE(counted.ok());
  EXPECT_EQ(counted->shards, map_.size());
  EXPECT_EQ(counted->version, kThreads * kPushes);
  EXPECT_EQ(counted->duplicates, kThreads * kPushes);
}

TEST_P(ParameterTransportTest, ManyExchangesInFlightAllComplete) {
  start_job(kParameters, 0);
  constexpr int kPartitions = 8;
  std::vector<std::vector<float>> values(kPartitions, std::vector<float>(kParameters));
  std::atomic<int> failed = 0;
  std::promise<void> all_done;
  std::atomic<int> left = kPartitions;
  for (int64_t partition = 0; partition < kPartitions; ++partition) {
    channel_->exchange(header_of(kJob, all(), {partition, 1, 1}), all_of(2),
                       values[static_cast<size_t>(partition)], kSoon,
                       [&](Result<PulledVersion> result) {
                         failed += !result.ok();
                         if (--left == 0) all_done.set_value();
                       });
  }
  all_done.get_future().wait();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(pull_all(), std::vector<float>(kParameters, 2 * kPartitions));
}

TEST_P(ParameterTransportTest, FencedAndGappedPushesAreAborted) {
  start_job(kParameters, 0);
  std::vector<float> into(kParameters);
  ASSERT_TRUE(exchange_all({3, 1, 1}, 1, into).ok());
  const auto fenced = await_result<wire::FenceReply>([&](auto reply) {
    channel_->fence({kJob, 3, 2, 1, 4}, kSoon, std::move(reply));
  });
  ASSERT_TRUE(fenced.ok()) << fenced.status();
  EXPECT_EQ(fenced->sequence, 1);
  EXPECT_EQ(exchange_all({3, 1, 2}, 1, into).status(),
            Status(StatusCode::kAborted,
                   "partition 3 has been taken over under incarnation 2; pushes under incarnation "
                   "1 are refused"));
  EXPECT_EQ(exchange_all({3, 2, 4}, 1, into).status(),
            Status(StatusCode::kAborted, "partition 3 has a gap: push 4 came, 2 is next"));
  EXPECT_EQ(into[0], 1.0f);
}

TEST_P(ParameterTransportTest, WrongJobShardAndSizeAreRefused) {
  start_job(kParameters, 0);
  std::vector<float> into(kParameters);
  EXPECT_EQ(pull(*channel_, 5, all(), into).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(pull(*channel_, kJob, {99, 1}, into).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(exchange(*channel_, header_of(kJob, all(), {0, 1, 1}), payload_of({1, 2, 3}), into)
                .status()
                .code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(assign(*channel_, {kJob, {0, 1}}, {}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(pull_all(), std::vector<float>(kParameters, 0));
}

TEST_P(ParameterTransportTest, ReceivingIntoTheWrongSizeFails) {
  start_job(kParameters, 0);
  std::vector<float> into(10);
  EXPECT_FALSE(pull(*channel_, kJob, all(), into).ok());
}

TEST_P(ParameterTransportTest, MetricsArriveOnceInTheLedger) {
  start_job(kParameters, 0);
  wire::PushHeader header = header_of(kJob, all(), {0, 1, 1});
  header.worker = 3;
  header.steps = 5;
  header.metrics = {{0, 80, 12.25, {70}}, {1, 16, 0.5, {16}}};
  for (int attempt = 0; attempt < 2; ++attempt) {
    std::vector<float> into(map_.parameters());
    const auto pushed = exchange(*channel_, header, all_of(1), into);
    ASSERT_TRUE(pushed.ok()) << pushed.status();
  }
  const auto counted = ledger(*channel_, kJob);
  ASSERT_TRUE(counted.ok()) << counted.status();
  EXPECT_EQ(counted->epochs, header.metrics);
  EXPECT_EQ(counted->workers, (std::vector<wire::WorkerCount>{{3, 1, 96}}));
  ASSERT_EQ(counted->partitions.size(), 1u);
  EXPECT_EQ(counted->partitions[0].partition, 0);
  EXPECT_GT(counted->peak_memory_bytes, 0);
}

TEST_P(ParameterTransportTest, APushMayHaveALearningRateThatMakesSense) {
  start_job(kParameters, 0);
  wire::PushHeader header = header_of(kJob, all(), {0, 1, 1});
  std::vector<float> into(map_.parameters());
  const auto pushed = [&](float rate) {
    header.optimizer_rate = rate;
    return exchange(*channel_, header, all_of(1), into).status();
  };
  EXPECT_EQ(pushed(-1).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(pushed(std::nanf("")).code(), StatusCode::kInvalidArgument);
  header.rate_scale = -2;
  EXPECT_EQ(pushed(0.25f).code(), StatusCode::kInvalidArgument);
  header.rate_scale = 2;
  EXPECT_TRUE(pushed(0.25f).ok());
}

// Each push adds 1 everywhere: a torn shard would hold two values.
TEST_P(ParameterTransportTest, PullsDuringPushesAreNeverTorn) {
  start_job(kParameters, 0);
  std::atomic<bool> done = false;
  std::thread reader([&] {
    const auto channel = transport_->connect_parameters(listener_->address());
    std::vector<float> into(map_.parameters());
    while (!done) {
      const auto pulled = pull(*channel, kJob, all(), into);
      ASSERT_TRUE(pulled.ok()) << pulled.status();
      for (const float value : into) ASSERT_EQ(value, static_cast<float>(pulled->version));
    }
  });
  std::vector<float> into(map_.parameters());
  for (int64_t sequence = 1; sequence <= 60; ++sequence) {
    ASSERT_TRUE(exchange_all({0, 1, sequence}, 1, into).ok());
  }
  done = true;
  reader.join();
}

TEST_P(ParameterTransportTest, NewListenerOnTheAddressIsFound) {
  start_job(kParameters, 0);
  const std::string address = listener_->address();
  listener_.reset();
  auto again = transport_->listen(address, &server_, {});
  ASSERT_TRUE(again.ok()) << again.status();
  std::vector<float> into(map_.parameters());
  // The first attempts may still meet the end of the old connection.
  Result<PulledVersion> pulled = pull(*channel_, kJob, all(), into);
  while (pulled.status().code() == StatusCode::kUnavailable) {
    pulled = pull(*channel_, kJob, all(), into);
  }
  EXPECT_TRUE(pulled.ok()) << pulled.status();
}

TEST_P(ParameterTransportTest, AddressInUseIsRefused) {
  server::ParameterServer other(core::real_world());
  const auto second = transport_->listen(listener_->address(), &other, {});
  ASSERT_EQ(second.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(second.status().message(),
              HasSubstr("cannot listen on " + listener_->address() + ": the "));
  EXPECT_THAT(second.status().message(), HasSubstr("is in use; choose another"));
}

TEST_P(ParameterTransportTest, NobodyThereIsUnavailableAfterTheTimeout) {
  const std::string address = listener_->address();
  listener_.reset();
  const auto lonely = transport_->connect_parameters(address);
  const auto start = std::chrono::steady_clock::now();
  const Status status = ledger(*lonely, kJob, {std::chrono::milliseconds(300)}).status();
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(290));
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status;
  EXPECT_THAT(status.message(), HasSubstr(address));
}

TEST_P(ParameterTransportTest, ServerThatComesLaterIsWaitedFor) {
  const std::string address = listener_->address();
  listener_.reset();
  const auto early = transport_->connect_parameters(address);
  auto answer = std::async(std::launch::async, [&] { return ledger(*early, kJob); });
  ASSERT_EQ(answer.wait_for(std::chrono::milliseconds(150)), std::future_status::timeout);
  auto listener = transport_->listen(address, &server_, {});
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_EQ(answer.get().status().code(), StatusCode::kFailedPrecondition) << "no job yet";
}

TEST_P(ParameterTransportTest, PingShowsThatTheServerWorksForTheJob) {
  start_job(kParameters, 0);
  EXPECT_TRUE(ping(*channel_, kJob).ok());
  EXPECT_EQ(ping(*channel_, 5).code(), StatusCode::kFailedPrecondition);
}

TEST_P(ParameterTransportTest, ShardsOf64MiBPass) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the threads are those of smaller shards";
#endif
  const auto per_shard = (size_t{64} << 20) / sizeof(float) + 5;
  start_job(per_shard * static_cast<size_t>(std::min(std::get<1>(GetParam()), 2)), 1);
  std::vector<float> into(map_.parameters());
  ASSERT_TRUE(exchange_all({0, 1, 1}, 1, into).ok());
  EXPECT_EQ(std::count(into.begin(), into.end(), 2.0f), static_cast<int64_t>(into.size()));
}

std::string case_name(const ::testing::TestParamInfo<std::tuple<TransportKind, int>>& info) {
  return to_string(std::get<0>(info.param)) + std::to_string(std::get<1>(info.param)) + "Shards";
}

INSTANTIATE_TEST_SUITE_P(Inproc, ParameterTransportTest,
                         ::testing::Combine(::testing::Values(TransportKind::kInproc,
                                                              TransportKind::kInprocOddPieces),
                                            ::testing::Values(1, 2, 4)),
                         case_name);
INSTANTIATE_TEST_SUITE_P(Grpc, ParameterTransportTest,
                         ::testing::Combine(::testing::Values(TransportKind::kGrpcTcp,
                                                              TransportKind::kGrpcUnix),
                                            ::testing::Values(1, 2, 4)),
                         case_name);

}  // namespace
}  // namespace sluice::transport
