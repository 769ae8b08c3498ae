// Elementwise arithmetic on several inputs of one shape, type and layout.
#include <algorithm>

#include "backend/cpu/elementwise.h"
#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "core/simd.h"

namespace sluice::backend::cpu {
namespace {

using Kind = MergeOp::Kind;

// --- y = y op x; NaN is passed on ---

SLUICE_SIMD void subtract(int64_t n, const float* x, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] -= x[i];
}
SLUICE_SIMD void multiply(int64_t n, const float* x, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] *= x[i];
}
SLUICE_SIMD void maximum(int64_t n, const float* x, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] > y[i] || x[i] != x[i] ? x[i] : y[i];
}
SLUICE_SIMD void minimum(int64_t n, const float* x, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] < y[i] || x[i] != x[i] ? x[i] : y[i];
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

void merge_into(Kind kind, int64_t n, const float* x, float* y) {
  switch (kind) {
    case Kind::kAdd:
    case Kind::kAverage:
      return add(n, x, y);
    case Kind::kSubtract:
      return subtract(n, x, y);
    case Kind::kMultiply:
      return multiply(n, x, y);
    case Kind::kMaximum:
      return maximum(n, x, y);
    case Kind::kMinimum:
      return minimum(n, x, y);
  }
}

class Merge final : public Kernel {
 public:
  Merge(const Build& build, Kind kind)
      : threads_(build.device.threads),
        kind_(kind),
        values_(build.values),
        size_(build.batch * build.y().shape.size()) {}

  void forward(Mode, uint64_t) override {
    in_pieces([this](int64_t begin, int64_t n) {
      float* y = values_.y.data->data + begin;
      std::copy_n(x(0) + begin, n, y);
      for (size_t i = 1; i < values_.x.size(); ++i) merge_into(kind_, n, x(i) + begin, y);
      if (kind_ == Kind::kAverage) scale(n, 1.0f / static_cast<float>(values_.x.size()), y);
    });
  }

  void backward(uint64_t) override {
    in_pieces([this](int64_t begin, int64_t n) {
      for (size_t i = 0; i < values_.x.size(); ++i) {
        if (values_.x[i].gradient != nullptr) differentiate(i, begin, n);
      }
    });
  }

 private:
  // Calls work(begin, n) for pieces that stay in the first-level cache from one input to the next.
  template <typename Work>
  void in_pieces(const Work& work) const {
    static constexpr int64_t kPiece = 1024;
    parallel_for(threads_, size_, kPiece, [&work](int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; at += kPiece) work(at, std::min(kPiece, end - at));
    });
  }

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
          if (i != input) multiply(n, x(i) + begin, dx);
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
  const StepValues& values_;
  const int64_t size_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const MergeOp& op) {
  return std::make_unique<Merge>(build, op.kind);
}

}  // namespace sluice::backend::cpu
