// A model compiled for evaluate() and predict().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/replica_pool.h"
#include "core/cores.h"
#include "sluice/model.h"

namespace sluice::train {

backend::DeviceOptions device_options(const std::string& name, int64_t gpu_memory_mib);

// Throws RuntimeError for a device that is not there.
std::shared_ptr<backend::Backend> open_backend_or_throw(const backend::DeviceOptions& options);

// What EvaluateOptions or PredictOptions ask for. `threads` 0: all cores.
template <typename Options>
backend::ReplicaPool::Key key_of(const Options& options, std::vector<backend::GraphOutput> outputs,
                                 bool weighted) {
  const backend::DeviceOptions device = device_options(options.device, options.gpu_memory_mib);
  return {.outputs = std::move(outputs),
          .weighted = weighted,
          .batch_size = options.batch_size,
          .threads = options.threads > 0 ? options.threads : core::available_cores(),
          .device = device.name,
          .gpu_memory_bytes = device.gpu_memory_bytes};
}

// Throws as lower() and Backend::compile(), RuntimeError for a device that is not there.
std::unique_ptr<backend::Replica> compile_for_inference(const Model& model,
                                                        const backend::ReplicaPool::Key& key);

}  // namespace sluice::train
