// Options that several algorithms have.
#pragma once

#include "algorithm/options.h"

namespace sluice::algorithm {

inline constexpr int64_t kMostSteps = int64_t{1} << 30;

constexpr OptionSpec window_option(int64_t fallback = 5) {
  return {"window", fallback, "mini-batches between two exchanges with the servers",
          [](const OptionValue& value) -> const char* {
            const int64_t window = std::get<int64_t>(value);
            if (window < 1) return "expected at least 1 mini-batch";
            return window > kMostSteps ? "expected at most 2^30 mini-batches" : nullptr;
          }};
}

constexpr OptionSpec overlap_option() {
  return {"overlap", false, "train the next window while an exchange is under way"};
}

// Checks of real numbers.
inline const char* check_positive(const OptionValue& value) {
  return std::get<double>(value) > 0 ? nullptr : "expected a number above 0";
}
inline const char* check_not_negative(const OptionValue& value) {
  return std::get<double>(value) >= 0 ? nullptr : "expected 0 or more";
}
// [0, 1)
inline const char* check_decay(const OptionValue& value) {
  const double decay = std::get<double>(value);
  return decay >= 0 && decay < 1 ? nullptr : "expected at least 0 and less than 1";
}
// (0, 1]
inline const char* check_fraction(const OptionValue& value) {
  const double fraction = std::get<double>(value);
  return fraction > 0 && fraction <= 1 ? nullptr : "expected more than 0 and at most 1";
}

}  // namespace sluice::algorithm
