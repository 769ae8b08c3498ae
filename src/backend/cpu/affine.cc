// y = (x - center) scale + offset, with numbers that repeat along the last axes: given ones, or
// what means and variances among the parameters come to.
#include <algorithm>
#include <cmath>

#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "core/simd.h"

namespace sluice::backend::cpu {
namespace {

SLUICE_SIMD void transform(int64_t n, const float* center, const float* scale, const float* offset,
                           const float* x, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - center[i]) * scale[i] + offset[i];
}
SLUICE_SIMD void multiply(int64_t n, const float* scale, const float* dy, float* dx) {
  for (int64_t i = 0; i < n; ++i) dx[i] = dy[i] * scale[i];
}

class Affine : public Kernel {
 public:
  Affine(const Build& build, const AffineOp& op)
      : threads_(build.device.threads),
        x_(build.x()),
        y_(build.y()),
        size_(build.batch * y_.shape.size()) {
    set(op);
  }

  void forward(Mode, uint64_t) override {
    for_each_row([this](int64_t at, int64_t column, int64_t n) {
      transform(n, center_.data() + column, scale_.data() + column, offset_.data() + column,
                x_.data->data + at, y_.data->data + at);
    });
  }

  void backward(uint64_t) override {
    if (x_.gradient == nullptr) return;
    for_each_row([this](int64_t at, int64_t column, int64_t n) {
      multiply(n, scale_.data() + column, y_.gradient->data + at, x_.gradient->data + at);
    });
  }

 protected:
  void set(const AffineOp& op) {
    center_ = repeated(op.center);
    scale_ = repeated(op.scale);
    offset_ = repeated(op.offset);
  }

 private:
  // So often that a loop over them is worth its start.
  static std::vector<float> repeated(const std::vector<float>& values) {
    constexpr size_t kRow = 256;
    std::vector<float> row;
    do {
      row.insert(row.end(), values.begin(), values.end());
    } while (row.size() < kRow);
    return row;
  }

  // Calls body(first element, its column, count).
  template <typename Body>
  void for_each_row(const Body& body) const {
    const auto columns = static_cast<int64_t>(scale_.size());
    parallel_for(threads_, size_, kChannelBlock, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end;) {
        const int64_t column = i % columns, n = std::min(columns - column, end - i);
        body(i, column, n);
        i += n;
      }
    });
  }

  const int threads_;
  const Value& x_;
  const Value& y_;
  const int64_t size_;
  std::vector<float> center_, scale_, offset_;
};

class Standardize final : public Affine {
 public:
  Standardize(const Build& build, const StandardizeOp& op)
      : Affine(build, factors(build.parameters, op)), parameters_(build.parameters), op_(op) {}

  void forward(Mode mode, uint64_t step) override {
    if (version_ != parameters_.version()) set(factors(parameters_, op_));
    version_ = parameters_.version();
    Affine::forward(mode, step);
  }

 private:
  static AffineOp factors(ParameterStore& parameters, const StandardizeOp& op) {
    const size_t count = op.mean.size;
    const float* mean = parameters.values_of(op.mean);
    const float* variance = parameters.values_of(op.variance);
    const std::vector<float> zeros(count, 0.0f);
    AffineOp affine{zeros, zeros, zeros};
    std::copy_n(mean, count, op.invert ? affine.offset.begin() : affine.center.begin());
    for (size_t i = 0; i < count; ++i) {
      const float deviation = std::max(std::sqrt(variance[i]), 1e-7f);
      affine.scale[i] = op.invert ? deviation : 1.0f / deviation;
    }
    return affine;
  }

  ParameterStore& parameters_;
  const StandardizeOp& op_;
  uint64_t version_ = 0;  // of the parameters that the factors are from
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const AffineOp& op) {
  return std::make_unique<Affine>(build, op);
}

std::unique_ptr<Kernel> make_kernel(const Build& build, const StandardizeOp& op) {
  return std::make_unique<Standardize>(build, op);
}

}  // namespace sluice::backend::cpu
