// What people may change while a job runs: `sluice ctl set NAME VALUE`.
//
// To add one: a field of wire::Knobs, which workers are told with their heartbeats, and its row in
// knobs.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "sluice/status.h"
#include "wire/control.h"
#include "wire/training_spec.h"

namespace sluice::driver {

struct Knob {
  const char* name;   // "learning-rate"
  const char* value;  // what stands behind it: "NUMBER"
  const char* help;
  const char* in_force;  // when a change is: "at each worker within one window"
  // As it is in force, for people.
  std::string (*now)(const wire::TrainingSpec& job, const wire::Knobs& knobs);
  // Sets it in `knobs`. INVALID_ARGUMENT: not such a value; FAILED_PRECONDITION: this job has none.
  Status (*set)(const wire::TrainingSpec& job, const std::string& value, wire::Knobs& knobs);
};

std::span<const Knob> knobs();
// INVALID_ARGUMENT for a name that is none: why it cannot be changed, and what can.
Result<const Knob*> find_knob(std::string_view name);

}  // namespace sluice::driver
