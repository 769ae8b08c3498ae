// A worker's and a server's transport, of one host: updates are read where the worker wrote them,
// and values where the server did. Processes that die are memory_test's and integration_test's.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "core/real_world.h"
#include "memory/visit.h"
#include "parameters.grpc.pb.h"
#include "server/parameter_server.h"
#include "tests/transport/transport_fixture.h"
#include "transport/grpc/grpc_transport.h"

namespace sluice::transport {
namespace {

using ::testing::Each;
using Sharing = GrpcTransport::Sharing;

constexpr uint64_t kJob = 1;
constexpr size_t kFloats = 4096;  // of two shards

class SharedMemoryTest : public ::testing::Test {
 protected:
  void SetUp() override { start(Sharing::kMemory, Sharing::kMemory); }

  void start(Sharing servers, Sharing workers) {
    channel_.reset();
    listener_.reset();
    servers_.emplace(servers);
    workers_.emplace(workers);
    server_.emplace(core::real_world(), 1, servers_->buffers());
    server_->serve_job(kJob);
    listener_ = *servers_->listen("127.0.0.1:0", &*server_, {});
    channel_ = workers_->connect_parameters(listener_->address());
    ASSERT_TRUE(create(*channel_, adding(kJob, map_)).ok());
    ASSERT_TRUE(assign(*channel_, {kJob, {0, 2}}, std::vector<float>(kFloats, 1)).ok());
    update_ = workers_->buffers().make(kFloats);
  }
  // The first call has asked for memory; calls until it is shared send bytes.
  void wait_until_shared() {
    while (!channel_->shares_memory()) {
      ASSERT_TRUE(pull(*channel_, kJob, {0, 2}, into_).ok());
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  void fill(float value) { std::fill_n(update_->data(), kFloats, value); }
  wire::Payload update() const { return {update_, update_->span()}; }
  Result<PulledVersion> send(wire::PushStep step, int64_t sequence) {
    wire::PushHeader header = header_of(kJob, {0, 2}, {0, 1, sequence});
    header.step = step;
    const bool brings = step != wire::PushStep::kCommit;
    return exchange(*channel_, header, brings ? update() : wire::Payload(),
                    step == wire::PushStep::kStage ? std::span<float>() : std::span(into_));
  }

  const wire::ShardMap map_ = wire::ShardMap::even(kFloats, 2, 1);
  std::optional<GrpcTransport> servers_, workers_;
  std::optional<server::ParameterServer> server_;
  std::unique_ptr<wire::Listener> listener_;
  std::shared_ptr<wire::ParameterChannel> channel_;
  std::shared_ptr<core::AlignedBuffer> update_;
  std::vector<float> into_ = std::vector<float>(kFloats);
};

TEST_F(SharedMemoryTest, ExchangesArriveAllTheSame) {
  EXPECT_EQ(channel_->path(), (wire::Path{wire::Path::Way::kTcp, ""})) << "nothing is known yet";
  wait_until_shared();
  EXPECT_EQ(channel_->path(), (wire::Path{wire::Path::Way::kSharedMemory, ""}));
  for (int64_t sequence = 1; sequence <= 200; ++sequence) {
    fill(static_cast<float>(sequence));
    const auto reply = send(wire::PushStep::kApply, sequence);
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(reply->version, sequence);
    ASSERT_THAT(into_, Each(static_cast<float>(1 + sequence * (sequence + 1) / 2)));
  }
  ASSERT_TRUE(pull(*channel_, kJob, {0, 2}, into_).ok());
  EXPECT_THAT(into_, Each(1 + 200 * 201 / 2));
}

// The server reads what it was told of when it applies it: what is changed until then is applied.
TEST_F(SharedMemoryTest, AnUpdateIsReadWhereItWasWritten) {
  wait_until_shared();
  fill(1);
  ASSERT_TRUE(send(wire::PushStep::kStage, 1).ok());
  fill(5);
  ASSERT_TRUE(send(wire::PushStep::kCommit, 1).ok());
  EXPECT_THAT(into_, Each(6.0f));
}

// So whoever gives it up must not write into it: it is lent until the server has done with it.
TEST_F(SharedMemoryTest, WhatIsStagedIsKeptUntilTheServerHasReadIt) {
  wait_until_shared();
  const std::weak_ptr<const void> lent = update_;
  ASSERT_TRUE(send(wire::PushStep::kStage, 1).ok());
  update_.reset();
  EXPECT_FALSE(lent.expired());
  wire::PushHeader header = header_of(kJob, {0, 2}, {0, 1, 1});
  header.step = wire::PushStep::kCommit;
  ASSERT_TRUE(exchange(*channel_, header, {}, into_).ok());
  // Another call looks at what the server has done with.
  while (!lent.expired()) ASSERT_TRUE(pull(*channel_, kJob, {0, 2}, into_).ok());
}

TEST_F(SharedMemoryTest, OrdinaryMemoryIsSent) {
  wait_until_shared();
  update_ = std::make_shared<core::AlignedBuffer>(kFloats);
  fill(2);
  ASSERT_TRUE(send(wire::PushStep::kApply, 1).ok());
  EXPECT_THAT(into_, Each(3.0f));
}

TEST_F(SharedMemoryTest, WhereOneSideSharesNothingBytesAreSent) {
  for (const auto& [servers, workers] : {std::pair(Sharing::kNothing, Sharing::kMemory),
                                         std::pair(Sharing::kMemory, Sharing::kNothing)}) {
    start(servers, workers);
    for (int64_t sequence = 1; sequence <= 20; ++sequence) {
      fill(1);
      ASSERT_TRUE(send(wire::PushStep::kApply, sequence).ok());
      ASSERT_THAT(into_, Each(static_cast<float>(1 + sequence)));
    }
    EXPECT_FALSE(channel_->shares_memory());
    const wire::Path path = channel_->path();
    EXPECT_EQ(path.way, wire::Path::Way::kTcp);
    const bool server_will_not = servers == Sharing::kNothing;
    EXPECT_EQ(path.hint, server_will_not ? "the server says: the server shares no memory" : "");
  }
}

// As under `ulimit -f`: a segment is a file to the kernel.
TEST_F(SharedMemoryTest, WhereNoSegmentCanBeHadMemoryIsOrdinary) {
  wait_until_shared();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit none{4096, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &none), 0);
  update_ = workers_->buffers().make(size_t{1} << 22);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  (void)std::signal(SIGXFSZ, handler);
  fill(2);
  wire::PushHeader header = header_of(kJob, {0, 2}, {0, 1, 1});
  const auto reply = exchange(*channel_, header, {update_, update_->span().first(kFloats)}, into_);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_THAT(into_, Each(3.0f));
}

// A segment is a file that the process has open.
TEST_F(SharedMemoryTest, ManyBuffersAreInFewSegments) {
  const auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = open_files();
  std::vector<std::unique_ptr<core::AlignedBuffer>> buffers;
  for (int i = 0; i < 1000; ++i) {
    buffers.push_back(workers_->buffers().make(1000 + static_cast<size_t>(i) % 7));
    std::fill_n(buffers.back()->data(), buffers.back()->size(), static_cast<float>(i));
  }
  EXPECT_LT(open_files() - before, 60);
  for (size_t i = 0; i < buffers.size(); ++i) {
    ASSERT_THAT(buffers[i]->span(), Each(static_cast<float>(i))) << "none is over another";
  }
}

// The old server's process would be gone; here its listener and door are.
TEST_F(SharedMemoryTest, AServerThatIsGoneIsUnavailable) {
  wait_until_shared();
  listener_.reset();
  servers_.reset();
  wire::PushHeader header = header_of(kJob, {0, 2}, {0, 1, 1});
  EXPECT_FALSE(exchange(*channel_, header, update(), into_, {std::chrono::milliseconds(300)}).ok());
}

// --- Strangers, who can say anything ---

class LyingCallerTest : public SharedMemoryTest {
 protected:
  ::grpc::Status say(const v1::SharedCall& shared, const std::string& payload = {}) {
    v1::PushMessage request;
    v1::PushHeader& header = *request.mutable_header();
    header.set_job(kJob);
    header.set_shards(2);
    header.set_sequence(1);
    *header.mutable_shared() = shared;
    request.set_payload(payload);
    v1::ValuesMessage reply;
    ::grpc::ClientContext context;
    return stub_->Exchange(&context, request, &reply);
  }

