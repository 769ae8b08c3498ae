// Dropout with masks from a counter-based generator: element i of step s is kept or not by a hash
// of (seed, s, i), so that no mask is stored and any number of threads draws the same one.
#include <algorithm>
#include <cmath>

#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "core/rng.h"
#include "core/simd.h"

namespace sluice::backend::cpu {
namespace {

// y = x where kept, scaled, otherwise 0, for the elements [begin, end). The integer hash is
// "lowbias32" (C. Wellons, 2018), once before and once after the second half of the key.
SLUICE_SIMD void drop(int64_t begin, int64_t end, uint32_t key_1, uint32_t key_2,
                      uint32_t threshold, float scale, const float* x, float* y) {
  for (int64_t i = begin; i < end; ++i) {
    uint32_t h = static_cast<uint32_t>(i) ^ key_1;
    h = (h ^ (h >> 16)) * 0x7feb352du;
    h = (h ^ (h >> 15)) * 0x846ca68bu;
    h = (h ^ (h >> 16)) + key_2;
    h = (h ^ (h >> 16)) * 0x7feb352du;
    h = (h ^ (h >> 15)) * 0x846ca68bu;
    h ^= h >> 16;
    y[i] = h >= threshold ? x[i] * scale : 0.0f;
  }
}

class Dropout final : public Kernel {
 public:
  Dropout(const Build& build, const DropoutOp& op)
      : threads_(build.device.threads),
        op_(op),
        threshold_(static_cast<uint32_t>(
            std::min(std::ldexp(static_cast<double>(op_.rate), 32), 4294967295.0))),
        x_(build.x()),
        y_(build.y()),
        size_(build.batch * y_.shape.size()) {}

  void forward(Mode mode, uint64_t step) override {
    if (mode == Mode::kTraining) return apply(step, x_.data->data, y_.data->data);
    std::copy(x_.data->data, x_.data->data + size_, y_.data->data);
  }

  void backward(uint64_t step) override {
    if (x_.gradient != nullptr) apply(step, y_.gradient->data, x_.gradient->data);
  }

 private:
  void apply(uint64_t step, const float* from, float* to) const {
    const uint64_t key = core::Rng(op_.seed, {step}).next();
    const float scale = 1.0f / (1.0f - op_.rate);
    parallel_for(threads_, size_, kChannelBlock, [&](int64_t begin, int64_t end) {
      drop(begin, end, static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32), threshold_,
           scale, from, to);
    });
  }

  const int threads_;
  const DropoutOp& op_;
  const uint32_t threshold_;
  const Value& x_;
  const Value& y_;
  const int64_t size_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const DropoutOp& op) {
  return std::make_unique<Dropout>(build, op);
}

}  // namespace sluice::backend::cpu
