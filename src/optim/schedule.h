// The table of learning rate schedules. Formulas: sluice/learning_rate.h.
//
// Adding one: its options and function there, its rows and formula in schedule.cc.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "optim/range.h"
#include "sluice/learning_rate.h"

namespace sluice::optim {

using ScheduleParameters = decltype(LearningRate::parameters);

struct ScheduleParameter {
  const char* name;  // Keras'
  Range range;
  bool is_list = false;
  bool is_optional = false;  // may be absent, as Keras' None
};

struct ScheduleDefinition {
  std::string_view class_name;  // Keras'
  const char* name;             // what Keras calls an instance
  std::span<const ScheduleParameter> parameters;
  ScheduleParameters (*defaults)();  // Keras'; those that it lacks must be given
  double (*rate)(const LearningRate& valid, double step);
};

std::span<const ScheduleDefinition> schedules();
// By Keras' class name in any letter case. Throws std::invalid_argument, saying which there are.
const ScheduleDefinition& find_schedule(std::string_view class_name);

// Throws std::invalid_argument, naming the field, unless every parameter is there and in its range.
void validate(const LearningRate& rate);

// The learning rate when `steps` steps are done. `rate` must be valid.
double rate_at(const LearningRate& rate, int64_t steps);

}  // namespace sluice::optim
