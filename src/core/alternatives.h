// A list of alternatives as text, for messages: "a, b or c".
#pragma once

#include <iterator>
#include <string>

namespace sluice::core {

// `write(row)`: the name of a row of the table.
template <typename Rows, typename Write>
std::string alternatives(const Rows& rows, const Write& write) {
  std::string text;
  size_t left = std::size(rows);
  for (const auto& row : rows) {
    if (!text.empty()) text += left > 1 ? ", " : " or ";
    text += write(row);
    --left;
  }
  return text;
}

}  // namespace sluice::core
