// What convolutions and dense layers do first in their backward pass: the derivative of the
// activation behind them, unless their consumer has applied it, and the bias' gradient.
#pragma once

#include <optional>

#include "backend/cuda/operation.h"
#include "backend/cuda/parameter_gradient.h"

namespace sluice::backend::cuda {

class BiasGradient {
 public:
  // Of the step's y [rows, columns], and its second parameter [columns] where it `has_bias`.
  BiasGradient(const Build& build, int64_t rows, int64_t columns, bool has_bias);

  // On the main lane, where there is a derivative to apply: y's gradient is what the kernel and the
  // input gradient start from. The bias' comes in the same pass.
  void differentiate() const;
  // On the side lane, behind a fork, where there was none: nobody waits for the bias' gradient.
  void sum() const;

 private:
  void run(const Lane& lane) const;
  // The activation, or linear where y's consumer has applied its derivative.
  Activation left_to_do() const;

  const Context& context_;
  const Value& y_;
  const Activation activation_;
  const int64_t rows_, columns_;
  std::optional<ParameterGradient> sums_;  // unless nobody needs them
  Buffer* partial_ = nullptr;
  DeviceArray<unsigned> counters_;
};

}  // namespace sluice::backend::cuda
