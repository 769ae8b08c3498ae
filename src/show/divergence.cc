#include "show/divergence.h"

#include <fmt/core.h>

#include <cmath>

#include "show/progress_view.h"

namespace sluice::show {
namespace {

// Outputs that are nearly the same for every record may be better than those that are exactly so.
constexpr double kLossMargin = 1e-3;
// Steps move the outputs of a dead network to and fro between classes that are about as frequent.
constexpr double kAccuracyMargin = 0.05;
// Where no accuracy tells, initial outputs may be far off for long, and better with every epoch; a
// dead network's come as near to the best as they can.
constexpr double kNear = 0.02;
constexpr double kLargestGain = 2;  // that is known to do no harm; see sluice/algorithm/gain.h

}  // namespace

bool DivergenceWatch::is_dead(int epoch, const Metrics& metrics) const {
  if (!std::isfinite(metrics.loss)) return true;
  if (!chance_ || metrics.loss < chance_->loss * (1 - kLossMargin)) return false;
  if (epoch > 0 && epoch * chance_->records < kFewToJudgeBy) return false;
  if (std::isnan(metrics.accuracy)) {
    return has_learned_ || (epoch != 1 && metrics.loss <= chance_->loss * (1 + kNear));
  }
  return metrics.accuracy <= chance_->accuracy + kAccuracyMargin;
}

std::optional<Divergence> DivergenceWatch::ended(int epoch, const Metrics& metrics) {
  if (!is_dead(epoch, metrics)) {
    has_learned_ = has_learned_ || (chance_ && metrics.loss < chance_->loss);
    divergence_.reset();
    return std::nullopt;
  }
  if (divergence_) return std::nullopt;
  divergence_ = describe(epoch, metrics.loss);
  return divergence_;
}

Divergence DivergenceWatch::describe(int epoch, double loss) const {
  Divergence found{.epoch = epoch, .loss = loss, .chance = chance_, .what = {}, .remedy = {}};
  const std::string of = epoch == 0 ? "on the test set" : fmt::format("of epoch {}", epoch);
  const std::string is = fmt::format("the loss {} is {}", of, format_loss(loss));
  if (!std::isfinite(loss)) {
    found.what = "training has diverged: " + is;
  } else {
    found.what = fmt::format("{}: {}, no better than guessing ({})",
                             has_learned_ ? "the network has died" : "the network learns nothing",
                             is, format_loss(chance_->loss));
  }
  found.remedy = remedy(has_learned_ || !std::isfinite(loss) || loss > 2 * chance_->loss);
  return found;
}

std::string DivergenceWatch::remedy(bool too_far) const {
  const std::string rate =
      strides_.learning_rate ? fmt::format(" (it is {:g})", *strides_.learning_rate) : "";
  if (strides_.bounded || strides_.gain <= kLargestGain) {
    return fmt::format("try {} learning rate{}", too_far ? "a smaller" : "another", rate);
  }
  return fmt::format(
      "{} workers move the servers {:g} times as far at once as one would: leave out "
      "--no-bound-gain, or take fewer workers or a smaller learning rate{}",
      strides_.workers, strides_.gain, rate);
}

}  // namespace sluice::show
