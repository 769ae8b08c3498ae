#include "train/inference.h"

#include "nn/lowering.h"
#include "sluice/errors.h"

namespace sluice::train {

backend::DeviceOptions device_options(const std::string& name, int64_t gpu_memory_mib) {
  return {.name = name, .gpu_memory_bytes = gpu_memory_mib << 20};
}

std::shared_ptr<backend::Backend> open_backend_or_throw(const backend::DeviceOptions& options) {
  auto backend = backend::open_backend(options);
  if (!backend.ok()) throw RuntimeError(backend.status().message());
  return *backend;
}

std::unique_ptr<backend::Replica> compile_for_inference(const Model& model,
                                                        const backend::ReplicaPool::Key& key) {
  const auto backend =
      open_backend_or_throw({.name = key.device, .gpu_memory_bytes = key.gpu_memory_bytes});
  backend::Graph graph = nn::lower(model, key.outputs);
  graph.weighted = key.weighted;
  return backend->compile(graph, {.purpose = backend::Purpose::kInference,
                                  .batch_size = key.batch_size,
                                  .threads = key.threads});
}

}  // namespace sluice::train
