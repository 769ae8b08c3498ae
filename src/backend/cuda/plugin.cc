// What libsluice_cuda.so exports: see backend/cuda_plugin.h.
#include <dlfcn.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <sstream>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/rates.h"
#include "backend/interface_id.h"
#include "core/version.h"

namespace sluice::backend::cuda {
namespace {

// "12.4" of 12040.
std::string cuda_version(int number) {
  return fmt::format("{}.{}", number / 1000, number % 1000 / 10);
}

// "9.19.0" of 91900; "13.0.2" of cuBLAS' 130002 (it had 5 digits before).
std::string library_version(size_t number) {
  const size_t major = number / 10000, minor = number / 100 % 100, patch = number % 100;
  return fmt::format("{}.{}.{}", major, minor, patch);
}

// What this file was built for: SLUICE_CUDA_ARCHITECTURES is "75-real 80-real 90", where a number
// without a suffix also has code that later ones can compile.
struct Architectures {
  std::vector<int> exact;  // code for these, and for later minor versions of the same major one
  int portable = 0;        // code that these and all later ones can compile; 0: none

  bool serve(int architecture) const {
    if (portable > 0 && architecture >= portable) return true;
    return std::any_of(exact.begin(), exact.end(), [&](int built) {
      return built / 10 == architecture / 10 && built <= architecture;
    });
  }
  std::string text() const {
    std::string text;
    for (const int built : exact) {
      text += fmt::format("{}{}.{}", text.empty() ? "" : " ", built / 10, built % 10);
    }
    return portable > 0 ? text + " and newer" : text;
  }
};

Architectures built_architectures() {
  Architectures built;
  std::istringstream list(SLUICE_CUDA_ARCHITECTURES);
  for (std::string item; list >> item;) {
    const int number = std::atoi(item.c_str());
    if (item.find("-virtual") == std::string::npos) built.exact.push_back(number);
    if (item.find("-real") == std::string::npos) built.portable = std::max(built.portable, number);
  }
  return built;
}

Status explain(cudaError_t error) {
  int driver = 0, runtime = 0;
  (void)cudaDriverGetVersion(&driver);
  (void)cudaRuntimeGetVersion(&runtime);
  (void)cudaGetLastError();
  if (error == cudaErrorNoDevice) {
    return not_found("the NVIDIA driver finds no GPU (CUDA_VISIBLE_DEVICES may hide some)");
  }
  if (error == cudaErrorInsufficientDriver && driver == 0) {
    return not_found("no NVIDIA driver is installed");
  }
  if (error == cudaErrorInsufficientDriver) {
    return not_found(
        fmt::format("the NVIDIA driver is too old: it knows CUDA {}, this build needs {}",
                    cuda_version(driver), cuda_version(runtime)));
  }
  return not_found(fmt::format("CUDA does not start: {} ({})", cudaGetErrorString(error),
                               cudaGetErrorName(error)));
}

// libcudnn.so.9 opens its parts when they are first used, and ends the process where one is
// missing.
Status complete_cudnn() {
  Dl_info cudnn{}, own{};
  if (dladdr(reinterpret_cast<const void*>(&cudnnGetVersion), &cudnn) == 0 ||
      dladdr(reinterpret_cast<const void*>(&complete_cudnn), &own) == 0 ||
      std::string_view(cudnn.dli_fname) == own.dli_fname) {
    return ok_status();  // it is part of this file, as in the tests
  }
  const std::string file = cudnn.dli_fname;
  const std::string folder = file.substr(0, file.rfind('/') + 1);
  for (const char* part : {"libcudnn_graph.so.9", "libcudnn_ops.so.9", "libcudnn_cnn.so.9"}) {
    if (dlopen(part, RTLD_LAZY | RTLD_LOCAL) != nullptr) continue;
    if (dlopen((folder + part).c_str(), RTLD_LAZY | RTLD_LOCAL) != nullptr) continue;
    return not_found(fmt::format(
        "cuDNN is incomplete: {} is missing beside {}; install all of cuDNN 9", part, file));
  }
  return ok_status();
}

class Plugin final : public CudaPlugin {
 public:
  CudaVersions versions() override {
    int driver = 0, runtime = 0;
    (void)cudaDriverGetVersion(&driver);
    (void)cudaRuntimeGetVersion(&runtime);
    return {.driver = driver == 0 ? "none" : cuda_version(driver),
            .runtime = cuda_version(runtime),
            .cudnn = complete_cudnn().ok() ? library_version(cudnnGetVersion()) : "incomplete",
            .cublaslt = library_version(cublasLtGetVersion()),
            .architectures = built_architectures().text()};
  }

  Result<std::vector<GpuInfo>> gpus() override {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess) return explain(status);
    SLUICE_RETURN_IF_ERROR(complete_cudnn());
    std::vector<GpuInfo> gpus;
    for (int i = 0; i < count; ++i) gpus.push_back(describe(i));
    return gpus;
  }

  Result<int64_t> free_memory(int gpu) override {
    size_t free = 0, total = 0;
    cudaError_t status = cudaSetDevice(gpu);
    if (status == cudaSuccess) status = cudaMemGetInfo(&free, &total);
    if (status != cudaSuccess) return explain(status);
    return static_cast<int64_t>(free);
  }

  std::shared_ptr<Backend> open(const GpuInfo& gpu, int64_t memory_bytes) override {
    return make_cuda_backend(gpu, memory_bytes);
  }

  Result<GpuRates> measure_rates(const GpuInfo& gpu, const GpuRateSizes& sizes) override {
    return cuda::measure_rates(gpu, sizes);
  }

 private:
  // "GPU-" and 16 bytes as 8-4-4-4-12 hexadecimal digits.
  static std::string text_of(const cudaUUID_t& uuid) {
    std::string text = "GPU-";
    for (int i = 0; i < 16; ++i) {
      if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
      char digits[3];
      std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(uuid.bytes[i]));
      text += digits;
    }
    return text;
  }

  static GpuInfo describe(int index) {
    GpuInfo gpu;
    gpu.index = index;
    cudaDeviceProp properties{};
    const cudaError_t status = cudaGetDeviceProperties(&properties, index);
    if (status != cudaSuccess) {
      gpu.problem = explain(status).message();
      return gpu;
    }
    gpu.uuid = text_of(properties.uuid);
    gpu.name = properties.name;
    gpu.architecture = fmt::format("{}.{}", properties.major, properties.minor);
    gpu.memory_bytes = static_cast<int64_t>(properties.totalGlobalMem);
    const Architectures built = built_architectures();
    if (!built.serve(architecture_of(gpu.architecture))) {
      gpu.problem = fmt::format(
          "{} has compute capability {}, this build has code for {}; build with "
          "-DSLUICE_CUDA_ARCHITECTURES={}",
          gpu.name, gpu.architecture, built.text(), architecture_of(gpu.architecture));
    }
    return gpu;
  }
};

}  // namespace
}  // namespace sluice::backend::cuda

#define SLUICE_EXPORT extern "C" __attribute__((visibility("default")))

SLUICE_EXPORT const char* sluice_cuda_plugin_version() { return sluice::core::version(); }

SLUICE_EXPORT const char* sluice_cuda_plugin_interface() { return sluice::backend::interface_id(); }

SLUICE_EXPORT sluice::backend::CudaPlugin* sluice_cuda_plugin() {
  static sluice::backend::cuda::Plugin plugin;
  return &plugin;
}
