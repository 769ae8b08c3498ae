// What may come from a network: rubbish, strangers, and peers that go away at a bad moment.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/client_unary_call.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>
#include <thread>

#include "control.grpc.pb.h"
#include "parameters.grpc.pb.h"
#include "tests/transport/gated_service.h"
#include "tests/transport/transport_fixture.h"
#include "transport/grpc/raw_message.h"

namespace sluice::transport {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kJob = 42;
constexpr size_t kFloats = 1000;

class GrpcRobustnessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto listener = transport_.listen("127.0.0.1:0", &server_, 1);
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    channel_ = transport_.connect_parameters(listener_->address());
    stranger_ = grpc::CreateChannel(listener_->address(), grpc::InsecureChannelCredentials());
    const wire::ShardMap map = wire::ShardMap::even(kFloats, 1, 1);
    ASSERT_TRUE(channel_->create({kJob, map, 0, server::add_rule_json()}, kSoon).ok());
    ASSERT_TRUE(
        channel_->assign({kJob, 0}, payload_of(std::vector<float>(kFloats, 1)), kSoon).ok());
  }

  // Sends bytes of our own making.
  grpc::Status send(const std::string& method, const std::string& bytes,
                    grpc::ByteBuffer* reply = nullptr) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    const std::string path = "/sluice.v1.Parameters/" + method;
    const grpc::internal::RpcMethod rpc(path.c_str(), grpc::internal::RpcMethod::NORMAL_RPC);
    const grpc::Slice slice(bytes);
    grpc::ByteBuffer ignored;
    return grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer>(
        stranger_.get(), rpc, &context, grpc::ByteBuffer(&slice, 1), reply ? reply : &ignored);
  }

  void expect_untouched() {
    std::vector<float> into(kFloats);
    const auto pulled = pull(*channel_, kJob, 0, into);
    ASSERT_TRUE(pulled.ok()) << pulled.status();
    EXPECT_EQ(pulled->version, 0);
    EXPECT_EQ(into, std::vector<float>(kFloats, 1));
  }

  GrpcTransport transport_;
  GatedService server_;
  std::unique_ptr<wire::Listener> listener_;
  std::shared_ptr<wire::ParameterChannel> channel_;
  std::shared_ptr<grpc::Channel> stranger_;
};

TEST_F(GrpcRobustnessTest, DamagedMessagesAreRefusedByEveryMethod) {
  const std::string endless("\x7a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
  for (const char* method :
       {"Create", "Assign", "Exchange", "Push", "Pull", "Fence", "Ledger", "Shutdown"}) {
    for (const std::string& bytes : {endless, std::string("\x0a\x05zz", 4), std::string("\x0f")}) {
      const grpc::Status status = send(method, bytes);
      EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT) << method;
      EXPECT_THAT(status.error_message(), HasSubstr("damaged")) << method;
    }
  }
  expect_untouched();
}

TEST_F(GrpcRobustnessTest, RandomMessagesDoNoHarm) {
  std::mt19937 random(1);
  for (int i = 0; i < 400; ++i) {
    std::string bytes(random() % 300, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    const char* methods[] = {"Create", "Assign", "Exchange", "Push", "Pull", "Fence", "Ledger"};
    EXPECT_NE(send(methods[i % 7], bytes).error_code(), grpc::UNAVAILABLE);
  }
  expect_untouched();
}

// A valid push with one bit flipped: it may be refused or, when the flip is in the floats, applied,
// but the server goes on.
TEST_F(GrpcRobustnessTest, FlippedBitsDoNoHarm) {
  v1::PushMessage message;
  message.mutable_header()->set_job(kJob);
  message.mutable_header()->set_sequence(1);
  message.set_payload(std::string(kFloats * 4, '\0'));
  const std::string bytes = message.SerializeAsString();
  for (size_t bit = 0; bit < 40 * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    EXPECT_NE(send("Exchange", flipped).error_code(), grpc::UNAVAILABLE);
  }
  std::vector<float> into(kFloats);
  EXPECT_TRUE(pull(*channel_, kJob, 0, into).ok());
  EXPECT_EQ(into, std::vector<float>(kFloats, 1)) << "every update was zero";
}

TEST_F(GrpcRobustnessTest, UnknownMethodIsUnimplemented) {
  EXPECT_EQ(send("Destroy", "").error_code(), grpc::UNIMPLEMENTED);
  expect_untouched();
}

TEST_F(GrpcRobustnessTest, ServerOfAnotherKindIsNamed) {
  const auto wrong = transport_.connect_control(listener_->address());
  EXPECT_EQ(wrong->acquire(1, kSoon).status(),
            Status(StatusCode::kUnimplemented,
                   "driver at " + listener_->address() +
                       " does not know this call; is it a Sluice driver of the same version?"));
}

TEST_F(GrpcRobustnessTest, OtherProtocolsOnThePortDoNoHarm) {
  std::mt19937 random(2);
  std::string noise(100'000, '\0');
  for (char& byte : noise) byte = static_cast<char>(random());
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const std::string address = listener_->address();
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), noise, preface + noise, preface,
        std::string("\x16\x03\x01\x02", 4), std::string()}) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    (void)::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ::close(fd);
  }
  expect_untouched();
}

