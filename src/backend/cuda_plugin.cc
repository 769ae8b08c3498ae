#include "backend/cuda_plugin.h"

#include <dlfcn.h>
#include <fmt/core.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "backend/interface_id.h"
#include "core/version.h"

namespace sluice::backend {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFile = "libsluice_cuda.so";

// "libcudnn.so.9: cannot open shared object file: ..." is about a library that the plug-in needs.
Status explain(const std::string& path, const std::string& error) {
  struct Part {
    std::string_view library;
    const char* name;
  };
  constexpr Part kParts[] = {{"libcudnn", "cuDNN"}, {"libcublasLt", "cuBLASLt"}};
  for (const Part& part : kParts) {
    if (!error.starts_with(part.library)) continue;
    const std::string file = error.substr(0, error.find(':'));
    return not_found(
        fmt::format("{} is missing: {} needs {}; install it or put its folder into LD_LIBRARY_PATH",
                    part.name, path, file));
  }
  return not_found("the CUDA plug-in cannot be loaded: " + error);
}

constexpr const char* kInstallIts = "; install the one that was built with this program";

template <typename Function>
Result<Function*> find(void* library, const std::string& path, const char* symbol) {
  void* found = dlsym(library, symbol);
  if (found != nullptr) return reinterpret_cast<Function*>(found);
  return not_found(
      fmt::format("the CUDA plug-in {} lacks the symbol {}{}", path, symbol, kInstallIts));
}

// Whether its C++ is this program's.
Status check_built_together(void* library, const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(auto* version,
                          find<CudaPluginVersionFunction>(library, path, kCudaPluginVersion));
  if (std::string_view(version()) != core::version()) {
    return not_found(fmt::format("the CUDA plug-in {} is of Sluice {}, this is {}{}", path,
                                 version(), core::version(), kInstallIts));
  }
  SLUICE_ASSIGN_OR_RETURN(auto* interface,
                          find<CudaPluginInterfaceFunction>(library, path, kCudaPluginInterface));
  if (std::string_view(interface()) != interface_id()) {
    return not_found(
        fmt::format("the CUDA plug-in {} was built with another interface or compiler ({}) than "
                    "this program ({}){}",
                    path, interface(), interface_id(), kInstallIts));
  }
  return ok_status();
}

// The folder of the program or shared library that this code is part of.
fs::path own_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&own_folder), &info) == 0) return {};
  std::error_code ignored;
  const fs::path own = info.dli_fname;
  // A program is named as it was called, which says nothing when it was found in PATH.
  const fs::path file = own.has_parent_path() ? own : fs::read_symlink("/proc/self/exe", ignored);
  return fs::weakly_canonical(file, ignored).parent_path();
}

// The plug-in's libraries take time and memory to load, and are of no use without a driver.
bool has_driver() {
  void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver == nullptr) return false;
  dlclose(driver);
  return true;
}

Result<CudaPlugin*> find_and_load() {
  if (const char* path = std::getenv("SLUICE_CUDA_PLUGIN")) return load_cuda_plugin(path);
  const fs::path own = own_folder();
  std::error_code ignored;
  for (const fs::path& folder : {own, own / "../lib", own / ".." / SLUICE_LIBRARY_FOLDER}) {
    const fs::path file = (folder / kFile).lexically_normal();
    if (!fs::exists(file, ignored)) continue;
    if (!has_driver()) return not_found("no NVIDIA driver is installed");
    return load_cuda_plugin(file);
  }
  return load_cuda_plugin(kFile);
}

}  // namespace

Result<CudaPlugin*> load_cuda_plugin(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reported = dlerror();
    const std::string error = reported != nullptr ? reported : "unknown error";
    if (error.starts_with(path + ": cannot open")) {
      return not_found(fmt::format(
          "the CUDA plug-in {} is not installed; build Sluice where nvcc and cuDNN are", path));
    }
    return explain(path, error);
  }
  SLUICE_RETURN_IF_ERROR(check_built_together(library, path));
  SLUICE_ASSIGN_OR_RETURN(auto* entry,
                          find<CudaPluginEntryFunction>(library, path, kCudaPluginEntry));
  return entry();
}

Result<CudaPlugin*> cuda_plugin() {
  static const Result<CudaPlugin*> plugin = find_and_load();
  return plugin;
}

}  // namespace sluice::backend
