// Keras' accuracy of a row, written once for every device: whether its target is met, binary for
// one output, otherwise by the first largest.
#pragma once

#include <math.h>

#include <cstdint>

#include "backend/activation.h"
#include "backend/loss_rows.h"

namespace sluice::backend::accuracy_rows {

// z [K]: what the last layer computed; of softmax and sigmoid, where `activation` is one of these,
// its inputs. Lanes: backend/loss_rows.h, with first_largest() of backend/metric_rows.h.
template <typename Lanes>
SLUICE_ON_DEVICE bool is_met(const Lanes& lanes, const Activation& activation, int64_t outputs,
                             const float* z, const loss_rows::Target& target) {
  const bool softmax = activation.kind == Activation::kSoftmax;
  const auto output = [&](int64_t j) {
    return activation.kind == Activation::kSigmoid ? loss_rows::sigmoid(z[j]) : z[j];
  };
  if (outputs == 1) {
    const float wanted =
        target.values != nullptr ? target.values[0] : static_cast<float>(target.number);
    const bool predicted = softmax ? isfinite(z[0]) : output(0) > 0.5f;  // softmax of one is 1
    return wanted == (predicted ? 1.0f : 0.0f);
  }
  const int64_t wanted =
      target.values != nullptr
          ? lanes.first_largest(outputs, [&](int64_t j) { return target.values[j]; })
          : target.number;
  const int64_t largest = lanes.first_largest(outputs, output);
  if (!softmax) return largest == wanted;
  // One NaN or infinity among the logits makes every probability NaN, and class 0 the first.
  const bool is_nan = isnan(lanes.sum(outputs, [&](int64_t j) { return z[j] - z[largest]; }));
  return (is_nan ? 0 : largest) == wanted;
}

}  // namespace sluice::backend::accuracy_rows
