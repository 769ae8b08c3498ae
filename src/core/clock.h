// Durations and points in time, on one clock that never goes back.
//
// Roles ask their world for the time (core/world.h), so that tests and the simulator can choose it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>

namespace sluice::core {

using Duration = std::chrono::nanoseconds;
// Nanoseconds since an arbitrary moment: only differences have a meaning.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// The real time: for what has no world.
inline TimePoint steady_now() { return std::chrono::steady_clock::now(); }

// A timeout that can be added to the present time without overflow: one of more than a year, which
// stands for "no end", becomes a year.
inline Duration bounded(Duration timeout) {
  return std::min<Duration>(timeout, std::chrono::hours(24 * 365));
}

inline double to_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }
// Rounded towards zero, for messages.
inline int64_t whole_seconds(Duration d) {
  return std::chrono::duration_cast<std::chrono::seconds>(d).count();
}
// Seconds that a Duration cannot hold become some 285 years of the same sign; NaN becomes 0.
inline Duration from_seconds(double s) {
  constexpr double kMost = 9e9;
  s = std::isnan(s) ? 0 : std::clamp(s, -kMost, kMost);
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(s));
}

}  // namespace sluice::core
