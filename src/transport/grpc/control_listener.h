// Serves a wire::ControlService by gRPC's synchronous API: small calls, a thread each. Internal.
#pragma once

#include <memory>
#include <string>

#include "sluice/status.h"
#include "wire/transport.h"

namespace sluice::transport {

Result<std::unique_ptr<wire::Listener>> listen_for_control(const std::string& address,
                                                           wire::ControlService* service);

}  // namespace sluice::transport
