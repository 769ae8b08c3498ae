// The methods of the control plane's service, as bytes in and bytes out. Internal.
#pragma once

#include <vector>

#include "transport/grpc/listener.h"

namespace sluice::transport {

// `service` must outlive them.
std::vector<Method> control_methods(wire::ControlService& service);

}  // namespace sluice::transport
