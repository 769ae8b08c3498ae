// The control plane over every transport: each field of each message arrives as it was sent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>

#include "tests/transport/transport_fixture.h"

namespace sluice::transport {
namespace {

using ::testing::HasSubstr;

// Remembers what it was asked, and answers what it was told to.
class FakeDriver final : public wire::ControlService {
 public:
  struct Seen {
    wire::JoinRequest join;
    wire::AcquireRequest acquire;
    wire::HeartbeatRequest heartbeat;
    wire::FinishRequest finish;
    wire::LeaveRequest leave;
    wire::FetchRequest fetch;
    wire::CommandRequest command;
  };
  Seen seen() const {
    std::lock_guard lock(mutex_);
    return seen_;
  }
  void will_answer(const wire::AcquireReply& reply) {
    std::lock_guard lock(mutex_);
    acquire_reply_ = reply;
  }

  void join(const wire::JoinRequest& request, core::Reply<Result<wire::JoinReply>> reply) override {
    std::lock_guard lock(mutex_);
    seen_.join = request;
    reply(wire::JoinReply{0xfedcba9876543210, 7, 2, R"({"window": 5})", 4});
  }
  void acquire(const wire::AcquireRequest& request,
               core::Reply<Result<wire::AcquireReply>> reply) override {
    std::lock_guard lock(mutex_);
    seen_.acquire = request;
    if (request.member == 7) return reply(acquire_reply_);
    reply(not_found("member " + std::to_string(request.member) + " is not known: ä\n%"));
  }
  void heartbeat(const wire::HeartbeatRequest& request,
                 core::Reply<Result<wire::HeartbeatReply>> reply) override {
    std::lock_guard lock(mutex_);
    seen_.heartbeat = request;
    wire::HeartbeatReply answer{wire::HeartbeatReply::Kind::kLeaseLost, "too late", 44};
    if (request.knobs != 4) {
      answer.knobs = wire::Knobs{4, true, 0.5f};
      answer.parameters = wire::Placement{6, wire::ShardMap::even(64, 2, 1), {"a:1"}};
    }
    reply(answer);
  }
  void status(const wire::StatusRequest&, core::Reply<Result<wire::StatusReply>> reply) override {
    reply(wire::StatusReply{"{\"job\": \"\xff\"}"});
  }
  void command(const wire::CommandRequest& request,
               core::Reply<Result<wire::CommandReply>> reply) override {
    std::lock_guard lock(mutex_);
    seen_.command = request;
    if (request.verb == "dance") return reply(invalid_argument("it can stop"));
    reply(wire::CommandReply{"done"});
  }
  void finish(const wire::FinishRequest& request, core::Reply<Status> reply) override {
    std::lock_guard lock(mutex_);
    seen_.finish = request;
    reply(failed_precondition("the lease was lost"));
  }
  void leave(const wire::LeaveRequest& request, core::Reply<Status> reply) override {
    std::lock_guard lock(mutex_);
    seen_.leave = request;
    reply(ok_status());
  }
  // Partition 3: 1000 records of 16 KiB of features, whose bytes are the record's number, 100 at a
  // time.
  void fetch(const wire::FetchRequest& request,
             core::Reply<Result<wire::RecordChunk>> reply) override {
    std::lock_guard lock(mutex_);
    seen_.fetch = request;
    if (request.partition != 3) return reply(not_found("no such partition"));
    wire::RecordChunk chunk;
    chunk.first = request.first;
    for (int64_t i = request.first; i < std::min<int64_t>(request.first + 100, 1000); ++i) {
      chunk.features.insert(chunk.features.end(), 16384, static_cast<std::byte>(i));
      chunk.labels.push_back(static_cast<int32_t>(-i));
    }
    reply(std::move(chunk));
  }

 private:
  mutable std::mutex mutex_;
  Seen seen_;
  wire::AcquireReply acquire_reply_;
};

class ControlTransportTest : public ::testing::TestWithParam<TransportKind> {
 protected:
  void SetUp() override {
    auto listener = transport_->listen(any_address(GetParam()), &driver_);
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    channel_ = transport_->connect_control(listener_->address());
  }

