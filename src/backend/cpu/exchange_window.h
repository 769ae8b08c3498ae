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
  void begin(std::span<const float> parameters) { begin(parameters, {}); }
  // After a step. Does nothing before the first window has begun.
  void add_gradients(std::span<const float> gradients);
  // As Replica::start_update() and adopt(): a centre that the parameters have become is the anchor.
  void update(const UpdateSpec& spec, std::span<const float> parameters, std::span<float> update);
  void adopt(std::span<const float> centre, OwnUpdate own, float rate, std::span<float> parameters);

 private:
  // `same`: has the parameters' values until the window's update; or is empty.
  void begin(std::span<const float> parameters, std::span<const float> same);
  bool has_begun() const { return anchor_.data() != nullptr || sum_.size() > 0; }

  const size_t size_;
  const std::vector<ParameterSlice> untrained_;
  const bool sums_gradients_;
  std::vector<float> untrained_anchor_;  // of one slice after another
  std::span<const float> anchor_;        // where no gradients are summed up: copy_, or a centre
  core::AlignedBuffer copy_;             // made when it is needed
  core::AlignedBuffer sum_;              // of gradients; made when the first window begins
  bool summed_ = false;                  // it holds at least one
  std::span<const float> last_update_;   // lent; adopt() adds it to a centre that does not have it
};

}  // namespace sluice::backend::cpu
