// The data plane's client. Internal.
#pragma once

#include <memory>
#include <string>

#include "wire/parameters.h"

namespace sluice::transport {

std::shared_ptr<wire::ParameterChannel> connect_parameter_channel(const std::string& address);

}  // namespace sluice::transport
