// A model's loss and accuracy over a dataset, in this process.
#pragma once

#include <cstdint>
#include <map>
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

backend::DeviceOptions device_options(const std::string& name, int64_t gpu_memory_mib);

// Throws RuntimeError for a device that is not there.
std::shared_ptr<backend::Backend> open_backend_or_throw(const backend::DeviceOptions& options);

// Throws std::invalid_argument when the model cannot take the dataset's records or targets.
void check_fits(const Model& model, const data::RecordsInfo& info,
                const std::vector<nn::OutputTask>& tasks);

// The weight of each class, from those that were given; none: none were. Throws InvalidField,
// naming class_weight, for a class that the dataset does not have, or targets that are no classes.
std::vector<float> class_weights(const std::map<int, float>& given, const data::RecordsInfo& info);

// Logs a warning, once for a model, where a loss takes probabilities and the model's outputs are
// none, such as logits: the job trains, but to nonsense. Of the outputs of a layer of the program's
// own nothing is known. The model is one that fits the losses.
void warn_of_logits(const Model& model, const std::vector<nn::OutputTask>& tasks);

// What a job takes the values of a CSV file's target column for: numbers to predict where the loss
// is mse and the model has one output of one number, classes for all others.
bool predicts_numbers(const Model& model, const LossSpec& loss);

}  // namespace sluice::train
