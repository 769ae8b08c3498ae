// Devices, versions and errors.
#include <cstring>

#include "runtime/settings.h"
#include "runtime/state.h"

namespace sluice::emulator {
namespace {

constexpr int kProcessors = 132;
constexpr int kMaxThreadsPerBlock = 1024;
constexpr int kSharedMemoryPerBlock = 48 * 1024;

// 0 for what the emulated device does not have, and for what nobody has asked for yet.
int attribute(cudaDeviceAttr which) {
  switch (which) {
    case cudaDevAttrComputeCapabilityMajor:
      return compute_capability().major;
    case cudaDevAttrComputeCapabilityMinor:
      return compute_capability().minor;
    case cudaDevAttrMultiProcessorCount:
      return kProcessors;
    case cudaDevAttrWarpSize:
      return 32;
    case cudaDevAttrMaxThreadsPerBlock:
    case cudaDevAttrMaxBlockDimX:
    case cudaDevAttrMaxBlockDimY:
      return kMaxThreadsPerBlock;
    case cudaDevAttrMaxBlockDimZ:
      return 64;
    case cudaDevAttrMaxGridDimX:
      return 0x7fffffff;
    case cudaDevAttrMaxGridDimY:
    case cudaDevAttrMaxGridDimZ:
      return 65535;
    case cudaDevAttrMaxSharedMemoryPerBlock:
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      return kSharedMemoryPerBlock;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      return 2048;
    case cudaDevAttrMemoryPoolsSupported:
    case cudaDevAttrUnifiedAddressing:
    case cudaDevAttrConcurrentKernels:
    case cudaDevAttrHostRegisterSupported:
      return 1;
    case cudaDevAttrAsyncEngineCount:
      return 2;
    default:
      return 0;
  }
}

void describe(int device, cudaDeviceProp& p) {
  p = {};
  std::strcpy(p.name, "Emulated GPU");
  p.uuid.bytes[0] = static_cast<char>(device + 1);
  p.totalGlobalMem = device_memory();
  p.sharedMemPerBlock = p.sharedMemPerBlockOptin = kSharedMemoryPerBlock;
  p.warpSize = 32;
  p.maxThreadsPerBlock = kMaxThreadsPerBlock;
  p.maxThreadsDim[0] = p.maxThreadsDim[1] = kMaxThreadsPerBlock;
  p.maxThreadsDim[2] = 64;
  p.maxGridSize[0] = 0x7fffffff;
  p.maxGridSize[1] = p.maxGridSize[2] = 65535;
  p.major = compute_capability().major;
  p.minor = compute_capability().minor;
  p.multiProcessorCount = kProcessors;
  p.maxThreadsPerMultiProcessor = 2048;
  p.pciBusID = device + 1;
  p.asyncEngineCount = 2;
  p.concurrentKernels = p.unifiedAddressing = p.canMapHostMemory = 1;
  p.hostRegisterSupported = p.memoryPoolsSupported = 1;
}

}  // namespace
}  // namespace sluice::emulator

using namespace sluice::emulator;

// Where it fails it leaves *count alone, as the real one does.
cudaError_t cudaGetDeviceCount(int* count) {
  return call(__func__, [&](Lock&) {
    if (count == nullptr) return cudaErrorInvalidValue;
    *count = device_count();
    return cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int device) {
  return call(__func__, [&](Lock&) {
    if (!has_device(device)) return cudaErrorInvalidDevice;
    set_current_device(device);
    return cudaSuccess;
  });
}

cudaError_t cudaGetDevice(int* device) {
  return call(__func__, [&](Lock&) {
    *device = current_device();
    return cudaSuccess;
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* prop, int device) {
  return call(__func__, [&](Lock&) {
    if (!has_device(device)) return cudaErrorInvalidDevice;
    describe(device, *prop);
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attr, int device) {
  return call(__func__, [&](Lock&) {
    if (!has_device(device)) return cudaErrorInvalidDevice;
    *value = attribute(attr);
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceSynchronize() {
  return call(__func__, [&](Lock& lock) {
    if (const cudaError_t error = check_no_capture(); error != cudaSuccess) return error;
    ++state().counters.synchronisations;
    wait_for_device(lock, current_device());
    return cudaSuccess;
  });
}

// 0 where there is no driver, as the real one answers.
cudaError_t cudaDriverGetVersion(int* version) {
  *version = gpus() == Gpus::kNoDriver ? 0 : CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  return call(__func__, [&](Lock&) {
    *total = device_memory();
    *free = *total - static_cast<size_t>(state().memory.used(current_device()));
    return cudaSuccess;
  });
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  return call(__func__, [&](Lock&) {
    if (attributes == nullptr || function == nullptr) return cudaErrorInvalidValue;
    if (!kernels_supported()) return cudaErrorNoKernelImageForDevice;
    *attributes = {};
    attributes->maxThreadsPerBlock = kMaxThreadsPerBlock;
    attributes->numRegs = 32;
    return cudaSuccess;
  });
}
