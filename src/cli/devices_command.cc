// `sluice devices`: what this machine can train on, and what is missing where it cannot.
#include <fmt/core.h>

#include <cstdio>

#include "backend/cuda_plugin.h"
#include "cli/commands.h"
#include "core/cores.h"

namespace sluice::cli {
namespace {

std::string in_gib(int64_t bytes) {
  return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (1 << 30));
}

std::string precisions(const backend::Backend& backend) {
  std::string text;
  for (const char* name : {"float32", "tf32", "mixed_bfloat16"}) {
    if (backend.check(backend::parse_precision(name)).ok()) text += " " + std::string(name);
  }
  return "precisions:" + text;
}

void line(const std::string& device, const std::string& what) {
  std::printf("%-7s %s\n", device.c_str(), what.c_str());
}

void list_gpus(backend::CudaPlugin& plugin, const std::vector<backend::GpuInfo>& gpus) {
  for (const backend::GpuInfo& gpu : gpus) {
    const std::string device = "cuda:" + std::to_string(gpu.index);
    if (!gpu.problem.empty()) {
      line(device, "cannot be used: " + gpu.problem);
      continue;
    }
    const auto free = plugin.free_memory(gpu.index);
    line(device, fmt::format("{}, compute capability {}, {} of memory, {}", gpu.name,
                             gpu.architecture, in_gib(gpu.memory_bytes),
                             free.ok() ? in_gib(*free) + " free" : free.status().message()));
    line("", precisions(*plugin.open(gpu, 0)));
  }
}

int list_devices() {
  const auto cpu = backend::open_backend({.name = "cpu"});
  const std::string name = (*cpu)->name();  // "cpu (oneDNN 2.6.3, AVX-512)"
  const core::UsableCores cores = core::usable_cores();
  line("cpu", fmt::format("{}, {} for this process: {}", name.substr(5, name.size() - 6),
                          core::to_text(cores), cores.why));
  line("", precisions(**cpu));
  const auto plugin = backend::cuda_plugin();
  if (!plugin.ok()) {
    line("cuda", "none: " + plugin.status().message());
    return 0;
  }
  const auto gpus = (*plugin)->gpus();
  if (gpus.ok()) {
    list_gpus(**plugin, *gpus);
  } else {
    line("cuda", "none: " + gpus.status().message());
  }
  const backend::CudaVersions versions = (*plugin)->versions();
  line("", fmt::format("CUDA {} (the driver: {}), cuDNN {}, cuBLASLt {}", versions.runtime,
                       versions.driver, versions.cudnn, versions.cublaslt));
  line("", "code for compute capability " + versions.architectures);
  return 0;
}

}  // namespace

Command add_devices_command(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("devices", "Lists what this machine can train on, and what is missing");
  command->footer(fmt::format("Exit status: {}.", kExitStatus));
  return {command, list_devices};
}

}  // namespace sluice::cli
