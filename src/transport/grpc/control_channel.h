// The control plane's client. Internal.
#pragma once

#include <memory>
#include <string>

#include "wire/control.h"

namespace sluice::transport {

std::shared_ptr<wire::ControlChannel> connect_control_channel(const std::string& address);

}  // namespace sluice::transport
