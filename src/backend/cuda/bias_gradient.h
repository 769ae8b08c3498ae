// What convolutions and dense layers do first in their backward pass: the derivative of the
// activation behind them, unless their consumer has applied it, and the bias' gradient.
#pragma once

#include <optional>

#include "backend/cuda/operation.h"

namespace sluice::backend::cuda {

class BiasGradient {
 public:
  // y [rows, columns]; `bias` [columns].
  BiasGradient(const Build& build, const Value& y, Activation activation, int64_t rows,
               int64_t columns, const std::optional<ParameterSlice>& bias);

  // Only the derivative: for products of cuBLASLt that add up the bias' gradient themselves.
  void differentiate_only() const;
  // Both, in one pass over y's gradient.
  void run() const;

 private:
  // The activation, or linear where y's consumer has applied its derivative.
  Activation left_to_do() const;

  const Context& context_;
  const Value& y_;
  const Activation activation_;
  const int64_t rows_, columns_;
  float* sums_ = nullptr;  // nullptr without bias
  Buffer* partial_ = nullptr;
  DeviceArray<unsigned> counters_;
};

}  // namespace sluice::backend::cuda
