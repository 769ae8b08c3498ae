// Pooling over images, channels last; cells in the padding do not exist.
//
//   y[n, a, b, c] = max or mean of x[n, h, w, c] over the window of (a, b):
//     h in [a s_h - top, a s_h - top + pool_h) and w likewise, inside the image
//
// The largest of a window with NaN in it is the last NaN; otherwise the first of equals (row by
// row).
//
// Backward, max: the gradient of a window goes to its largest cell. Mean: to all its cells alike.
// The derivative of an activation f fused in front of the pooling comes along: x = f(z) is at hand.
// Where windows do not overlap, a thread writes all cells of one; where they do, a cell adds up
// what the windows that contain it give it, so that no atomic additions are needed.
//
// A thread takes four channels at once where the channels are a multiple of four. Places in a
// tensor are 32-bit numbers (program.cc refuses larger ones): dividing 64-bit ones took longer than
// the memory.
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

// PoolingShape as the kernels want it. A pack is what a thread takes of a cell.
struct Geometry {
  int height, width, packs;  // of x
  int out_height, out_width;
  int pool_h, pool_w, stride_h, stride_w, top, left;
  bool max;
};

struct Window {
  int h_begin, h_end, w_begin, w_end;  // inside the image
  __device__ int cells() const { return (h_end - h_begin) * (w_end - w_begin); }
};

__device__ Window window_of(const Geometry& g, int a, int b) {
  const int h = a * g.stride_h - g.top, w = b * g.stride_w - g.left;
  return {max(h, 0), min(h + g.pool_h, g.height), max(w, 0), min(w + g.pool_w, g.width)};
}

// A place in a tensor [N, height, width, packs], and back from its number.
struct Place {
  int n, h, w, pack;
};
__device__ Place place_of(int i, int height, int width, int packs) {
  const int pixel = i / packs, row = pixel / width;
  return {row / height, row % height, pixel % width, i % packs};
}
__device__ int cell(const Geometry& g, const Place& p, int h, int w) {
  return ((p.n * g.height + h) * g.width + w) * g.packs + p.pack;
}

// The cells with the largest value of each channel.
template <typename T, int N>
struct Largest {
  Pack<T, N> value;
  int at[N];
};

template <typename T, int N>
__device__ Largest<T, N> largest(const Geometry& g, const Window& window, const Place& p,
                                 const Pack<T, N>* x) {
  Largest<T, N> best;
  const int first = cell(g, p, window.h_begin, window.w_begin);
  best.value = x[first];
  for (int c = 0; c < N; ++c) best.at[c] = first;
  for (int h = window.h_begin; h < window.h_end; ++h) {
    for (int w = window.w_begin; w < window.w_end; ++w) {
      const int at = cell(g, p, h, w);
      const Pack<T, N> values = x[at];
      for (int c = 0; c < N; ++c) {
        const float value = to_float(values[c]);
        if (value > to_float(best.value[c]) || isnan(value)) {
          best.value[c] = values[c];
          best.at[c] = at;
        }
      }
    }
  }
  return best;
}

template <typename T, int N>
__device__ Pack<T, N> mean(const Geometry& g, const Window& window, const Place& p,
                           const Pack<T, N>* x) {
  float sums[N] = {};
  for (int h = window.h_begin; h < window.h_end; ++h) {
    for (int w = window.w_begin; w < window.w_end; ++w) {
      const Pack<T, N> values = x[cell(g, p, h, w)];
      for (int c = 0; c < N; ++c) sums[c] += to_float(values[c]);
    }
  }
  Pack<T, N> means;
  for (int c = 0; c < N; ++c) {
    means[c] = from_float<T>(sums[c] / static_cast<float>(window.cells()));
  }
  return means;
}

template <typename T, int N>
__global__ void pool_kernel(Geometry g, int size, const Pack<T, N>* x, Pack<T, N>* y) {
  const auto i = static_cast<int>(first_index());
  if (i >= size) return;
  const Place p = place_of(i, g.out_height, g.out_width, g.packs);
  const Window window = window_of(g, p.h, p.w);
  y[i] = g.max ? largest(g, window, p, x).value : mean(g, window, p, x);
}

