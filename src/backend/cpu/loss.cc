#include "backend/cpu/loss.h"

#include <algorithm>
#include <cmath>

#include "backend/batch_losses.h"
#include "backend/cpu/batch_loss.h"
#include "backend/cpu/first_largest.h"
#include "backend/cpu/lanes.h"
#include "backend/loss_rows.h"
#include "backend/validate.h"
#include "loss/traits.h"

namespace sluice::backend::cpu {
namespace {

using loss_rows::Target;
using loss_rows::TargetLayout;

// One NaN or infinity among the logits makes every probability NaN.
bool softmax_is_nan(int64_t size, const float* z, int64_t largest) {
  return (ConstRow(z, size) - z[largest]).isNaN().any();
}

// Keras' accuracy: binary for one output, otherwise by the first largest.
bool is_met(const LossOptions& options, const float* z, const Target& target) {
  const int64_t size = options.outputs;
  const auto output = [&](int64_t j) {
    return options.activation == Activation::kSigmoid ? loss_rows::sigmoid(z[j]) : z[j];
  };
  const bool softmax = options.activation == Activation::kSoftmax;
  if (size == 1) {
    const float wanted =
        target.values != nullptr ? target.values[0] : static_cast<float>(target.number);
    const bool predicted = softmax ? std::isfinite(z[0]) : output(0) > 0.5f;  // softmax of one is 1
    return wanted == (predicted ? 1.0f : 0.0f);
  }
  int64_t predicted = first_largest(size, output);
  if (softmax && softmax_is_nan(size, z, predicted)) predicted = 0;
  return predicted == (target.values == nullptr
                           ? target.number
                           : first_largest(size, [&](int64_t j) { return target.values[j]; }));
}

bool is_ignored(const LossSpec& loss, float label) {
  const auto* sparse = std::get_if<SparseCategoricalCrossentropy>(&loss.loss);
  return sparse != nullptr && sparse->ignore_class &&
         label == static_cast<float>(*sparse->ignore_class);
}

}  // namespace

LossSums compute_loss(const LossOptions& options, int64_t rows, const float* z, const float* y,
                      float* gradient, float* scratch) {
  const int64_t outputs = options.outputs;
  const bool by_class = loss::traits_of(options.loss).class_target == loss::ClassTarget::kNumber;
  const LossSpec spec =
      options.activation == Activation::kLinear ? options.loss : loss::of_logits(options.loss);
  const TargetLayout layout(options.positions, by_class ? 1 : outputs, options.weighted);
  if (batch_losses::is_of_batch(spec)) {
    LossSums sums{
        .samples = rows,
        .loss_sum = static_cast<double>(rows) * batch_loss(options, rows, z, y, gradient, scratch)};
    for (int64_t n = 0; n < rows; ++n) {
      const float* const row = y + layout.target(n);
      const Target target =
          by_class ? Target{nullptr, static_cast<int64_t>(*row)} : Target{row, -1};
      sums.correct += is_met(options, z + n * outputs, target) ? 1 : 0;
    }
    return sums;
  }
  int64_t counted = 0;  // rows that have a loss
  for (int64_t n = 0; n < rows; ++n) {
    counted += by_class && is_ignored(spec, y[layout.target(n)]) ? 0 : 1;
  }
  counted = std::max<int64_t>(counted, 1);
  const float scale = options.weight / static_cast<float>(counted);
  LossSums metrics;
  metrics.samples = rows;
  for (int64_t n = 0; n < rows; ++n, z += outputs) {
    const float* const row = y + layout.target(n);
    float* const row_gradient = gradient == nullptr ? nullptr : gradient + n * outputs;
    if (by_class && is_ignored(spec, *row)) {
      if (gradient != nullptr) std::fill_n(row_gradient, outputs, 0.0f);
      metrics.correct += is_met(options, z, {nullptr, static_cast<int64_t>(*row)}) ? 1 : 0;
      continue;
    }
    const Target target = by_class ? Target{nullptr, class_number(*row, outputs)} : Target{row, -1};
    const float weight = options.weighted ? y[layout.weight(n)] : 1.0f;
    metrics.loss_sum +=
        weight * std::visit(
                     [&]<typename Loss>(const Loss& loss) {
                       if constexpr (batch_losses::kOfBatch<Loss>) {
                         return 0.0f;
                       } else {
                         return loss_rows::loss_of_row(loss, Lanes(), outputs, z, target,
                                                       scale * weight, row_gradient);
                       }
                     },
                     spec.loss);
    metrics.correct += is_met(options, z, target) ? 1 : 0;
  }
  metrics.loss_sum *= static_cast<double>(rows) / static_cast<double>(counted);
  return metrics;
}

}  // namespace sluice::backend::cpu
