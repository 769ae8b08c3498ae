#include "transport/grpc/parameter_channel.h"

#include <cstring>
#include <future>
#include <optional>

#include "transport/grpc/async_calls.h"
#include "transport/grpc/byte_buffers.h"
#include "transport/grpc/endpoint.h"
#include "transport/grpc/parameter_messages.h"

namespace sluice::transport {
namespace {

using Buffer = ::grpc::ByteBuffer;
using PulledVersion = wire::ParameterChannel::PulledVersion;

// Free functions: they run for calls that are cut off when their channel is destroyed.

Status read(AsyncCalls::Reply reply, google::protobuf::MessageLite& message,
            const std::string& address) {
  SLUICE_RETURN_IF_ERROR(reply.status());
  if (parse(*reply, message)) return ok_status();
  return data_loss("server at " + address + " sent a damaged answer");
}

// The one copy at this end.
Result<PulledVersion> receive(AsyncCalls::Reply reply, std::span<float> into,
                              const std::string& address) {
  SLUICE_RETURN_IF_ERROR(reply.status());
  v1::ValuesHeader header;
  const Result<ReceivedPayload> received = parse(*reply, header, "the answer");
  if (!received.ok()) {
    return data_loss("server at " + address + ": " + received.status().message());
  }
  const wire::PayloadView& payload = received->payload;
  if (payload.bytes() != into.size_bytes()) {
    return data_loss("server at " + address + " sent " + std::to_string(payload.bytes()) +
                     " bytes of values, expected " + std::to_string(into.size_bytes()));
  }
  auto* to = reinterpret_cast<std::byte*>(into.data());
  for (const std::span<const std::byte> piece : payload.pieces) {
    std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
  }
  return PulledVersion{from_proto(header.push()), header.version()};
}

class GrpcParameterChannel final : public wire::ParameterChannel {
 public:
  explicit GrpcParameterChannel(std::string address) : address_(std::move(address)) {
    Result<Peer> peer = connect_to("server", address_);
    if (peer.ok()) {
      calls_.emplace(*std::move(peer));
    } else {
      no_address_ = peer.status();
    }
  }

  void exchange(const wire::PushHeader& header, wire::Payload update, std::span<float> into,
                const wire::CallOptions& options,
                std::function<void(Result<PulledVersion>)> done) override {
    start("/sluice.v1.Parameters/Exchange", to_buffer(to_proto(header), update), options,
          [address = address_, into, done = std::move(done)](AsyncCalls::Reply reply) {
            done(receive(std::move(reply), into, address));
          });
  }

  void push(const wire::PushHeader& header, wire::Payload update, const wire::CallOptions& options,
            std::function<void(Result<wire::PushReply>)> done) override {
    start("/sluice.v1.Parameters/Push", to_buffer(to_proto(header), update), options,
          [address = address_, done = std::move(done)](AsyncCalls::Reply reply) {
            v1::PushReply message;
            const Status status = read(std::move(reply), message, address);
            done(status.ok() ? Result<wire::PushReply>(from_proto(message)) : status);
          });
  }

  void pull(uint64_t job, int shard, std::span<float> into, const wire::CallOptions& options,
            std::function<void(Result<PulledVersion>)> done) override {
    v1::PullRequest request;
    request.set_job(job);
    request.set_shard(shard);
    start("/sluice.v1.Parameters/Pull", to_buffer(request), options,
          [address = address_, into, done = std::move(done)](AsyncCalls::Reply reply) {
            done(receive(std::move(reply), into, address));
          });
  }

  Status create(const wire::CreateRequest& request, const wire::CallOptions& options) override {
    v1::Empty reply;
    return call("/sluice.v1.Parameters/Create", to_buffer(to_proto(request)), options, reply);
  }

  Status assign(const wire::AssignRequest& request, wire::Payload values,
                const wire::CallOptions& options) override {
    v1::Empty reply;
    return call("/sluice.v1.Parameters/Assign", to_buffer(to_proto(request), values), options,
                reply);
  }

  Result<wire::FenceReply> fence(const wire::FenceRequest& request,
                                 const wire::CallOptions& options) override {
    v1::FenceReply reply;
    SLUICE_RETURN_IF_ERROR(
        call("/sluice.v1.Parameters/Fence", to_buffer(to_proto(request)), options, reply));
    return wire::FenceReply{reply.sequence()};
  }

  Result<wire::LedgerReply> ledger(uint64_t job, const wire::CallOptions& options) override {
    v1::LedgerRequest request;
    request.set_job(job);
    v1::LedgerReply reply;
    SLUICE_RETURN_IF_ERROR(
        call("/sluice.v1.Parameters/Ledger", to_buffer(request), options, reply));
    return from_proto(reply);
  }

  Status shutdown(const std::string& reason, const wire::CallOptions& options) override {
    v1::ShutdownRequest request;
    request.set_reason(reason);
    v1::Empty reply;
    return call("/sluice.v1.Parameters/Shutdown", to_buffer(request), options, reply);
  }

  const std::string& address() const override { return address_; }

 private:
  void start(const char* method, const Buffer& request, const wire::CallOptions& options,
             std::function<void(AsyncCalls::Reply)> done) {
    if (!calls_) return done(no_address_);
    calls_->start(method, request, options.timeout, std::move(done));
  }

  // Makes the call and waits for its end, which the timeout bounds.
  Status call(const char* method, const Buffer& request, const wire::CallOptions& options,
              google::protobuf::MessageLite& reply) {
    // Shared: the waiting thread may be gone before set_value() has returned.
    const auto promise = std::make_shared<std::promise<AsyncCalls::Reply>>();
    start(method, request, options,
          [promise](AsyncCalls::Reply received) { promise->set_value(std::move(received)); });
    return read(promise->get_future().get(), reply, address_);
  }

  const std::string address_;
  Status no_address_;  // why there are no calls_
  std::optional<AsyncCalls> calls_;
};

}  // namespace

std::shared_ptr<wire::ParameterChannel> connect_parameter_channel(const std::string& address) {
  return std::make_shared<GrpcParameterChannel>(address);
}

}  // namespace sluice::transport
