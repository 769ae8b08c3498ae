// Kernels: what CUDA checks before it queues one, and running it.
#include <bit>
#include <utility>

#include "kernels/block.h"
#include "runtime/settings.h"
#include "runtime/state.h"

namespace sluice::emulator {
namespace {

constexpr unsigned kMaxThreads = 1024;
constexpr unsigned kMaxBlockZ = 64;
constexpr unsigned kMaxGridX = 0x7fffffff;
constexpr unsigned kMaxGridYz = 65535;
constexpr size_t kMaxSharedMemory = 48 * 1024;

bool within(unsigned value, unsigned limit) { return value > 0 && value <= limit; }

cudaError_t check_configuration(dim3 grid, dim3 block, size_t shared_bytes) {
  const bool valid =
      within(block.x, kMaxThreads) && within(block.y, kMaxThreads) && within(block.z, kMaxBlockZ) &&
      uint64_t{block.x} * block.y * block.z <= kMaxThreads && within(grid.x, kMaxGridX) &&
      within(grid.y, kMaxGridYz) && within(grid.z, kMaxGridYz);
  if (!valid) return cudaErrorInvalidConfiguration;
  return shared_bytes <= kMaxSharedMemory ? cudaSuccess : cudaErrorInvalidValue;
}

// Not plainly alternating: a step of an even number of kernels would give each the same every time.
ThreadOrder next_order() {
  const Lock lock(state().mutex);
  const auto kernel = static_cast<uint64_t>(state().counters.kernels_run++);
  return std::popcount(kernel) % 2 == 0 ? ThreadOrder::kAscending : ThreadOrder::kDescending;
}

}  // namespace

cudaError_t launch(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t handle,
                   std::function<void()> thread_body) {
  return call(__func__, [&](Lock&) {
    const cudaError_t error = check_configuration(grid, block, shared_bytes);
    if (error != cudaSuccess) return error;
    if (!kernels_supported()) return cudaErrorNoKernelImageForDevice;
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    return enqueue(stream, [grid, block, body = std::move(thread_body)] {
      run_grid(grid, block, next_order(), body);
    });
  });
}

}  // namespace sluice::emulator
