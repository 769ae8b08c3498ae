// The state of one optimizer over one contiguous piece of the parameters, and its step.
//
// Elementwise, so a piece may be a whole model (at a worker), one shard (at a server) or any part
// of either: the same elements get bit for bit the same values however the pieces are cut, and on
// every instruction set. Norms, for clipnorm and global_clipnorm, are of more than a piece: whoever
// has all gradients clips them before (NormClip). Which parameters there are, and what each is
// called, is not known here: what weight decay leaves out comes as ranges. Formulas:
// sluice/optimizers.h. Not thread-safe, except that apply_range() may be called at once for
// disjoint ranges.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/aligned_buffer.h"
#include "optim/definition.h"
#include "optim/parameter_ranges.h"
#include "optim/update.h"
#include "sluice/optimizers.h"

namespace sluice::optim {

// In Keras' order: the averages, if they are kept, before what the definition lists. `spec` must be
// valid.
std::vector<SlotSpec> slots_of(const OptimizerSpec& spec);
// Clipping by value and weight decay.
Preparation preparation_of(const OptimizerSpec& spec);
// What is computed once for a step, which are counted from 1.
StepFactors factors_of(const OptimizerSpec& spec, int64_t step);
// Those of the averages alone, for `steps` steps at once behind `before` others:
// a = m^steps a + (1 - m^steps) w.
StepFactors average_factors_of(const OptimizerSpec& spec, int64_t before, int64_t steps);

// How far an optimizer has come over all parameters of a model.
struct OptimizerState {
  int64_t iterations = 0;  // steps so far
  // As Optimizer::slots(), each laid out as the parameters. Empty: as before the first step.
  std::vector<std::pair<std::string, std::vector<float>>> slots{};
};

// Throws std::invalid_argument unless the state is of such an optimizer over `size` parameters.
void validate(const OptimizerState& state, const OptimizerSpec& spec, size_t size);

class Optimizer {
 public:
  // `size`: elements in the piece. `undecayed`: those of them without weight decay, in order and
  // apart. Throws std::invalid_argument for a spec that makes no sense.
  Optimizer(const OptimizerSpec& spec, size_t size, std::vector<ParameterRange> undecayed = {});

  // From the next step on, instead of the spec's. Throws std::invalid_argument for one that is
  // negative or no number.
  void set_learning_rate(float rate);

  // One step over all elements.
  void apply(std::span<float> parameters, std::span<const float> gradients);

  // The same step in pieces: begin_step() once, then apply_range() for ranges that together cover
  // every element once. `parameters` and `gradients` start at element `offset` of the piece. A
  // begin_step() that throws std::bad_alloc has begun none.
  void begin_step();
  void apply_range(size_t offset, std::span<float> parameters,
                   std::span<const float> gradients) noexcept;

  // Keras' slot variables in Keras' order ("momentum", "velocity", ...), each `size` floats. The
  // averages of use_ema come first, as "average".
  std::vector<std::pair<std::string, std::span<const float>>> slots() const;
  OptimizerState state() const;
  // Goes on from there. Throws as validate(), and has changed nothing then.
  void restore(const OptimizerState& state);
  int64_t iterations() const { return iterations_; }
  // Likewise; `slots` as slots() has them.
  void restore(int64_t iterations, std::span<const std::span<const float>> slots);

  // Empty without use_ema and before the first step.
  std::span<const float> averages() const;

 private:
  OptimizerSpec spec_;
  Rule rule_;
  Preparation preparation_;
  std::vector<ParameterRange> undecayed_;
  size_t size_;
  int64_t iterations_ = 0;  // steps begun so far
  StepFactors factors_;     // of the step that was begun
  std::vector<std::pair<std::string, core::AlignedBuffer>> slots_;
};

// Throws std::invalid_argument, naming the field, unless every hyperparameter is in its range.
void validate(const OptimizerSpec& spec);
// Whether exclude_from_weight_decay has a variable of this name, "LAYER/WEIGHT".
bool is_undecayed(const OptimizerSpec& spec, const std::string& variable);

}  // namespace sluice::optim
