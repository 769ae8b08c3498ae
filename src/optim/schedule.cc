#include "optim/schedule.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

#include "core/alternatives.h"
#include "optim/lower_case.h"

namespace sluice::optim {
namespace {

using Parameters = ScheduleParameters;

double get(const LearningRate& rate, std::string_view name) {
  return rate.parameters.find(name)->second.front();
}

double fraction_done(const LearningRate& rate, double step) {
  const double done = step / get(rate, "decay_steps");
  return get(rate, "staircase") != 0 ? std::floor(done) : done;
}

// --- ExponentialDecay, InverseTimeDecay ---

constexpr ScheduleParameter kTimeDecay[] = {{"initial_learning_rate", kNotNegative},
                                            {"decay_steps", kPositive},
                                            {"decay_rate", kNotNegative},
                                            {"staircase", kFlag}};

double exponential_rate(const LearningRate& rate, double step) {
  return get(rate, "initial_learning_rate") *
         std::pow(get(rate, "decay_rate"), fraction_done(rate, step));
}

double inverse_time_rate(const LearningRate& rate, double step) {
  return get(rate, "initial_learning_rate") /
         (1 + get(rate, "decay_rate") * fraction_done(rate, step));
}

// --- PolynomialDecay ---

constexpr ScheduleParameter kPolynomialDecay[] = {{"initial_learning_rate", kNotNegative},
                                                  {"decay_steps", kPositive},
                                                  {"end_learning_rate", kNotNegative},
                                                  {"power", kNotNegative},
                                                  {"cycle", kFlag}};

double polynomial_rate(const LearningRate& rate, double step) {
  double steps = get(rate, "decay_steps");
  if (get(rate, "cycle") != 0) {
    steps *= std::max(std::ceil(step / steps), 1.0);
  } else {
    step = std::min(step, steps);
  }
  const double end = get(rate, "end_learning_rate");
  return (get(rate, "initial_learning_rate") - end) *
             std::pow(1 - step / steps, get(rate, "power")) +
         end;
}

// --- PiecewiseConstantDecay ---

constexpr ScheduleParameter kPiecewiseConstantDecay[] = {
    {"boundaries", kNotNegative, /*is_list=*/true}, {"values", kNotNegative, /*is_list=*/true}};

double piecewise_constant_rate(const LearningRate& rate, double step) {
  const auto& boundaries = rate.parameters.find("boundaries")->second;
  const auto passed = std::ranges::lower_bound(boundaries, step) - boundaries.begin();
  return rate.parameters.find("values")->second[static_cast<size_t>(passed)];
}

// --- CosineDecay, CosineDecayRestarts ---

constexpr ScheduleParameter kCosineDecay[] = {
    {"initial_learning_rate", kNotNegative},
    {"decay_steps", kPositive},
    {"alpha", kNotNegative},
    {"warmup_target", kNotNegative, /*is_list=*/false, /*is_optional=*/true},
    {"warmup_steps", kNotNegative}};

constexpr ScheduleParameter kCosineDecayRestarts[] = {{"initial_learning_rate", kNotNegative},
                                                      {"first_decay_steps", kPositive},
                                                      {"t_mul", kPositive},
                                                      {"m_mul", kNotNegative},
                                                      {"alpha", kNotNegative}};

double half_cosine(double fraction) { return 0.5 * (1 + std::cos(std::numbers::pi * fraction)); }

double cosine_rate(const LearningRate& rate, double step) {
  double from = get(rate, "initial_learning_rate");
  if (rate.parameters.contains("warmup_target")) {
    const double target = get(rate, "warmup_target"), warmup = get(rate, "warmup_steps");
    if (step < warmup) return from + (target - from) * step / warmup;
    from = target;
    step -= warmup;
  }
  const double fraction = std::min(step / get(rate, "decay_steps"), 1.0);
  const double alpha = get(rate, "alpha");
  return from * ((1 - alpha) * half_cosine(fraction) + alpha);
}

// Periods are as long as 1, t_mul, t_mul^2, ..., of which those before period n sum up to
// (1 - t_mul^n) / (1 - t_mul).
double cosine_restarts_rate(const LearningRate& rate, double step) {
  double fraction = step / get(rate, "first_decay_steps");
  const double growth = get(rate, "t_mul"), alpha = get(rate, "alpha");
  double period = std::floor(fraction);
  if (growth == 1) {
    fraction -= period;
  } else {
    period = std::floor(std::log(1 - fraction * (1 - growth)) / std::log(growth));
    const double length = std::pow(growth, period);
    fraction = (fraction - (1 - length) / (1 - growth)) / length;
    if (fraction > 1 - 1e-9) {  // the logarithm was rounded down where a period begins
      period += 1;
      fraction = 0;
    }
  }
  const double height = std::pow(get(rate, "m_mul"), period) * half_cosine(fraction);
  return get(rate, "initial_learning_rate") * ((1 - alpha) * height + alpha);
}

// --- The table ---

const ScheduleDefinition kSchedules[] = {
    {"ExponentialDecay", "ExponentialDecay", kTimeDecay,
     [] {
       return Parameters{{"staircase", {0}}};
     },
     exponential_rate},
    {"InverseTimeDecay", "InverseTimeDecay", kTimeDecay,
     [] {
       return Parameters{{"staircase", {0}}};
     },
     inverse_time_rate},
    {"PolynomialDecay", "PolynomialDecay", kPolynomialDecay,
     [] {
       return Parameters{{"end_learning_rate", {0.0001}}, {"power", {1}}, {"cycle", {0}}};
     },
     polynomial_rate},
    {"PiecewiseConstantDecay", "PiecewiseConstant", kPiecewiseConstantDecay,
     [] { return Parameters{}; }, piecewise_constant_rate},
    {"CosineDecay", "CosineDecay", kCosineDecay,
     [] {
       return Parameters{{"alpha", {0}}, {"warmup_steps", {0}}};
     },
     cosine_rate},
    {"CosineDecayRestarts", "SGDRDecay", kCosineDecayRestarts,
     [] {
       return Parameters{{"t_mul", {2}}, {"m_mul", {1}}, {"alpha", {0}}};
     },
     cosine_restarts_rate}};

[[noreturn]] void refuse(const LearningRate& rate, const std::string& what) {
  throw std::invalid_argument(fmt::format("{}: {}", rate.schedule, what));
}

void check_lists(const LearningRate& rate) {
  const auto& boundaries = rate.parameters.at("boundaries");
  const auto& values = rate.parameters.at("values");
  if (values.size() != boundaries.size() + 1) {
    refuse(rate, fmt::format("{} boundaries need {} values, got {}", boundaries.size(),
                             boundaries.size() + 1, values.size()));
  }
  if (!std::ranges::is_sorted(boundaries)) refuse(rate, "boundaries must ascend");
}

}  // namespace

std::span<const ScheduleDefinition> schedules() { return kSchedules; }

const ScheduleDefinition& find_schedule(std::string_view class_name) {
  for (const ScheduleDefinition& schedule : kSchedules) {
    if (schedule.class_name == class_name) return schedule;
  }
  for (const ScheduleDefinition& schedule : kSchedules) {
    if (lower_case(schedule.class_name) == lower_case(class_name)) return schedule;
  }
  const auto name = [](const ScheduleDefinition& s) { return fmt::format("{}", s.class_name); };
  throw std::invalid_argument(fmt::format("learning rate schedule \"{}\": use {}", class_name,
                                          core::alternatives(kSchedules, name)));
}

void validate(const LearningRate& rate) {
  if (rate.schedule.empty()) return;
  for (const ScheduleParameter& parameter : find_schedule(rate.schedule).parameters) {
    const auto found = rate.parameters.find(parameter.name);
    if (found == rate.parameters.end()) {
      if (parameter.is_optional) continue;
      refuse(rate, fmt::format("needs {}", parameter.name));
    }
    if (!parameter.is_list && found->second.size() != 1) {
      refuse(rate, fmt::format("{} is one number", parameter.name));
    }
    for (const double value : found->second) {
      if (parameter.range.has(value)) continue;
      refuse(rate, fmt::format("{} = {}: must be {}", parameter.name, value, parameter.range.text));
    }
  }
  if (rate.parameters.contains("boundaries")) check_lists(rate);
}

double rate_at(const LearningRate& rate, int64_t steps) {
  if (rate.schedule.empty()) return static_cast<double>(rate.number);
  return find_schedule(rate.schedule).rate(rate, static_cast<double>(steps));
}

}  // namespace sluice::optim

