// A distributed training job from a model and a dataset to a trained model, seen from the driver.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "driver/driver.h"
#include "show/divergence.h"
#include "sluice/dataset.h"
#include "sluice/model.h"
#include "train/job_config.h"

namespace sluice::train {

enum class Cluster {
  kLocal,     // this process starts the servers and workers
  kExternal,  // they join from wherever they are
};

// Where `sluice driver` listens when nothing else is said.
inline constexpr const char* kDriverAddress = "0.0.0.0:7070";

// Where the driver evaluates: workers elsewhere may have what its own host has not.
std::string evaluation_device(const JobConfig& config, Cluster cluster);

struct DistributedJob {
  JobConfig config;
  Cluster cluster = Cluster::kLocal;
  std::string program = "sluice";  // argv[0] of local children
  std::string log_level = "warn";  // of local children
  // Whether a stop while the job trains leaves in the model what was learned until then.
  bool keep_when_stopped = false;
  // Called once, when nothing of the job is left to refuse and before it starts; may be null.
  std::function<void()> on_start{};
  // Told of every epoch, numbered from 1, when it has ended and is validated; may be null.
  std::function<void(const EpochHistory&, int epoch)> on_epoch{};
};

struct JobOutcome {
  driver::JobResult result;
  std::vector<EpochHistory> history;
  std::optional<show::Divergence> divergence;  // as the network was in the last epoch
};

// Why such a job may go too far; see show/divergence.h.
show::Strides strides_of(const JobConfig& config);

// Runs the job; returns when it has ended. On success `model` has the trained weights, of a job
// that was stopped those that it had got to (JobResult::stopped). Throws std::invalid_argument or
// ShapeError for a job that makes no sense.
Result<JobOutcome> run_distributed(const DistributedJob& job, Model& model, const Dataset& dataset,
                                   std::stop_token stop);

}  // namespace sluice::train