  Result<wire::RecordChunk> fetch(const wire::FetchRequest& request) {
    return await_result<wire::RecordChunk>(
        [&](auto reply) { channel_->fetch(request, kSoon, std::move(reply)); });
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
  request.process = {"node-7", "boot-1", 4711, 99, "pod-3"};
  request.address_guessed = true;
  request.cores = {{"machine", 64}, {"cgroup 7", 2}};
  request.address = "10.0.0.7:7001";
  request.preferred_index = -1;
  request.attempt = 0x8000000000000001;
  const auto reply = join(*channel_, request);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(driver_.seen().join.role, wire::Role::kServer);
  EXPECT_EQ(driver_.seen().join.version, "1.2.3");
  EXPECT_EQ(driver_.seen().join.process, request.process);
  EXPECT_EQ(driver_.seen().join.address, "10.0.0.7:7001");
  EXPECT_EQ(driver_.seen().join.preferred_index, -1);
  EXPECT_EQ(driver_.seen().join.attempt, request.attempt);
  EXPECT_EQ(reply->member, 7);
  EXPECT_EQ(reply->index, 2);
  EXPECT_TRUE(driver_.seen().join.address_guessed);
  EXPECT_EQ(driver_.seen().join.cores, request.cores);
  const bool over_tcp = GetParam() == TransportKind::kGrpcTcp;
  EXPECT_EQ(driver_.seen().join.came_from, over_tcp ? "127.0.0.1" : "");
  EXPECT_EQ(driver_.seen().join.came_to, over_tcp ? "127.0.0.1" : "");
  EXPECT_EQ(reply->job, 0xfedcba9876543210);
  EXPECT_EQ(reply->job_spec, R"({"window": 5})");
  EXPECT_EQ(reply->slot, 4);
}

TEST_P(ControlTransportTest, AcquireCarriesEveryKindAndField) {
  using Kind = wire::AcquireReply::Kind;
  for (const Kind kind : {Kind::kGranted, Kind::kWait, Kind::kDone, Kind::kAbort}) {
    wire::AcquireReply sent;
    sent.kind = kind;
    sent.lease = {3, 4, 5, 20'000, 77};
    sent.retry_after = std::chrono::milliseconds(250);
    sent.reason = "server 1";
    sent.parameters = {3, wire::ShardMap::even(1000, 4, 2), {"a:1", "b:2"}};
    driver_.will_answer(sent);
    const auto reply = acquire(*channel_, 7);
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(driver_.seen().acquire.job, 1u);
    EXPECT_EQ(reply->kind, kind);
    EXPECT_EQ(reply->lease.partition, 3);
    EXPECT_EQ(reply->lease.incarnation, 4);
    EXPECT_EQ(reply->lease.next_sequence, 5);
    EXPECT_EQ(reply->lease.records, 20'000);
    EXPECT_EQ(reply->lease.last, 77);
    EXPECT_EQ(reply->retry_after, std::chrono::milliseconds(250));
    EXPECT_EQ(reply->reason, "server 1");
    EXPECT_EQ(reply->parameters, sent.parameters);
  }
}

TEST_P(ControlTransportTest, HeartbeatCarriesEveryField) {
  wire::HeartbeatRequest request;
  request.job = 0xfedcba9876543210;
  request.member = 7;
  request.partition = -1;
  request.incarnation = 2;
  request.last = 55;
  request.step = 99;
  request.activity = 1234;
  request.waiting_for = "server 0 at a:1";
  request.peak_memory_bytes = 1 << 30;
  request.hold = std::chrono::milliseconds(700);
  request.knobs = 3;
  request.parameters = 5;
  request.traffic = {{1, {wire::Path::Way::kUnixSocket, "a hint"}, 2, 0.5, 3, 4, 5},
                     {2, {wire::Path::Way::kSharedMemory, ""}, 1, 0, 0, 0, 0}};
  const auto reply = await_result<wire::HeartbeatReply>(
      [&](auto r) { channel_->heartbeat(request, kSoon, std::move(r)); });
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(driver_.seen().heartbeat.job, request.job);
  EXPECT_EQ(driver_.seen().heartbeat.member, 7);
  EXPECT_EQ(driver_.seen().heartbeat.partition, -1);
  EXPECT_EQ(driver_.seen().heartbeat.incarnation, 2);
  EXPECT_EQ(driver_.seen().heartbeat.last, 55);
  EXPECT_EQ(driver_.seen().heartbeat.step, 99);
  EXPECT_EQ(driver_.seen().heartbeat.activity, 1234);
  EXPECT_EQ(driver_.seen().heartbeat.waiting_for, "server 0 at a:1");
  EXPECT_EQ(driver_.seen().heartbeat.peak_memory_bytes, 1 << 30);
  EXPECT_EQ(driver_.seen().heartbeat.hold, std::chrono::milliseconds(700));
  EXPECT_EQ(driver_.seen().heartbeat.knobs, 3);
  EXPECT_EQ(driver_.seen().heartbeat.parameters, 5);
  EXPECT_EQ(driver_.seen().heartbeat.traffic, request.traffic);
  EXPECT_EQ(reply->kind, wire::HeartbeatReply::Kind::kLeaseLost);
  EXPECT_EQ(reply->reason, "too late");
  EXPECT_EQ(reply->last, 44);
  EXPECT_EQ(reply->knobs, (wire::Knobs{4, true, 0.5f}));
  EXPECT_EQ(reply->parameters, (wire::Placement{6, wire::ShardMap::even(64, 2, 1), {"a:1"}}));
  request.knobs = 4;
  const auto no_news = await_result<wire::HeartbeatReply>(
      [&](auto r) { channel_->heartbeat(request, kSoon, std::move(r)); });
  EXPECT_EQ(no_news->knobs, std::nullopt);
  EXPECT_EQ(no_news->parameters, std::nullopt);
}

TEST_P(ControlTransportTest, StatusAndCommandCarryEveryField) {
  const auto status = await_result<wire::StatusReply>(
      [&](auto reply) { channel_->status({}, kSoon, std::move(reply)); });
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->json, "{\"job\": \"\xff\"}") << "whatever names are made of";
  const auto command = [&](const wire::CommandRequest& request) {
    return await_result<wire::CommandReply>(
        [&](auto reply) { channel_->command(request, kSoon, std::move(reply)); });
  };
  wire::CommandRequest request{"set", {"learning-rate", "0.001"}, {}};
  request.process.host = "hosta";
  request.process.pid = 4711;
  const auto done = command(request);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->said, "done");
  EXPECT_EQ(driver_.seen().command.verb, "set");
  EXPECT_EQ(driver_.seen().command.arguments, request.arguments);
  EXPECT_EQ(driver_.seen().command.process, request.process);
  EXPECT_EQ(command({"dance", {}, {}}).status(), invalid_argument("it can stop"));
}

TEST_P(ControlTransportTest, FinishAndLeaveCarryEveryField) {
  const Status finished = await_status([&](auto reply) {
    channel_->finish({9, 7, 3, 2}, kSoon, std::move(reply));
  });
  EXPECT_EQ(finished, failed_precondition("the lease was lost"));
  EXPECT_EQ(driver_.seen().finish.job, 9u);
  EXPECT_EQ(driver_.seen().finish.member, 7);
  EXPECT_EQ(driver_.seen().finish.partition, 3);
  EXPECT_EQ(driver_.seen().finish.incarnation, 2);
  const Status left = await_status([&](auto reply) {
    channel_->leave({9, 7, data_loss("a damaged file"), true}, kSoon, std::move(reply));
  });
  EXPECT_TRUE(left.ok()) << left;
  EXPECT_EQ(driver_.seen().leave.job, 9u);
  EXPECT_EQ(driver_.seen().leave.member, 7);
  EXPECT_EQ(driver_.seen().leave.status, data_loss("a damaged file"));
  EXPECT_TRUE(driver_.seen().leave.drained);
}

TEST_P(ControlTransportTest, StatusCrossesUnchanged) {
  EXPECT_EQ(acquire(*channel_, 8).status(), not_found("member 8 is not known: ä\n%"));
}

TEST_P(ControlTransportTest, PartitionArrivesRecordByRecord) {
  int64_t next = 250;
  for (;;) {
    const Result<wire::RecordChunk> chunk = fetch({9, 3, next});
    ASSERT_TRUE(chunk.ok()) << chunk.status();
    EXPECT_EQ(driver_.seen().fetch.job, 9u);
    EXPECT_EQ(chunk->first, next);
    const size_t records = chunk->labels.size();
    if (records == 0) break;
    ASSERT_EQ(chunk->features.size(), records * 16384);
    for (size_t i = 0; i < records; ++i, ++next) {
      EXPECT_EQ(chunk->features[i * 16384], static_cast<std::byte>(next));
      EXPECT_EQ(chunk->features[i * 16384 + 16383], static_cast<std::byte>(next));
      EXPECT_EQ(chunk->labels[i], -next);
    }
  }
  EXPECT_EQ(next, 1000);
}

TEST_P(ControlTransportTest, FetchOfAnUnknownPartitionFails) {
  EXPECT_EQ(fetch({9, 4, 0}).status(), not_found("no such partition"));
}

TEST_P(ControlTransportTest, NobodyThereIsUnavailable) {
  const std::string address = listener_->address();
  listener_.reset();
  const auto lonely = transport_->connect_control(address);
  const Status status = join(*lonely, {}, {std::chrono::milliseconds(200)}).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status;
  EXPECT_THAT(status.message(), HasSubstr(address));
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
