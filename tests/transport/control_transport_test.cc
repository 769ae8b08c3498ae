// The control plane over every transport: each field of each message arrives as it was sent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/transport/transport_fixture.h"

namespace sluice::transport {
namespace {

using ::testing::HasSubstr;

// Remembers what it was asked, and answers what it was told to.
class FakeDriver final : public wire::ControlService {
 public:
  Result<wire::JoinReply> join(const wire::JoinRequest& request) override {
    join_request = request;
    return wire::JoinReply{7, 2, 0xfedcba9876543210, R"({"window": 5})", 4};
  }
  Result<wire::AcquireReply> acquire(int64_t member) override {
    if (member != 7) return not_found("member " + std::to_string(member) + " is not known: ä\n%");
    return acquire_reply;
  }
  Result<wire::HeartbeatReply> heartbeat(const wire::HeartbeatRequest& request) override {
    heartbeat_request = request;
    return wire::HeartbeatReply{wire::HeartbeatReply::Kind::kLeaseLost, "too late"};
  }
  Status finish(const wire::FinishRequest& request) override {
    finish_request = request;
    return failed_precondition("the lease was lost");
  }
  Status leave(const wire::LeaveRequest& request) override {
    leave_request = request;
    if (request.member < 0) throw std::runtime_error("a mistake in the driver");
    return ok_status();
  }
  // 1000 records of 16 KiB of features, whose bytes are the record's number, handed out at once.
  Status fetch_partition(int64_t partition, int64_t first,
                         const std::function<bool(const wire::RecordChunk&)>& sink) override {
    if (partition != 3) return not_found("no such partition");
    std::vector<std::byte> features;
    std::vector<int32_t> labels;
    for (int64_t i = first; i < 1000; ++i) {
      features.insert(features.end(), 16384, static_cast<std::byte>(i));
      labels.push_back(static_cast<int32_t>(-i));
    }
    sink_said_more = sink({first, 1000 - first, features, labels});
    return ok_status();
  }

  wire::JoinRequest join_request;
  wire::AcquireReply acquire_reply;
  wire::HeartbeatRequest heartbeat_request;
  wire::FinishRequest finish_request;
  wire::LeaveRequest leave_request;
  std::atomic<bool> sink_said_more = true;
};

class ControlTransportTest : public ::testing::TestWithParam<TransportKind> {
 protected:
  void SetUp() override {
    auto listener = transport_->listen(any_address(GetParam()), &driver_);
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    channel_ = transport_->connect_control(listener_->address());
  }

