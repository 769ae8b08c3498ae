#include "algorithm/moving_average.h"

#include <cstring>
#include <utility>

#include "optim/optimizer.h"
#include "optim/update.h"

namespace sluice::algorithm {
namespace {

const OptimizerSpec& valid(const OptimizerSpec& optimizer) {
  optim::validate(optimizer);
  return optimizer;
}

}  // namespace

MovingAverage::MovingAverage(const OptimizerSpec& optimizer, std::vector<ParameterRange> untrained,
                             size_t shard_offset)
    : optimizer_(valid(optimizer)), untrained_(std::move(untrained)), shard_offset_(shard_offset) {}

void MovingAverage::begin(const PushContext& context) noexcept {
  factors_ = optim::average_factors_of(optimizer_, context.steps_before, context.steps);
}

// As the optimizer's: the block is copied, which then is in the cache, and the copy is stepped.
void MovingAverage::apply(std::span<float> values, std::span<const float> old_averages,
                          std::span<float> averages, size_t offset) const noexcept {
  const auto average = [&](size_t at, size_t n) {
    std::memcpy(&averages[at], &old_averages[at], n * sizeof(float));
    optim::update_averages(factors_, n, &values[at], &averages[at]);
  };
  const auto copy = [&](size_t at, size_t n) {
    std::memcpy(&averages[at], &values[at], n * sizeof(float));
  };
  optim::for_each_piece(untrained_, shard_offset_ + offset, values.size(), average, copy);
}

}  // namespace sluice::algorithm
