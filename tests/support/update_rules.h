// What servers are told to do with pushes, for tests that need no algorithm of their own.
#pragma once

#include <string>

#include "algorithm/algorithm.h"

namespace sluice {

// theta' = theta + update.
inline std::string add_rule_json() { return algorithm::Choice("downpour").to_update_rule({}); }
// One step of the optimizer on the update.
inline std::string optimizer_rule_json(const OptimizerSpec& optimizer) {
  return algorithm::Choice("async_sgd").to_update_rule(optimizer);
}

}  // namespace sluice