  const std::unique_ptr<wire::Transport> transport_ = make_transport(GetParam());
  FakeDriver driver_;
  std::unique_ptr<wire::Listener> listener_;
  std::shared_ptr<wire::ControlChannel> channel_;
};

TEST_P(ControlTransportTest, JoinCarriesEveryField) {
  wire::JoinRequest request;
  request.role = wire::Role::kServer;
  request.version = "1.2.3";
  request.host = "node-7";
  request.pid = 4711;
  request.address = "10.0.0.7:7001";
  request.preferred_index = -1;
  const auto reply = channel_->join(request, kSoon);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(driver_.join_request.role, wire::Role::kServer);
  EXPECT_EQ(driver_.join_request.version, "1.2.3");
  EXPECT_EQ(driver_.join_request.host, "node-7");
  EXPECT_EQ(driver_.join_request.pid, 4711);
  EXPECT_EQ(driver_.join_request.address, "10.0.0.7:7001");
  EXPECT_EQ(driver_.join_request.preferred_index, -1);
  EXPECT_EQ(reply->member, 7);
  EXPECT_EQ(reply->index, 2);
  EXPECT_EQ(reply->job, 0xfedcba9876543210);
  EXPECT_EQ(reply->job_spec, R"({"window": 5})");
  EXPECT_EQ(reply->slot, 4);
}

TEST_P(ControlTransportTest, AcquireCarriesEveryKindAndField) {
  using Kind = wire::AcquireReply::Kind;
  for (const Kind kind : {Kind::kGranted, Kind::kWait, Kind::kDone, Kind::kAbort}) {
    driver_.acquire_reply.kind = kind;
    driver_.acquire_reply.lease = {3, 4, 5, 20'000};
    driver_.acquire_reply.retry_after = std::chrono::milliseconds(250);
    driver_.acquire_reply.reason = "server 1";
    driver_.acquire_reply.shard_map = wire::ShardMap::even(1000, 4, 2);
    driver_.acquire_reply.servers = {"a:1", "b:2"};
    const auto reply = channel_->acquire(7, kSoon);
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(reply->kind, kind);
    EXPECT_EQ(reply->lease.partition, 3);
    EXPECT_EQ(reply->lease.incarnation, 4);
    EXPECT_EQ(reply->lease.next_sequence, 5);
    EXPECT_EQ(reply->lease.records, 20'000);
    EXPECT_EQ(reply->retry_after, std::chrono::milliseconds(250));
    EXPECT_EQ(reply->reason, "server 1");
    EXPECT_EQ(reply->shard_map, driver_.acquire_reply.shard_map);
    EXPECT_EQ(reply->servers, driver_.acquire_reply.servers);
  }
}

TEST_P(ControlTransportTest, HeartbeatCarriesEveryField) {
  const auto reply = channel_->heartbeat({7, -1, 2, 99, "server 0 at a:1", 1 << 30}, kSoon);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(driver_.heartbeat_request.member, 7);
  EXPECT_EQ(driver_.heartbeat_request.partition, -1);
  EXPECT_EQ(driver_.heartbeat_request.incarnation, 2);
  EXPECT_EQ(driver_.heartbeat_request.step, 99);
  EXPECT_EQ(driver_.heartbeat_request.waiting_for, "server 0 at a:1");
  EXPECT_EQ(driver_.heartbeat_request.peak_memory_bytes, 1 << 30);
  EXPECT_EQ(reply->kind, wire::HeartbeatReply::Kind::kLeaseLost);
  EXPECT_EQ(reply->reason, "too late");
}

TEST_P(ControlTransportTest, FinishAndLeaveCarryEveryField) {
  EXPECT_EQ(channel_->finish({7, 3, 2, 125}, kSoon), failed_precondition("the lease was lost"));
  EXPECT_EQ(driver_.finish_request.member, 7);
  EXPECT_EQ(driver_.finish_request.partition, 3);
  EXPECT_EQ(driver_.finish_request.incarnation, 2);
  EXPECT_EQ(driver_.finish_request.last_sequence, 125);
  EXPECT_TRUE(channel_->leave({7, data_loss("a damaged file")}, kSoon).ok());
  EXPECT_EQ(driver_.leave_request.member, 7);
  EXPECT_EQ(driver_.leave_request.status, data_loss("a damaged file"));
}

TEST_P(ControlTransportTest, StatusCrossesUnchanged) {
  EXPECT_EQ(channel_->acquire(8, kSoon).status(), not_found("member 8 is not known: ä\n%"));
}

TEST_P(ControlTransportTest, PartitionArrivesRecordByRecord) {
  int64_t next = 250;
  const Status status = channel_->fetch_partition(
      3, 250,
      [&](const wire::RecordChunk& chunk) {
        EXPECT_EQ(chunk.first, next);
        EXPECT_EQ(chunk.features.size(), static_cast<size_t>(chunk.records) * 16384);
        EXPECT_EQ(chunk.labels.size(), static_cast<size_t>(chunk.records));
        for (int64_t i = 0; i < chunk.records; ++i) {
          const auto at = static_cast<size_t>(i);
          EXPECT_EQ(chunk.features[at * 16384], static_cast<std::byte>(next + i));
          EXPECT_EQ(chunk.features[at * 16384 + 16383], static_cast<std::byte>(next + i));
          EXPECT_EQ(chunk.labels[at], -(next + i));
        }
        next += chunk.records;
        return true;
      },
      kSoon);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(next, 1000);
}

TEST_P(ControlTransportTest, FetchEndsWhenTheReceiverHasEnough) {
  int chunks = 0;
  const Status status = channel_->fetch_partition(
      3, 0, [&](const wire::RecordChunk&) { return ++chunks < 1; }, kSoon);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(chunks, 1);
}

TEST_P(ControlTransportTest, FetchOfAnUnknownPartitionFails) {
  const Status status = channel_->fetch_partition(
      4, 0, [](const wire::RecordChunk&) { return true; }, kSoon);
  EXPECT_EQ(status, not_found("no such partition"));
}

TEST_P(ControlTransportTest, NobodyThereIsUnavailable) {
  const std::string address = listener_->address();
  listener_.reset();
  const auto lonely = transport_->connect_control(address);
  const wire::CallOptions soon{std::chrono::milliseconds(200)};
  for (const Status& status :
       {lonely->join({}, soon).status(), lonely->fetch_partition(
                                             3, 0, [](const auto&) { return true; }, soon)}) {
    EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status;
    EXPECT_THAT(status.message(), HasSubstr(address));
  }
}

std::string case_name(const ::testing::TestParamInfo<TransportKind>& info) {
  return to_string(info.param);
}

INSTANTIATE_TEST_SUITE_P(Inproc, ControlTransportTest, ::testing::Values(TransportKind::kInproc),
                         case_name);
INSTANTIATE_TEST_SUITE_P(Grpc, ControlTransportTest,
                         ::testing::Values(TransportKind::kGrpcTcp, TransportKind::kGrpcUnix),
                         case_name);

}  // namespace
}  // namespace sluice::transport
