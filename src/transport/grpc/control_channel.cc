#include "transport/grpc/control_channel.h"

#include <utility>

#include "transport/grpc/channel_calls.h"
#include "transport/grpc/control_messages.h"

namespace sluice::transport {
namespace {

// A job's description holds a model's JSON, a chunk of records some MiB and at least one record.
constexpr size_t kLargestAnswer = size_t{256} << 20;

class GrpcControlChannel final : public wire::ControlChannel {
 public:
  GrpcControlChannel(const std::string& address, std::shared_ptr<OperationQueue> queue)
      : calls_("driver", address, kLargestAnswer, std::move(queue)) {}

  void join(const wire::JoinRequest& request, const wire::CallOptions& options,
            core::Reply<Result<wire::JoinReply>> reply) override {
    calls_.call<v1::JoinReply>("/sluice.v1.Control/Join", to_proto(request), options,
                               std::move(reply), from_proto);
  }
  void acquire(const wire::AcquireRequest& request, const wire::CallOptions& options,
               core::Reply<Result<wire::AcquireReply>> reply) override {
    calls_.call<v1::AcquireReply>("/sluice.v1.Control/Acquire", to_proto(request), options,
                                  std::move(reply), from_proto);
  }
  void heartbeat(const wire::HeartbeatRequest& request, const wire::CallOptions& options,
                 core::Reply<Result<wire::HeartbeatReply>> reply) override {
    calls_.call<v1::HeartbeatReply>("/sluice.v1.Control/Heartbeat", to_proto(request), options,
                                    std::move(reply), from_proto);
  }
  void finish(const wire::FinishRequest& request, const wire::CallOptions& options,
              core::Reply<Status> reply) override {
    calls_.call("/sluice.v1.Control/Finish", to_proto(request), options, std::move(reply));
  }
  void leave(const wire::LeaveRequest& request, const wire::CallOptions& options,
             core::Reply<Status> reply) override {
    calls_.call("/sluice.v1.Control/Leave", to_proto(request), options, std::move(reply));
  }
  void fetch(const wire::FetchRequest& request, const wire::CallOptions& options,
             core::Reply<Result<wire::RecordChunk>> reply) override {
    calls_.call<v1::RecordChunk>("/sluice.v1.Control/Fetch", to_proto(request), options,
                                 std::move(reply), from_proto);
  }

  // People who ask have no use for a call that waits for somebody to listen.
  void status(const wire::StatusRequest& request, const wire::CallOptions& options,
              core::Reply<Result<wire::StatusReply>> reply) override {
    calls_.call<v1::StatusReply>("/sluice.v1.Control/GetStatus", to_proto(request), options,
                                 std::move(reply), from_proto, WhenAbsent::kFail);
  }
  void command(const wire::CommandRequest& request, const wire::CallOptions& options,
               core::Reply<Result<wire::CommandReply>> reply) override {
    calls_.call<v1::CommandReply>("/sluice.v1.Control/Command", to_proto(request), options,
                                  std::move(reply), from_proto, WhenAbsent::kFail);
  }

  const std::string& address() const override { return calls_.address(); }

 private:
  ChannelCalls calls_;
};

}  // namespace

std::shared_ptr<wire::ControlChannel> connect_control_channel(
    const std::string& address, std::shared_ptr<OperationQueue> queue) {
  return std::make_shared<GrpcControlChannel>(address, std::move(queue));
}

}  // namespace sluice::transport
