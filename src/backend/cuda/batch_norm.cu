// Batch normalization of x [rows, C], with a ReLU behind it:
//
//   m_c, v_c   mean and variance of column c, divided by the number of rows
//   xh_rc = (x_rc - m_c) / sqrt(v_c + epsilon)        y_rc = relu(xh_rc gamma_c + beta_c)
//
// Backward, from dz_rc = dy_rc, or 0 where the ReLU cut:
//
//   dbeta_c = sum over r of dz_rc                     dgamma_c = sum over r of dz_rc xh_rc
//   dx_rc = gamma_c / sqrt(v_c + epsilon) (dz_rc - dbeta_c / rows - xh_rc dgamma_c / rows)
//
// and without the last two terms where m and v are moving statistics, which do not depend on x.
//
// A block takes every so many-th row of 32 columns; a second kernel adds up what the blocks have
// found, always in the same order. A variance is a sum of squares about the mean that its thread,
// block or grid has found so far (Chan, Golub and LeVeque, 1979), so that a large mean costs no
// digits.
#include "backend/cuda/device_math.cuh"
#include "backend/cuda/stripes.cuh"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

// Of some numbers: how many, their mean, and the sum of squares about it.
struct Moments {
  float count = 0, mean = 0, squares = 0;

  __device__ void add(float x) {
    count += 1;
    const float before = x - mean;
    mean += before / count;
    squares += before * (x - mean);
  }
  __device__ void add(const Moments& other) {
    if (other.count == 0) return;
    const float total = count + other.count, apart = other.mean - mean;
    mean += apart * (other.count / total);
    squares += other.squares + apart * apart * (count * other.count / total);
    count = total;
  }
};

template <typename T>
__global__ void moments_kernel(int64_t rows, int64_t columns, const T* x, Moments* partial) {
  __shared__ Moments lines[kLines][kWarp];
  Moments own;
  for_own_rows(rows, columns, [&](int64_t r) { own.add(to_float(x[r * columns + own_column()])); });
  keep(add_up_lines(own, lines), columns, partial);
}

__global__ void statistics_kernel(int64_t columns, int stripes, const Moments* partial,
                                  float old_share, float new_share, float* mean, float* variance,
                                  float* moving_mean, float* moving_variance) {
  for (int64_t c = first_index(); c < columns; c += index_stride()) {
    Moments all;
    for (int stripe = 0; stripe < stripes; ++stripe) all.add(partial[stripe * columns + c]);
    mean[c] = all.mean;
    variance[c] = all.squares / all.count;
    if (moving_mean == nullptr) continue;
    moving_mean[c] = moving_mean[c] * old_share + mean[c] * new_share;
    moving_variance[c] = moving_variance[c] * old_share + variance[c] * new_share;
  }
}

struct Normalization {
  BatchNormShape shape;
  BatchNormParameters parameters;

  __device__ float scale(int64_t c) const {
    return 1.0f / sqrtf(parameters.variance[c] + shape.epsilon);
  }
  __device__ float gamma(int64_t c) const {
    return parameters.gamma != nullptr ? parameters.gamma[c] : 1.0f;
  }
  __device__ float beta(int64_t c) const {
    return parameters.beta != nullptr ? parameters.beta[c] : 0.0f;
  }
};

template <typename T>
__global__ void normalize_kernel(Normalization n, const T* x, T* y) {
  const int64_t size = n.shape.rows * n.shape.channels;
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    const int64_t c = i % n.shape.channels;
    const float normalized = (to_float(x[i]) - n.parameters.mean[c]) * n.scale(c);
    const float result = normalized * n.gamma(c) + n.beta(c);
    y[i] = from_float<T>(n.shape.relu && !(result > 0) ? 0.0f : result);
  }
}

template <typename T>
__device__ float behind_relu(const Normalization& n, const T* y, const T* dy, int64_t i) {
  return n.shape.relu && !(to_float(y[i]) > 0) ? 0.0f : to_float(dy[i]);
}

template <typename T>
__global__ void gradient_sums_kernel(Normalization n, const T* x, const T* y, const T* dy,
                                     GradientSums* partial) {
  __shared__ GradientSums lines[kLines][kWarp];
  GradientSums own;
  const int64_t columns = n.shape.channels, c = own_column();
  const float mean = c < columns ? n.parameters.mean[c] : 0.0f;
  const float scale = c < columns ? n.scale(c) : 0.0f;
  for_own_rows(n.shape.rows, columns, [&](int64_t r) {
    const int64_t i = r * columns + c;
    const float dz = behind_relu(n, y, dy, i);
    own.add({dz, dz * (to_float(x[i]) - mean) * scale});
  });
  keep(add_up_lines(own, lines), columns, partial);
}

