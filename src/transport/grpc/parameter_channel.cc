#include "transport/grpc/parameter_channel.h"

#include <fmt/core.h>

#include <cstring>
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

// The one copy at this end.
Result<PulledVersion> receive(AsyncCalls::Answer answer, std::span<float> into,
                              const std::string& address) {
  SLUICE_RETURN_IF_ERROR(answer.status());
  v1::ValuesHeader header;
  const Result<wire::ReceivedPayload> received = parse(*answer, header, "the answer");
  if (!received.ok()) {
    return data_loss(fmt::format("server at {}: {}", address, received.status().message()));
  }
  if (received->bytes() != into.size_bytes()) {
    return data_loss(fmt::format("server at {} sent {} bytes of values, expected {}", address,
                                 received->bytes(), into.size_bytes()));
  }
  auto* to = reinterpret_cast<std::byte*>(into.data());
  for (const std::span<const std::byte> piece : received->pieces) {
    std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
  }
  return PulledVersion{from_proto(header.push()), header.version(), header.clock()};
}

class GrpcParameterChannel final : public wire::ParameterChannel {
 public:
  GrpcParameterChannel(const std::string& address, std::shared_ptr<OperationQueue> queue)
      : calls_("server", address, kUsualAnswer, std::move(queue)) {}

  void exchange(const wire::PushHeader& header, wire::Payload update, std::span<float> into,
                const wire::CallOptions& options,
                core::Reply<Result<PulledVersion>> reply) override {
    start("/sluice.v1.Parameters/Exchange", to_buffer(to_proto(header), {&update, 1}), into,
          options, std::move(reply));
  }

  void pull(const wire::PullRequest& request, std::span<float> into,
            const wire::CallOptions& options, core::Reply<Result<PulledVersion>> reply) override {
    start("/sluice.v1.Parameters/Pull", to_buffer(to_proto(request)), into, options,
          std::move(reply));
  }

  void create(const wire::CreateRequest& request, const wire::CallOptions& options,
              core::Reply<Status> reply) override {
    calls_.call("/sluice.v1.Parameters/Create", to_proto(request), options, std::move(reply));
  }

  void assign(const wire::AssignRequest& request, wire::Payload values,
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

  void cut() override { calls_.cut(); }
  const std::string& address() const override { return calls_.address(); }

 private:
  // A call that is answered with values.
  void start(const char* method, const ::grpc::ByteBuffer& request, std::span<float> into,
             const wire::CallOptions& options, core::Reply<Result<PulledVersion>> reply) {
    calls_.start(
        method, request, into.size_bytes() + kHeaderBytes, options,
        [address = address(), into, reply = std::move(reply)](AsyncCalls::Answer answer) mutable {
          reply(receive(std::move(answer), into, address));
        });
  }

  ChannelCalls calls_;
};

}  // namespace

std::shared_ptr<wire::ParameterChannel> connect_parameter_channel(
    const std::string& address, std::shared_ptr<OperationQueue> queue) {
  return std::make_shared<GrpcParameterChannel>(address, std::move(queue));
}

}  // namespace sluice::transport
