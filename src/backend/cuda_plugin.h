// The interface to the CUDA backend, which is a plug-in: libsluice_cuda.so is opened when a GPU is
// asked for, so that the same programs work where there is no driver, no CUDA and no cuDNN.
//
// The interface is C++: program and plug-in must be of one version and built with the same headers
// and compiler (backend/interface_id.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend/replica.h"
#include "sluice/status.h"

namespace sluice::backend {

struct GpuInfo {
  int index = 0;             // cuda:N
  std::string uuid;          // "GPU-1f0c...", as NVIDIA's driver writes it
  std::string name;          // "NVIDIA H200"
  std::string architecture;  // compute capability, "9.0"
  int64_t memory_bytes = 0;
  std::string problem;  // why it cannot be used; empty: it can
};

struct CudaVersions {
  std::string driver;  // the newest CUDA that the driver takes; "none" without a driver
  std::string runtime, cudnn, cublaslt;
  std::string architectures;  // that the plug-in has code for: "7.5 8.0 9.0 and newer"
};

// Measured rates of a GPU that does nothing else: no training step can be faster.
struct GpuRates {
  double copy_bytes = 0;  // per second, read and written, by a copy within its memory
  // Operations per second of a large matrix product, a multiplication and an addition being two.
  double float32_flops = 0, tf32_flops = 0;
  double bfloat16_flops = 0;  // 0 where it has none
};

// The sizes of what is measured. The defaults keep the whole card busy; tests take less.
struct GpuRateSizes {
  int64_t copy_bytes = int64_t{1} << 30;
  int64_t matrix = 8192;  // rows and columns of each factor
};

class CudaPlugin {
 public:
  virtual ~CudaPlugin() = default;
  virtual CudaVersions versions() = 0;
  // The host's GPUs, also those that cannot be used. NOT_FOUND: no driver, one that is too old, no
  // device, or parts of cuDNN are missing. Takes no memory of any.
  virtual Result<std::vector<GpuInfo>> gpus() = 0;
  // Bytes that nobody uses. Makes a context on the device, which takes some itself.
  virtual Result<int64_t> free_memory(int gpu) = 0;
  // `gpu` must be one of gpus() without a problem. `memory_bytes` 0: no bound.
  virtual std::shared_ptr<Backend> open(const GpuInfo& gpu, int64_t memory_bytes) = 0;
  // For benchmarks; takes about a second. INTERNAL, saying what, where CUDA fails.
  virtual Result<GpuRates> measure_rates(const GpuInfo& gpu, const GpuRateSizes& sizes) = 0;
};

// What a plug-in exports: the version that it was built as, what it was built with, and itself.
inline constexpr const char* kCudaPluginVersion = "sluice_cuda_plugin_version";
inline constexpr const char* kCudaPluginInterface = "sluice_cuda_plugin_interface";
inline constexpr const char* kCudaPluginEntry = "sluice_cuda_plugin";
using CudaPluginVersionFunction = const char*();
using CudaPluginInterfaceFunction = const char*();
using CudaPluginEntryFunction = CudaPlugin*();

// Opens one file. NOT_FOUND says what is missing: the file, a library that it needs, a symbol, the
// right version, or the same interface. The plug-in stays open.
Result<CudaPlugin*> load_cuda_plugin(const std::string& path);

// The installed plug-in, opened once per process: $SLUICE_CUDA_PLUGIN, or libsluice_cuda.so beside
// this program or library, or where the system looks for libraries.
Result<CudaPlugin*> cuda_plugin();

}  // namespace sluice::backend
