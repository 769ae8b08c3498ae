#include "backend/cuda/bias_gradient.h"

namespace sluice::backend::cuda {

BiasGradient::BiasGradient(const Build& build, const Value& y, Activation activation, int64_t rows,
                           int64_t columns, const std::optional<ParameterSlice>& bias)
    : context_(build.context),
      y_(y),
      activation_(activation),
      rows_(rows),
      columns_(columns),
      sums_(bias ? build.parameters.gradients_of(*bias) : nullptr) {
  if (sums_ == nullptr || y.gradient == nullptr) return;
  partial_ =
      build.plan.add(column_sums_partials(columns), build.backward_time, build.backward_time);
  counters_ = DeviceArray<unsigned>(*context_.device, column_sums_counters(columns));
}

Activation BiasGradient::left_to_do() const {
  return y_.consumer_differentiates ? Activation::kLinear : activation_;
}

void BiasGradient::differentiate_only() const {
  const Activation activation = left_to_do();
  if (activation == Activation::kLinear) return;
  differentiate(activation, y_.type, rows_ * columns_, y_.data->data, y_.gradient->data,
                y_.gradient->data, context_.compute.get());
}

void BiasGradient::run() const {
  if (sums_ == nullptr) return differentiate_only();
  differentiate_and_sum(left_to_do(), y_.type, rows_, columns_, y_.data->data, y_.gradient->data,
                        sums_, {partial_->data, counters_.data()}, context_.compute.get());
}

}  // namespace sluice::backend::cuda