// A tile is the cells from where one window begins to where the next does. Those of the last tiles
// may be in no window.
template <typename T, int N>
__global__ void pool_backward_kernel(Geometry g, Activation activation, int tile_rows,
                                     int tile_columns, int size, const Pack<T, N>* x,
                                     const Pack<T, N>* dy, Pack<T, N>* dx) {
  const auto i = static_cast<int>(first_index());
  if (i >= size) return;
  const Place p = place_of(i, tile_rows, tile_columns, g.packs);
  const bool has_window = p.h < g.out_height && p.w < g.out_width;
  const Window window = has_window ? window_of(g, p.h, p.w) : Window{};
  float gradients[N] = {};
  Largest<T, N> best{};
  if (has_window) {
    const Pack<T, N> given =
        dy[((p.n * g.out_height + p.h) * g.out_width + p.w) * g.packs + p.pack];
    for (int c = 0; c < N; ++c) {
      gradients[c] = to_float(given[c]) / (g.max ? 1.0f : static_cast<float>(window.cells()));
    }
    if (g.max) best = largest(g, window, p, x);
  }
  const int h_begin = p.h * g.stride_h - g.top, w_begin = p.w * g.stride_w - g.left;
  for (int h = max(h_begin, 0); h < min(h_begin + g.stride_h, g.height); ++h) {
    for (int w = max(w_begin, 0); w < min(w_begin + g.stride_w, g.width); ++w) {
      const int at = cell(g, p, h, w);
      const bool inside = h < window.h_end && w < window.w_end;
      const Pack<T, N> values = x[at];
      Pack<T, N> out;
      for (int c = 0; c < N; ++c) {
        const float gradient = inside && (!g.max || best.at[c] == at) ? gradients[c] : 0.0f;
        out[c] = from_float<T>(gradient * derivative_from_output(activation, to_float(values[c])));
      }
      dx[at] = out;
    }
  }
}

// The first window over `at` (counted in padded cells) and the one behind the last.
struct Span {
  int begin, end;
};
__device__ Span windows_over(int at, int pool, int stride, int count) {
  return {at < pool ? 0 : (at - pool) / stride + 1, min(at / stride + 1, count)};
}

template <typename T, int N>
__global__ void overlapping_pool_backward_kernel(Geometry g, Activation activation, int size,
                                                 const Pack<T, N>* x, const Pack<T, N>* dy,
                                                 Pack<T, N>* dx) {
  const auto i = static_cast<int>(first_index());
  if (i >= size) return;
  const Place p = place_of(i, g.height, g.width, g.packs);
  const Span rows = windows_over(p.h + g.top, g.pool_h, g.stride_h, g.out_height);
  const Span columns = windows_over(p.w + g.left, g.pool_w, g.stride_w, g.out_width);
  float sums[N] = {};
  for (int a = rows.begin; a < rows.end; ++a) {
    for (int b = columns.begin; b < columns.end; ++b) {
      const Window window = window_of(g, a, b);
      const Pack<T, N> given = dy[((p.n * g.out_height + a) * g.out_width + b) * g.packs + p.pack];
      if (!g.max) {
        for (int c = 0; c < N; ++c) {
          sums[c] += to_float(given[c]) / static_cast<float>(window.cells());
        }
        continue;
      }
      const Largest<T, N> best = largest(g, window, p, x);
      for (int c = 0; c < N; ++c) {
        if (best.at[c] == i) sums[c] += to_float(given[c]);
      }
    }
  }
  const Pack<T, N> values = x[i];
  Pack<T, N> out;
  for (int c = 0; c < N; ++c) {
    out[c] = from_float<T>(sums[c] * derivative_from_output(activation, to_float(values[c])));
  }
  dx[i] = out;
}

// --- Launchers ---

Geometry geometry_of(const PoolingShape& s, int pack) {
  const auto number = [](int64_t n) { return static_cast<int>(n); };
  return {number(s.height),         number(s.width),           number(s.channels / pack),
          number(s.out_height),     number(s.out_width),       number(s.op.pool_h),
          number(s.op.pool_w),      number(s.op.stride_h),     number(s.op.stride_w),
          number(s.op.padding.top), number(s.op.padding.left), s.op.kind == Pool2DOp::Kind::kMax};
}

}  // namespace

void pool(const PoolingShape& shape, Type type, const void* x, void* y, cudaStream_t stream) {
  with_packs(type, shape.channels, [&](auto pack) {
    using P = decltype(pack);
    const Geometry g = geometry_of(shape, P::kSize);
    const int64_t size = shape.batch * g.out_height * g.out_width * g.packs;
    launch(pool_kernel<typename P::Number, P::kSize>, thread_per_item(size), stream, g, size,
           static_cast<const P*>(x), static_cast<P*>(y));
  });
}

void pool_backward(const PoolingShape& shape, Type type, const Activation& activation,
                   const void* x, const void* dy, void* dx, cudaStream_t stream) {
  with_packs(type, shape.channels, [&](auto pack) {
    using P = decltype(pack);
    using T = typename P::Number;
    const Geometry g = geometry_of(shape, P::kSize);
    const auto* from = static_cast<const P*>(x);
    const auto* gradient = static_cast<const P*>(dy);
    auto* to = static_cast<P*>(dx);
    if (g.pool_h > g.stride_h || g.pool_w > g.stride_w) {
      const int64_t size = shape.batch * g.height * g.width * g.packs;
      return launch(overlapping_pool_backward_kernel<T, P::kSize>, thread_per_item(size), stream, g,
                    activation, size, from, gradient, to);
    }
    const int64_t tile_rows = ceil_div(g.height + g.top, g.stride_h);
    const int64_t tile_columns = ceil_div(g.width + g.left, g.stride_w);
    const int64_t size = shape.batch * tile_rows * tile_columns * g.packs;
    launch(pool_backward_kernel<T, P::kSize>, thread_per_item(size), stream, g, activation,
           tile_rows, tile_columns, size, from, gradient, to);
  });
}

}  // namespace sluice::backend::cuda
