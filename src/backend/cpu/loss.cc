#include "backend/cpu/loss.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace sluice::backend::cpu {
namespace {

constexpr float kEpsilon = 1e-7f;

int64_t class_number(float label, int64_t classes) {
  const auto k = static_cast<int64_t>(label);
  if (!(label >= 0) || k >= classes) {
    throw std::invalid_argument("a target of class " + std::to_string(label) + " for a model of " +
                                std::to_string(classes) + " classes: class numbers count from 0");
  }
  return k;
}

// The target of one sample, [K] or a class number, behind one face.
class Target {
 public:
  Target(const LossOptions& options, const float* y, int64_t n) : outputs_(options.outputs) {
    if (options.loss == Loss::kSparseCategoricalCrossentropy) {
      // One output means a probability, and the class number is 0 or 1.
      class_ = class_number(y[n], std::max<int64_t>(outputs_, 2));
    } else {
      values_ = y + n * outputs_;
    }
  }

  float operator[](int64_t k) const {
    if (values_ != nullptr) return values_[k];
    return k == class_ ? 1.0f : 0.0f;
  }
  // Keras' accuracy: binary for one output, otherwise by the first largest.
  bool is_met_by(const float* z) const {
    if (outputs_ == 1) {
      const float target = values_ != nullptr ? values_[0] : static_cast<float>(class_);
      return target == (z[0] > 0.5f ? 1.0f : 0.0f);
    }
    const int64_t target =
        values_ != nullptr ? std::max_element(values_, values_ + outputs_) - values_ : class_;
    return std::max_element(z, z + outputs_) - z == target;
  }

 private:
  const int64_t outputs_;
  const float* values_ = nullptr;
  int64_t class_ = -1;
};

struct Sample {
  int64_t outputs;
  const float* z;
  float* gradient;  // of this sample's loss times `scale`, or nullptr
  float scale;
};

double squared_error(const Sample& s, const Target& target) {
  double sum = 0;
  const float factor = 2.0f * s.scale / static_cast<float>(s.outputs);
  for (int64_t k = 0; k < s.outputs; ++k) {
    const float error = s.z[k] - target[k];
    sum += static_cast<double>(error) * error;
    if (s.gradient != nullptr) s.gradient[k] = factor * error;
  }
  return sum / static_cast<double>(s.outputs);
}

// -sum_k y_k log softmax(z)_k, with gradient (sum y) softmax(z) - y.
double crossentropy_of_logits(const Sample& s, const Target& target) {
  const float largest = *std::max_element(s.z, s.z + s.outputs);
  double sum = 0, inner = 0, mass = 0;
  for (int64_t k = 0; k < s.outputs; ++k) {
    const float e = std::exp(s.z[k] - largest);
    if (s.gradient != nullptr) s.gradient[k] = e;
    sum += e;
    inner += static_cast<double>(target[k]) * (s.z[k] - largest);
    mass += target[k];
  }
  if (s.gradient != nullptr) {
    const auto factor = static_cast<float>(mass / sum);
    for (int64_t k = 0; k < s.outputs; ++k) {
      s.gradient[k] = s.scale * (s.gradient[k] * factor - target[k]);
    }
  }
  return mass * std::log(sum) - inner;
}

// -sum_k y_k log clip(q_k) with q = p / sum p. Where the clip cuts, no gradient passes.
double crossentropy_of_probabilities(const Sample& s, const Target& target) {
  float sum = 0;
  for (int64_t k = 0; k < s.outputs; ++k) sum += s.z[k];
  double loss = 0, inner = 0;  // inner = sum_k dloss/dq_k q_k
  for (int64_t k = 0; k < s.outputs; ++k) {
    const float q = s.z[k] / sum;
    const float clipped = std::clamp(q, kEpsilon, 1.0f - kEpsilon);
    const float y = target[k];
    if (y != 0) loss -= y * std::log(static_cast<double>(clipped));
    const float slope = q == clipped ? -y / q : 0.0f;
    inner += static_cast<double>(slope) * q;
    if (s.gradient != nullptr) s.gradient[k] = slope;
  }
  if (s.gradient != nullptr) {
    for (int64_t k = 0; k < s.outputs; ++k) {
      s.gradient[k] = s.scale * (s.gradient[k] - static_cast<float>(inner)) / sum;
    }
  }
  return loss;
}

}  // namespace

StepMetrics compute_loss(const LossOptions& options, int64_t batch, const float* z, const float* y,
                         float* gradient) {
  const int64_t outputs = options.outputs;
  const bool logits = options.input == LossOptions::Input::kLogits;
  StepMetrics metrics;
  metrics.samples = batch;
  for (int64_t n = 0; n < batch; ++n) {
    const Target target(options, y, n);
    const Sample sample{outputs, z + n * outputs,
                        gradient == nullptr ? nullptr : gradient + n * outputs,
                        1.0f / static_cast<float>(batch)};
    if (options.loss == Loss::kMeanSquaredError) {
      metrics.loss_sum += squared_error(sample, target);
    } else if (logits) {
      metrics.loss_sum += crossentropy_of_logits(sample, target);
    } else {
      metrics.loss_sum += crossentropy_of_probabilities(sample, target);
    }
    const float certain = 1.0f;  // the softmax of a single logit
    metrics.correct += target.is_met_by(logits && outputs == 1 ? &certain : sample.z);
  }
  return metrics;
}

}  // namespace sluice::backend::cpu
