// How fast counts that only grow have grown over the last seconds.
#pragma once

#include <array>
#include <cstddef>
#include <deque>

#include "core/clock.h"

namespace sluice::driver {

template <size_t kCounts>
class RateMeter {
 public:
  using Counts = std::array<double, kCounts>;

  explicit RateMeter(core::Duration over) : over_(over) {}

  // Called in the order of time.
  void add(core::TimePoint now, const Counts& counts) {
    seen_.push_back({now, counts});
    // One that is older stays: the time between the first and the last is `over_` at least.
    while (seen_.size() > 2 && now - seen_[1].at >= over_) seen_.pop_front();
  }

  // Between the first and the last; 0: nothing is known.
  double seconds() const {
    return seen_.empty() ? 0 : core::to_seconds(seen_.back().at - seen_.front().at);
  }
  // Per second.
  Counts rates() const {
    Counts result{};
    if (seconds() <= 0) return result;
    for (size_t i = 0; i < kCounts; ++i) {
      result[i] = (seen_.back().counts[i] - seen_.front().counts[i]) / seconds();
    }
    return result;
  }

 private:
  struct Seen {
    core::TimePoint at;
    Counts counts;
  };
  const core::Duration over_;
  std::deque<Seen> seen_;
};

}  // namespace sluice::driver
