// Elementwise arithmetic on several inputs of one shape, type and layout, with an activation behind
// it.
#include <algorithm>

#include "backend/cpu/activation_loops.h"
#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "core/simd.h"

namespace sluice::backend::cpu {
namespace {

using Kind = MergeOp::Kind;

// --- y = a op b, where y may be a; NaN is passed on ---

SLUICE_SIMD void add(int64_t n, const float* a, const float* b, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}
SLUICE_SIMD void subtract(int64_t n, const float* a, const float* b, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] - b[i];
}
SLUICE_SIMD void multiply(int64_t n, const float* a, const float* b, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] * b[i];
}
SLUICE_SIMD void maximum(int64_t n, const float* a, const float* b, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = b[i] > a[i] || b[i] != b[i] ? b[i] : a[i];
}
SLUICE_SIMD void minimum(int64_t n, const float* a, const float* b, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = b[i] < a[i] || b[i] != b[i] ? b[i] : a[i];
}
SLUICE_SIMD void scale(int64_t n, float factor, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] *= factor;
}
// dx = 0 where an input before had the largest, or smallest, already.
SLUICE_SIMD void cut_where_equal(int64_t n, const float* earlier, const float* y, float* dx) {
  for (int64_t i = 0; i < n; ++i) dx[i] = earlier[i] == y[i] ? 0.0f : dx[i];
}
SLUICE_SIMD void cut_where_different(int64_t n, const float* x, const float* y, float* dx) {
  for (int64_t i = 0; i < n; ++i) dx[i] = x[i] == y[i] ? dx[i] : 0.0f;
}

void merge(Kind kind, int64_t n, const float* a, const float* b, float* y) {
  switch (kind) {
    case Kind::kAdd:
    case Kind::kAverage:
      return add(n, a, b, y);
    case Kind::kSubtract:
      return subtract(n, a, b, y);
    case Kind::kMultiply:
      return multiply(n, a, b, y);
    case Kind::kMaximum:
      return maximum(n, a, b, y);
    case Kind::kMinimum:
      return minimum(n, a, b, y);
  }
}

class Merge final : public Kernel {
 public:
  Merge(const Build& build, Kind kind)
      : threads_(build.device.threads),
        kind_(kind),
        activation_(build.step.activation),
        values_(build.values),
        size_(build.batch * build.y().shape.size()) {}

  void forward(Mode, uint64_t) override {
    in_pieces(threads_, size_, [this](int64_t begin, int64_t n) {
      float* y = values_.y.data->data + begin;
      const float* so_far = x(0) + begin;
      for (size_t i = 1; i < values_.x.size(); ++i) {
        merge(kind_, n, so_far, x(i) + begin, y);
        so_far = y;
      }
      if (so_far != y) std::copy_n(so_far, n, y);
      if (kind_ == Kind::kAverage) scale(n, 1.0f / static_cast<float>(values_.x.size()), y);
      if (activation_ != Activation::kLinear) activate(activation_, n, y);
    });
  }

  // The activation in the place of y's gradient, which inputs may share.
  void backward(uint64_t) override {
    const bool differentiates = activation_ != Activation::kLinear && !values_.y.is_differentiated;
    const bool writes =
        std::ranges::any_of(values_.x, [](const Value& x) { return x.gradient != nullptr; });
    if (!differentiates && !writes) return;
    in_pieces(threads_, size_, [&](int64_t begin, int64_t n) {
      if (differentiates) cpu::differentiate(activation_, values_.y, begin, begin + n);
      for (size_t i = 0; i < values_.x.size(); ++i) {
        if (values_.x[i].gradient != nullptr) differentiate(i, begin, n);
      }
    });
  }

 private:
  const float* x(size_t input) const { return values_.x[input].data->data; }

  // Of the elements from `begin` on.
  void differentiate(size_t input, int64_t begin, int64_t n) const {
    float* dx = values_.x[input].gradient->data + begin;
    const float* y = values_.y.data->data + begin;
    std::copy_n(values_.y.gradient->data + begin, n, dx);
    switch (kind_) {
      case Kind::kAdd:
        return;
      case Kind::kSubtract:
        if (input > 0) scale(n, -1, dx);
        return;
      case Kind::kAverage:
        return scale(n, 1.0f / static_cast<float>(values_.x.size()), dx);
      case Kind::kMultiply:
        for (size_t i = 0; i < values_.x.size(); ++i) {
          if (i != input) multiply(n, dx, x(i) + begin, dx);
        }
        return;
      case Kind::kMaximum:
      case Kind::kMinimum:
        for (size_t i = 0; i < input; ++i) cut_where_equal(n, x(i) + begin, y, dx);
        return cut_where_different(n, x(input) + begin, y, dx);
    }
  }

  const int threads_;
  const Kind kind_;
  const Activation activation_;
  const StepValues& values_;
  const int64_t size_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const MergeOp& op) {
  return std::make_unique<Merge>(build, op.kind);
}

}  // namespace sluice::backend::cpu
