#include <fmt/core.h>

#include <charconv>
#include <optional>
#include <stdexcept>

#include "backend/cpu/cpu_backend.h"
#include "backend/cuda_plugin.h"
#include "backend/replica.h"
#include "core/alternatives.h"
#include "core/log.h"

namespace sluice::backend {
namespace {

struct PrecisionName {
  Precision precision;
  const char* name;
};
constexpr PrecisionName kPrecisions[] = {{Precision::kFloat32, "float32"},
                                         {Precision::kTf32, "tf32"},
                                         {Precision::kMixedBfloat16, "mixed_bfloat16"}};

constexpr const char* kDevices = "use \"auto\", \"cpu\", \"cuda\" or \"cuda:N\"";

// N of "cuda:N".
std::optional<int> gpu_number(const std::string& name) {
  constexpr std::string_view kPrefix = "cuda:";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  int number = -1;
  const char* end = name.data() + name.size();
  const auto [stopped, error] = std::from_chars(name.data() + kPrefix.size(), end, number);
  if (error != std::errc() || stopped != end || number < 0) return std::nullopt;
  return number;
}

// Those that can be used; NOT_FOUND, with the first one's problem, where there is none.
Result<std::vector<GpuInfo>> usable_gpus(CudaPlugin& plugin) {
  SLUICE_ASSIGN_OR_RETURN(const auto gpus, plugin.gpus());
  std::vector<GpuInfo> usable;
  for (const GpuInfo& gpu : gpus) {
    if (gpu.problem.empty()) usable.push_back(gpu);
  }
  if (usable.empty()) return not_found(gpus.empty() ? "no GPU" : gpus.front().problem);
  return usable;
}

Result<GpuInfo> choose_gpu(CudaPlugin& plugin, const DeviceOptions& options) {
  const std::optional<int> number = gpu_number(options.name);
  if (!number) {
    SLUICE_ASSIGN_OR_RETURN(const auto gpus, usable_gpus(plugin));
    for (const GpuInfo& gpu : gpus) {
      if (!options.gpu.empty() && gpu.uuid == options.gpu) return gpu;
    }
    return gpus[static_cast<size_t>(options.slot) % gpus.size()];
  }
  SLUICE_ASSIGN_OR_RETURN(const auto gpus, plugin.gpus());
  for (const GpuInfo& gpu : gpus) {
    if (gpu.index != *number) continue;
    if (!gpu.problem.empty()) return not_found(gpu.problem);
    return gpu;
  }
  return not_found(fmt::format("this host has {} GPU(s), counted from 0", gpus.size()));
}

Result<std::shared_ptr<Backend>> open_gpu(const DeviceOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(CudaPlugin * plugin, cuda_plugin());
  SLUICE_ASSIGN_OR_RETURN(const GpuInfo gpu, choose_gpu(*plugin, options));
  return plugin->open(gpu, options.gpu_memory_bytes);
}

}  // namespace

Precision parse_precision(const std::string& name) {
  for (const PrecisionName& row : kPrecisions) {
    if (row.name == name) return row.precision;
  }
  throw std::invalid_argument(fmt::format(
      "precision \"{}\" is not known; use {}", name,
      core::alternatives(kPrecisions, [](const PrecisionName& row) { return row.name; })));
}

Status check_device_name(const std::string& name) {
  if (name == "auto" || name == "cpu" || name == "cuda" || gpu_number(name)) return ok_status();
  return invalid_argument(fmt::format("device \"{}\" is not known; {}", name, kDevices));
}

Result<std::shared_ptr<Backend>> open_backend(const DeviceOptions& options) {
  SLUICE_RETURN_IF_ERROR(check_device_name(options.name));
  if (options.name == "cpu") return make_cpu_backend();
  auto gpu = open_gpu(options);
  if (gpu.ok()) return gpu;
  if (options.name != "auto") {
    return gpu.status().with_context(fmt::format("device \"{}\"", options.name));
  }
  SLUICE_LOG(debug, "no GPU: {}", gpu.status().message());
  return make_cpu_backend();
}

}  // namespace sluice::backend
