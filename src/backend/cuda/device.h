// One GPU as this process uses it: its memory, which can be bounded, and the algorithms that were
// measured to be the fastest on it.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>

#include "backend/cuda/handles.h"
#include "backend/cuda_plugin.h"

namespace sluice::backend::cuda {

// Compute capability "9.0" as 90.
int architecture_of(const std::string& text);

// An algorithm of cuDNN's for a convolution; `algorithm` and `math` are cuDNN's enumerations.
struct ConvolutionAlgorithm {
  int algorithm = 0, math = 0;
  size_t memory = 0;  // of the workspace, in bytes

  friend bool operator==(const ConvolutionAlgorithm&, const ConvolutionAlgorithm&) = default;
};

// Shared by the replicas of a process. Thread-safe.
class Device {
 public:
  explicit Device(const GpuInfo& info);
  int index() const { return info_.index; }
  const GpuInfo& info() const { return info_; }
  // Makes this the calling thread's device, which must precede every other call of CUDA.
  void use() const;
  // Bounds the bytes that are allocated at any time. Of several bounds the lowest counts; 0 is
  // none.
  void lower_bound(int64_t memory_bytes);
  // Allocates zeroed memory on the device, and waits until that is done. Throws CudaError when the
  // bound or the device's memory does not suffice, saying what this process has allocated.
  void* allocate(size_t bytes);
  void release(void* memory, size_t bytes);

  // The algorithms measured in this process, by a key of shapes, types and direction.
  std::optional<ConvolutionAlgorithm> known_algorithm(const std::string& key) const;
  void remember_algorithm(const std::string& key, const ConvolutionAlgorithm& algorithm);

  // While one thread captures a graph, CUDA forbids other threads what making, preparing and
  // destroying a replica does. Captures hold this lock shared, the others exclusively.
  std::shared_mutex& captures() { return captures_; }

 private:
  const GpuInfo info_;
  Stream stream_;  // of allocations
  MemoryPoolHandle pool_;

  std::shared_mutex captures_;
  mutable std::mutex mutex_;
  int64_t bound_ = 0;                                       // 0: none; guarded by mutex_
  int64_t allocated_ = 0;                                   // guarded by mutex_
  std::map<std::string, ConvolutionAlgorithm> algorithms_;  // guarded by mutex_
};

// `size` values of T in a device's memory, zeroed. The device outlives it.
template <typename T>
class DeviceArray {
 public:
  DeviceArray() = default;
  DeviceArray(Device& device, size_t size) : device_(&device), size_(size) {
    if (size == 0) return;
    data_ = static_cast<T*>(device.allocate(size * sizeof(T)));
  }
  DeviceArray(DeviceArray&& other) noexcept { swap(other); }
  DeviceArray& operator=(DeviceArray&& other) noexcept {
    swap(other);
    return *this;
  }
  ~DeviceArray() {
    if (data_ != nullptr) device_->release(data_, size_ * sizeof(T));
  }

  T* data() const { return data_; }
  size_t size() const { return size_; }
  size_t bytes() const { return size_ * sizeof(T); }

 private:
  void swap(DeviceArray& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  Device* device_ = nullptr;
  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace sluice::backend::cuda
