#include "backend/cpu/loss.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>

#include "backend/cpu/first_largest.h"
#include "backend/loss_rows.h"
#include "backend/validate.h"
#include "loss/traits.h"

namespace sluice::backend::cpu {
namespace {

using loss_rows::Target;
using loss_rows::TargetLayout;
using Row = Eigen::Map<Eigen::ArrayXf>;
using ConstRow = Eigen::Map<const Eigen::ArrayXf>;

// One thread has all of a row, and adds up in double; exponentials, which cost most, are Eigen's.
struct Lanes {
  template <typename Number>
  double sum(int64_t size, const Number& number) const {
    double sum = 0;
    for (int64_t j = 0; j < size; ++j) sum += number(j);
    return sum;
  }
  template <typename Number>
  float max(int64_t size, const Number& number) const {
    float most = -std::numeric_limits<float>::infinity();
    for (int64_t j = 0; j < size; ++j) most = std::fmax(most, number(j));
    return most;
  }
  template <typename Use>
  void each(int64_t size, const Use& use) const {
    for (int64_t j = 0; j < size; ++j) use(j);
  }
  float sum_exp(int64_t size, const float* z, float most) const {
    return (ConstRow(z, size) - most).exp().sum();
  }
  void put_exp(int64_t size, float factor, const float* z, float most, float* to) const {
    Row(to, size) = factor * (ConstRow(z, size) - most).exp();
  }
};

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
                      float* gradient) {
  const int64_t outputs = options.outputs;
  const bool by_class = std::holds_alternative<SparseCategoricalCrossentropy>(options.loss.loss);
  const LossSpec spec =
      options.activation == Activation::kLinear ? options.loss : loss::of_logits(options.loss);
  const TargetLayout layout(options.positions, by_class ? 1 : outputs, options.weighted);
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
                     [&](const auto& loss) {
                       return loss_rows::loss_of_row(loss, Lanes(), outputs, z, target,
                                                     scale * weight, row_gradient);
                     },
                     spec.loss);
    metrics.correct += is_met(options, z, target) ? 1 : 0;
  }
  metrics.loss_sum *= static_cast<double>(rows) / static_cast<double>(counted);
  return metrics;
}

}  // namespace sluice::backend::cpu