// `sums` [C], and where somebody needs them the gradients of gamma and beta.
__global__ void gradients_kernel(int64_t columns, int stripes, const GradientSums* partial,
                                 GradientSums* sums, float* dgamma, float* dbeta) {
  for (int64_t c = first_index(); c < columns; c += index_stride()) {
    GradientSums all;
    for (int stripe = 0; stripe < stripes; ++stripe) all.add(partial[stripe * columns + c]);
    sums[c] = all;
    if (dgamma != nullptr) dgamma[c] = all.dz_z;
    if (dbeta != nullptr) dbeta[c] = all.dz;
  }
}

template <typename T>
__global__ void input_gradient_kernel(Normalization n, const T* x, const T* y, const T* dy,
                                      const GradientSums* sums, T* dx) {
  const int64_t size = n.shape.rows * n.shape.channels;
  const float share = 1.0f / static_cast<float>(n.shape.rows);
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    const int64_t c = i % n.shape.channels;
    float dz = behind_relu(n, y, dy, i);
    if (!n.shape.frozen) {
      const float normalized = (to_float(x[i]) - n.parameters.mean[c]) * n.scale(c);
      dz -= (sums[c].dz + normalized * sums[c].dz_z) * share;
    }
    dx[i] = from_float<T>(n.gamma(c) * n.scale(c) * dz);
  }
}

}  // namespace

// --- Launchers ---

// Those of each stripe, and behind them their sums.
size_t batch_norm_partials(const BatchNormShape& shape) {
  constexpr size_t kFloats = sizeof(Moments) / sizeof(float);
  return (stripes_over(shape.rows) + 1) * static_cast<size_t>(shape.channels) * kFloats;
}

void batch_statistics(const BatchNormShape& shape, Type type, const void* x, double momentum,
                      float* partials, float* mean, float* variance, float* moving_mean,
                      float* moving_variance, cudaStream_t stream) {
  const Grid grid = stripes_of_columns(shape.rows, shape.channels);
  auto* partial = reinterpret_cast<Moments*>(partials);
  with_type(type, [&](auto number) {
    using T = decltype(number);
    launch(moments_kernel<T>, grid, stream, shape.rows, shape.channels, static_cast<const T*>(x),
           partial);
  });
  launch(statistics_kernel, grid_for(shape.channels), stream, shape.channels,
         static_cast<int>(grid.blocks.y), partial, momentum, 1 - momentum, mean, variance,
         moving_mean, moving_variance);
}

void batch_normalize(const BatchNormShape& shape, Type type, const BatchNormParameters& parameters,
                     const void* x, void* y, cudaStream_t stream) {
  with_type(type, [&](auto number) {
    using T = decltype(number);
    launch(normalize_kernel<T>, grid_for(shape.rows * shape.channels), stream,
           Normalization{shape, parameters}, static_cast<const T*>(x), static_cast<T*>(y));
  });
}

void batch_norm_backward(const BatchNormShape& shape, Type type,
                         const BatchNormParameters& parameters, const void* x, const void* y,
                         const void* dy, float* partials, float* dgamma, float* dbeta, void* dx,
                         cudaStream_t stream) {
  const Normalization normalization{shape, parameters};
  const Grid grid = stripes_of_columns(shape.rows, shape.channels);
  auto* partial = reinterpret_cast<GradientSums*>(partials);
  GradientSums* const sums = partial + static_cast<int64_t>(grid.blocks.y) * shape.channels;
  with_type(type, [&](auto number) {
    using T = decltype(number);
    const auto *xs = static_cast<const T*>(x), *ys = static_cast<const T*>(y),
               *dys = static_cast<const T*>(dy);
    launch(gradient_sums_kernel<T>, grid, stream, normalization, xs, ys, dys, partial);
    launch(gradients_kernel, grid_for(shape.channels), stream, shape.channels,
           static_cast<int>(grid.blocks.y), partial, sums, dgamma, dbeta);
    if (dx == nullptr) return;
    launch(input_gradient_kernel<T>, grid_for(shape.rows * shape.channels), stream, normalization,
           xs, ys, dys, sums, static_cast<T*>(dx));
  });
}

}  // namespace sluice::backend::cuda