TEST_F(GrpcRobustnessTest, AnyProtobufClientCanExchange) {
  const auto stub = v1::Parameters::NewStub(stranger_);
  v1::PushMessage request;
  request.mutable_header()->set_job(kJob);
  request.mutable_header()->set_sequence(1);
  const std::vector<float> update(kFloats, 0.5f);
  request.set_payload(update.data(), kFloats * sizeof(float));
  v1::ValuesMessage reply;
  grpc::ClientContext context;
  const grpc::Status status = stub->Exchange(&context, request, &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reply.header().version(), 1);
  EXPECT_EQ(reply.header().push().version(), 1);
  ASSERT_EQ(reply.payload().size(), kFloats * sizeof(float));
  float last = 0;
  std::memcpy(&last, reply.payload().data() + reply.payload().size() - 4, 4);
  EXPECT_EQ(last, 1.5f);
}

TEST_F(GrpcRobustnessTest, ChannelDestroyedWithCallsInFlightEndsThemAll) {
  server_.close_gate();
  std::vector<float> into(kFloats);
  std::atomic<int> cancelled = 0;
  for (int i = 0; i < 5; ++i) {
    channel_->exchange(header_of(kJob, 0, {i, 1, 1}), payload_of(std::vector<float>(kFloats, 0)),
                       into, kSoon, [&](Result<PulledVersion> result) {
                         cancelled += result.status().code() == StatusCode::kCancelled;
                       });
  }
  server_.wait_for_arrivals(1);
  channel_.reset();
  EXPECT_EQ(cancelled, 5);
  server_.open_gate();
}

TEST_F(GrpcRobustnessTest, ChannelMayBeLetGoByItsOwnCallback) {
  std::vector<float> into(kFloats);
  std::promise<void> called;
  channel_->pull(kJob, 0, into, kSoon,
                 [channel = channel_, &called](Result<PulledVersion>) mutable {
                   channel.reset();
                   called.set_value();
                 });
  channel_.reset();
  called.get_future().wait();
}

TEST_F(GrpcRobustnessTest, ListenerCutsOffASlowCallWithinASecond) {
  server_.close_gate();
  std::vector<float> into(kFloats);
  std::promise<Status> result;
  channel_->exchange(header_of(kJob, 0, {0, 1, 1}), payload_of(std::vector<float>(kFloats, 0)),
                     into, kSoon, [&](Result<PulledVersion> r) { result.set_value(r.status()); });
  server_.wait_for_arrivals(1);
  const auto begin = std::chrono::steady_clock::now();
  // The service's method has to return; the client need not wait for it.
  std::thread closer([&] { listener_.reset(); });
  const Status status = result.get_future().get();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_EQ(status.code(), StatusCode::kUnavailable)
      << "so that the caller tries again: " << status;
  EXPECT_THAT(status.message(), HasSubstr("server at 127.0.0.1:"));
  server_.open_gate();
  closer.join();
}

