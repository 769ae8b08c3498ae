#include "backend/cpu/loss.h"

#include <Eigen/Core>
#include <cmath>
#include <limits>

#include "backend/validate.h"

namespace sluice::backend::cpu {
namespace {

using Row = Eigen::Map<Eigen::ArrayXf>;
using ConstRow = Eigen::Map<const Eigen::ArrayXf>;

constexpr float kEpsilon = 1e-7f;

// The target of one row: y [K], or a class number k that stands for y_j = (j == k).
class Target {
 public:
  Target(const LossOptions& options, const float* y, int64_t n)
      : outputs_(options.outputs),
        sparse_(options.loss == Loss::kSparseCategoricalCrossentropy),
        values_(sparse_ ? nullptr : y + n * outputs_, sparse_ ? 0 : outputs_),
        class_(sparse_ ? class_number(y[n], outputs_) : -1) {}

  // sum_k y_k x_k, where 0 times -inf is 0: what has no part in the target costs nothing.
  template <typename Expression>
  double dot(const Expression& x) const {
    if (sparse_) return class_ < outputs_ ? x.coeff(class_) : 0.0f;
    return (values_ != 0.0f).select(values_ * x, 0.0f).template cast<double>().sum();
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
  bool is_met_by(const ConstRow& z, LossOptions::Input input) const {
    const bool logits = input == LossOptions::Input::kLogits;
    if (z.size() == 1) {
      const float target = sparse_ ? static_cast<float>(class_) : values_[0];
      const bool predicted = logits ? std::isfinite(z[0]) : z[0] > 0.5f;  // softmax of one is 1
      return target == (predicted ? 1.0f : 0.0f);
    }
    Eigen::Index predicted = first_largest(z);
    if (logits && softmax_is_nan(z, predicted)) predicted = 0;
    return predicted == (sparse_ ? class_ : first_largest(values_));
  }

 private:
  // As Keras' argmax on TensorFlow: NaN is passed over, and a row of nothing else is class 0.
  static Eigen::Index first_largest(const ConstRow& row) {
    Eigen::Index best = 0;
    float most = -std::numeric_limits<float>::infinity();
    for (Eigen::Index k = 0; k < row.size(); ++k) {
      if (row[k] > most) {
        most = row[k];
        best = k;
      }
    }
    return best;
  }

  // One NaN or infinity among the logits makes every probability NaN.
  static bool softmax_is_nan(const ConstRow& z, Eigen::Index largest) {
    return (z - z[largest]).isNaN().any();
  }

  const int64_t outputs_;
  const bool sparse_;
  const ConstRow values_;
  const int64_t class_;
};

// Losses of one row: z [K], its target, and where the gradient of scale * loss goes [K], which
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

StepMetrics compute_loss(const LossOptions& options, int64_t rows, const float* z, const float* y,
                         float* gradient) {
  const int64_t outputs = options.outputs;
  StepMetrics metrics;
  metrics.samples = rows;
  const float scale = 1.0f / static_cast<float>(rows);
  for (int64_t n = 0; n < rows; ++n) {
    const Target target(options, y, n);
    const ConstRow row(z + n * outputs, outputs);
    Row row_gradient(gradient == nullptr ? nullptr : gradient + n * outputs,
                     gradient == nullptr ? 0 : outputs);
    if (options.loss == Loss::kMeanSquaredError) {
      metrics.loss_sum += squared_error(row, target, scale, row_gradient);
    } else if (options.input == LossOptions::Input::kLogits) {
      metrics.loss_sum += crossentropy_of_logits(row, target, scale, row_gradient);
    } else {
      metrics.loss_sum += crossentropy_of_probabilities(row, target, scale, row_gradient);
    }
    metrics.correct += target.is_met_by(row, options.input) ? 1 : 0;
  }
  return metrics;
}

}  // namespace sluice::backend::cpu
