// Keras' names are found in any letter case.
#pragma once

#include <string>
#include <string_view>

namespace sluice::optim {

inline std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// "MeanSquaredError" and "mean_squared_error" are the same.
inline std::string without_case(std::string_view name) {
  std::string letters = lower_case(name);
  std::erase(letters, '_');
  return letters;
}

}  // namespace sluice::optim
