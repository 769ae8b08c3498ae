#include "transport/inproc/inproc_transport.h"

#include <stdexcept>

#include "transport/inproc/channels.h"
#include "transport/inproc/registry.h"

namespace sluice::transport {
namespace {

class InprocListener final : public wire::Listener {
 public:
  InprocListener(std::shared_ptr<InprocRegistry> registry, std::string name)
      : registry_(std::move(registry)), name_(std::move(name)) {}
  ~InprocListener() override { registry_->remove(name_); }
  const std::string& address() const override { return name_; }

 private:
  const std::shared_ptr<InprocRegistry> registry_;
  const std::string name_;
};

Result<std::unique_ptr<wire::Listener>> listen_for(const std::shared_ptr<InprocRegistry>& registry,
                                                   const std::string& address,
                                                   InprocRegistry::Service service) {
  SLUICE_ASSIGN_OR_RETURN(std::string name, registry->add(address, service));
  std::unique_ptr<wire::Listener> listener =
      std::make_unique<InprocListener>(registry, std::move(name));
  return listener;
}

}  // namespace

InprocTransport::InprocTransport(InprocOptions options)
    : options_(std::move(options)), registry_(std::make_shared<InprocRegistry>()) {
  for (const size_t size : options_.piece_sizes) {
    if (size == 0) throw std::invalid_argument("InprocOptions: a piece size of 0");
  }
}

InprocTransport::~InprocTransport() = default;

Result<std::unique_ptr<wire::Listener>> InprocTransport::listen(const std::string& address,
                                                                wire::ParameterService* service,
                                                                int) {
  return listen_for(registry_, address, {.parameters = service});
}

Result<std::unique_ptr<wire::Listener>> InprocTransport::listen(const std::string& address,
                                                                wire::ControlService* service) {
  return listen_for(registry_, address, {.control = service});
}

std::shared_ptr<wire::ParameterChannel> InprocTransport::connect_parameters(
    const std::string& address) {
  return make_inproc_parameter_channel(registry_, address, options_.piece_sizes);
}

std::shared_ptr<wire::ControlChannel> InprocTransport::connect_control(const std::string& address) {
  return make_inproc_control_channel(registry_, address);
}

}  // namespace sluice::transport
