#include "core/json_depth.h"

#include <fmt/core.h>

namespace sluice::core {
namespace {

// The index of the quote that ends the string which begins at `i`, or the end.
size_t end_of_string(std::string_view json, size_t i) {
  for (++i; i < json.size() && json[i] != '"'; ++i) {
    if (json[i] == '\\') ++i;
  }
  return i;
}

}  // namespace

bool deeper_than(std::string_view json, int levels) {
  int depth = 0;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '"') i = end_of_string(json, i);
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    if (depth > levels) return true;
  }
  return false;
}

std::string check_json_depth(std::string_view json) {
  if (!deeper_than(json, kJsonLevels)) return "";
  return fmt::format("nested more than {} levels deep", kJsonLevels);
}

}  // namespace sluice::core
