// Copies and memsets.
#include <cstring>
#include <memory>
#include <vector>

#include "runtime/state.h"

namespace sluice::emulator {
namespace {

struct Copy {
  char* to;
  size_t to_pitch;
  const char* from;
  size_t from_pitch;
  size_t width;  // bytes of a row
  size_t rows;
  cudaMemcpyKind kind;

  size_t to_extent() const { return (rows - 1) * to_pitch + width; }
  size_t from_extent() const { return (rows - 1) * from_pitch + width; }
};

void run(const Copy& copy) {
  for (size_t row = 0; row < copy.rows; ++row) {
    std::memcpy(copy.to + row * copy.to_pitch, copy.from + row * copy.from_pitch, copy.width);
  }
}

cudaMemcpyKind kind_of(const Copy& copy) {
  const bool to_device = state().memory.touches_device(copy.to);
  const bool from_device = state().memory.touches_device(copy.from);
  if (to_device) return from_device ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice;
  return from_device ? cudaMemcpyDeviceToHost : cudaMemcpyHostToHost;
}

// Both ends must be what the kind says, with all their bytes.
cudaError_t check(Copy& copy) {
  if (copy.to == nullptr || copy.from == nullptr) return cudaErrorInvalidValue;
  if (copy.rows > 1 && (copy.to_pitch < copy.width || copy.from_pitch < copy.width)) {
    return cudaErrorInvalidValue;
  }
  const cudaMemcpyKind actual = kind_of(copy);
  if (copy.kind == cudaMemcpyDefault) copy.kind = actual;
  if (copy.kind != actual) return cudaErrorInvalidValue;
  const bool to_device = actual == cudaMemcpyHostToDevice || actual == cudaMemcpyDeviceToDevice;
  const bool from_device = actual == cudaMemcpyDeviceToHost || actual == cudaMemcpyDeviceToDevice;
  const Memory& memory = state().memory;
  if (to_device && !memory.on_device(copy.to, copy.to_extent())) return cudaErrorInvalidValue;
  if (from_device && !memory.on_device(copy.from, copy.from_extent())) return cudaErrorInvalidValue;
  return cudaSuccess;
}

void count(const Copy& copy) {
  const auto bytes = static_cast<int64_t>(copy.width * copy.rows);
  const Lock lock(state().mutex);
  if (copy.kind == cudaMemcpyHostToDevice) state().counters.bytes_to_device += bytes;
  if (copy.kind == cudaMemcpyDeviceToHost) state().counters.bytes_to_host += bytes;
}

bool pinned(const Copy& copy) {
  const Memory& memory = state().memory;
  switch (copy.kind) {
    case cudaMemcpyHostToDevice:
      return memory.pinned(copy.from, copy.from_extent());
    case cudaMemcpyDeviceToHost:
      return memory.pinned(copy.to, copy.to_extent());
    case cudaMemcpyHostToHost:
      return memory.pinned(copy.from, copy.from_extent()) &&
             memory.pinned(copy.to, copy.to_extent());
    default:
      return true;
  }
}

cudaError_t enqueue_copy(const Copy& copy, const std::shared_ptr<Stream>& stream) {
  return enqueue(stream, [copy] {
    run(copy);
    count(copy);
  });
}

// CUDA takes what it copies from memory that is not pinned before it returns, and waits until it
// has written to such memory.
cudaError_t enqueue_unpinned(Lock& lock, Copy copy, const std::shared_ptr<Stream>& stream) {
  if (copy.kind == cudaMemcpyHostToDevice) {
    auto staged = std::make_shared<std::vector<char>>(copy.from, copy.from + copy.from_extent());
    copy.from = staged->data();
    return enqueue(stream, [copy, staged] {
      run(copy);
      count(copy);
    });
  }
  const cudaError_t error = enqueue_copy(copy, stream);
  if (error == cudaSuccess) wait_for(lock, end_of(stream));
  return error;
}

cudaError_t copy_async(Lock& lock, Copy copy, cudaStream_t handle) {
  const std::shared_ptr<Stream> stream = find_stream(handle);
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;
  if (copy.width == 0 || copy.rows == 0) return cudaSuccess;
  if (const cudaError_t error = check(copy); error != cudaSuccess) return error;
  if (pinned(copy)) return enqueue_copy(copy, stream);
  ++state().counters.unpinned_copies;
  if (stream->capture != nullptr) return enqueue_copy(copy, stream);
  return enqueue_unpinned(lock, copy, stream);
}

cudaError_t copy_and_wait(Lock& lock, Copy copy) {
  if (const cudaError_t error = check_no_capture(); error != cudaSuccess) return error;
  if (copy.width == 0 || copy.rows == 0) return cudaSuccess;
  if (const cudaError_t error = check(copy); error != cudaSuccess) return error;
  const std::shared_ptr<Stream> stream = find_stream(nullptr);
  if (const cudaError_t error = enqueue_copy(copy, stream); error != cudaSuccess) return error;
  ++state().counters.synchronisations;
  wait_for(lock, end_of(stream));
  return cudaSuccess;
}

Copy row(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return {static_cast<char*>(to), bytes, static_cast<const char*>(from), bytes, bytes, 1, kind};
}

Copy rows(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
          size_t height, cudaMemcpyKind kind) {
  return {static_cast<char*>(to),
          to_pitch,
          static_cast<const char*>(from),
          from_pitch,
          width,
          height,
          kind};
}

cudaError_t enqueue_memset(void* pointer, int value, size_t bytes, cudaStream_t handle) {
  const std::shared_ptr<Stream> stream = find_stream(handle);
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;
  if (bytes == 0) return cudaSuccess;
  if (!state().memory.on_device(pointer, bytes)) return cudaErrorInvalidValue;
  return enqueue(stream, [pointer, value, bytes] { std::memset(pointer, value, bytes); });
}

}  // namespace
}  // namespace sluice::emulator

using namespace sluice::emulator;

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return call(__func__,
              [&](Lock& lock) { return copy_async(lock, row(to, from, bytes, kind), stream); });
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                              size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
  return call(__func__, [&](Lock& lock) {
    return copy_async(lock, rows(to, to_pitch, from, from_pitch, width, height, kind), stream);
  });
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return call(__func__,
              [&](Lock& lock) { return copy_and_wait(lock, row(to, from, bytes, kind)); });
}

cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t stream) {
  return call(__func__, [&](Lock&) { return enqueue_memset(pointer, value, bytes, stream); });
}

// On device memory it does not wait, as on a GPU.
cudaError_t cudaMemset(void* pointer, int value, size_t bytes) {
  return call(__func__, [&](Lock&) {
    if (const cudaError_t error = check_no_capture(); error != cudaSuccess) return error;
    return enqueue_memset(pointer, value, bytes, nullptr);
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  return call(__func__, [&](Lock&) {
    *attributes = {};
    const Memory& memory = state().memory;
    attributes->type = memory.touches_device(pointer) ? cudaMemoryTypeDevice
                       : memory.pinned(pointer, 1)    ? cudaMemoryTypeHost
                                                      : cudaMemoryTypeUnregistered;
    return cudaSuccess;
  });
}
