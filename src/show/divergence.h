// Notices a network that has died, and says why that may be and what to do.
//
// Dead is a network whose loss is not a finite number, or that guesses: its outputs are the same
// for every record, and its loss is at best that of the best such outputs (train/chance_level.h).
// Whoever pushes it too far ends there, without a NaN: with all units of a layer at 0, no gradient
// leads back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sluice/metrics.h"

namespace sluice::show {

// Records that a network has to be trained with, over all epochs, before it can be called dead.
inline constexpr int64_t kFewToJudgeBy = 1000;

// What the best outputs come to that are the same for every record.
struct ChanceLevel {
  double loss = 0;
  double accuracy = 0;  // the share of the most frequent class; 1 where there are no classes
  int64_t records = 0;  // that it is of: an epoch's
};

struct Divergence {
  int epoch = 0;  // from 1, when it was noticed; 0: by the test
  double loss = 0;
  std::optional<ChanceLevel> chance;
  std::string what;    // "the network has died: the loss of epoch 2 is 2.3019, no better than ..."
  std::string remedy;  // "try a smaller learning rate (it is 0.5)"

  std::string line() const { return "warning: " + what + "; " + remedy; }
};

// Why a job may have gone too far.
struct Strides {
  // How far its workers move the servers at once, as published; see sluice/algorithm/gain.h.
  double gain = 1;
  bool bounded = true;  // and not more than one worker would
  int workers = 1;
  std::optional<double> learning_rate{};  // of the optimizer, where it is a number
};

// Used by one thread.
class DivergenceWatch {
 public:
  // Without a chance level only numbers that are not finite are noticed.
  DivergenceWatch(std::optional<ChanceLevel> chance, Strides strides)
      : chance_(chance), strides_(strides) {}

  // Of an epoch, from 1, or with 0 of a test. Whether the network is dead. An epoch's loss is the
  // mean over its steps, of the first ones that of the initial weights too: so the accuracy has to
  // be that of guessing as well, and kFewToJudgeBy records have to be behind it; without an
  // accuracy, the network has to have been better than guessing before, or be within 2 % of it,
  // from the second epoch on.
  bool is_dead(int epoch, const Metrics& metrics) const;
  // Is told of all epochs in order, and then, perhaps, of the test. What there is to say: once,
  // and again where the network had recovered.
  std::optional<Divergence> ended(int epoch, const Metrics& metrics);
  // As it is now.
  const std::optional<Divergence>& divergence() const { return divergence_; }

 private:
  Divergence describe(int epoch, double loss) const;
  std::string remedy(bool too_far) const;

  const std::optional<ChanceLevel> chance_;
  const Strides strides_;
  bool has_learned_ = false;  // an epoch was better than guessing
  std::optional<Divergence> divergence_;
};

}  // namespace sluice::show
