// The moving averages of a shard's trained values over its pushes (use_ema), which lie beside them.
//
//   after a push of k mini-batches    a = m^k a + (1 - m^k) theta',   m = ema_momentum
//   after the first that has any      a = theta'
//   and with ema_overwrite_frequency  theta' = a, after each push with which the number of the
//                                     shard's mini-batches reaches or passes a multiple of it
//
// With one mini-batch to a push that is what sluice/optimizers.h says of a step. Of what is not
// trained the average is the value, so that the averages of all shards are a whole model.
// Elementwise, and without memory of its own: a push that fails has changed nothing.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "optim/rules.h"
#include "sluice/algorithm/update_rule.h"
#include "sluice/optimizers.h"

namespace sluice::algorithm {

class MovingAverage {
 public:
  // `untrained` and `shard_offset` as for make_rule_with_state(). Throws std::invalid_argument for
  // an optimizer that makes no sense.
  MovingAverage(const OptimizerSpec& optimizer, std::vector<ParameterRange> untrained,
                size_t shard_offset);

  // Once per push, before apply() is called for its blocks.
  void begin(const PushContext& context) noexcept;
  // For a block that starts at float `offset` of the shard: `values` after the push's rule, and the
  // averages before the push, become those after it. None of the three overlaps another.
  void apply(std::span<float> values, std::span<const float> old_averages,
             std::span<float> averages, size_t offset) const noexcept;

 private:
  OptimizerSpec optimizer_;
  std::vector<ParameterRange> untrained_;
  size_t shard_offset_;
  optim::StepFactors factors_;  // of the push that was begun
};

}  // namespace sluice::algorithm
