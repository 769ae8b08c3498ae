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
  // `size`: of the parameters, some of which are state. `sums_gradients`: the replica has no
  // optimizer.
  ExchangeWindow(size_t size, std::vector<ParameterSlice> state, bool sums_gradients)
      : size_(size), state_(std::move(state)), sums_gradients_(sums_gradients) {}

  // The parameters as they are become the anchor, and the sum of gradients begins at zero.
  void begin(std::span<const float> parameters);
  // After a step. Does nothing before the first window has begun.
  void add_gradients(std::span<const float> gradients);
  // update = scale (parameters - anchor), or, but for state, scale times the sum of the gradients.
  void update(const UpdateScale& scale, std::span<const float> parameters, std::span<float> update);
  // Writes the parameters and begins a window.
  void adopt(std::span<const float> centre, OwnUpdate own, std::span<float> parameters);

 private:
  void need_memory();

  const size_t size_;
  const std::vector<ParameterSlice> state_;
  const bool sums_gradients_;
  std::vector<float> state_anchor_;  // of one piece of state after another
  core::AlignedBuffer start_;  // the anchor, or the sum of gradients; made when a window begins
  bool summed_ = false;        // start_ holds at least one gradient
  std::span<const float> last_update_;  // lent; adopt() adds it to a centre that does not have it
};

}  // namespace sluice::backend::cpu
