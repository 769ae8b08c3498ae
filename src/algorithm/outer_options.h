// Options of algorithms whose servers step on what windows changed.
#pragma once

#include "sluice/algorithm/shared_options.h"

namespace sluice::algorithm {

constexpr OptionSpec outer_learning_rate_option(double rate) {
  return {"outer_learning_rate", rate, "of the servers' step on what windows changed",
          check_positive};
}
constexpr OptionSpec outer_momentum_option(double momentum) {
  return {"outer_momentum", momentum, "of the servers' step on what windows changed", check_decay};
}

}  // namespace sluice::algorithm
