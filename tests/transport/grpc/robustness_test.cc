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
#include "tests/transport/grpc/raw_server.h"
#include "tests/transport/transport_fixture.h"
#include "transport/grpc/byte_buffers.h"

namespace sluice::transport {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kJob = 42;
constexpr size_t kFloats = 1000;

class GrpcRobustnessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto listener = transport_.listen("127.0.0.1:0", &server_, {});
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    channel_ = transport_.connect_parameters(listener_->address());
    stranger_ = grpc::CreateChannel(listener_->address(), grpc::InsecureChannelCredentials());
    const Status created = create(*channel_, adding(kJob, wire::ShardMap::even(kFloats, 1, 1)));
    ASSERT_TRUE(created.ok()) << created;
    ASSERT_TRUE(assign(*channel_, {kJob, {0, 1}}, std::vector<float>(kFloats, 1)).ok());
  }

  // Sends bytes of our own making.
  grpc::Status send(const std::string& method, const std::string& bytes,
                    grpc::ByteBuffer* reply = nullptr,
                    core::Duration within = std::chrono::seconds(10)) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + within);
    const std::string path = "/sluice.v1.Parameters/" + method;
    const grpc::internal::RpcMethod rpc(path.c_str(), grpc::internal::RpcMethod::NORMAL_RPC);
    const grpc::Slice slice(bytes);
    grpc::ByteBuffer ignored;
    return grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer>(
        stranger_.get(), rpc, &context, grpc::ByteBuffer(&slice, 1), reply ? reply : &ignored);
  }

  void expect_untouched() {
    std::vector<float> into(kFloats);
    const auto pulled = pull(*channel_, kJob, {0, 1}, into);
    ASSERT_TRUE(pulled.ok()) << pulled.status();
    EXPECT_EQ(pulled->version, 0);
    EXPECT_EQ(into, std::vector<float>(kFloats, 1));
  }

  GrpcTransport transport_;
  GatedService server_{kJob};
  std::unique_ptr<wire::Listener> listener_;
  std::shared_ptr<wire::ParameterChannel> channel_;
  std::shared_ptr<grpc::Channel> stranger_;
};

