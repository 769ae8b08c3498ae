// Options of every algorithm that trains in windows.
#pragma once

#include "algorithm/options.h"

namespace sluice::algorithm {

inline constexpr int64_t kMostSteps = int64_t{1} << 30;

constexpr OptionSpec window_option() {
  return {"window", int64_t{5}, "mini-batches between two exchanges with the servers",
          [](const OptionValue& value) -> const char* {
            const int64_t window = std::get<int64_t>(value);
            if (window < 1) return "expected at least 1 mini-batch";
            return window > kMostSteps ? "expected at most 2^30 mini-batches" : nullptr;
          }};
}

constexpr OptionSpec overlap_option() {
  return {"overlap", false, "train the next window while an exchange is under way"};
}

}  // namespace sluice::algorithm
