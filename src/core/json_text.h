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

// The same of text that this program has written, and of text whose depth was checked: throws as
// nlohmann::json's own parse(). Here, and the next one too, so that not every source has parser and
// writer made for itself.
nlohmann::ordered_json parse_plain_json(std::string_view text);

// The value's text, with line ends where there is an `indent`. What is not UTF-8 is replaced.
std::string json_text(const nlohmann::ordered_json& value, int indent = -1);

// Of a value, as much as a message has room for.
std::string shown(const nlohmann::ordered_json& value);

}  // namespace sluice::core
