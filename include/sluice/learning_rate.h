// Learning rates: a number, or a schedule over the steps of a training.
//
//   .learning_rate = 0.001f
//   .learning_rate = CosineDecay({.initial_learning_rate = 0.01, .decay_steps = 10000})
//
// Notation: s counts the steps of the optimizer before the current one, from 0; lr0 is
// initial_learning_rate. In a job with Adag or Downpour s counts a worker's own steps since it
// joined, with AsyncSgd the updates that the server has applied.
//
// Ranges, checked when training starts (std::invalid_argument, naming the schedule and the field):
// numbers finite and at least 0; decay_steps, first_decay_steps and t_mul above 0, so that the
// steps to decay over must be given.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sluice/cplusplus.h"

namespace sluice {

// A value: the number, or a schedule, made by one of the functions below.
struct LearningRate {
  LearningRate(double rate = 0.01) : number(static_cast<float>(rate)) {}  // NOLINT: implicit

  float number;          // where there is no schedule
  std::string schedule;  // Keras' class name, "CosineDecay"; empty: the number
  // The schedule's, by Keras' names; a single number is a list of one, false 0 and true 1.
  std::map<std::string, std::vector<double>, std::less<>> parameters;

  friend bool operator==(const LearningRate&, const LearningRate&) = default;
};

// lr0 decay_rate^p, p = s / decay_steps, with staircase rounded down.
// Keras: keras.optimizers.schedules.ExponentialDecay.
struct ExponentialDecayOptions {
  double initial_learning_rate = 0;
  double decay_steps = 0;
  double decay_rate = 0;
  bool staircase = false;
};
LearningRate ExponentialDecay(const ExponentialDecayOptions& options);

// lr0 / (1 + decay_rate p), p as above. Keras: keras.optimizers.schedules.InverseTimeDecay.
struct InverseTimeDecayOptions {
  double initial_learning_rate = 0;
  double decay_steps = 0;
  double decay_rate = 0;
  bool staircase = false;
};
LearningRate InverseTimeDecay(const InverseTimeDecayOptions& options);

// (lr0 - end) (1 - min(s, d) / d)^power + end, d being decay_steps; with cycle d is multiplied by
// the smallest whole number, from 1, that makes it at least s. Keras:
// keras.optimizers.schedules.PolynomialDecay.
struct PolynomialDecayOptions {
  double initial_learning_rate = 0;
  double decay_steps = 0;
  double end_learning_rate = 0.0001;
  double power = 1;
  bool cycle = false;
};
LearningRate PolynomialDecay(const PolynomialDecayOptions& options);

// values[0] until s = boundaries[0] inclusive, then values[1] until boundaries[1], and so on:
// one value more than there are boundaries, which ascend.
// Keras: keras.optimizers.schedules.PiecewiseConstantDecay.
struct PiecewiseConstantDecayOptions {
  std::vector<double> boundaries;
  std::vector<double> values;
};
LearningRate PiecewiseConstantDecay(const PiecewiseConstantDecayOptions& options);

// from ((1 - alpha) (1 + cos(pi min(s, d) / d)) / 2 + alpha), d being decay_steps and `from` lr0
// (Loshchilov & Hutter, 2017). With a warmup_target the rate first goes in a line from lr0 to it in
// warmup_steps steps; then `from` is warmup_target and s counts from there.
// Keras: keras.optimizers.schedules.CosineDecay.
struct CosineDecayOptions {
  double initial_learning_rate = 0;
  double decay_steps = 0;
  double alpha = 0;
  std::optional<double> warmup_target = std::nullopt;
  double warmup_steps = 0;
};
LearningRate CosineDecay(const CosineDecayOptions& options);

// As CosineDecay without warm-up, begun again after first_decay_steps; each period is t_mul times
// as long as the one before, and begins at m_mul times its rate (Loshchilov & Hutter, 2017).
// Keras: keras.optimizers.schedules.CosineDecayRestarts.
struct CosineDecayRestartsOptions {
  double initial_learning_rate = 0;
  double first_decay_steps = 0;
  double t_mul = 2;
  double m_mul = 1;
  double alpha = 0;
};
LearningRate CosineDecayRestarts(const CosineDecayRestartsOptions& options);

}  // namespace sluice
