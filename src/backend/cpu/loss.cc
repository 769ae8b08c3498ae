#include "backend/cpu/loss.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "backend/validate.h"

namespace sluice::backend::cpu {
namespace {

using Row = Eigen::Map<Eigen::ArrayXf>;
using ConstRow = Eigen::Map<const Eigen::ArrayXf>;

constexpr float kEpsilon = 1e-7f;

// The target of one sample: y [K], or a class number k that stands for y_j = (j == k).
class Target {
 public:
  Target(const LossOptions& options, const float* y, int64_t n)
      : outputs_(options.outputs),
        sparse_(options.loss == Loss::kSparseCategoricalCrossentropy),
        values_(sparse_ ? nullptr : y + n * outputs_, sparse_ ? 0 : outputs_),
        class_(sparse_ ? class_number(y[n], outputs_) : -1) {}

  // sum_k y_k x_k
  template <typename Expression>
  double dot(const Expression& x) const {
    if (sparse_) return class_ < outputs_ ? x.coeff(class_) : 0.0f;
    return (values_ * x).template cast<double>().sum();
  }

  double mass() const { return dot(Row::Ones(outputs_)); }

  // to += factor y x
  template <typename Expression>
  void add_product(float factor, const Expression& x, Row& to) const {
    if (!sparse_) {
      to += factor * values_ * x;
    } else if (class_ < outputs_) {
      to[class_] += factor * x.coeff(class_);
    }
  }

  const ConstRow& values() const { return values_; }  // only of a target [K]

  // Keras' accuracy: binary for one output, otherwise by the first largest.
  bool is_met_by(const ConstRow& z) const {
    if (z.size() == 1) {
      const float target = sparse_ ? static_cast<float>(class_) : values_[0];
      return target == (z[0] > 0.5f ? 1.0f : 0.0f);
    }
    return first_largest(z) == (sparse_ ? class_ : first_largest(values_));
  }

 private:
  static Eigen::Index first_largest(const ConstRow& row) {
    return std::max_element(row.data(), row.data() + row.size()) - row.data();
  }

  const int64_t outputs_;
  const bool sparse_;
  const ConstRow values_;
  const int64_t class_;
};

// Losses of one sample: z [K], its target, and where the gradient of scale * loss goes [K], which
// is empty when nobody wants it.

// mean_k (z_k - y_k)^2
double squared_error(const ConstRow& z, const Target& target, float scale, Row& gradient) {
  const auto error = z - target.values();
  const auto outputs = static_cast<float>(z.size());
  if (gradient.size() > 0) gradient = 2 * scale / outputs * error;
  return error.cast<double>().square().sum() / outputs;
}

// -sum_k y_k log softmax(z)_k, with gradient (sum y) softmax(z) - y.
double crossentropy_of_logits(const ConstRow& z, const Target& target, float scale, Row& gradient) {
  const auto shifted = z - z.maxCoeff();
  const float sum = shifted.exp().sum();
  if (gradient.size() > 0) {
    gradient = scale * static_cast<float>(target.mass()) / sum * shifted.exp();
    target.add_product(-scale, Row::Ones(z.size()), gradient);
  }
  return target.mass() * std::log(static_cast<double>(sum)) - target.dot(shifted);
}

// -sum_k y_k log clip(q_k) with q = z / sum z. Where the clip cuts, no gradient passes.
double crossentropy_of_probabilities(const ConstRow& z, const Target& target, float scale,
                                     Row& gradient) {
  const float sum = z.sum();
  const auto q = z / sum;
  const auto clipped = q.max(kEpsilon).min(1.0f - kEpsilon);
  if (gradient.size() > 0) {
    // dloss/dq = -y / q, so dloss/dz_j = (-y_j / q_j + sum_k y_k) / sum, over what is not cut.
    const auto passes = (q == clipped).cast<float>();
    gradient = static_cast<float>(scale * target.dot(passes)) / sum;
    target.add_product(-scale / sum, passes / clipped, gradient);
  }
  return -target.dot(clipped.log());
}

}  // namespace

StepMetrics compute_loss(const LossOptions& options, int64_t batch, const float* z, const float* y,
                         float* gradient) {
  const int64_t outputs = options.outputs;
  const bool logits = options.input == LossOptions::Input::kLogits;
  StepMetrics metrics;
  metrics.samples = batch;
  const float scale = 1.0f / static_cast<float>(batch);
  for (int64_t n = 0; n < batch; ++n) {
    const Target target(options, y, n);
    const ConstRow sample(z + n * outputs, outputs);
    Row sample_gradient(gradient == nullptr ? nullptr : gradient + n * outputs,
                        gradient == nullptr ? 0 : outputs);
    if (options.loss == Loss::kMeanSquaredError) {
      metrics.loss_sum += squared_error(sample, target, scale, sample_gradient);
    } else if (logits) {
      metrics.loss_sum += crossentropy_of_logits(sample, target, scale, sample_gradient);
    } else {
      metrics.loss_sum += crossentropy_of_probabilities(sample, target, scale, sample_gradient);
    }
    const float certain = 1.0f;  // the softmax of a single logit
    metrics.correct += target.is_met_by(logits && outputs == 1 ? ConstRow(&certain, 1) : sample);
  }
  return metrics;
}

}  // namespace sluice::backend::cpu
