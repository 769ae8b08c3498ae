// The two kinds of channel of the in-process transport.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "transport/inproc/network.h"

namespace sluice::transport {

std::shared_ptr<wire::ParameterChannel> make_inproc_parameter_channel(
    std::shared_ptr<InprocNetwork> network, const std::string& address,
    std::vector<size_t> piece_sizes);

std::shared_ptr<wire::ControlChannel> make_inproc_control_channel(
    std::shared_ptr<InprocNetwork> network, const std::string& address);

}  // namespace sluice::transport