TEST_F(GrpcRobustnessTest, ConnectionRefusedIsNamed) {
  const std::string address = listener_->address();
  listener_.reset();
  const auto channel = transport_.connect_parameters(address);
  EXPECT_EQ(
      channel->ledger(kJob, {std::chrono::milliseconds(500)}).status(),
      unavailable("server at " + address + " does not answer: waited 0.5 s (connection refused)"));
}

// A driver whose stream stops, throws, or answers at length.
class BadDriver final : public wire::ControlService {
 public:
  Result<wire::JoinReply> join(const wire::JoinRequest&) override {
    throw std::runtime_error("a mistake in the driver");
  }
  Result<wire::AcquireReply> acquire(int64_t) override {
    return unavailable(std::string(100'000, 'x'));
  }
  Result<wire::HeartbeatReply> heartbeat(const wire::HeartbeatRequest&) override {
    return wire::HeartbeatReply{};
  }
  Status finish(const wire::FinishRequest&) override { return ok_status(); }
  Status leave(const wire::LeaveRequest&) override { return ok_status(); }

  // Partition 0: never ends. 1: one record, then nothing until released. 2: slow but steady.
  Status fetch_partition(int64_t partition, int64_t,
                         const std::function<bool(const wire::RecordChunk&)>& sink) override {
    const std::vector<std::byte> features(1 << 20);
    const std::vector<int32_t> labels(1);
    for (int64_t i = 0; partition == 0 || i < 5; ++i) {
      if (!sink({i, 1, features, labels})) return ok_status();
      if (partition == 1) released.get_future().wait();
      if (partition == 2) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return ok_status();
  }

  std::promise<void> released;
};

class GrpcBadDriverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto listener = transport_.listen("127.0.0.1:0", &driver_);
    ASSERT_TRUE(listener.ok());
    listener_ = *std::move(listener);
    channel_ = transport_.connect_control(listener_->address());
  }

  GrpcTransport transport_;
  BadDriver driver_;
  std::unique_ptr<wire::Listener> listener_;
  std::shared_ptr<wire::ControlChannel> channel_;
};

TEST_F(GrpcBadDriverTest, ExceptionsBecomeInternalErrors) {
  EXPECT_EQ(channel_->join({}, kSoon).status(), internal_error("a mistake in the driver"));
}

TEST_F(GrpcBadDriverTest, EndlessMessagesAreCut) {
  const Status status = channel_->acquire(1, kSoon).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), std::string(2000, 'x'));
}

TEST_F(GrpcBadDriverTest, StreamThatStopsIsGivenUpAfterTheTimeoutOfOneChunk) {
  int chunks = 0;
  const Status status =
      channel_->fetch_partition(1, 0, [&](const wire::RecordChunk&) { return ++chunks > 0; },
                                {std::chrono::milliseconds(200)});
  EXPECT_EQ(status, deadline_exceeded("driver at " + listener_->address() +
                                      " did not answer within 0.2 s"));
  EXPECT_EQ(chunks, 1);
  driver_.released.set_value();
}

TEST_F(GrpcBadDriverTest, SlowButSteadyStreamIsReadToItsEnd) {
  int chunks = 0;
  const Status status =
      channel_->fetch_partition(2, 0, [&](const wire::RecordChunk&) { return ++chunks > 0; },
                                {std::chrono::milliseconds(400)});
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(chunks, 5);
}

TEST_F(GrpcBadDriverTest, ListenerEndsWithinASecondThoughAReaderIsStuck) {
  std::promise<void> stuck;
  std::promise<void> go_on;
  std::thread reader([&] {
    bool first = true;
    const Status status = channel_->fetch_partition(
        0, 0,
        [&](const wire::RecordChunk&) {
          if (std::exchange(first, false)) {
            stuck.set_value();
            go_on.get_future().wait();
          }
          return true;
        },
        kSoon);
    EXPECT_FALSE(status.ok());
  });
  stuck.get_future().wait();
  const auto begin = std::chrono::steady_clock::now();
  listener_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  go_on.set_value();
  reader.join();
}

}  // namespace
}  // namespace sluice::transport
