// Allocation: device memory, pools and pinned memory.
#include <cstdint>
#include <cstdlib>

#include "runtime/settings.h"
#include "runtime/state.h"

namespace sluice::emulator {
namespace {

cudaError_t allocate(void** pointer, size_t size, const std::shared_ptr<Pool>& pool) {
  if (pointer == nullptr) return cudaErrorInvalidValue;
  *pointer = nullptr;
  if (size == 0) return cudaSuccess;
  const int device = pool == nullptr ? current_device() : pool->device;
  *pointer = state().memory.allocate(size, device, pool);
  if (*pointer == nullptr) return cudaErrorMemoryAllocation;
  ++state().counters.device_allocations;
  return cudaSuccess;
}

// The memory is there at once; that a program may use it only behind this call in the stream is
// not checked.
cudaError_t allocate_in_stream(Lock& lock, void** pointer, size_t size,
                               const std::shared_ptr<Pool>& pool, cudaStream_t handle) {
  const std::shared_ptr<Stream> stream = find_stream(handle);
  if (stream == nullptr || pool == nullptr) return cudaErrorInvalidValue;
  if (stream->capture != nullptr) return refuse_captured(stream->capture);
  cudaError_t error = allocate(pointer, size, pool);
  if (error == cudaErrorMemoryAllocation) {
    // What is freed earlier in the stream is free.
    wait_for(lock, end_of(stream));
    error = allocate(pointer, size, pool);
  }
  return error;
}

cudaError_t free_in_stream(void* pointer, cudaStream_t handle) {
  const std::shared_ptr<Stream> stream = find_stream(handle);
  Allocation* const allocation = state().memory.find_base(pointer);
  if (stream == nullptr || allocation == nullptr) return cudaErrorInvalidValue;
  if (stream->capture != nullptr) return refuse_captured(stream->capture);
  allocation->freed = true;
  return enqueue(stream, [pointer] {
    const Lock lock(state().mutex);
    state().memory.release(pointer);
  });
}

cudaError_t allocate_pinned(void** pointer, size_t size) {
  if (const cudaError_t error = check_no_capture(); error != cudaSuccess) return error;
  if (pointer == nullptr) return cudaErrorInvalidValue;
  *pointer = nullptr;
  if (size == 0) return cudaSuccess;
  if (posix_memalign(pointer, 4096, size) != 0) return cudaErrorMemoryAllocation;
  state().memory.pin(*pointer, size, true);
  ++state().counters.host_allocations;
  return cudaSuccess;
}

}  // namespace
}  // namespace sluice::emulator

using namespace sluice::emulator;

cudaError_t cudaMalloc(void** pointer, size_t size) {
  return call(__func__, [&](Lock&) {
    if (const cudaError_t error = check_no_capture(); error != cudaSuccess) return error;
    return allocate(pointer, size, nullptr);
  });
}

cudaError_t cudaFree(void* pointer) {
  return call(__func__, [&](Lock& lock) {
    if (pointer == nullptr) return cudaSuccess;
    if (const cudaError_t error = check_no_capture(); error != cudaSuccess) return error;
    const Allocation* const allocation = state().memory.find_base(pointer);
    if (allocation == nullptr) return cudaErrorInvalidValue;
    wait_for_device(lock, allocation->device);
    state().memory.release(pointer);
    return cudaSuccess;
  });
}

cudaError_t cudaMallocAsync(void** pointer, size_t size, cudaStream_t stream) {
  return call(__func__, [&](Lock& lock) {
    return allocate_in_stream(lock, pointer, size, device_state(current_device()).pool, stream);
  });
}

cudaError_t cudaMallocFromPoolAsync(void** pointer, size_t size, cudaMemPool_t pool,
                                    cudaStream_t stream) {
  return call(__func__, [&](Lock& lock) {
    return allocate_in_stream(lock, pointer, size, state().pools.find(pool), stream);
  });
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  return call(__func__, [&](Lock&) {
    return pointer == nullptr ? cudaSuccess : free_in_stream(pointer, stream);
  });
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties) {
  return call(__func__, [&](Lock&) {
    if (pool == nullptr || properties == nullptr) return cudaErrorInvalidValue;
    const cudaMemPoolProps& p = *properties;
    if (p.allocType != cudaMemAllocationTypePinned ||
        p.location.type != cudaMemLocationTypeDevice || !has_device(p.location.id)) {
      return cudaErrorInvalidValue;
    }
    *pool = state().pools.add(
        std::make_shared<Pool>(Pool{.device = p.location.id, .max_size = p.maxSize}));
    return cudaSuccess;
  });
}

// What is allocated from the pool stays until it is freed.
cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
  return call(__func__, [&](Lock&) {
    for (const auto& [id, device] : state().devices) {
      if (device.pool_handle == pool) return cudaErrorInvalidValue;
    }
    return state().pools.remove(pool) ? cudaSuccess : cudaErrorInvalidValue;
  });
}

// Attributes say when memory goes back to the device, which nothing here depends on.
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr, void* value) {
  return call(__func__, [&](Lock&) {
    return state().pools.find(pool) == nullptr || value == nullptr ? cudaErrorInvalidValue
                                                                   : cudaSuccess;
  });
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t) {
  return call(__func__, [&](Lock&) {
    return state().pools.find(pool) == nullptr ? cudaErrorInvalidValue : cudaSuccess;
  });
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device) {
  return call(__func__, [&](Lock&) {
    if (pool == nullptr) return cudaErrorInvalidValue;
    if (!has_device(device)) return cudaErrorInvalidDevice;
    *pool = device_state(device).pool_handle;
    return cudaSuccess;
  });
}

cudaError_t cudaHostAlloc(void** pointer, size_t size, unsigned) {
  return call(__func__, [&](Lock&) { return allocate_pinned(pointer, size); });
}

cudaError_t cudaMallocHost(void** pointer, size_t size) {
  return call(__func__, [&](Lock&) { return allocate_pinned(pointer, size); });
}

cudaError_t cudaFreeHost(void* pointer) {
  return call(__func__, [&](Lock& lock) {
    if (pointer == nullptr) return cudaSuccess;
    if (const cudaError_t error = check_no_capture(); error != cudaSuccess) return error;
    wait_for_all_devices(lock);
    if (!state().memory.unpin(pointer, true)) return cudaErrorInvalidValue;
    std::free(pointer);
    return cudaSuccess;
  });
}

cudaError_t cudaHostRegister(void* pointer, size_t size, unsigned) {
  return call(__func__, [&](Lock&) {
    if (const cudaError_t error = check_no_capture(); error != cudaSuccess) return error;
    if (pointer == nullptr || size == 0) return cudaErrorInvalidValue;
    if (!state().memory.pin(pointer, size, false)) return cudaErrorHostMemoryAlreadyRegistered;
    ++state().counters.host_allocations;
    return cudaSuccess;
  });
}

cudaError_t cudaHostUnregister(void* pointer) {
  return call(__func__, [&](Lock& lock) {
    if (const cudaError_t error = check_no_capture(); error != cudaSuccess) return error;
    wait_for_all_devices(lock);
    return state().memory.unpin(pointer, false) ? cudaSuccess : cudaErrorHostMemoryNotRegistered;
  });
}
