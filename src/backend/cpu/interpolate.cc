// Linear interpolation along one axis: rows of what lies behind the axis are mixed.
#include <algorithm>
#include <cmath>

#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "backend/interpolation.h"
#include "core/simd.h"

namespace sluice::backend::cpu {
namespace {

SLUICE_SIMD void mix(int64_t n, float weight, const float* low, const float* high, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = (1.0f - weight) * low[i] + weight * high[i];
}
SLUICE_SIMD void add_scaled(int64_t n, float factor, const float* from, float* to) {
  for (int64_t i = 0; i < n; ++i) to[i] += factor * from[i];
}

// y[o] = (1 - weight) x[low] + weight x[high]
struct Mix {
  int64_t low, high;
  float weight;
};
Mix mix_of(const Interpolation& shape, int64_t o) {
  const float at = (static_cast<float>(o) + 0.5f) / static_cast<float>(shape.factor) - 0.5f;
  const float below = std::floor(at);
  const auto i = static_cast<int64_t>(below);
  return {std::max<int64_t>(i, 0), std::min(i + 1, shape.n - 1), at - below};
}

class Interpolate final : public Kernel {
 public:
  Interpolate(const Build& build, const InterpolateOp& op)
      : threads_(build.device.threads),
        x_(build.x()),
        y_(build.y()),
        shape_(interpolation_of(op, build.batch, x_.shape, x_.layout)) {}

  void forward(Mode, uint64_t) override {
    const int64_t inner = shape_.inner, out = shape_.n * shape_.factor;
    parallel_for(threads_, shape_.outer * out, 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const Mix from = mix_of(shape_, row % out);
        const float* x = x_.data->data + row / out * shape_.n * inner;
        mix(inner, from.weight, x + from.low * inner, x + from.high * inner,
            y_.data->data + row * inner);
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
  // The gradient of element i: of all that it was mixed into.
  void add_up(int64_t i, const float* dy, float* dx) const {
    std::fill_n(dx, shape_.inner, 0.0f);
    const int64_t first = std::max<int64_t>((i - 1) * shape_.factor, 0);
    const int64_t behind = std::min(i + 2, shape_.n) * shape_.factor;
    for (int64_t o = first; o < behind; ++o) {
      const Mix from = mix_of(shape_, o);
      const float factor =
          (from.low == i ? 1.0f - from.weight : 0.0f) + (from.high == i ? from.weight : 0.0f);
      if (factor != 0) add_scaled(shape_.inner, factor, dy + o * shape_.inner, dx);
    }
  }

  const int threads_;
  const Value& x_;
  const Value& y_;
  const Interpolation shape_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const InterpolateOp& op) {
  return std::make_unique<Interpolate>(build, op);
}

}  // namespace sluice::backend::cpu
