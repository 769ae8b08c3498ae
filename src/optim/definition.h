// The table of optimizers: what there is to know about each on the host.
//
// Adding one: its rule in rules.h, which both devices run, a source like sgd.cc, which defines it,
// and its line in definition.cc. Formulas: sluice/optimizers.h.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "optim/range.h"
#include "optim/rules.h"
#include "sluice/optimizers.h"

namespace sluice::optim {

struct Hyperparameter {
  const char* name;  // Keras'
  Range range;
};

// A slot variable, by Keras' name, and what all its elements are before the first step.
struct SlotSpec {
  std::string name;
  float initial_value = 0;
};

struct Definition {
  std::string_view name;                            // Keras' class name in lower case
  const char* class_name;                           // Keras'
  std::span<const Hyperparameter> hyperparameters;  // its own, in the order of JSON and of checks
  OptimizerSpec (*defaults)();
  // In Keras' order. The three functions below take a valid spec.
  std::vector<SlotSpec> (*slots)(const OptimizerSpec& spec);
  Rule (*rule)(const OptimizerSpec& spec);
  // Sets `rate` and what else the rule needs in a step, which are counted from 1.
  void (*set_factors)(const OptimizerSpec& spec, int64_t step, double learning_rate,
                      StepFactors& factors);
};

extern const Definition kSgd, kRmsprop, kAdagrad, kAdadelta, kAdam, kAdamW, kAdamax, kNadam, kLion,
    kFtrl;

std::span<const Definition* const> definitions();
// By its exact name; nullptr: there is none.
const Definition* find_definition(std::string_view name);
// Both throw std::invalid_argument, saying which there are, for a name that is none.
const Definition& definition_of(const OptimizerSpec& spec);
OptimizerSpec default_spec(const std::string& name);  // in any letter case
// What that says: `optimizer "lars": use "sgd", ... or "ftrl"`.
std::string unknown_optimizer(const std::string& name);

// Those of an optimizer that corrects nothing: none but the learning rate.
void set_learning_rate(const OptimizerSpec& spec, int64_t step, double learning_rate,
                       StepFactors& factors);

// A spec from an optimizer's options and its own hyperparameters among them.
template <typename Options>
OptimizerSpec make_spec(const Definition& definition, const Options& options,
                        std::map<std::string, float> own) {
  OptimizerSpec spec;
  spec.name = definition.name;
  spec.learning_rate = options.learning_rate;
  spec.hyperparameters = std::move(own);
  spec.weight_decay = options.weight_decay;
  spec.exclude_from_weight_decay = options.exclude_from_weight_decay;
  spec.clipnorm = options.clipnorm;
  spec.clipvalue = options.clipvalue;
  spec.global_clipnorm = options.global_clipnorm;
  spec.use_ema = options.use_ema;
  spec.ema_momentum = options.ema_momentum;
  spec.ema_overwrite_frequency = options.ema_overwrite_frequency;
  return spec;
}

}  // namespace sluice::optim
