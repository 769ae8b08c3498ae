// A model's loss and accuracy over a dataset, in this process.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "backend/replica.h"
#include "data/records.h"
#include "sluice/model.h"

namespace sluice::train {

// Keeps a compiled replica, so that evaluating after every epoch compiles once. Used by one thread.
class Evaluator {
 public:
  // `threads` 0: all cores. Throws as lower() and Backend::compile(), RuntimeError for a device
  // that is not there.
  Evaluator(const Sequential& model, const EvaluateOptions& options);

  Metrics evaluate(std::span<const float> parameters, const data::Records& records);

 private:
  const int64_t batch_size_;
  std::shared_ptr<backend::Backend> backend_;
  std::unique_ptr<backend::Replica> replica_;
};

backend::DeviceOptions device_options(const std::string& name, int64_t gpu_memory_mib);

// Throws RuntimeError for a device that is not there.
std::shared_ptr<backend::Backend> open_backend_or_throw(const backend::DeviceOptions& options);

// Throws std::invalid_argument when the model cannot take the dataset's records or classes.
void check_fits(const Sequential& model, const data::RecordsInfo& info, backend::Loss loss);

}  // namespace sluice::train
