// JSON that people write: a model's, a job's.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace sluice::core {

// What `text` says, members in its order. Throws std::invalid_argument, with line and column or the
// member's name, for text that is not JSON, is nested more than kJsonLevels deep, has a member
// twice in one object (of which one would silently not count) or a number that is no double, such
// as 1e400.
nlohmann::ordered_json parse_json(std::string_view text);

// Of a value, as much as a message has room for.
std::string shown(const nlohmann::ordered_json& value);

}  // namespace sluice::core
