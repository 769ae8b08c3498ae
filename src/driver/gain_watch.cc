#include "driver/gain_watch.h"

namespace sluice::driver {
namespace {

// Members that are started one after the other have all joined by then.
constexpr core::Duration kStarting = std::chrono::seconds(10);
// Workers that come or go together are told once, and a scale that passes is not.
constexpr core::Duration kSettling = std::chrono::seconds(1);

}  // namespace

std::optional<GainChanged> GainWatch::trained_by(int workers, core::TimePoint now) {
  constexpr core::TimePoint kNever = core::TimePoint::max();
  if (workers == 0) {
    next_ = kNever;
    return std::nullopt;
  }
  if (!begun_) begun_ = now;
  if (!started_) {
    started_ = workers >= asked_ || now >= *begun_ + kStarting;
    next_ = started_ ? kNever : *begun_ + kStarting;
    if (!started_) return std::nullopt;
  }
  const double scale = gain_.scale(workers);
  if (scale == said_) {
    next_ = kNever;
    return std::nullopt;
  }
  if (next_ == kNever) next_ = now + kSettling;
  if (now < next_) return std::nullopt;
  next_ = kNever;
  said_ = scale;
  return GainChanged{workers, gain_.of(workers), scale};
}

}  // namespace sluice::driver
