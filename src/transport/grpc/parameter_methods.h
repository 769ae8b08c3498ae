// The methods of the data plane's service, as bytes in and bytes out. Internal.
#pragma once

#include <vector>

#include "transport/grpc/listener.h"

namespace sluice::transport {

// `service` must outlive them.
std::vector<Method> parameter_methods(wire::ParameterService& service);

}  // namespace sluice::transport
