#include "cudnn/convolution_loops.h"

#include <vector>

namespace sluice::emulator::cudnn {
namespace {

// One pixel of y, the pixel of x under one cell of the filter, and the cell: offsets of their first
// channels.
struct Meeting {
  size_t x, y, cell;
};

// Calls body(meeting) for all that lie inside the image.
template <typename Body>
void for_each_meeting(const Geometry& g, SumOrder order, const Body& body) {
  const bool reversed = order == SumOrder::kReversed;
  for (int i = 0; i < g.n; ++i) {
    const int n = reversed ? g.n - 1 - i : i;
    for (int j = 0; j < g.p; ++j) {
      const int p = reversed ? g.p - 1 - j : j;
      for (int q = 0; q < g.q; ++q) {
        const size_t y = ((size_t{1} * n * g.p + p) * g.q + q) * g.k;
        for (int r = 0; r < g.r; ++r) {
          const int h = p * g.stride_h - g.pad_h + r * g.dilation_h;
          if (h < 0 || h >= g.h) continue;
          for (int s = 0; s < g.s; ++s) {
            const int w = q * g.stride_w - g.pad_w + s * g.dilation_w;
            if (w < 0 || w >= g.w) continue;
            const size_t x = ((size_t{1} * n * g.h + h) * g.w + w) * g.c;
            body(Meeting{x, y, size_t{1} * r * g.s + s});
          }
        }
      }
    }
  }
}

// [K, R, S, C / G] to [R, S, C / G, K], so that the inner loop of forward() runs over K.
std::vector<float> channels_outside(const Geometry& g, const float* w) {
  const size_t inner = g.w_size() / g.k;
  std::vector<float> turned(g.w_size());
  for (int k = 0; k < g.k; ++k) {
    for (size_t i = 0; i < inner; ++i) turned[i * g.k + k] = w[k * inner + i];
  }
  return turned;
}

}  // namespace

void forward(const Geometry& g, const float* x, const float* w, float* y) {
  const int channels = g.c / g.groups, filters = g.k / g.groups;
  const std::vector<float> turned = channels_outside(g, w);
  for_each_meeting(g, SumOrder::kForward, [&](const Meeting& m) {
    for (int group = 0; group < g.groups; ++group) {
      float* const out = y + m.y + group * filters;
      for (int c = 0; c < channels; ++c) {
        const float value = x[m.x + group * channels + c];
        const float* const weights = &turned[(m.cell * channels + c) * g.k + group * filters];
        for (int k = 0; k < filters; ++k) out[k] += value * weights[k];
      }
    }
  });
}

void backward_data(const Geometry& g, const float* w, const float* dy, SumOrder order, float* dx) {
  const int channels = g.c / g.groups, filters = g.k / g.groups;
  const size_t filter_size = g.w_size() / g.k;
  for_each_meeting(g, order, [&](const Meeting& m) {
    for (int k = 0; k < g.k; ++k) {
      const float value = dy[m.y + k];
      const float* const weights = w + k * filter_size + m.cell * channels;
      float* const out = dx + m.x + k / filters * channels;
      for (int c = 0; c < channels; ++c) out[c] += value * weights[c];
    }
  });
}

void backward_filter(const Geometry& g, const float* x, const float* dy, SumOrder order,
                     float* dw) {
  const int channels = g.c / g.groups, filters = g.k / g.groups;
  const size_t filter_size = g.w_size() / g.k;
  for_each_meeting(g, order, [&](const Meeting& m) {
    for (int k = 0; k < g.k; ++k) {
      const float value = dy[m.y + k];
      const float* const in = x + m.x + k / filters * channels;
      float* const out = dw + k * filter_size + m.cell * channels;
      for (int c = 0; c < channels; ++c) out[c] += value * in[c];
    }
  });
}

}  // namespace sluice::emulator::cudnn
