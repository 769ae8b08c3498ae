#include "transport/inproc/inproc_transport.h"

#include <stdexcept>

#include "transport/inproc/channels.h"
#include "transport/inproc/network.h"

namespace sluice::transport {
namespace {

class InprocListener final : public wire::Listener {
 public:
  InprocListener(std::shared_ptr<InprocNetwork> network, std::string name,
                 const InprocService& service)
      : network_(std::move(network)), name_(std::move(name)), service_(service) {
    if (service_.max_message_bytes != wire::ListenOptions::kNotKnownYet) {
      network_->serve(name_, service_);
    }
  }
  ~InprocListener() override { network_->remove(name_); }

  const std::string& address() const override { return name_; }
  Status serve(size_t max_message_bytes) override {
    service_.max_message_bytes = max_message_bytes;
    network_->serve(name_, service_);
    return ok_status();
  }

 private:
  const std::shared_ptr<InprocNetwork> network_;
  const std::string name_;
  InprocService service_;
};

Result<std::unique_ptr<wire::Listener>> listen_for(const std::shared_ptr<InprocNetwork>& network,
                                                   const std::string& address,
                                                   const InprocService& service) {
  SLUICE_ASSIGN_OR_RETURN(std::string name, network->take(address));
  std::unique_ptr<wire::Listener> listener =
      std::make_unique<InprocListener>(network, std::move(name), service);
  return listener;
}

}  // namespace

InprocTransport::InprocTransport(InprocOptions options, core::World& world)
    : options_(std::move(options)), network_(std::make_shared<InprocNetwork>(world)) {
  for (const size_t size : options_.piece_sizes) {
    if (size == 0) throw std::invalid_argument("InprocOptions: a piece size of 0");
  }
}

InprocTransport::~InprocTransport() = default;

Result<std::unique_ptr<wire::Listener>> InprocTransport::listen(
    const std::string& address, wire::ParameterService* service,
    const wire::ListenOptions& options) {
  return listen_for(network_, address,
                    {.parameters = service, .max_message_bytes = options.max_message_bytes});
}

Result<std::unique_ptr<wire::Listener>> InprocTransport::listen(const std::string& address,
                                                                wire::ControlService* service) {
  return listen_for(network_, address, {.control = service});
}

std::shared_ptr<wire::ParameterChannel> InprocTransport::connect_parameters(
    const std::string& address) {
  return make_inproc_parameter_channel(network_, address, options_.piece_sizes);
}

std::shared_ptr<wire::ControlChannel> InprocTransport::connect_control(const std::string& address) {
  return make_inproc_control_channel(network_, address);
}

}  // namespace sluice::transport
