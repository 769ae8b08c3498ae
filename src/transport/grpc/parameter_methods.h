// The methods of the data plane's service, as bytes in and bytes out. Internal.
#pragma once

#include <memory>
#include <vector>

#include "transport/grpc/listener.h"
#include "transport/grpc/shared_memory.h"

namespace sluice::transport {

// `service` must outlive them.
std::vector<Method> parameter_methods(wire::ParameterService& service,
                                      const std::shared_ptr<SharedMemory>& memory);

}  // namespace sluice::transport
