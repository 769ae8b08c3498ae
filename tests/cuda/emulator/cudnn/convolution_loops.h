// Convolutions of packed floats, in plain loops: x [N, H, W, C], y [N, P, Q, K], w [K, R, S, C /
// G].
#pragma once

#include <cstddef>

namespace sluice::emulator::cudnn {

struct Geometry {
  int n, h, w, c;  // of x
  int k, r, s;     // of w
  int p, q;        // of y
  int pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w;
  int groups;

  size_t x_size() const { return size_t{1} * n * h * w * c; }
  size_t w_size() const { return size_t{1} * k * r * s * (c / groups); }
  size_t y_size() const { return size_t{1} * n * p * q * k; }
};

// In which gradients are summed over images and rows.
enum class SumOrder { kForward, kReversed };

// All add to the array that they compute.
void forward(const Geometry& g, const float* x, const float* w, float* y);
void backward_data(const Geometry& g, const float* w, const float* dy, SumOrder order, float* dx);
void backward_filter(const Geometry& g, const float* x, const float* dy, SumOrder order, float* dw);

}  // namespace sluice::emulator::cudnn
