// The state of one optimizer over one contiguous piece of the parameters, and its step.
//
// Elementwise, so a piece may be a whole model (at a worker), one shard (at a server) or any part
// of either: the same elements get bit for bit the same values however the pieces are cut, and on
// every instruction set. Formulas: sluice/optimizers.h. Not thread-safe, except that apply_range()
// may be called at once for disjoint ranges.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/aligned_buffer.h"
#include "optim/definition.h"
#include "sluice/optimizers.h"

namespace sluice::optim {

// In Keras' order. `spec` must be valid.
std::vector<SlotSpec> slots_of(const OptimizerSpec& spec);

class Optimizer {
 public:
  // `size`: elements in the piece. Throws std::invalid_argument for a spec that makes no sense.
  Optimizer(const OptimizerSpec& spec, size_t size);

  // One step over all elements.
  void apply(std::span<float> parameters, std::span<const float> gradients);

  // The same step in pieces: begin_step() once, then apply_range() for ranges that together cover
  // every element once. `parameters` and `gradients` start at element `offset` of the piece.
  void begin_step();
  void apply_range(size_t offset, std::span<float> parameters, std::span<const float> gradients);

  // Keras' slot variables in Keras' order ("momentum", "velocity", ...), each `size` floats.
  std::vector<std::pair<std::string, std::span<const float>>> slots() const;

 private:
  OptimizerSpec spec_;
  const Definition* definition_;
  size_t size_;
  int64_t iterations_ = 0;  // steps begun so far
  float step_size_ = 0;     // of the step that was begun
  std::vector<std::pair<std::string, core::AlignedBuffer>> slots_;
};

// Throws std::invalid_argument, naming the field, unless every hyperparameter is in its range.
void validate(const OptimizerSpec& spec);

}  // namespace sluice::optim
