#include "backend/cuda/device.h"

#include <fmt/core.h>

#include <cstdlib>

namespace sluice::backend::cuda {
namespace {

std::string in_mib(int64_t bytes) { return fmt::format("{} MiB", (bytes + (1 << 20) - 1) >> 20); }

MemoryPoolHandle make_pool(int device) {
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  properties.location.id = device;
  return made<MemoryPoolHandle>(cudaMemPoolCreate, &properties);
}

}  // namespace

int architecture_of(const std::string& text) {
  const size_t dot = text.find('.');
  if (dot == std::string::npos) return 0;
  return std::atoi(text.c_str()) * 10 + std::atoi(text.c_str() + dot + 1);
}

Device::Device(const GpuInfo& info) : info_(info) {
  use();
  stream_ = make_stream();
  pool_ = make_pool(info.index);
}

void Device::use() const { SLUICE_CHECKED(cudaSetDevice(info_.index)); }

void Device::lower_bound(int64_t memory_bytes) {
  std::lock_guard lock(mutex_);
  if (memory_bytes > 0 && (bound_ == 0 || memory_bytes < bound_)) bound_ = memory_bytes;
}

void* Device::allocate(size_t bytes) {
  std::lock_guard lock(mutex_);
  const auto more = static_cast<int64_t>(bytes);
  const std::string wanted = fmt::format("cuda:{}: {} more than the {} that this process has",
                                         index(), in_mib(more), in_mib(allocated_));
  if (bound_ > 0 && allocated_ + more > bound_) {
    throw CudaError(
        fmt::format("{} would exceed the {} of --gpu-memory; raise it, or take smaller batches",
                    wanted, in_mib(bound_)));
  }
  use();
  void* memory = nullptr;
  const cudaError_t status = cudaMallocFromPoolAsync(&memory, bytes, pool_.get(), stream_.get());
  if (status == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    throw CudaError(
        fmt::format("{} are not free on {}; end other programs there, or take smaller batches or "
                    "fewer workers",
                    wanted, info_.name));
  }
  check(status, "cudaMallocFromPoolAsync");
  SLUICE_CHECKED(cudaMemsetAsync(memory, 0, bytes, stream_.get()));
  SLUICE_CHECKED(cudaStreamSynchronize(stream_.get()));
  allocated_ += more;
  return memory;
}

std::optional<ConvolutionAlgorithm> Device::known_algorithm(const std::string& key) const {
  std::lock_guard lock(mutex_);
  const auto found = algorithms_.find(key);
  if (found == algorithms_.end()) return std::nullopt;
  return found->second;
}

void Device::remember_algorithm(const std::string& key, const ConvolutionAlgorithm& algorithm) {
  std::lock_guard lock(mutex_);
  algorithms_[key] = algorithm;
}

void Device::release(void* memory, size_t bytes) {
  std::lock_guard lock(mutex_);
  allocated_ -= static_cast<int64_t>(bytes);
  // At the end of a process CUDA may be gone already: then so is the memory.
  if (cudaSetDevice(info_.index) == cudaSuccess) (void)cudaFreeAsync(memory, stream_.get());
}

}  // namespace sluice::backend::cuda
