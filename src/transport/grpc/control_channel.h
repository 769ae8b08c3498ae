// The control plane's client. Its answers come on a thread of `queue`. Internal: includes gRPC.
#pragma once

#include <memory>
#include <string>

#include "transport/grpc/operation_queue.h"
#include "wire/control.h"

namespace sluice::transport {

std::shared_ptr<wire::ControlChannel> connect_control_channel(
    const std::string& address, std::shared_ptr<OperationQueue> queue);

}  // namespace sluice::transport
