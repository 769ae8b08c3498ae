// The data plane's client. Its answers come on a thread of `queue`. Internal: includes gRPC.
#pragma once

#include <memory>
#include <string>

#include "transport/grpc/operation_queue.h"
#include "transport/grpc/shared_memory.h"
#include "wire/parameters.h"

namespace sluice::transport {

std::shared_ptr<wire::ParameterChannel> connect_parameter_channel(
    const std::string& address, std::shared_ptr<SharedServer> shared,
    std::shared_ptr<OperationQueue> queue);

}  // namespace sluice::transport
