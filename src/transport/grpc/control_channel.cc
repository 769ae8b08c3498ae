#include "transport/grpc/control_channel.h"

#include <optional>
#include <utility>

#include "control.grpc.pb.h"
#include "transport/grpc/control_messages.h"
#include "transport/grpc/endpoint.h"
#include "transport/grpc/record_stream.h"

namespace sluice::transport {
namespace {

using Stub = v1::Control::Stub;

class GrpcControlChannel final : public wire::ControlChannel {
 public:
  explicit GrpcControlChannel(std::string address)
      : address_(std::move(address)), peer_(connect_to("driver", address_)) {
    if (peer_.ok()) stub_ = v1::Control::NewStub(peer_->channel);
  }

  Result<wire::JoinReply> join(const wire::JoinRequest& request,
                               const wire::CallOptions& options) override {
    v1::JoinReply reply;
    SLUICE_RETURN_IF_ERROR(call(&Stub::Join, to_proto(request), reply, options));
    return from_proto(reply);
  }

  Result<wire::AcquireReply> acquire(int64_t member, const wire::CallOptions& options) override {
    v1::AcquireRequest request;
    request.set_member(member);
    v1::AcquireReply reply;
    SLUICE_RETURN_IF_ERROR(call(&Stub::Acquire, request, reply, options));
    return from_proto(reply);
  }

  Result<wire::HeartbeatReply> heartbeat(const wire::HeartbeatRequest& request,
                                         const wire::CallOptions& options) override {
    v1::HeartbeatReply reply;
    SLUICE_RETURN_IF_ERROR(call(&Stub::Heartbeat, to_proto(request), reply, options));
    return from_proto(reply);
  }

  Status finish(const wire::FinishRequest& request, const wire::CallOptions& options) override {
    v1::Empty reply;
    return call(&Stub::Finish, to_proto(request), reply, options);
  }

  Status leave(const wire::LeaveRequest& request, const wire::CallOptions& options) override {
    v1::Empty reply;
    return call(&Stub::Leave, to_proto(request), reply, options);
  }

  Status fetch_partition(int64_t partition, int64_t first,
                         const std::function<bool(const wire::RecordChunk&)>& sink,
                         const wire::CallOptions& options) override {
    SLUICE_RETURN_IF_ERROR(peer_.status());
    v1::FetchRequest request;
    request.set_partition(partition);
    request.set_first(first);
    return read_record_stream(*peer_, *stub_, request, sink, options.timeout);
  }

  const std::string& address() const override { return address_; }

 private:
  template <typename Method, typename Request, typename Reply>
  Status call(Method method, const Request& request, Reply& reply,
              const wire::CallOptions& options) {
    SLUICE_RETURN_IF_ERROR(peer_.status());
    ::grpc::ClientContext context;
    prepare(context, options.timeout);
    const ::grpc::Status status = ((*stub_).*method)(&context, request, &reply);
    return from_grpc(status, context, *peer_, options.timeout);
  }

  const std::string address_;
  const Result<Peer> peer_;
  std::unique_ptr<Stub> stub_;
};

}  // namespace

std::shared_ptr<wire::ControlChannel> connect_control_channel(const std::string& address) {
  return std::make_shared<GrpcControlChannel>(address);
}

}  // namespace sluice::transport
