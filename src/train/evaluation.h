// A model's loss and metrics over a dataset, in this process.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/replica.h"
#include "data/records.h"
#include "sluice/model.h"
#include "train/tasks.h"

namespace sluice::train {

// Keeps a compiled replica, so that evaluating after every epoch compiles once. Used by one thread.
class Evaluator {
 public:
  // `threads` 0: all cores; `weighted`: the records have weights. Of the options `tasks` stand for
  // the losses and metrics. Throws as lower() and Backend::compile(), RuntimeError for a device
  // that is not there.
  Evaluator(const Model& model, const std::vector<nn::OutputTask>& tasks,
            const EvaluateOptions& options, bool weighted = false);

  Metrics evaluate(std::span<const float> parameters, const data::Records& records);

 private:
  const int64_t batch_size_;
  std::unique_ptr<backend::Replica> replica_;
  const Measures measures_;
};

}  // namespace sluice::train
