// Calls that are cut off: they end in time, and what they asked for is done once or not at all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/transport/gated_service.h"
#include "tests/transport/transport_fixture.h"

namespace sluice::transport {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kJob = 9;

class DeadlineTest : public ::testing::TestWithParam<TransportKind> {
 protected:
  void start(size_t parameters) {
    auto listener = transport_->listen(any_address(GetParam()), &service_, {.threads = 2});
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    channel_ = transport_->connect_parameters(listener_->address());
    const Status created = create(*channel_, adding(kJob, wire::ShardMap::even(parameters, 1, 1)));
    ASSERT_TRUE(created.ok()) << created;
    ASSERT_TRUE(assign(*channel_, {kJob, {0, 1}}, std::vector<float>(parameters, 0)).ok());
    into_.resize(parameters);
  }

  GatedService service_{kJob};
  const std::unique_ptr<wire::Transport> transport_ = make_transport(GetParam());
  std::unique_ptr<wire::Listener> listener_;
  std::shared_ptr<wire::ParameterChannel> channel_;
  std::vector<float> into_;
};

TEST_P(DeadlineTest, SlowServerIsReportedInTimeAndTheRetryIsADuplicate) {
  start(1000);
  service_.close_gate();
  std::thread opener([&] {
    service_.wait_for_arrivals(1);
    // Longer than the timeout; over gRPC the client gives up before.
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    service_.open_gate();
  });
  const wire::Payload update = payload_of(std::vector<float>(1000, 1));
  const auto late = exchange(*channel_, header_of(kJob, {0, 1}, {0, 1, 1}), update, into_,
                             {std::chrono::milliseconds(200)});
  EXPECT_EQ(late.status().code(), StatusCode::kDeadlineExceeded) << late.status();
  EXPECT_THAT(late.status().message(), HasSubstr(listener_->address()));
  EXPECT_THAT(late.status().message(), HasSubstr("did not answer within 0.2 s"));
  opener.join();

  // The retry races the first attempt: one of them is applied, and the values say so.
  const auto retried = exchange(*channel_, header_of(kJob, {0, 1}, {0, 1, 1}), update, into_);
  ASSERT_TRUE(retried.ok()) << retried.status();
  const auto again = exchange(*channel_, header_of(kJob, {0, 1}, {0, 1, 1}), update, into_);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->push.duplicate);
  EXPECT_EQ(into_, std::vector<float>(1000, 1));
}

// 16 MiB need some milliseconds, so some of these end while the upload is under way.
TEST_P(DeadlineTest, PushesCutOffAnywhereAreAppliedWholeOrNotAtAll) {
  constexpr size_t kFloats = size_t{4} << 20;
  start(kFloats);
  const wire::Payload update = payload_of(std::vector<float>(kFloats, 1));
  int64_t sequence = 1;
  for (int i = 0; i < 30; ++i) {
    const auto result = exchange(*channel_, header_of(kJob, {0, 1}, {0, 1, sequence}), update,
                                 into_, {std::chrono::microseconds(500 * i)});
    // A worker repeats a push until it is acknowledged; this one tries each twice.
    if (result.ok() || i % 2 == 1) {
      const auto retried =
          exchange(*channel_, header_of(kJob, {0, 1}, {0, 1, sequence}), update, into_);
      ASSERT_TRUE(retried.ok()) << retried.status();
      EXPECT_EQ(retried->version, sequence);
      ++sequence;
    }
    ASSERT_EQ(std::count(into_.begin(), into_.end(), into_[0]), static_cast<int64_t>(into_.size()));
  }
  const auto pulled = pull(*channel_, kJob, {0, 1}, into_);
  ASSERT_TRUE(pulled.ok());
  EXPECT_EQ(pulled->version, sequence - 1);
  EXPECT_EQ(into_, std::vector<float>(kFloats, static_cast<float>(sequence - 1)));
}

TEST_P(DeadlineTest, PayloadIsLetGoAfterTheCallWhateverItsEnd) {
  start(size_t{1} << 20);
  std::weak_ptr<const void> owner;
  for (const auto timeout :
       {core::Duration(std::chrono::seconds(20)), core::Duration(std::chrono::milliseconds(1))}) {
    wire::Payload update = payload_of(std::vector<float>(into_.size(), 1));
    owner = update.owner;
    (void)exchange(*channel_, header_of(kJob, {0, 1}, {0, 1, 1}), std::move(update), into_,
                   {timeout});
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!owner.expired() && std::chrono::steady_clock::now() < patience) {
      std::this_thread::yield();
    }
    EXPECT_TRUE(owner.expired());
  }
}

TEST_P(DeadlineTest, ListenerEndsWithinASecondThoughAClientStaysConnected) {
  start(1000);
  const auto begin = std::chrono::steady_clock::now();
  listener_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
}

TEST_P(DeadlineTest, ListenerEndsAfterTheCallInProgress) {
  start(1000);
  service_.close_gate();
  Result<PulledVersion> result = internal_error("not called");
  std::thread client([&] {
    result = exchange(*channel_, header_of(kJob, {0, 1}, {0, 1, 1}),
                      payload_of(std::vector<float>(1000, 1)), into_);
  });
  service_.wait_for_arrivals(1);
  std::thread closer([&] { listener_.reset(); });
  service_.open_gate();
  closer.join();
  client.join();
  EXPECT_TRUE(result.ok()) << result.status();
}

std::string case_name(const ::testing::TestParamInfo<TransportKind>& info) {
  return to_string(info.param);
}

INSTANTIATE_TEST_SUITE_P(Inproc, DeadlineTest, ::testing::Values(TransportKind::kInproc),
                         case_name);
INSTANTIATE_TEST_SUITE_P(Grpc, DeadlineTest,
                         ::testing::Values(TransportKind::kGrpcTcp, TransportKind::kGrpcUnix),
                         case_name);

}  // namespace
}  // namespace sluice::transport
