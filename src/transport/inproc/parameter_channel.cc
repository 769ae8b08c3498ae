#include <algorithm>
#include <cstring>

#include "transport/inproc/call.h"
#include "transport/inproc/channels.h"

namespace sluice::transport {
namespace {

using PulledVersion = wire::ParameterChannel::PulledVersion;

wire::PayloadView view(const wire::Payload& payload, const std::vector<size_t>& piece_sizes) {
  wire::PayloadView result;
  std::span<const std::byte> rest = std::as_bytes(payload.values);
  if (piece_sizes.empty()) {
    result.pieces.push_back(rest);
    return result;
  }
  for (size_t i = 0; !rest.empty(); i = (i + 1) % piece_sizes.size()) {
    const size_t n = std::min(piece_sizes[i], rest.size());
    result.pieces.push_back(rest.first(n));
    rest = rest.subspan(n);
  }
  return result;
}

Result<PulledVersion> hand_over(const wire::PullReply& pulled, const wire::PushReply& push,
                                std::span<float> into, const std::string& name) {
  if (pulled.values.values.size() != into.size()) {
    return invalid_argument(name + " has " + std::to_string(pulled.values.values.size()) +
                            " floats in the shard, " + std::to_string(into.size()) +
                            " were asked for");
  }
  std::memcpy(into.data(), pulled.values.values.data(), into.size_bytes());
  return PulledVersion{push, pulled.version};
}

class InprocParameterChannel final : public wire::ParameterChannel {
 public:
  InprocParameterChannel(std::shared_ptr<InprocRegistry> registry, std::string name,
                         std::vector<size_t> piece_sizes)
      : registry_(std::move(registry)),
        name_(std::move(name)),
        piece_sizes_(std::move(piece_sizes)) {}

  void exchange(const wire::PushHeader& header, wire::Payload update, std::span<float> into,
                const wire::CallOptions& options,
                std::function<void(Result<PulledVersion>)> done) override {
    done(call_service(options, [&](wire::ParameterService& service) -> Result<PulledVersion> {
      SLUICE_ASSIGN_OR_RETURN(const wire::ExchangeReply reply,
                              service.exchange(header, view(update, piece_sizes_)));
      return hand_over(reply.pull, reply.push, into, name_);
    }));
  }

  void push(const wire::PushHeader& header, wire::Payload update, const wire::CallOptions& options,
            std::function<void(Result<wire::PushReply>)> done) override {
    done(call_service(options, [&](wire::ParameterService& service) {
      return service.push(header, view(update, piece_sizes_));
    }));
  }

  void pull(uint64_t job, int shard, std::span<float> into, const wire::CallOptions& options,
            std::function<void(Result<PulledVersion>)> done) override {
    done(call_service(options, [&](wire::ParameterService& service) -> Result<PulledVersion> {
      SLUICE_ASSIGN_OR_RETURN(const wire::PullReply reply, service.pull(job, shard));
      return hand_over(reply, {}, into, name_);
    }));
  }

  Status create(const wire::CreateRequest& request, const wire::CallOptions& options) override {
    return call_service(options,
                        [&](wire::ParameterService& service) { return service.create(request); });
  }

  Status assign(const wire::AssignRequest& request, wire::Payload values,
                const wire::CallOptions& options) override {
    return call_service(options, [&](wire::ParameterService& service) {
      return service.assign(request, view(values, piece_sizes_));
    });
  }

  Result<wire::FenceReply> fence(const wire::FenceRequest& request,
                                 const wire::CallOptions& options) override {
    return call_service(options,
                        [&](wire::ParameterService& service) { return service.fence(request); });
  }

  Result<wire::LedgerReply> ledger(uint64_t job, const wire::CallOptions& options) override {
    return call_service(options,
                        [&](wire::ParameterService& service) { return service.ledger(job); });
  }

  Status shutdown(const std::string& reason, const wire::CallOptions& options) override {
    return call_service(options,
                        [&](wire::ParameterService& service) { return service.shutdown(reason); });
  }

  const std::string& address() const override { return name_; }

 private:
  template <typename Invoke>
  auto call_service(const wire::CallOptions& options, Invoke invoke)
      -> decltype(invoke(std::declval<wire::ParameterService&>())) {
    return call_inproc(registry_, name_, options.timeout,
                       [&](const InprocRegistry::Service& service)
                           -> decltype(invoke(std::declval<wire::ParameterService&>())) {
                         if (!service.parameters) return wrong_kind(name_, "parameter server");
                         return invoke(*service.parameters);
                       });
  }

  const std::shared_ptr<InprocRegistry> registry_;
  const std::string name_;
  const std::vector<size_t> piece_sizes_;
};

}  // namespace

std::shared_ptr<wire::ParameterChannel> make_inproc_parameter_channel(
    std::shared_ptr<InprocRegistry> registry, const std::string& address,
    std::vector<size_t> piece_sizes) {
  return std::make_shared<InprocParameterChannel>(std::move(registry), address,
                                                  std::move(piece_sizes));
}

}  // namespace sluice::transport
