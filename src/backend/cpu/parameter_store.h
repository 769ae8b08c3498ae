// A replica's parameters and gradients, each in one arena in Keras' layout, and its optimizer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "backend/cpu/norm_clip.h"
#include "backend/cpu/weight_rules.h"
#include "backend/graph.h"
#include "backend/replica.h"
#include "core/aligned_buffer.h"
#include "optim/optimizer.h"

namespace sluice::backend::cpu {

class ParameterStore {
 public:
  // `size` floats; no gradients and no optimizer for inference. `trained`: the parameters that a
  // step gives gradients of.
  ParameterStore(size_t size, const ReplicaOptions& options, std::vector<ParameterSlice> trained,
                 std::vector<WeightRule> rules = {});

  std::span<float> values() { return values_.span(); }
  std::span<const float> gradients() const { return gradients_.span(); }
  float* values_of(const ParameterSlice& slice) { return values_.data() + slice.offset; }
  float* gradients_of(const ParameterSlice& slice) { return gradients_.data() + slice.offset; }

  // Changes whenever the values do; kernels that keep reordered copies compare it.
  uint64_t version() const { return version_; }
  void values_changed() { ++version_; }

  bool has_optimizer() const { return optimizer_.has_value(); }
  // Whether gradients are used up one by one, while they are in the cache: always but where the
  // optimizer needs the norms of all first.
  bool steps_at_once() const { return has_optimizer() && !clip_.is_needed(); }
  // Whether pieces of this parameter's gradient may be given to apply().
  bool steps_in_pieces(const ParameterSlice& slice) const {
    return steps_at_once() && !rules_.has(slice);
  }
  // What all penalties of the parameters add to the loss.
  double penalty() { return rules_.penalty(values_.data()); }
  // Counts a step, on which what the optimizer does depends. Before the first gradient of it.
  void begin_step();
  // Adds to the slice's gradient what another op with the same parameter has.
  void add_to_gradient(const ParameterSlice& slice, const float* gradient);
  // The slice's gradient is complete and nobody reads its values any more in this step, so that an
  // optimizer may step them at once, while they are in the cache.
  void gradient_complete(const ParameterSlice& slice);
  // The same for the floats [offset, offset + gradients.size()) of the arena, whose gradients lie
  // elsewhere. Safe to call at once for disjoint ranges. Only of what steps in pieces.
  void apply(size_t offset, std::span<const float> gradients);
  // All gradients are complete: what did not step at once does now.
  void end_step();

  // Clips gradients that lie like the parameters, as ReplicaOptions say.
  void clip(std::span<float> gradients) {
    if (clip_.is_needed()) clip_.clip(gradients);
  }
  // See Replica.
  void adopt_averages();
  optim::OptimizerState optimizer_state() const { return optimizer_.value().state(); }
  void restore_optimizer(const optim::OptimizerState& state) { optimizer_.value().restore(state); }
  void set_learning_rate(float rate) { optimizer_.value().set_learning_rate(rate); }

 private:
  void step(const ParameterSlice& slice);

  core::AlignedBuffer values_;
  core::AlignedBuffer gradients_;
  std::optional<optim::Optimizer> optimizer_;
  NormClipper clip_;
  WeightRules rules_;
  int threads_;
  uint64_t version_ = 1;
};

}  // namespace sluice::backend::cpu
