// Elementwise passes over arrays of one type, computed in float32.
//
//   activate                y_i = f(x_i)
//   add_bias_and_activate   y_rc = f(y_rc + b_c)                 y [rows, columns], b [columns]
//   differentiate           dx_i = dy_i f'(x_i) from y_i = f(x_i); dx may be dy
//   differentiate_from_input  the same from x_i
//   add                     y_i = a_i + b_i
//   add_and_differentiate   dx_i = (dx_i + from_i) f'(x_i) from y_i = f(x_i)
//   convert                 to_i = from_i, rounded to the nearest, ties to even
//   pad_images              x [N, H, W, C] inside zeros          [N, H + top + bottom, ..., C]
//   crop_images             its transpose: the inside only
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

template <typename T>
__global__ void activate_kernel(Activation activation, int64_t size, const T* x, T* y) {
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    y[i] = from_float<T>(activate(activation, to_float(x[i])));
  }
}

template <typename T>
__global__ void add_bias_kernel(Activation activation, int64_t size, int64_t columns, const T* bias,
                                T* y) {
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    y[i] = from_float<T>(activate(activation, to_float(y[i]) + to_float(bias[i % columns])));
  }
}

// From y, from x, or from y of what is in dx and of dy together.
enum class Slope { kOfOutput, kOfInput, kOfOutputForSum };

// `at`: y, or x.
template <typename T, Slope slope>
__global__ void differentiate_kernel(Activation activation, int64_t size, const T* at, const T* dy,
                                     T* dx) {
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    const float value = to_float(at[i]), given = to_float(dy[i]);
    const float gradient = slope == Slope::kOfOutputForSum ? to_float(dx[i]) + given : given;
    dx[i] = from_float<T>(gradient * (slope == Slope::kOfInput
                                          ? derivative_from_input(activation, value)
                                          : derivative_from_output(activation, value)));
  }
}

template <typename T>
__global__ void add_kernel(int64_t size, const T* a, const T* b, T* y) {
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    y[i] = from_float<T>(to_float(a[i]) + to_float(b[i]));
  }
}

template <typename From, typename To>
__global__ void convert_kernel(int64_t size, const From* from, To* to) {
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    to[i] = from_float<To>(to_float(from[i]));
  }
}

struct Frame {
  int64_t height, width, channels;  // of the image
  int64_t top, left, padded_height, padded_width;
};

// Where element i of the padded image lies in the image, or -1 in the padding.
__device__ int64_t inside(const Frame& f, int64_t i) {
  const int64_t c = i % f.channels;
  const int64_t w = i / f.channels % f.padded_width - f.left;
  const int64_t h = i / f.channels / f.padded_width % f.padded_height - f.top;
  const int64_t n = i / f.channels / f.padded_width / f.padded_height;
  if (h < 0 || h >= f.height || w < 0 || w >= f.width) return -1;
  return ((n * f.height + h) * f.width + w) * f.channels + c;
}

template <typename T>
__global__ void pad_kernel(Frame frame, int64_t size, const T* x, T* padded) {
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    const int64_t at = inside(frame, i);
    padded[i] = at < 0 ? from_float<T>(0) : x[at];
  }
}

template <typename T>
__global__ void crop_kernel(Frame frame, int64_t size, const T* padded, T* x) {
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    const int64_t at = inside(frame, i);
    if (at >= 0) x[at] = padded[i];
  }
}

// --- Launchers ---

Frame frame_of(const Shape& image, const Padding2D& padding) {
  return {image[0],
          image[1],
          image[2],
          padding.top,
          padding.left,
          image[0] + padding.top + padding.bottom,
          image[1] + padding.left + padding.right};
}

int64_t padded_size(int64_t batch, const Frame& frame) {
  return batch * frame.padded_height * frame.padded_width * frame.channels;
}

template <Slope slope>
void start_differentiate(const Activation& activation, Type type, int64_t size, const void* at,
                         const void* dy, void* dx, cudaStream_t stream) {
  with_type(type, [&](auto number) {
    using T = decltype(number);
    launch(differentiate_kernel<T, slope>, grid_for(size), stream, activation, size,
           static_cast<const T*>(at), static_cast<const T*>(dy), static_cast<T*>(dx));
  });
}

}  // namespace

void activate(const Activation& activation, Type type, int64_t size, const void* x, void* y,
              cudaStream_t stream) {
  with_type(type, [&](auto number) {
    using T = decltype(number);
    launch(activate_kernel<T>, grid_for(size), stream, activation, size, static_cast<const T*>(x),
           static_cast<T*>(y));
  });
}

void add_bias_and_activate(const Activation& activation, Type type, int64_t rows, int64_t columns,
                           const void* bias, void* y, cudaStream_t stream) {
  with_type(type, [&](auto number) {
    using T = decltype(number);
    launch(add_bias_kernel<T>, grid_for(rows * columns), stream, activation, rows * columns,
           columns, static_cast<const T*>(bias), static_cast<T*>(y));
  });
}

void differentiate(const Activation& activation, Type type, int64_t size, const void* y,
                   const void* dy, void* dx, cudaStream_t stream) {
  start_differentiate<Slope::kOfOutput>(activation, type, size, y, dy, dx, stream);
}

void differentiate_from_input(const Activation& activation, Type type, int64_t size, const void* x,
                              const void* dy, void* dx, cudaStream_t stream) {
  start_differentiate<Slope::kOfInput>(activation, type, size, x, dy, dx, stream);
}

void add(Type type, int64_t size, const void* a, const void* b, void* y, cudaStream_t stream) {
  with_type(type, [&](auto number) {
    using T = decltype(number);
    launch(add_kernel<T>, grid_for(size), stream, size, static_cast<const T*>(a),
           static_cast<const T*>(b), static_cast<T*>(y));
  });
}

void add_and_differentiate(const Activation& activation, Type type, int64_t size, const void* y,
                           const void* from, void* dx, cudaStream_t stream) {
  start_differentiate<Slope::kOfOutputForSum>(activation, type, size, y, from, dx, stream);
}

void convert(Type from_type, Type to_type, int64_t size, const void* from, void* to,
             cudaStream_t stream) {
  with_type(from_type, [&](auto from_number) {
    with_type(to_type, [&](auto to_number) {
      using From = decltype(from_number);
      using To = decltype(to_number);
      launch(convert_kernel<From, To>, grid_for(size), stream, size, static_cast<const From*>(from),
             static_cast<To*>(to));
    });
  });
}

void pad_images(Type type, int64_t batch, const Shape& image, const Padding2D& padding,
                const void* x, void* padded, cudaStream_t stream) {
  const Frame frame = frame_of(image, padding);
  const int64_t size = padded_size(batch, frame);
  with_type(type, [&](auto number) {
    using T = decltype(number);
    launch(pad_kernel<T>, grid_for(size), stream, frame, size, static_cast<const T*>(x),
           static_cast<T*>(padded));
  });
}

void crop_images(Type type, int64_t batch, const Shape& image, const Padding2D& padding,
                 const void* padded, void* x, cudaStream_t stream) {
  const Frame frame = frame_of(image, padding);
  const int64_t size = padded_size(batch, frame);
  with_type(type, [&](auto number) {
    using T = decltype(number);
    launch(crop_kernel<T>, grid_for(size), stream, frame, size, static_cast<const T*>(padded),
           static_cast<T*>(x));
  });
}

}  // namespace sluice::backend::cuda
