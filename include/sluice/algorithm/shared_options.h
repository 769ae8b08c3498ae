// Options that several algorithms have, and checks of values. What a job does with an option of one
// of these names, it does for every algorithm that has it: "overlap" lets the worker go on,
// "scale_rate" and "bound_gain" are about the gain (sluice/algorithm/gain.h). "window" and all
// others are the algorithm's affair: its own two halves read them.
#pragma once

#include "sluice/algorithm/options.h"

namespace sluice::algorithm {

// Of mini-batches in a window, and of pushes in a buffer.
inline constexpr int64_t kMostSteps = int64_t{1} << 30;

// W, mini-batches: at least 1. `fallback`: the algorithm's default.
constexpr OptionSpec window_option(int64_t fallback = 5) {
  return {"window", fallback, "mini-batches between two exchanges with the servers",
          [](const OptionValue& value) -> const char* {
            const int64_t window = std::get<int64_t>(value);
            if (window < 1) return "expected at least 1 mini-batch";
            return window > kMostSteps ? "expected at most 2^30 mini-batches" : nullptr;
          }};
}

// The next window is trained while the push of the last one is under way: its answer is taken over
// a window later, so that staleness grows by one window and no time is lost.
constexpr OptionSpec overlap_option() {
  return {"overlap", false, "train the next window while an exchange is under way"};
}

// For algorithms that say how far their pushes move the servers; see sluice/algorithm/gain.h.
constexpr OptionSpec bound_gain_option() {
  return {"bound_gain", true,
          "scale pushes down where so many workers would move the servers too far at once"};
}

// For the same ones: whoever steps, workers or servers, has the larger rate.
constexpr OptionSpec scale_rate_option() {
  return {"scale_rate", true, "where pushes are scaled down, make larger steps, less in the end"};
}

// Checks of real numbers, for OptionSpec::check: what is wrong with a value, null for nothing.
// (0, infinity)
inline const char* check_positive(const OptionValue& value) {
  return std::get<double>(value) > 0 ? nullptr : "expected a number above 0";
}
// [0, infinity)
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
