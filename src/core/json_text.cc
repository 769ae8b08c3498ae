#include "core/json_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/json_depth.h"

namespace sluice::core {
namespace {

using Json = nlohmann::ordered_json;

// "line 3, column 7" of the byte that is number `byte`, counted from 1.
std::string place(std::string_view text, size_t byte) {
  const std::string_view before = text.substr(0, byte > 0 ? byte - 1 : 0);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t line_break = before.rfind('\n');
  const size_t begin = line_break == std::string_view::npos ? 0 : line_break + 1;
  return fmt::format("line {}, column {}", line, before.size() - begin + 1);
}

}  // namespace

Json parse_json(std::string_view text) {
  if (const std::string wrong = check_json_depth(text); !wrong.empty()) {
    throw std::invalid_argument(wrong);
  }
  std::vector<std::set<std::string>> open;  // the members so far of each object around
  std::string last;                         // the member that was begun last
  const auto look = [&](int /*depth*/, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end) open.pop_back();
    if (event == Json::parse_event_t::key) {
      last = parsed.get<std::string>();
      if (!open.back().insert(last).second) {
        throw std::invalid_argument(
            fmt::format("\"{}\" is there twice in one object: leave one of them out", last));
      }
    }
    return true;
  };
  const auto near = [&] { return last.empty() ? "" : fmt::format(" (near \"{}\")", last); };
  try {
    return Json::parse(text, look);
  } catch (const Json::parse_error& error) {
    throw std::invalid_argument(
        fmt::format("not JSON from {} on{}", place(text, error.byte), near()));
  } catch (const Json::out_of_range&) {
    throw std::invalid_argument(
        fmt::format("a number is out of range: 1.8e308 is the largest{}", near()));
  }
}

Json parse_plain_json(std::string_view text) { return Json::parse(text); }

std::string json_text(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string shown(const nlohmann::ordered_json& value) {
  constexpr size_t kLongest = 80;
  const std::string text = json_text(value);
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
}

}  // namespace sluice::core
