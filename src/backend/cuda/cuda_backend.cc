#include "backend/cuda/cuda_backend.h"

#include <fmt/core.h>

#include <mutex>

#include "backend/cuda/cuda_replica.h"

namespace sluice::backend::cuda {
namespace {

constexpr int kFirstWithBfloat16 = 80;

class CudaBackend final : public Backend {
 public:
  CudaBackend(const GpuInfo& gpu, int64_t memory_bytes) : gpu_(gpu), memory_bytes_(memory_bytes) {}

  std::string name() const override { return fmt::format("cuda:{} ({})", gpu_.index, gpu_.name); }

  Status check(Precision precision) const override {
    if (precision != Precision::kMixedBfloat16 || architecture() >= kFirstWithBfloat16) {
      return ok_status();
    }
    return invalid_argument(
        fmt::format("mixed_bfloat16: {} has compute capability {}, it takes 8.0; use float32",
                    name(), gpu_.architecture));
  }

  std::unique_ptr<Replica> compile(const Graph& graph, const ReplicaOptions& options) override {
    const Status able = check(options.precision);
    if (!able.ok()) throw std::invalid_argument(able.message());
    try {
      const std::shared_ptr<Device> gpu = device();
      const std::unique_lock alone(gpu->captures());
      return std::make_unique<CudaReplica>(gpu, graph, options);
    } catch (const CudaError& error) {
      throw CudaError(name() + ": " + error.what());
    }
  }

 private:
  int architecture() const { return architecture_of(gpu_.architecture); }

  // One Device for each GPU of the process, since the bound on its memory is for all replicas
  // together. Of several bounds the lowest counts.
  std::shared_ptr<Device> device() {
    static std::mutex mutex;
    static std::map<int, std::weak_ptr<Device>> devices;
    std::lock_guard lock(mutex);
    std::weak_ptr<Device>& known = devices[gpu_.index];
    std::shared_ptr<Device> device = known.lock();
    if (device == nullptr) {
      device = std::make_shared<Device>(gpu_);
      known = device;
    }
    device->lower_bound(memory_bytes_);
    return device;
  }

  const GpuInfo gpu_;
  const int64_t memory_bytes_;
};

}  // namespace

std::shared_ptr<Backend> make_cuda_backend(const GpuInfo& gpu, int64_t memory_bytes) {
  return std::make_shared<CudaBackend>(gpu, memory_bytes);
}

}  // namespace sluice::backend::cuda