  // As a worker that is known, with a segment of its own.
  void come_in() {
    v1::DoorReply door;
    ::grpc::ClientContext context;
    ASSERT_TRUE(stub_->Door(&context, {}, &door).ok());
    auto visit =
        memory::Visit::knock({door.machine(), door.name(), {door.key(), door.key_2()}}, own_, {});
    ASSERT_TRUE(visit.ok()) << visit.status();
    visit_ = *std::move(visit);
    while (!visit_->status().ok()) std::this_thread::yield();
    segment_ = *own_->make(kFloats * sizeof(float));
  }
  std::optional<memory::Visit::Call> begin() {
    return visit_->begin({reinterpret_cast<const float*>(segment_->bytes().data()), kFloats},
                         segment_);
  }

  std::unique_ptr<v1::Parameters::Stub> stub_;
  const std::shared_ptr<memory::Segments> own_ = std::make_shared<memory::Segments>();
  std::shared_ptr<memory::Segment> segment_;
  std::unique_ptr<memory::Visit> visit_;

  void SetUp() override {
    SharedMemoryTest::SetUp();
    stub_ = v1::Parameters::NewStub(
        ::grpc::CreateChannel(listener_->address(), ::grpc::InsecureChannelCredentials()));
  }
};

TEST_F(LyingCallerTest, TokensOfNobodyAreRefused) {
  v1::SharedCall shared;
  shared.mutable_payload()->set_bytes(kFloats * sizeof(float));
  for (const uint64_t token : {uint64_t{0}, uint64_t{1}, UINT64_MAX}) {
    shared.set_token(token);
    EXPECT_EQ(say(shared).error_code(), ::grpc::StatusCode::UNAVAILABLE) << token;
  }
  ASSERT_TRUE(pull(*channel_, kJob, {0, 2}, into_).ok());
  EXPECT_THAT(into_, Each(1.0f));
}

// A worker that is known, and its segments, wrong by every number.
TEST_F(LyingCallerTest, PlacesThatAreNotThereAreRefused) {
  come_in();
  constexpr uint64_t kBytes = kFloats * sizeof(float);
  for (const auto& [number, offset, bytes] :
       {std::tuple(0, uint64_t{4096}, kBytes), std::tuple(0, UINT64_MAX, kBytes),
        std::tuple(0, uint64_t{0}, UINT64_MAX), std::tuple(0, uint64_t{2}, kBytes),
        std::tuple(99, uint64_t{0}, kBytes), std::tuple(0, uint64_t{0}, uint64_t{16})}) {
    const auto call = begin();
    ASSERT_TRUE(call.has_value());
    v1::SharedCall shared;
    shared.set_token(visit_->token());
    shared.set_call(call->number);
    shared.mutable_payload()->set_segment(call->update.segment + static_cast<uint64_t>(number));
    shared.mutable_payload()->set_offset(call->update.offset + offset);
    shared.mutable_payload()->set_bytes(bytes);
    EXPECT_EQ(say(shared).error_code(), ::grpc::StatusCode::INVALID_ARGUMENT)
        << number << " " << offset << " " << bytes;
    visit_->given_up(call->number);
  }
  ASSERT_TRUE(pull(*channel_, kJob, {0, 2}, into_).ok());
  EXPECT_THAT(into_, Each(1.0f)) << "nothing was applied";
}

// Calls that were ended, or have not begun: what their number says of memory is not believed.
TEST_F(LyingCallerTest, NumbersOfCallsThatAreOverAreRefused) {
  come_in();
  const auto call = begin();
  ASSERT_TRUE(call.has_value());
  visit_->given_up(call->number);
  v1::SharedCall shared;
  shared.set_token(visit_->token());
  shared.set_call(call->number);
  shared.mutable_payload()->set_segment(call->update.segment);
  shared.mutable_payload()->set_bytes(kFloats * sizeof(float));
  EXPECT_EQ(say(shared).error_code(), ::grpc::StatusCode::CANCELLED);
}

}  // namespace
}  // namespace sluice::transport
