// Noise from a counter-based generator: what element i of step s is given is a hash of (seed, s,
// i), so that no mask is stored and any number of threads draws the same one.
#include "backend/noise.h"

#include <Eigen/Core>
#include <algorithm>
#include <numbers>

#include "backend/cpu/kernel.h"
#include "backend/cpu/parallel.h"
#include "core/rng.h"
#include "core/simd.h"

namespace sluice::backend::cpu {
namespace {

struct Key {
  uint32_t first, second;
};

// "lowbias32" (C. Wellons, 2018), once before and once after the second half of the key.
[[gnu::always_inline]] inline uint32_t hash(uint32_t i, Key key) {
  uint32_t h = i ^ key.first;
  h = (h ^ (h >> 16)) * 0x7feb352du;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  h = (h ^ (h >> 16)) + key.second;
  h = (h ^ (h >> 16)) * 0x7feb352du;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  return h ^ (h >> 16);
}

// What elements from number `first` on keep, and what they have instead.
SLUICE_SIMD void drop(int64_t n, uint32_t first, Key key, uint32_t threshold, float factor,
                      float kept, float dropped, const float* x, float* y) {
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t h = hash(first + static_cast<uint32_t>(i), key);
    y[i] = h >= threshold ? x[i] * factor + kept : dropped;
  }
}
// The same for pixels of one block of channels, whose numbers are `stride` apart.
SLUICE_SIMD void drop_pixels(int64_t pixels, uint32_t first, uint32_t stride, Key key,
                             uint32_t threshold, float factor, float kept, float dropped,
                             const float* x, float* y) {
  for (int64_t p = 0; p < pixels; ++p) {
    for (uint32_t lane = 0; lane < kChannelBlock; ++lane) {
      const uint32_t h = hash(first + lane, key);
      y[lane] = h >= threshold ? x[lane] * factor + kept : dropped;
    }
    first += stride;
    x += kChannelBlock;
    y += kChannelBlock;
  }
}
// The same for elements that share a number.
SLUICE_SIMD void keep(int64_t n, float factor, float kept, const float* x, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * factor + kept;
}

// Two uniform numbers in (0, 1] for each element.
SLUICE_SIMD void draw(int64_t n, uint32_t first, Key key, float* u, float* v) {
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t number = first + static_cast<uint32_t>(i);
    const auto a = static_cast<int32_t>(hash(number, key) >> 8);
    const auto b = static_cast<int32_t>(hash(number, {key.second, key.first}) >> 8);
    u[i] = static_cast<float>(a + 1) * 0x1.0p-24f;
    v[i] = static_cast<float>(b + 1) * 0x1.0p-24f;
  }
}

// y = (1 + spread z) x + shift z with normal z (Box & Muller, 1958).
void add_normal(int64_t n, uint32_t first, Key key, float spread, float shift, const float* x,
                float* y) {
  constexpr int64_t kPiece = 256;
  using Piece = Eigen::Array<float, Eigen::Dynamic, 1, 0, kPiece, 1>;
  constexpr float kCircle = 2 * std::numbers::pi_v<float>;
  for (int64_t i = 0; i < n; i += kPiece) {
    const int64_t count = std::min(kPiece, n - i);
    Piece u(count), v(count);
    draw(count, first + static_cast<uint32_t>(i), key, u.data(), v.data());
    const Piece z = (-2.0f * u.log()).sqrt() * (kCircle * v).cos();
    const Eigen::Map<const Eigen::ArrayXf> from(x + i, count);
    Eigen::Map<Eigen::ArrayXf>(y + i, count) = (1.0f + spread * z) * from + shift * z;
  }
}

// The elements [begin, end): runs along the last axis, of images in blocks along the one before.
void perturb(const Noise& noise, Key key, int64_t begin, int64_t end, const float* x, float* y) {
  const Noise::Axis& last = noise.axes[noise.count - 1];
  for (int64_t i = begin; i < end;) {
    int64_t rest = i / last.size;
    const int64_t column = i % last.size;
    auto number = static_cast<uint32_t>(column * last.stride);
    for (int k = noise.count - 1; k-- > 0; rest /= noise.axes[k].size) {
      number += static_cast<uint32_t>(rest % noise.axes[k].size * noise.axes[k].stride);
    }
    int64_t n = std::min(end - i, last.size - column);
    if (!noise.is_normal && noise.count > 1 && last.size == kChannelBlock && last.stride == 1 &&
        n == kChannelBlock) {
      const Noise::Axis& pixels = noise.axes[noise.count - 2];
      const int64_t count =
          std::min((end - i) / kChannelBlock, pixels.size - i / kChannelBlock % pixels.size);
      drop_pixels(count, number, static_cast<uint32_t>(pixels.stride), key, noise.threshold,
                  noise.factor, noise.kept, noise.dropped, x + i, y + i);
      n = count * kChannelBlock;
    } else if (noise.is_normal) {
      add_normal(n, number, key, noise.spread, noise.shift, x + i, y + i);
    } else if (last.stride == 1) {
      drop(n, number, key, noise.threshold, noise.factor, noise.kept, noise.dropped, x + i, y + i);
    } else if (hash(number, key) >= noise.threshold) {
      keep(n, noise.factor, noise.kept, x + i, y + i);
    } else {
      std::fill_n(y + i, n, noise.dropped);
    }
    i += n;
  }
}

class Perturb final : public Kernel {
 public:
  Perturb(const Build& build, const NoiseOp& op)
      : threads_(build.device.threads),
        seed_(op.seed),
        x_(build.x()),
        y_(build.y()),
        forward_(noise_of(op, build.batch, y_.shape, y_.layout)),
        backward_(forward_.without_addends()) {}

  void forward(Mode mode, uint64_t step) override {
    if (mode == Mode::kTraining) return apply(forward_, step, x_.data->data, y_.data->data);
    std::copy_n(x_.data->data, forward_.size, y_.data->data);
  }

  void backward(uint64_t step) override {
    if (x_.gradient != nullptr) {
      apply(backward_, step, y_.gradient->data, x_.gradient->data);
    }
  }

 private:
  void apply(const Noise& noise, uint64_t step, const float* from, float* to) const {
    const uint64_t key = core::Rng(seed_, {step}).next();
    parallel_for(threads_, noise.size, kChannelBlock, [&](int64_t begin, int64_t end) {
      perturb(noise, {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)}, begin, end,
              from, to);
    });
  }

  const int threads_;
  const uint64_t seed_;
  const Value& x_;
  const Value& y_;
  const Noise forward_, backward_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Build& build, const NoiseOp& op) {
  return std::make_unique<Perturb>(build, op);
}

}  // namespace sluice::backend::cpu