namespace sluice {
namespace {

LearningRate schedule(const char* name, optim::ScheduleParameters parameters) {
  LearningRate rate(0);
  rate.schedule = name;
  rate.parameters = std::move(parameters);
  return rate;
}

std::vector<double> flag(bool value) { return {value ? 1.0 : 0.0}; }

}  // namespace

LearningRate ExponentialDecay(const ExponentialDecayOptions& options) {
  return schedule("ExponentialDecay", {{"initial_learning_rate", {options.initial_learning_rate}},
                                       {"decay_steps", {options.decay_steps}},
                                       {"decay_rate", {options.decay_rate}},
                                       {"staircase", flag(options.staircase)}});
}

LearningRate InverseTimeDecay(const InverseTimeDecayOptions& options) {
  return schedule("InverseTimeDecay", {{"initial_learning_rate", {options.initial_learning_rate}},
                                       {"decay_steps", {options.decay_steps}},
                                       {"decay_rate", {options.decay_rate}},
                                       {"staircase", flag(options.staircase)}});
}

LearningRate PolynomialDecay(const PolynomialDecayOptions& options) {
  return schedule("PolynomialDecay", {{"initial_learning_rate", {options.initial_learning_rate}},
                                      {"decay_steps", {options.decay_steps}},
                                      {"end_learning_rate", {options.end_learning_rate}},
                                      {"power", {options.power}},
                                      {"cycle", flag(options.cycle)}});
}

LearningRate PiecewiseConstantDecay(const PiecewiseConstantDecayOptions& options) {
  return schedule("PiecewiseConstantDecay",
                  {{"boundaries", options.boundaries}, {"values", options.values}});
}

LearningRate CosineDecay(const CosineDecayOptions& options) {
  LearningRate rate =
      schedule("CosineDecay", {{"initial_learning_rate", {options.initial_learning_rate}},
                               {"decay_steps", {options.decay_steps}},
                               {"alpha", {options.alpha}},
                               {"warmup_steps", {options.warmup_steps}}});
  if (options.warmup_target) rate.parameters["warmup_target"] = {*options.warmup_target};
  return rate;
}

LearningRate CosineDecayRestarts(const CosineDecayRestartsOptions& options) {
  return schedule("CosineDecayRestarts",
                  {{"initial_learning_rate", {options.initial_learning_rate}},
                   {"first_decay_steps", {options.first_decay_steps}},
                   {"t_mul", {options.t_mul}},
                   {"m_mul", {options.m_mul}},
                   {"alpha", {options.alpha}}});
}

}  // namespace sluice
