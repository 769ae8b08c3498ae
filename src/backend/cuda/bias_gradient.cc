#include "backend/cuda/bias_gradient.h"

namespace sluice::backend::cuda {

BiasGradient::BiasGradient(const Build& build, int64_t rows, int64_t columns, bool has_bias)
    : context_(build.context),
      y_(build.y()),
      activation_(build.step.activation),
      rows_(rows),
      columns_(columns) {
  if (!has_bias || !build.has_backward()) return;
  sums_.emplace(build, 1);
  if (!sums_->is_wanted()) {
    sums_.reset();
    return;
  }
  partial_ =
      build.memory.add(column_sums_partials(columns), build.backward_time, build.backward_time);
  counters_ = DeviceArray<unsigned>(*context_.device, column_sums_counters(columns));
}

Activation BiasGradient::left_to_do() const {
  return y_.is_differentiated ? Activation::kLinear : activation_;
}

void BiasGradient::differentiate() const {
  if (left_to_do() != Activation::kLinear) run(context_.main);
}

void BiasGradient::sum() const {
  if (left_to_do() == Activation::kLinear) run(context_.side);
}

void BiasGradient::run(const Lane& lane) const {
  const Activation activation = left_to_do();
  cudaStream_t stream = lane.stream.get();
  void* const dy = y_.gradient->data;
  if (sums_) {
    differentiate_and_sum(activation, y_.type, rows_, columns_, y_.data->data, dy, sums_->data(),
                          {partial_->data, counters_.data()}, stream);
    sums_->done(stream);
  } else if (activation != Activation::kLinear) {
    cuda::differentiate(activation, y_.type, rows_ * columns_, y_.data->data, dy, dy, stream);
  }
}

}  // namespace sluice::backend::cuda
