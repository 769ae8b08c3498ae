// When people are told that workers who came or went have changed the scale of pushes
// (sluice/algorithm/gain.h).
//
// A job's first lines tell it for the workers that were asked for. While these come, nothing is
// said; after that, a scale that has been another for a second.
#pragma once

#include <optional>

#include "core/clock.h"
#include "driver/job_event.h"
#include "wire/training_spec.h"

namespace sluice::driver {

// Plain decisions.
class GainWatch {
 public:
  // `workers`: those that were asked for.
  GainWatch(const algorithm::Gain& gain, int workers)
      : gain_(gain), asked_(workers), said_(gain.scale(workers)) {}

  // So many train now. To be called when that changes, and at next().
  std::optional<GainChanged> trained_by(int workers, core::TimePoint now);
  core::TimePoint next() const { return next_; }

 private:
  const algorithm::Gain gain_;
  const int asked_;
  double said_;                           // the scale that was told last
  std::optional<core::TimePoint> begun_;  // when the first trained
  bool started_ = false;                  // all have come that will
  core::TimePoint next_ = core::TimePoint::max();
};

}  // namespace sluice::driver
