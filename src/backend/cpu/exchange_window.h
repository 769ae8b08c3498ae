// What Replica's window functions compute on the CPU (backend/replica.h). Each call makes one pass
// over the parameters.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "backend/graph.h"
#include "backend/replica.h"
#include "core/aligned_buffer.h"

namespace sluice::backend::cpu {

class ExchangeWindow {
 public:
  // `size`: of the parameters, some of which are `untrained`: state or frozen, in order and apart.
  // `sums_gradients`: the replica has no optimizer.
  ExchangeWindow(size_t size, std::vector<ParameterSlice> untrained, bool sums_gradients)
      : size_(size), untrained_(std::move(untrained)), sums_gradients_(sums_gradients) {}

  // The parameters as they are become the anchor, and the sum of gradients begins at zero.
  void begin(std::span<const float> parameters);
  // After a step. Does nothing before the first window has begun.
  void add_gradients(std::span<const float> gradients);
  // As Replica::start_update() and adopt().
  void update(const UpdateSpec& spec, std::span<const float> parameters, std::span<float> update);
  void adopt(std::span<const float> centre, OwnUpdate own, float rate, std::span<float> parameters);

 private:
  void need_memory();

  const size_t size_;
  const std::vector<ParameterSlice> untrained_;
  const bool sums_gradients_;
  std::vector<float> untrained_anchor_;  // of one slice after another
  core::AlignedBuffer start_;  // the anchor, or the sum of gradients; made when a window begins
  bool summed_ = false;        // start_ holds at least one gradient
  std::span<const float> last_update_;  // lent; adopt() adds it to a centre that does not have it
};

}  // namespace sluice::backend::cpu
