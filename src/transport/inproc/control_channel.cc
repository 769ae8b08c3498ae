#include "transport/inproc/call.h"
#include "transport/inproc/channels.h"

namespace sluice::transport {
namespace {

class InprocControlChannel final : public wire::ControlChannel {
 public:
  InprocControlChannel(std::shared_ptr<InprocRegistry> registry, std::string name)
      : registry_(std::move(registry)), name_(std::move(name)) {}

  Result<wire::JoinReply> join(const wire::JoinRequest& request,
                               const wire::CallOptions& options) override {
    return call_service(options,
                        [&](wire::ControlService& service) { return service.join(request); });
  }

  Result<wire::AcquireReply> acquire(int64_t member, const wire::CallOptions& options) override {
    return call_service(options,
                        [&](wire::ControlService& service) { return service.acquire(member); });
  }

  Result<wire::HeartbeatReply> heartbeat(const wire::HeartbeatRequest& request,
                                         const wire::CallOptions& options) override {
    return call_service(options,
                        [&](wire::ControlService& service) { return service.heartbeat(request); });
  }

  Status finish(const wire::FinishRequest& request, const wire::CallOptions& options) override {
    return call_service(options,
                        [&](wire::ControlService& service) { return service.finish(request); });
  }

  Status leave(const wire::LeaveRequest& request, const wire::CallOptions& options) override {
    return call_service(options,
                        [&](wire::ControlService& service) { return service.leave(request); });
  }

  // The timeout is each chunk's, and chunks come from memory: only the wait for the driver counts.
  Status fetch_partition(int64_t partition, int64_t first,
                         const std::function<bool(const wire::RecordChunk&)>& sink,
                         const wire::CallOptions& options) override {
    const Result<InprocRegistry::Lease> lease = registry_->acquire(name_, options.timeout);
    if (!lease.ok()) return lease.status();
    if (!lease->service().control) return wrong_kind(name_, "driver");
    return lease->service().control->fetch_partition(partition, first, sink);
  }

  const std::string& address() const override { return name_; }

 private:
  template <typename Invoke>
  auto call_service(const wire::CallOptions& options, Invoke invoke)
      -> decltype(invoke(std::declval<wire::ControlService&>())) {
    return call_inproc(registry_, name_, options.timeout,
                       [&](const InprocRegistry::Service& service)
                           -> decltype(invoke(std::declval<wire::ControlService&>())) {
                         if (!service.control) return wrong_kind(name_, "driver");
                         return invoke(*service.control);
                       });
  }

  const std::shared_ptr<InprocRegistry> registry_;
  const std::string name_;
};

}  // namespace

std::shared_ptr<wire::ControlChannel> make_inproc_control_channel(
    std::shared_ptr<InprocRegistry> registry, const std::string& address) {
  return std::make_shared<InprocControlChannel>(std::move(registry), address);
}

}  // namespace sluice::transport
