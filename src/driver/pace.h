// How fast a worker trains, in steps a second, from what is heard of it now and then.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/clock.h"

namespace sluice::driver {

class Pace {
 public:
  // It gets a lease, of a partition of which so many steps are trained.
  void begin(int64_t step, core::TimePoint now) {
    begun_at_ = step_ = step;
    heard_ = moved_ = now;
    held_ = {};
    trains_ = true;
  }
  // So many are by now. Until the first step it reads data, which is no measure of its speed.
  void heard(int64_t step, core::TimePoint now) {
    if (!trains_) return;
    if (step <= begun_at_) {
      heard_ = now;
      held_ = {};
      return;
    }
    const int64_t done = std::max<int64_t>(step - step_, 0);
    const core::Duration since = now - std::exchange(heard_, now);
    time_ += std::max(since - std::exchange(held_, {}), core::Duration{});
    steps_ += done;
    step_ = std::max(step_, step);
    if (done > 0) moved_ = now;
    if (steps_ > 0 && (time_ >= kMeasured || speed_ <= 0)) measure();
  }
  // Since then others have kept it from training, which says nothing of its speed.
  void held(core::TimePoint since, core::TimePoint now) {
    const core::TimePoint from = std::max({since, heard_, held_to_});
    if (now > from) held_ += now - from;
    held_to_ = moved_ = now;
  }
  void end() { trains_ = false; }

  // 0: not known. What has stood still for longer than a step takes is slower than it was.
  double steps_per_second(core::TimePoint now) const {
    const double still = core::to_seconds(now - moved_);
    return trains_ && still > kStill ? std::min(speed_, 1 / still) : speed_;
  }
  // The step that it has come to, as far as can be said.
  double position(core::TimePoint now) const {
    const double since = core::to_seconds(now - heard_);
    return static_cast<double>(step_) + steps_per_second(now) * std::clamp(since, 0.0, kStill);
  }

 private:
  // A speed is that of so long at least, and the mean of it and the one before.
  static constexpr core::Duration kMeasured = std::chrono::milliseconds(500);
  static constexpr double kStill = 2;  // seconds: twice the time between heartbeats

  void measure() {
    const double speed = static_cast<double>(steps_) / std::max(core::to_seconds(time_), 1e-6);
    speed_ = speed_ <= 0 ? speed : (speed_ + speed) / 2;
    time_ = {};
    steps_ = 0;
  }

  bool trains_ = false;
  int64_t begun_at_ = 0, step_ = 0;
  core::TimePoint heard_{}, moved_{}, held_to_{};
  core::Duration held_{};  // since it was last heard of
  core::Duration time_{};  // since it was last measured
  int64_t steps_ = 0;
  double speed_ = 0;
};

}  // namespace sluice::driver
