#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>

#include "optim/optimizer.h"
#include "sluice/optimizers.h"

namespace sluice {
namespace {

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

OptimizerSpec::OptimizerSpec(const std::string& which) {
  const std::string lower = lower_case(which);
  if (lower == "sgd") {
    *this = SGD();
  } else if (lower == "rmsprop") {
    *this = RMSprop();
  } else if (lower == "adagrad") {
    *this = Adagrad();
  } else if (lower == "adam") {
    *this = Adam();
  } else {
    throw std::invalid_argument("optimizer \"" + which +
                                "\": use \"sgd\", \"rmsprop\", \"adagrad\" or \"adam\"");
  }
}

OptimizerSpec SGD(const SgdOptions& options) {
  OptimizerSpec spec;
  spec.name = "sgd";
  spec.learning_rate = options.learning_rate;
  spec.momentum = options.momentum;
  spec.nesterov = options.nesterov;
  return spec;
}

OptimizerSpec RMSprop(const RmspropOptions& options) {
  OptimizerSpec spec;
  spec.name = "rmsprop";
  spec.learning_rate = options.learning_rate;
  spec.rho = options.rho;
  spec.momentum = options.momentum;
  spec.epsilon = options.epsilon;
  spec.centered = options.centered;
  return spec;
}

OptimizerSpec Adagrad(const AdagradOptions& options) {
  OptimizerSpec spec;
  spec.name = "adagrad";
  spec.learning_rate = options.learning_rate;
  spec.initial_accumulator_value = options.initial_accumulator_value;
  spec.epsilon = options.epsilon;
  return spec;
}

OptimizerSpec Adam(const AdamOptions& options) {
  OptimizerSpec spec;
  spec.name = "adam";
  spec.learning_rate = options.learning_rate;
  spec.beta_1 = options.beta_1;
  spec.beta_2 = options.beta_2;
  spec.epsilon = options.epsilon;
  return spec;
}

namespace optim {
namespace {

void require(bool holds, const OptimizerSpec& spec, const char* field, float value,
             const char* range) {
  if (holds) return;
  std::ostringstream message;
  message << "optimizer \"" << spec.name << "\": " << field << " = " << value << ": must be "
          << range;
  throw std::invalid_argument(message.str());
}

void require_not_negative(const OptimizerSpec& spec, const char* field, float value) {
  require(std::isfinite(value) && value >= 0, spec, field, value, "finite and at least 0");
}

void require_decay(const OptimizerSpec& spec, const char* field, float value) {
  require(value >= 0 && value < 1, spec, field, value, "at least 0 and less than 1");
}

}  // namespace

void validate(const OptimizerSpec& spec) {
  require_not_negative(spec, "learning_rate", spec.learning_rate);
  if (spec.name == "sgd") {
    require(spec.momentum >= 0 && spec.momentum <= 1, spec, "momentum", spec.momentum,
            "from 0 to 1");
  } else if (spec.name == "rmsprop") {
    require_decay(spec, "rho", spec.rho);
    require(spec.momentum >= 0 && spec.momentum <= 1, spec, "momentum", spec.momentum,
            "from 0 to 1");
    require_not_negative(spec, "epsilon", spec.epsilon);
  } else if (spec.name == "adagrad") {
    require_not_negative(spec, "initial_accumulator_value", spec.initial_accumulator_value);
    require_not_negative(spec, "epsilon", spec.epsilon);
  } else if (spec.name == "adam") {
    require_decay(spec, "beta_1", spec.beta_1);
    require_decay(spec, "beta_2", spec.beta_2);
    require_not_negative(spec, "epsilon", spec.epsilon);
  } else {
    throw std::invalid_argument("optimizer \"" + spec.name +
                                "\": use \"sgd\", \"rmsprop\", \"adagrad\" or \"adam\"");
  }
}

}  // namespace optim
}  // namespace sluice
