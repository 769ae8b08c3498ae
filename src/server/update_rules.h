// The rules of update_rule.h by name. Each gets its JSON object, whose "rule" has been read.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "server/update_rule.h"

namespace sluice::server {

using UpdateRuleFactory = std::unique_ptr<UpdateRule> (*)(const nlohmann::ordered_json& options,
                                                          size_t shard_size);

std::unique_ptr<UpdateRule> make_add_rule(const nlohmann::ordered_json& options, size_t shard_size);
std::unique_ptr<UpdateRule> make_optimizer_rule(const nlohmann::ordered_json& options,
                                                size_t shard_size);

}  // namespace sluice::server
