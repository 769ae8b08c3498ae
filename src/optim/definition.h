// The table of optimizers: what there is to know about each on the host.
//
// Adding one: a source like sgd.cc, which defines it, its Kind in kind.h, its line in definition.cc
// and a kernel in backend/cuda/optimizer.cu. Formulas: sluice/optimizers.h.
//
// Loops are elementwise and compiled without contraction (CMakeLists.txt): every operation is
// rounded by itself, so an element's result depends on that element alone, not on its place, the
// range's length or the instruction set.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "optim/kind.h"
#include "sluice/optimizers.h"

namespace sluice::optim {

// The values that a hyperparameter may have.
struct Range {
  bool (*has)(float value);
  const char* text;  // what the value must be, for messages
};
inline constexpr Range kNotNegative = {
    [](float value) { return std::isfinite(value) && value >= 0; }, "finite and at least 0"};
inline constexpr Range kFraction = {[](float value) { return value >= 0 && value <= 1; },
                                    "from 0 to 1"};
inline constexpr Range kDecay = {[](float value) { return value >= 0 && value < 1; },
                                 "at least 0 and less than 1"};

struct Number {
  float OptimizerSpec::*field;
  Range range;
};
struct Flag {
  bool OptimizerSpec::*field;
};
struct Hyperparameter {
  const char* name;  // Keras'
  std::variant<Number, Flag> value;
};

// A slot variable, by Keras' name, and what all its elements are before the first step.
struct SlotSpec {
  std::string name;
  float initial_value = 0;
};
inline constexpr size_t kMostSlots = 3;

// Pointers to the first of `size` elements; none overlaps another.
struct UpdateRange {
  size_t size = 0;
  float* w = nullptr;                      // parameters
  const float* g = nullptr;                // gradients
  std::array<float*, kMostSlots> slots{};  // as Definition::slots lists them; the rest is nullptr
};

struct Definition {
  Kind kind;
  std::string_view name;                            // Keras', in lower case
  std::span<const Hyperparameter> hyperparameters;  // in the order of JSON and of checks
  OptimizerSpec (*defaults)();
  // In Keras' order. The three functions below take a valid spec.
  std::vector<SlotSpec> (*slots)(const OptimizerSpec& spec);
  // Once for each step, which are counted from 1: what its updates get.
  float (*step_size)(const OptimizerSpec& spec, int64_t step);
  // One pass over memory.
  void (*update)(const OptimizerSpec& spec, float step_size, const UpdateRange& range);
};

extern const Definition kSgd, kRmsprop, kAdagrad, kAdam;

// By its exact name; nullptr: there is none.
const Definition* find_definition(std::string_view name);
// Throws std::invalid_argument, saying which there are, for a name that is none.
const Definition& definition_of(const OptimizerSpec& spec);
// What that says: `optimizer "lamb": use "sgd", ... or "adam"`.
std::string unknown_optimizer(const std::string& name);

// The step size of optimizers that correct nothing.
float learning_rate(const OptimizerSpec& spec, int64_t step);

}  // namespace sluice::optim
