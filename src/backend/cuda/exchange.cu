// Parameters on their way from and to the servers. With d(i) the place on the device of what lies
// at i in Keras' layout (see Segment):
//
//   read_scaled   keras_i = scale device_d(i)
//   read_update   keras_i = scale (device_d(i) - start_d(i))     where `start` holds an anchor
//                 keras_i = scale start_d(i)                     where it holds a sum
//                 keras_i = device_d(i)                          where weights are wanted
//   write_sum     device_d(i) = keras_i + own_i                  own may be nullptr: 0
//                 device_d(i) += rate (keras_i - device_d(i))    where it is pulled
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

__device__ int64_t on_device(const Segment& s, int64_t i) {
  if (s.filters == 0) return s.device + i;
  const int64_t taps = s.size / s.filters;  // H W C
  return s.device + i % s.filters * taps + i / s.filters;
}

// A row of blocks to each segment.

__global__ void read_scaled_kernel(const Segment* segments, float scale, const float* device,
                                   float* keras) {
  const Segment s = segments[blockIdx.y];
  for (int64_t i = first_index(); i < s.size; i += index_stride()) {
    keras[s.keras + i] = device[on_device(s, i)] * scale;
  }
}

__global__ void read_update_kernel(const Segment* segments, WindowUpdate update,
                                   const float* device, const float* start, float* keras) {
  const Segment s = segments[blockIdx.y];
  for (int64_t i = first_index(); i < s.size; i += index_stride()) {
    const int64_t d = on_device(s, i);
    const float value = d < update.sums_end ? start[d] : device[d] - start[d];
    const float scaled = value * (s.is_state ? update.state_scale : update.scale);
    keras[s.keras + i] = d < update.weights_end ? device[d] : scaled;
  }
}

__global__ void write_sum_kernel(const Segment* segments, const float* keras, const float* own,
                                 ElasticPull pull, float* device, __nv_bfloat16* bfloat16_copy) {
  const Segment s = segments[blockIdx.y];
  for (int64_t i = first_index(); i < s.size; i += index_stride()) {
    const int64_t d = on_device(s, i);
    const float centre = keras[s.keras + i];
    const float value = d < pull.end ? device[d] + pull.rate * (centre - device[d])
                                     : centre + (own == nullptr ? 0.0f : own[s.keras + i]);
    device[d] = value;
    if (bfloat16_copy != nullptr) bfloat16_copy[d] = from_float<__nv_bfloat16>(value);
  }
}

// --- Launchers ---

// A few blocks to each: most segments are small.
Grid row_per_segment(const Segments& segments) {
  constexpr unsigned kMostBlocks = 256;
  Grid grid = grid_for(segments.largest);
  grid.blocks.x = std::min(grid.blocks.x, kMostBlocks);
  grid.blocks.y = static_cast<unsigned>(segments.count);
  return grid;
}

}  // namespace

void read_scaled(const Segments& segments, float scale, const float* device, float* keras,
                 cudaStream_t stream) {
  if (segments.count == 0) return;
  launch(read_scaled_kernel, row_per_segment(segments), stream, segments.table, scale, device,
         keras);
}

void read_update(const Segments& segments, const WindowUpdate& update, const float* device,
                 const float* start, float* keras, cudaStream_t stream) {
  if (segments.count == 0) return;
  launch(read_update_kernel, row_per_segment(segments), stream, segments.table, update, device,
         start, keras);
}

void write_sum(const Segments& segments, const float* keras, const float* own,
               const ElasticPull& pull, float* device, void* bfloat16_copy, cudaStream_t stream) {
  if (segments.count == 0) return;
  launch(write_sum_kernel, row_per_segment(segments), stream, segments.table, keras, own, pull,
         device, static_cast<__nv_bfloat16*>(bfloat16_copy));
}

}  // namespace sluice::backend::cuda
