#include "transport/inproc/call.h"
#include "transport/inproc/channels.h"

namespace sluice::transport {
namespace {

class InprocControlChannel final : public wire::ControlChannel {
 public:
  InprocControlChannel(std::shared_ptr<InprocNetwork> network, const std::string& name)
      : calls_(std::move(network), name) {}

  void join(const wire::JoinRequest& request, const wire::CallOptions& options,
            core::Reply<Result<wire::JoinReply>> reply) override {
    start(&wire::ControlService::join, request, options, std::move(reply));
  }
  void acquire(const wire::AcquireRequest& request, const wire::CallOptions& options,
               core::Reply<Result<wire::AcquireReply>> reply) override {
    start(&wire::ControlService::acquire, request, options, std::move(reply));
  }
  void heartbeat(const wire::HeartbeatRequest& request, const wire::CallOptions& options,
                 core::Reply<Result<wire::HeartbeatReply>> reply) override {
    start(&wire::ControlService::heartbeat, request, options, std::move(reply));
  }
  void finish(const wire::FinishRequest& request, const wire::CallOptions& options,
              core::Reply<Status> reply) override {
    start(&wire::ControlService::finish, request, options, std::move(reply));
  }
  void leave(const wire::LeaveRequest& request, const wire::CallOptions& options,
             core::Reply<Status> reply) override {
    start(&wire::ControlService::leave, request, options, std::move(reply));
  }
  void fetch(const wire::FetchRequest& request, const wire::CallOptions& options,
             core::Reply<Result<wire::RecordChunk>> reply) override {
    start(&wire::ControlService::fetch, request, options, std::move(reply));
  }

  void status(const wire::StatusRequest& request, const wire::CallOptions& options,
              core::Reply<Result<wire::StatusReply>> reply) override {
    start(&wire::ControlService::status, request, options, std::move(reply));
  }
  void command(const wire::CommandRequest& request, const wire::CallOptions& options,
               core::Reply<Result<wire::CommandReply>> reply) override {
    start(&wire::ControlService::command, request, options, std::move(reply));
  }

  const std::string& address() const override { return calls_.name(); }

 private:
  template <typename Method, typename Request, typename Answer>
  void start(Method method, const Request& request, const wire::CallOptions& options,
             core::Reply<Answer> reply) {
    calls_.start(options, std::move(reply),
                 [method, request, name = calls_.name()](const InprocService& service,
                                                         InprocAnswer<Answer> answer) {
                   if (!service.control) return answer(wrong_kind(name, "driver"));
                   (service.control->*method)(request, std::move(answer));
                 });
  }

  InprocCalls calls_;
};

}  // namespace

std::shared_ptr<wire::ControlChannel> make_inproc_control_channel(
    std::shared_ptr<InprocNetwork> network, const std::string& address) {
  return std::make_shared<InprocControlChannel>(std::move(network), address);
}

}  // namespace sluice::transport
