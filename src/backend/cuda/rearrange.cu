// Elements that move (RearrangeOp), a thread to each:
//
//   rearrange            y[o] = x at where it comes from, or 0
//   rearrange_backward   dx[i] = the sum of dy over all o that it went to, always in one order
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

template <typename T>
__global__ void rearrange_kernel(Rearrangement r, const T* x, T* y) {
  for (int64_t i = first_index(); i < r.size; i += index_stride()) {
    auto left = static_cast<unsigned>(i);
    int64_t from = 0;
    bool inside = true;
    for (int k = r.count - 1; k >= 0; --k) {
      const Rearrangement::Axis& axis = r.axes[k];
      const auto size = static_cast<unsigned>(axis.size);
      const int64_t at = left % size / static_cast<unsigned>(axis.repeat) - axis.before;
      left /= size;
      inside = inside && at >= 0 && at < axis.in_size;
      from += at * axis.in_stride;
    }
    y[i] = inside ? x[from] : from_float<T>(0.0f);
  }
}

template <typename T>
__global__ void rearrange_backward_kernel(Rearrangement r, const T* dy, T* dx) {
  for (int64_t i = first_index(); i < r.in_size; i += index_stride()) {
    auto left = static_cast<unsigned>(i);
    unsigned counts[Rearrangement::kMostAxes];  // of the o along each axis
    unsigned count = 1;
    int64_t first = 0;
    for (int k = r.count - 1; k >= 0; --k) {
      const Rearrangement::Axis& axis = r.axes[k];
      const auto size = static_cast<unsigned>(axis.in_size);
      const int64_t at = left % size + axis.before;
      left /= size;
      const int64_t begin = at * axis.repeat < 0 ? 0 : at * axis.repeat;
      const int64_t end = (at + 1) * axis.repeat > axis.size ? axis.size : (at + 1) * axis.repeat;
      counts[k] = begin < end ? static_cast<unsigned>(end - begin) : 0u;
      count *= counts[k];
      first += begin * axis.stride;
    }
    float sum = 0;
    for (unsigned n = 0; n < count; ++n) {
      unsigned rest = n;
      int64_t from = first;
      for (int k = r.count - 1; k >= 0; --k) {
        if (counts[k] == 1) continue;
        from += rest % counts[k] * r.axes[k].stride;
        rest /= counts[k];
      }
      sum += to_float(dy[from]);
    }
    dx[i] = from_float<T>(sum);
  }
}

}  // namespace

// --- Launchers ---

void rearrange(const Rearrangement& forward, Type type, const void* x, void* y,
               cudaStream_t stream) {
  with_type(type, [&](auto number) {
    using T = decltype(number);
    launch(rearrange_kernel<T>, grid_for(forward.size), stream, forward, static_cast<const T*>(x),
           static_cast<T*>(y));
  });
}

void rearrange_backward(const Rearrangement& backward, Type type, const void* dy, void* dx,
                        cudaStream_t stream) {
  with_type(type, [&](auto number) {
    using T = decltype(number);
    launch(rearrange_backward_kernel<T>, grid_for(backward.in_size), stream, backward,
           static_cast<const T*>(dy), static_cast<T*>(dx));
  });
}

}  // namespace sluice::backend::cuda
