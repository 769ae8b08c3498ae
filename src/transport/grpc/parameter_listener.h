// Serves a wire::ParameterService by gRPC's completion queue: threads of its own take calls, apply
// them and send the answers, one call at a time each. Internal.
#pragma once

#include <memory>
#include <string>

#include "sluice/status.h"
#include "wire/transport.h"

namespace sluice::transport {

Result<std::unique_ptr<wire::Listener>> listen_for_parameters(const std::string& address,
                                                              wire::ParameterService* service,
                                                              int threads);

}  // namespace sluice::transport
