#include "transport/grpc/parameter_channel.h"

#include <fmt/core.h>

#include <utility>

#include "transport/grpc/byte_buffers.h"
#include "transport/grpc/channel_calls.h"
#include "transport/grpc/parameter_messages.h"

namespace sluice::transport {
namespace {

using PulledVersion = wire::ParameterChannel::PulledVersion;

// What an answer may have beside values.
constexpr size_t kHeaderBytes = size_t{1} << 20;
// Answers without values, such as a ledger's, and shards of the default size.
constexpr size_t kUsualAnswer = wire::kDefaultShardSize * sizeof(float) + kHeaderBytes;

constexpr core::Duration kDoorCall = std::chrono::seconds(10);

// The one copy at this end.
Result<PulledVersion> receive(AsyncCalls::Answer answer, std::span<float> into,
                              SharedServer::Call& shared, const std::string& address) {
  SLUICE_RETURN_IF_ERROR(answer.status());
  v1::ValuesHeader header;
  Result<wire::ReceivedPayload> received = parse(*answer, header, "the answer");
  if (!received.ok()) {
    return data_loss(fmt::format("server at {}: {}", address, received.status().message()));
  }
  PulledVersion pulled{from_proto(header.push()), header.version(), header.clock(), header.held(),
                       into.size_bytes()};
  if (header.places_size() > 0) {
    if (!shared) return data_loss(fmt::format("server at {} sent no values", address));
    const Status taken = shared.take(header, into);
    if (!taken.ok()) return Status(taken.code(), "server at " + address + ": " + taken.message());
    return pulled;
  }
  pulled.bytes = received->bytes();
  received->encoding = from_proto(header.difference());
  if (!received->encoding.is_valid()) {
    return data_loss("server at " + address + " sent a difference in no known encoding");
  }
  const Status taken = wire::take(*received, into);
  if (!taken.ok()) return data_loss("server at " + address + " sent " + taken.message());
  return pulled;
}

class GrpcParameterChannel final : public wire::ParameterChannel {
 public:
  GrpcParameterChannel(const std::string& address, std::shared_ptr<SharedServer> shared,
                       std::shared_ptr<OperationQueue> queue)
      : shared_(std::move(shared)), calls_("server", address, kUsualAnswer, std::move(queue)) {}

  void exchange(const wire::PushHeader& header, wire::Bytes update, std::span<float> into,
                const wire::CallOptions& options,
                core::Reply<Result<PulledVersion>> reply) override {
    v1::PushHeader message = to_proto(header);
    const bool is_encoded = header.encoding != compression::Compression();
    SharedServer::Call shared;
    if (!is_encoded && !header.wanted) shared = begin(update, message);
    // What is staged is read when it is committed: its answer does not say that it has been.
    const bool kept = header.step == wire::PushStep::kStage;
    const auto payload = shared ? std::span<const wire::Bytes>() : std::span(&update, 1);
    start("/sluice.v1.Parameters/Exchange", to_buffer(message, payload), into, options,
          std::move(shared), kept, std::move(reply));
  }

  void pull(const wire::PullRequest& request, std::span<float> into,
            const wire::CallOptions& options, core::Reply<Result<PulledVersion>> reply) override {
    v1::PullRequest message = to_proto(request);
    SharedServer::Call shared;
    if (!request.wanted) shared = begin({}, message);
    start("/sluice.v1.Parameters/Pull", to_buffer(message), into, options, std::move(shared),
          /*kept=*/false, std::move(reply));
  }

  void create(const wire::CreateRequest& request, const wire::CallOptions& options,
              core::Reply<Status> reply) override {
    calls_.call("/sluice.v1.Parameters/Create", to_proto(request), options, std::move(reply));
  }

  void assign(const wire::AssignRequest& request, wire::Bytes values,
              const wire::CallOptions& options, core::Reply<Status> reply) override {
    calls_.call("/sluice.v1.Parameters/Assign", to_buffer(to_proto(request), {&values, 1}), options,
                std::move(reply));
  }

  void fence(const wire::FenceRequest& request, const wire::CallOptions& options,
             core::Reply<Result<wire::FenceReply>> reply) override {
    calls_.call<v1::FenceReply>("/sluice.v1.Parameters/Fence", to_proto(request), options,
                                std::move(reply), from_proto);
  }

  void ledger(const wire::LedgerRequest& request, const wire::CallOptions& options,
              core::Reply<Result<wire::LedgerReply>> reply) override {
    calls_.call<v1::LedgerReply>("/sluice.v1.Parameters/Ledger", to_proto(request), options,
                                 std::move(reply), from_proto);
  }

  void ping(uint64_t job, const wire::CallOptions& options,
            core::Reply<Result<wire::PingReply>> reply) override {
    v1::PingRequest request;
    request.set_job(job);
    calls_.call<v1::PingReply>("/sluice.v1.Parameters/Ping", request, options, std::move(reply),
                               from_proto);
  }

  void set_gate(const wire::GateRequest& request, const wire::CallOptions& options,
                core::Reply<Status> reply) override {
    calls_.call("/sluice.v1.Parameters/SetGate", to_proto(request), options, std::move(reply));
  }

  void move(const wire::MoveRequest& request, const wire::CallOptions& options,
            core::Reply<Result<wire::MoveReply>> reply) override {
    calls_.call<v1::MoveReply>("/sluice.v1.Parameters/Move", to_proto(request), options,
                               std::move(reply), from_proto);
  }

  bool shares_memory() override { return shared_->shares(); }
  wire::Path path() override { return shared_->path(); }
  void cut() override { calls_.cut(); }
  const std::string& address() const override { return calls_.address(); }

 private:
  // A call that is answered with values. `kept`: the server goes on reading what is lent to it.
  void start(const char* method, const ::grpc::ByteBuffer& request, std::span<float> into,
             const wire::CallOptions& options, SharedServer::Call shared, bool kept,
             core::Reply<Result<PulledVersion>> reply) {
    calls_.start(method, request, into.size_bytes() + kHeaderBytes, options,
                 [address = address(), into, kept, shared = std::move(shared),
                  reply = std::move(reply)](AsyncCalls::Answer answer) mutable {
                   auto pulled = receive(std::move(answer), into, shared, address);
                   // Of an error it is not known whether the server itself has answered.
                   if (pulled.ok() && !kept) shared.answered();
                   shared.give_up();
                   reply(std::move(pulled));
                 });
  }

  // The first call asks whether memory can be shared; until that is known, bytes are sent.
  template <typename Message>
  SharedServer::Call begin(const wire::Bytes& update, Message& message) {
    if (shared_->must_ask()) {
      calls_.call<v1::DoorReply, v1::DoorReply>(
          "/sluice.v1.Parameters/Door", v1::DoorRequest(), {kDoorCall},
          [shared = shared_](const Result<v1::DoorReply>& door) { shared->told(door); },
          [](const v1::DoorReply& door) { return door; });
    }
    v1::SharedCall its;
    SharedServer::Call call = shared_->begin(update, its);
    if (call) *message.mutable_shared() = its;
    return call;
  }

  const std::shared_ptr<SharedServer> shared_;
  ChannelCalls calls_;
};

}  // namespace

std::shared_ptr<wire::ParameterChannel> connect_parameter_channel(
    const std::string& address, std::shared_ptr<SharedServer> shared,
    std::shared_ptr<OperationQueue> queue) {
  return std::make_shared<GrpcParameterChannel>(address, std::move(shared), std::move(queue));
}

}  // namespace sluice::transport
