#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "optim/call_text.h"
#include "optim/definition.h"
#include "optim/lower_case.h"
#include "optim/optimizer.h"
#include "optim/optimizer_json.h"
#include "optim/schedule.h"
#include "sluice/optimizers.h"

namespace sluice {

OptimizerSpec::OptimizerSpec(const std::string& text) {
  if (text.find('(') == std::string::npos) {
    *this = optim::default_spec(text);
  } else {
    from_json(optim::parse_call(text), *this);
  }
}

namespace optim {
namespace {

[[noreturn]] void refuse(const OptimizerSpec& spec, const std::string& what) {
  throw std::invalid_argument("optimizer \"" + spec.name + "\": " + what);
}

void check(const OptimizerSpec& spec, const char* name, double value, const Range& range) {
  if (range.has(value)) return;
  std::ostringstream message;
  message << name << " = " << value << ": must be " << range.text;
  refuse(spec, message.str());
}

void check_learning_rate(const OptimizerSpec& spec) {
  if (spec.learning_rate.schedule.empty()) {
    check(spec, "learning_rate", spec.learning_rate.number, kNotNegative);
    return;
  }
  try {
    validate(spec.learning_rate);
  } catch (const std::invalid_argument& error) {
    refuse(spec, std::string("learning_rate: ") + error.what());
  }
}

}  // namespace

OptimizerSpec default_spec(const std::string& name) {
  const Definition* definition = find_definition(lower_case(name));
  if (definition == nullptr) throw std::invalid_argument(unknown_optimizer(name));
  return definition->defaults();
}

void validate(const OptimizerSpec& spec) {
  const Definition& definition = definition_of(spec);
  check_learning_rate(spec);
  for (const Hyperparameter& parameter : definition.hyperparameters) {
    const auto found = spec.hyperparameters.find(parameter.name);
    if (found == spec.hyperparameters.end()) refuse(spec, std::string("needs ") + parameter.name);
    check(spec, parameter.name, found->second, parameter.range);
  }
  for (const auto& entry : spec.hyperparameters) {
    const std::string& name = entry.first;
    const auto is_it = [&](const Hyperparameter& parameter) { return parameter.name == name; };
    if (!std::ranges::any_of(definition.hyperparameters, is_it)) refuse(spec, "has no " + name);
  }
  check(spec, "weight_decay", spec.weight_decay, kNotNegative);
  if (std::ranges::count(spec.exclude_from_weight_decay, "") > 0) {
    refuse(spec, "exclude_from_weight_decay: expected names or parts of names, got an empty one");
  }
  check(spec, "clipnorm", spec.clipnorm, kNotNegative);
  check(spec, "clipvalue", spec.clipvalue, kNotNegative);
  check(spec, "global_clipnorm", spec.global_clipnorm, kNotNegative);
  check(spec, "ema_momentum", spec.ema_momentum, kFraction);
  check(spec, "ema_overwrite_frequency", static_cast<double>(spec.ema_overwrite_frequency),
        kNotNegative);
  const int clippers = (spec.clipnorm > 0) + (spec.clipvalue > 0) + (spec.global_clipnorm > 0);
  if (clippers > 1) refuse(spec, "only one of clipnorm, clipvalue and global_clipnorm may be set");
}

bool is_undecayed(const OptimizerSpec& spec, const std::string& variable) {
  const std::string own = variable.substr(variable.rfind('/') + 1);
  return std::ranges::any_of(spec.exclude_from_weight_decay, [&](const std::string& name) {
    return name == variable || own.find(name) != std::string::npos;
  });
}

}  // namespace optim
}  // namespace sluice
