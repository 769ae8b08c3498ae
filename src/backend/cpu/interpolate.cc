// Interpolation along one axis: sums of rows of what lies behind the axis.
#include <algorithm>
#include <vector>

#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "backend/interpolation.h"
#include "core/simd.h"

namespace sluice::backend::cpu {
namespace {

SLUICE_SIMD void mix(int64_t n, float low_weight, const float* low, float high_weight,
                     const float* high, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = low_weight * low[i] + high_weight * high[i];
}
SLUICE_SIMD void add_scaled(int64_t n, float factor, const float* from, float* to) {
  for (int64_t i = 0; i < n; ++i) to[i] += factor * from[i];
}

class Interpolate final : public Kernel {
 public:
  Interpolate(const Build& build, const InterpolateOp& op)
      : threads_(build.device.threads),
        x_(build.x()),
        y_(build.y()),
        shape_(interpolation_of(op, build.batch, x_.shape, x_.layout)),
        weights_(interpolation_weights(op, shape_)) {}

  void forward(Mode, uint64_t) override {
    const int64_t inner = shape_.inner, out = shape_.n * shape_.factor;
    parallel_for(threads_, shape_.outer * out, 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const float* x = x_.data->data + row / out * shape_.n * inner;
        add_up_taps(row % out, x, y_.data->data + row * inner);
      }
    });
  }

  void backward(uint64_t) override {
    if (x_.gradient == nullptr) return;
    parallel_for(threads_, shape_.outer * shape_.n, 1, [this](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        add_up(row % shape_.n,
               y_.gradient->data + row / shape_.n * shape_.n * shape_.factor * shape_.inner,
               x_.gradient->data + row * shape_.inner);
      }
    });
  }

 private:
  // Element o, of its elements of x: the first two at once, which are all where it is linear.
  void add_up_taps(int64_t o, const float* x, float* y) const {
    const int64_t first = shape_.first(o / shape_.factor, o % shape_.factor);
    const int64_t begin = std::max<int64_t>(-first, 0);
    const int64_t end = std::min(shape_.taps(), shape_.n - first);
    const float* const weights = weights_of(o);
    const float* const low = x + (first + begin) * shape_.inner;
    if (end - begin == 1) {  // whose weight is 1
      std::copy_n(low, shape_.inner, y);
      return;
    }
    mix(shape_.inner, weights[begin], low, weights[begin + 1], low + shape_.inner, y);
    for (int64_t tap = begin + 2; tap < end; ++tap) {
      add_scaled(shape_.inner, weights[tap], x + (first + tap) * shape_.inner, y);
    }
  }

  // The gradient of element i: of all that it has a part in.
  void add_up(int64_t i, const float* dy, float* dx) const {
    std::fill_n(dx, shape_.inner, 0.0f);
    for (int64_t q = shape_.begin_of(i); q < shape_.end_of(i); ++q) {
      for (int64_t p = 0; p < shape_.factor; ++p) {
        const int64_t tap = i - shape_.first(q, p), o = q * shape_.factor + p;
        const float weight = tap >= 0 && tap < shape_.taps() ? weights_of(o)[tap] : 0.0f;
        if (weight != 0) add_scaled(shape_.inner, weight, dy + o * shape_.inner, dx);
      }
    }
  }

  const float* weights_of(int64_t o) const { return weights_.data() + o * shape_.taps(); }

  const int threads_;
  const Value& x_;
  const Value& y_;
  const Interpolation shape_;
  const std::vector<float> weights_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const InterpolateOp& op) {
  return std::make_unique<Interpolate>(build, op);
}

}  // namespace sluice::backend::cpu
