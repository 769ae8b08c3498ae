// Elementwise arithmetic on several inputs of one shape, type and layout.
#include <algorithm>

#include "backend/cpu/elementwise.h"
#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"

namespace sluice::backend::cpu {
namespace {

class Merge final : public Kernel {
 public:
  explicit Merge(const Build& build)
      : threads_(build.device.threads),
        values_(build.values),
        size_(build.batch * build.y().shape.size()) {}

  void forward(Mode, uint64_t) override {
    parallel_for(threads_, size_, kChannelBlock, [this](int64_t begin, int64_t end) {
      float* y = values_.y.data->data + begin;
      const auto x = [&](size_t input) { return values_.x[input].data->data + begin; };
      std::copy_n(x(0), end - begin, y);
      for (size_t i = 1; i < values_.x.size(); ++i) add(end - begin, x(i), y);
    });
  }

  void backward(uint64_t) override {
    parallel_for(threads_, size_, kChannelBlock, [this](int64_t begin, int64_t end) {
      const float* dy = values_.y.gradient->data;
      for (const Value& x : values_.x) {
        if (x.gradient != nullptr) std::copy(dy + begin, dy + end, x.gradient->data + begin);
      }
    });
  }

 private:
  const int threads_;
  const StepValues& values_;
  const int64_t size_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const MergeOp&) {
  return std::make_unique<Merge>(build);
}

}  // namespace sluice::backend::cpu
