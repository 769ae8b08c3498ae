// What there is to choose from, for messages: "a, b or c".
#pragma once

#include <iterator>
#include <string>

namespace sluice::core {

// `write(row)` is what a row of the table is called.
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
