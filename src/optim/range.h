// The values that a hyperparameter may have.
#pragma once

#include <cmath>

namespace sluice::optim {

struct Range {
  bool (*has)(double value);
  const char* text;  // what the value must be, for messages
};
// As what it is computed with: 1e300 is not.
inline bool is_finite(double value) { return std::isfinite(static_cast<float>(value)); }

inline constexpr Range kNotNegative = {[](double value) { return is_finite(value) && value >= 0; },
                                       "finite and at least 0"};
inline constexpr Range kPositive = {[](double value) { return is_finite(value) && value > 0; },
                                    "finite and above 0"};
inline constexpr Range kNotPositive = {[](double value) { return is_finite(value) && value <= 0; },
                                       "finite and at most 0"};
inline constexpr Range kFraction = {[](double value) { return value >= 0 && value <= 1; },
                                    "from 0 to 1"};
inline constexpr Range kInside = {[](double value) { return value > 0 && value < 1; },
                                  "above 0 and below 1"};
inline constexpr Range kDecay = {[](double value) { return value >= 0 && value < 1; },
                                 "at least 0 and less than 1"};
inline constexpr Range kFlag = {[](double value) { return value == 0 || value == 1; },
                                "true or false"};

inline bool is_flag(const Range& range) { return range.has == kFlag.has; }

}  // namespace sluice::optim
