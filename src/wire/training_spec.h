// What a worker must know to train: it gets this from the driver when it joins, and nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "algorithm/algorithm.h"
#include "compression/compression.h"
#include "core/clock.h"
#include "sluice/losses.h"
#include "sluice/optimizers.h"
#include "sluice/status.h"

namespace sluice::wire {

struct TrainingSpec {
  std::string model;  // architecture, Keras' JSON
  // Of each output of the model, in its order; at least one.
  std::vector<LossSpec> losses = {LossSpec{}};
  std::vector<float> loss_weights = {1};
  std::vector<std::vector<std::string>> metrics = {{}};
  std::vector<float> class_weight;  // of each class; none: all are 1
  bool sample_weights = false;      // each record has a weight of its own
  OptimizerSpec optimizer;  // at the workers, or, for async_sgd, at the servers
  algorithm::Choice trainer;
  int64_t batch_size = 16;
  int epochs = 5;
  uint64_t seed = 0;
  bool shuffle = true;

  int64_t records = 0;  // in the training set
  int64_t partitions = 0;
  int64_t workers = 1;        // that train at the same time; see worker/partition_trainer.h
  // What a server's messages are bounded by: floats, and the counters of the metrics of an epoch.
  int64_t largest_message = 0, counters = 0;
  std::string dataset;  // data::describe(): how to read the records without the driver; or empty

  int threads = 1;              // per worker; 0: all cores that it finds
  std::string device = "auto";  // backend::DeviceOptions
  int64_t gpu_memory_mib = 0;   // the most that a worker takes of its GPU; 0: no bound
  std::string precision = "float32";
  // Of updates and values that go over a network.
  compression::Compression push_compression{}, pull_compression{};
  bool deterministic = false;

  core::Duration heartbeat_interval = std::chrono::seconds(1);
  core::Duration server_timeout = std::chrono::seconds(30);  // a silent server is given up after it
  core::Duration driver_timeout = std::chrono::seconds(30);  // likewise the driver
};

std::string to_json(const TrainingSpec& spec);
// INVALID_ARGUMENT names the field.
Result<TrainingSpec> parse_training_spec(const std::string& json);

// How many bytes a server's ledger has at most, and what comes with a push's values.
size_t ledger_bytes(const TrainingSpec& spec);
size_t push_header_bytes(const TrainingSpec& spec);
// How many bytes of a message of a move (wire/move.h) depend on the job.
size_t move_bytes(const TrainingSpec& spec);

}  // namespace sluice::wire
