// The gradients of a 3 x 3 convolution in front of a 2 x 2 max pooling: of its kernel, and in
// float32 of its input.
//
//   dW[i, j, c, f] = sum over n, h, w of x[n, h + i, w + j, c] dy[n, h, w, f]
//   dx[n, h + i, w + j, c] = sum over f of W[i, j, c, f] dy[n, h, w, f]
//
// The pooling routes its gradient to one of the four pixels of each window, or to none where a ReLU
// cuts it off. So at least three in four dy are zero, and only the others are visited. They cannot
// be tiled as a dense product can, and still take less time than Winograd's algorithm.
//
// Images lie in blocks of 16 channels. Sums are float32.
#pragma once

#include <cstdint>

#include "backend/cpu/kernel.h"
#include "backend/graph.h"

namespace sluice::backend::cpu {

class RoutedGradient {
 public:
  // Images are walked in strips of at most so many windows that one block of x's channels stays in
  // the first-level cache.
  static constexpr int64_t kWindows = 160;
  // More are not in the first-level cache either, and have not been measured.
  static constexpr int64_t kMaxFilters = 64;

  // Whether a convolution from `x` to `y` can be computed so: 3 x 3, stride 1, no padding, no
  // dilation, one group, whole blocks of channels, whole windows; in float32 at most kMaxFilters.
  // The processor must have AVX-512, for bfloat16 AVX512_BF16.
  static bool fits(const Conv2DOp& op, Type type, const Shape& x, const Shape& y);

  RoutedGradient(Type type, const Shape& x, const Shape& y);

  // Floats of `sums`: of each thread that adds images up, zero at first.
  int64_t sums_size() const { return (kTaps * channels_ + 1) * filters_; }

  // Adds one image's share of the kernel's gradient. Of each 2 x 2 window of dy at most one pixel
  // is not zero.
  void add(const Bfloat16* x, const Bfloat16* dy, float* sums) const;
  void add(const float* x, const float* dy, float* sums) const;

  // The gradients of the kernel, [3, 3, channels, filters], and of the bias, unless that is
  // nullptr, from the sums of `threads` threads that lie one behind the other.
  void finish(int threads, const float* sums, float* kernel, float* bias) const;

  // One image's dx. The kernel lies as [channels / 16, filters, 3, 3, 16].
  void spread(const float* kernel, const float* dy, float* dx) const;

 private:
  static constexpr int64_t kTaps = 9;

  // Where the sum of a channel lies in its block.
  int64_t lane_of(int64_t channel) const;

  const Type type_;
  const int64_t channels_, filters_;
  const int64_t height_, width_;  // of dy
};

}  // namespace sluice::backend::cpu
