// A replica's parameters on the device: values, gradients and the optimizer's slots, each in one
// arena.
//
// What a step trains comes first, so that the optimizer steps one piece, and then everything else.
// Each begins at a multiple of 128 elements, where cuBLASLt and cuDNN have their fastest kernels,
// and convolution kernels are stored as cuDNN wants them (see Segment in kernels.h). They are
// transposed when they are copied from or to the host, never in a step. The gaps between parameters
// are zeros, and stay so.
#pragma once

#include <optional>
#include <vector>

#include "backend/cuda/context.h"
#include "backend/cuda/kernels.h"
#include "backend/graph.h"
#include "backend/plan.h"
#include "sluice/optimizers.h"

namespace sluice::backend::cuda {

class Parameters {
 public:
  // In mixed_bfloat16 also with a copy of the values rounded to it; without gradients and optimizer
  // for inference.
  Parameters(const Graph& graph, const Plan& plan, const ReplicaOptions& options,
             const Context& context);

  size_t size() const { return values_.size(); }         // with the gaps
  size_t trained_size() const { return trained_size_; }  // likewise; of those with a gradient
  size_t keras_size() const { return keras_size_; }
  Segments segments() const;

  float* values() const { return values_.data(); }
  float* gradients() const { return gradients_.data(); }      // nullptr for inference
  void* bfloat16_values() const { return bfloat16_.data(); }  // nullptr without
  const void* values_of(const ParameterSlice& slice, Type type) const;
  float* state_of(const ParameterSlice& slice) const { return values() + place(slice); }
  // nullptr without.
  float* gradients_of(const ParameterSlice& slice) const {
    return gradients() == nullptr ? nullptr : gradients() + place(slice);
  }

  const std::optional<OptimizerSpec>& optimizer() const { return optimizer_; }
  // A slot of the optimizer, in optim::slots_of()'s order, laid out as values().
  float* slot(size_t index) const { return slots_[index].data(); }
  // The optimizer's step over the first `count` numbers on the device; `factors`: there as well.
  // Only with one.
  void step(size_t count, const optim::StepFactors* factors, cudaStream_t stream) const;
  // See kernels.h.
  void add_penalty(int64_t rows, StepState* state, cudaStream_t stream) const;
  void add_penalty_gradient(cudaStream_t stream) const;
  // Multiplies what lies like the trained gradients by what its norm, times `factor`, is clipped
  // by, as ReplicaOptions say.
  void clip(float factor, float* gradients, cudaStream_t stream) const;
  // Only with an optimizer that keeps averages and has stepped: the trained values become those.
  void adopt_averages(cudaStream_t stream) const;

 private:
  struct Places {
    std::vector<Segment> segments;  // in Keras' order
    size_t trained = 0, size = 0;   // numbers on the device
  };
  static Places places_of(const Graph& graph, const Plan& plan);
  Parameters(const Graph& graph, Places places, const ReplicaOptions& options,
             const Context& context);

  void prepare_clip(const Context& context);
  void prepare_decay(const std::vector<ParameterRange>& undecayed, const Context& context);
  void prepare_rules(const std::vector<WeightRule>& rules, const Context& context);
  DeviceRules rules() const;
  size_t place(const ParameterSlice& slice) const;

  const size_t keras_size_;
  const std::optional<OptimizerSpec> optimizer_;
  const std::vector<Segment> segments_;  // cover everything, in Keras' order
  const size_t trained_size_;
  DeviceArray<Segment> segment_table_;
  DeviceArray<float> values_, gradients_;
  DeviceArray<uint16_t> bfloat16_;
  std::vector<DeviceArray<float>> slots_;
  DeviceArray<uint8_t> undecayed_;
  optim::Rule rule_;
  optim::Preparation preparation_;
  OptimizerArena arena_;
  const optim::NormClip clip_;
  DeviceArray<NormBlock> norm_blocks_;
  DeviceArray<int> first_norm_blocks_;
  DeviceArray<double> squares_;
  DeviceArray<DeviceRule> rule_table_;
  DeviceArray<NormBlock> rule_blocks_;
  DeviceArray<double> rule_sums_;
  std::vector<DeviceArray<float>> directions_;  // memory of the orthogonality_
  std::vector<DeviceArray<double>> direction_sums_;
  std::vector<DeviceOrthogonality> orthogonality_;
  bool constrains_ = false;
};

}  // namespace sluice::backend::cuda
