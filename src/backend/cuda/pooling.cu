// Pooling over images, channels last; cells in the padding do not exist.
//
//   y[n, a, b, c] = max or mean of x[n, h, w, c] over the window of (a, b):
//     h in [a s_h - top, a s_h - top + pool_h) and w likewise, inside the image
//
// The largest of a window with NaN in it is the last NaN; otherwise the first of equals (row by
// row).
//
// Backward, max: the gradient of a window goes to its largest cell. Mean: to all
// its cells alike. Both as a gather: a cell adds up what the windows that contain it give it, so
// that overlapping windows need no atomic additions. The derivative of an activation f fused in
// front of the pooling comes along: x = f(z) is at hand.
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

struct Window {
  int64_t h_begin, h_end, w_begin, w_end;  // inside the image
  __device__ int64_t cells() const { return (h_end - h_begin) * (w_end - w_begin); }
};

__device__ Window window_of(const PoolingShape& s, int64_t a, int64_t b) {
  const int64_t h = a * s.op.stride_h - s.op.padding.top;
  const int64_t w = b * s.op.stride_w - s.op.padding.left;
  return {h < 0 ? 0 : h, h + s.op.pool_h < s.height ? h + s.op.pool_h : s.height, w < 0 ? 0 : w,
          w + s.op.pool_w < s.width ? w + s.op.pool_w : s.width};
}

__device__ int64_t cell(const PoolingShape& s, int64_t n, int64_t h, int64_t w, int64_t c) {
  return ((n * s.height + h) * s.width + w) * s.channels + c;
}

// The place of the largest cell in x.
template <typename T>
__device__ int64_t largest(const PoolingShape& s, const Window& window, int64_t n, int64_t c,
                           const T* x) {
  int64_t best = cell(s, n, window.h_begin, window.w_begin, c);
  float most = to_float(x[best]);
  for (int64_t h = window.h_begin; h < window.h_end; ++h) {
    for (int64_t w = window.w_begin; w < window.w_end; ++w) {
      const int64_t at = cell(s, n, h, w, c);
      const float value = to_float(x[at]);
      if (value > most || isnan(value)) {
        most = value;
        best = at;
      }
    }
  }
  return best;
}

template <typename T>
__device__ float mean(const PoolingShape& s, const Window& window, int64_t n, int64_t c,
                      const T* x) {
  float sum = 0;
  for (int64_t h = window.h_begin; h < window.h_end; ++h) {
    for (int64_t w = window.w_begin; w < window.w_end; ++w) sum += to_float(x[cell(s, n, h, w, c)]);
  }
  return sum / static_cast<float>(window.cells());
}

template <typename T>
__global__ void pool_kernel(PoolingShape s, int64_t size, const T* x, T* y) {
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    const int64_t c = i % s.channels;
    const int64_t b = i / s.channels % s.out_width;
    const int64_t a = i / s.channels / s.out_width % s.out_height;
    const int64_t n = i / s.channels / s.out_width / s.out_height;
    const Window window = window_of(s, a, b);
    y[i] = s.op.kind == Pool2DOp::Kind::kMax ? x[largest(s, window, n, c, x)]
                                             : from_float<T>(mean(s, window, n, c, x));
  }
}

// The first window over `at` (counted in padded cells) and the one behind the last.
struct Span {
  int64_t begin, end;
};
__device__ Span windows_over(int64_t at, int64_t pool, int64_t stride, int64_t count) {
  const int64_t first = at < pool ? 0 : (at - pool) / stride + 1;
  const int64_t end = at / stride + 1;
  return {first, end < count ? end : count};
}

template <typename T>
__global__ void pool_backward_kernel(PoolingShape s, Activation activation, int64_t size,
                                     const T* x, const T* dy, T* dx) {
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    const int64_t c = i % s.channels;
    const int64_t w = i / s.channels % s.width;
    const int64_t h = i / s.channels / s.width % s.height;
    const int64_t n = i / s.channels / s.width / s.height;
    const Span rows = windows_over(h + s.op.padding.top, s.op.pool_h, s.op.stride_h, s.out_height);
    const Span columns =
        windows_over(w + s.op.padding.left, s.op.pool_w, s.op.stride_w, s.out_width);
    float sum = 0;
    for (int64_t a = rows.begin; a < rows.end; ++a) {
      for (int64_t b = columns.begin; b < columns.end; ++b) {
        const Window window = window_of(s, a, b);
        const float gradient =
            to_float(dy[((n * s.out_height + a) * s.out_width + b) * s.channels + c]);
        if (s.op.kind == Pool2DOp::Kind::kAverage) {
          sum += gradient / static_cast<float>(window.cells());
        } else if (largest(s, window, n, c, x) == i) {
          sum += gradient;
        }
      }
    }
    dx[i] = from_float<T>(sum * derivative(activation, to_float(x[i])));
  }
}

}  // namespace

// --- Launchers ---

void pool(const PoolingShape& shape, DataType type, const void* x, void* y, cudaStream_t stream) {
  const int64_t size = shape.batch * shape.out_height * shape.out_width * shape.channels;
  with_type(type, [&](auto number) {
    using T = decltype(number);
    launch(pool_kernel<T>, grid_for(size), stream, shape, size, static_cast<const T*>(x),
           static_cast<T*>(y));
  });
}

void pool_backward(const PoolingShape& shape, DataType type, Activation activation, const void* x,
                   const void* dy, void* dx, cudaStream_t stream) {
  const int64_t size = shape.batch * shape.height * shape.width * shape.channels;
  with_type(type, [&](auto number) {
    using T = decltype(number);
    launch(pool_backward_kernel<T>, grid_for(size), stream, shape, activation, size,
           static_cast<const T*>(x), static_cast<const T*>(dy), static_cast<T*>(dx));
  });
}

}  // namespace sluice::backend::cuda
