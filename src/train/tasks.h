// What a model's outputs are to learn and what is measured of them, from what is asked of all and
// of each; and what the sums that come back are called.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "backend/replica.h"
#include "data/records.h"
#include "nn/lowering.h"
#include "sluice/model.h"
#include "train/objective.h"

namespace sluice::train {

// Of each output, in the model's order. The metric "accuracy" is left out where a loss compares
// numbers that are no classes. Throws InvalidField for an output that the model does not have, and
// for metrics that there are not or that do not fit.
std::vector<nn::OutputTask> tasks_of(const Model& model, const data::RecordsInfo& info,
                                     const Objective& objective);

// Makes metrics of sums. A value.
class Measures {
 public:
  // Of `graph`, which is `model`'s.
  Measures(const Model& model, const backend::Graph& graph);

  Metrics of(int64_t samples, double loss_sum, std::span<const double> counters) const;
  Metrics of(const backend::StepMetrics& sums) const {
    return of(sums.samples, sums.loss_sum, sums.counters);
  }

 private:
  struct Output {
    std::string prefix;  // of the names; empty of a single output
    int64_t classes, positions;
    std::vector<backend::Metric> metrics;
  };
  std::vector<Output> outputs_;
  size_t counters_;
};

}  // namespace sluice::train
