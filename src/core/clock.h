// Time, injected: everything that decides by the clock takes a Clock, so that tests choose the
// time.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>

namespace sluice::core {

using Duration = std::chrono::nanoseconds;
// Nanoseconds on a clock that never goes back; its zero means nothing.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// A timeout that can be added to the present time; longer ones stand for no end and become a year.
inline Duration bounded(Duration timeout) {
  return std::min<Duration>(timeout, std::chrono::hours(24 * 365));
}

class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
};

class SteadyClock final : public Clock {
 public:
  TimePoint now() const override { return std::chrono::steady_clock::now(); }
};

// Stands still until it is told to move. Safe to use from several threads.
class ManualClock final : public Clock {
 public:
  TimePoint now() const override {
    std::lock_guard lock(mutex_);
    return now_;
  }
  void advance(Duration by) {
    std::lock_guard lock(mutex_);
    now_ += by;
  }

 private:
  mutable std::mutex mutex_;
  TimePoint now_{};
};

inline double to_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }
// What a Duration cannot hold becomes its like of some 285 years; not a number becomes 0.
inline Duration from_seconds(double s) {
  constexpr double kMost = 9e9;
  s = std::isnan(s) ? 0 : std::clamp(s, -kMost, kMost);
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(s));
}

}  // namespace sluice::core