TEST_F(GrpcRobustnessTest, DamagedMessagesAreRefusedByEveryMethod) {
  const std::string endless("\x7a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
  for (const char* method : {"Create", "Assign", "Exchange", "Pull", "Fence", "Ledger", "Ping"}) {
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
    const char* methods[] = {"Create", "Assign", "Exchange", "Pull", "Fence", "Ledger", "Ping"};
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
    // A bit makes a commit of it, which waits for its pieces.
    const grpc::Status status = send("Exchange", flipped, nullptr, std::chrono::milliseconds(500));
    EXPECT_NE(status.error_code(), grpc::UNAVAILABLE);
  }
  std::vector<float> into(kFloats);
  EXPECT_TRUE(pull(*channel_, kJob, {0, 1}, into).ok());
  EXPECT_EQ(into, std::vector<float>(kFloats, 1)) << "every update was zero";
}

TEST_F(GrpcRobustnessTest, UnknownMethodIsUnimplemented) {
  EXPECT_EQ(send("Destroy", "").error_code(), grpc::UNIMPLEMENTED);
  expect_untouched();
}

TEST_F(GrpcRobustnessTest, ServerOfAnotherKindIsNamed) {
  const auto wrong = transport_.connect_control(listener_->address());
  EXPECT_EQ(acquire(*wrong, 1).status(),
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
  request.mutable_header()->set_shards(1);
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
    channel_->exchange(header_of(kJob, {0, 1}, {i, 1, 1}),
                       payload_of(std::vector<float>(kFloats, 0)), into, kSoon,
                       [&](const Result<PulledVersion>& result) {
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
  channel_->pull({kJob, {0, 1}}, into, kSoon,
                 [channel = channel_, &called](const Result<PulledVersion>&) mutable {
                   channel.reset();
                   called.set_value();
                 });
  channel_.reset();
  called.get_future().wait();
}

TEST_F(GrpcRobustnessTest, ListenerCutsOffASlowCallWithinASecond) {
  server_.close_gate();
  std::vector<float> into(kFloats);
  Awaited<Result<PulledVersion>> result;
  channel_->exchange(header_of(kJob, {0, 1}, {0, 1, 1}), payload_of(std::vector<float>(kFloats, 0)),
                     into, kSoon, result.reply());
  server_.wait_for_arrivals(1);
  const auto begin = std::chrono::steady_clock::now();
  listener_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  const Status status = result.get().status();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_EQ(status.code(), StatusCode::kUnavailable)
      << "so that the caller tries again: " << status;
  EXPECT_THAT(status.message(), HasSubstr("server at 127.0.0.1:"));
  server_.open_gate();  // the service answers when nobody listens any more
}

TEST_F(GrpcRobustnessTest, ConnectionRefusedIsNamed) {
  const std::string address = listener_->address();
  listener_.reset();
  const auto channel = transport_.connect_parameters(address);
  EXPECT_EQ(ledger(*channel, kJob, {std::chrono::milliseconds(500)}).status(),
            unavailable("server at " + address + " does not answer (connection refused)"));
}

TEST_F(GrpcRobustnessTest, AddressThatANameStandsForIsNamedToo) {
  const std::string address = listener_->address();
  const std::string port = address.substr(address.rfind(':'));
  listener_.reset();
  const auto channel = transport_.connect_parameters("localhost" + port);
  const Status status = ledger(*channel, kJob, {std::chrono::milliseconds(500)}).status();
  EXPECT_THAT(status.message(), HasSubstr("server at localhost" + port + " does not answer"));
  EXPECT_THAT(status.message(),
              ::testing::AnyOf(HasSubstr("(127.0.0.1" + port + ": connection refused)"),
                               HasSubstr("([::1]" + port + ": connection refused)")));
}

TEST(GrpcAnswerSizeTest, ServerThatSendsMoreThanAShardIsNotReceived) {
  RawServer server([](RawServer::Call& call) {
    const wire::Bytes values = payload_of(std::vector<float>(2'000'000));
    call.answer(bytes_of(to_buffer(v1::ValuesHeader(), {&values, 1})));
  });
  const auto channel = GrpcTransport().connect_parameters(server.address());
  std::vector<float> small(10);
  const Status status = pull(*channel, kJob, {0, 1}, small).status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(status.message(),
              HasSubstr("server at " + server.address() + ": a message of 80000"));
  EXPECT_THAT(status.message(), HasSubstr("is larger than the 5242880 that are taken"));
  std::vector<float> whole(2'000'000);
  EXPECT_TRUE(pull(*channel, kJob, {0, 1}, whole).ok()) << "the same from who expects it";
}

// A driver that throws, answers at length, or takes its time.
class BadDriver final : public wire::ControlService {
 public:
  void join(const wire::JoinRequest&, core::Reply<Result<wire::JoinReply>>) override {
    throw std::runtime_error("a mistake in the driver");
  }
  void acquire(const wire::AcquireRequest&,
               core::Reply<Result<wire::AcquireReply>> reply) override {
    reply(unavailable(std::string(100'000, 'x')));
  }
  void heartbeat(const wire::HeartbeatRequest&,
                 core::Reply<Result<wire::HeartbeatReply>> reply) override {
    reply(wire::HeartbeatReply{});
  }
  // Answers, and throws then.
  void finish(const wire::FinishRequest&, core::Reply<Status> reply) override {
    reply(ok_status());
    throw std::runtime_error("a mistake in the driver");
  }
  void leave(const wire::LeaveRequest&, core::Reply<Status> reply) override { reply(ok_status()); }
  // Partition 1 is never answered until released.
  void fetch(const wire::FetchRequest& request,
             core::Reply<Result<wire::RecordChunk>> reply) override {
    if (request.partition != 1) return reply(wire::RecordChunk{});
    std::lock_guard lock(mutex_);
    held_.push_back(std::move(reply));
  }
  void release() {
    std::lock_guard lock(mutex_);
    for (auto& reply : held_) reply(wire::RecordChunk{});
    held_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<core::Reply<Result<wire::RecordChunk>>> held_;
};

class GrpcBadDriverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto listener = transport_.listen("127.0.0.1:0", &driver_);
    ASSERT_TRUE(listener.ok());
    listener_ = *std::move(listener);
    channel_ = transport_.connect_control(listener_->address());
  }
  void TearDown() override { driver_.release(); }

  Result<wire::RecordChunk> fetch(int64_t partition, core::Duration timeout) {
    return await_result<wire::RecordChunk>([&](auto reply) {
      channel_->fetch({1, partition, 0}, {timeout}, std::move(reply));
    });
  }

  GrpcTransport transport_;
  BadDriver driver_;
  std::unique_ptr<wire::Listener> listener_;
  std::shared_ptr<wire::ControlChannel> channel_;
};

TEST_F(GrpcBadDriverTest, ExceptionsBecomeInternalErrors) {
  EXPECT_EQ(join(*channel_, {}).status(), internal_error("a mistake in the driver"));
}

TEST_F(GrpcBadDriverTest, ExceptionAfterTheAnswerChangesNothing) {
  EXPECT_TRUE(
      await_status([&](auto reply) { channel_->finish({}, kSoon, std::move(reply)); }).ok());
}

// Who does not say what it is must not be taken for a worker.
TEST_F(GrpcBadDriverTest, JoinWithoutARoleIsRefused) {
  const auto stub = v1::Control::NewStub(
      grpc::CreateChannel(listener_->address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::JoinReply reply;
  const grpc::Status status = stub->Join(&context, v1::JoinRequest(), &reply);
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "Join: expected a role, server or worker, got 0");
}

TEST_F(GrpcBadDriverTest, RequestsThatNoMemberSendsAreNotReceived) {
  wire::JoinRequest request;
  request.address = std::string(size_t{1} << 20, 'x');
  const Status status = join(*channel_, request).status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("is larger than the 524288 that are taken"));
}

TEST_F(GrpcBadDriverTest, ReasonsOfAnyLengthAreHeard) {
  const Status left = await_status([&](auto reply) {
    channel_->leave({1, 1, data_loss(std::string(size_t{1} << 20, 'x'))}, kSoon, std::move(reply));
  });
  EXPECT_TRUE(left.ok()) << left;
}

TEST_F(GrpcBadDriverTest, EndlessMessagesAreCut) {
  const Status status = acquire(*channel_, 1).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), std::string(2000, 'x'));
}

TEST_F(GrpcBadDriverTest, FetchThatIsNotAnsweredIsGivenUpAfterItsTimeout) {
  EXPECT_EQ(
      fetch(1, std::chrono::milliseconds(200)).status(),
      deadline_exceeded("driver at " + listener_->address() + " did not answer within 0.2 s"));
  EXPECT_TRUE(fetch(2, kSoon.timeout).ok());
}

TEST_F(GrpcBadDriverTest, ListenerEndsWithinASecondThoughAFetchIsNotAnswered) {
  Awaited<Result<wire::RecordChunk>> fetched;
  channel_->fetch({1, 1, 0}, kSoon, fetched.reply());
  ASSERT_TRUE(fetch(2, kSoon.timeout).ok());  // that one has arrived, too
  const auto begin = std::chrono::steady_clock::now();
  listener_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  EXPECT_EQ(fetched.get().status().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace sluice::transport
