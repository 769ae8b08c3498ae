// Names that come from files, for terminals.
#pragma once

#include <string>

namespace sluice::core {

// With "?" for what would move the cursor.
inline std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  }
  return text;
}

}  // namespace sluice::core
