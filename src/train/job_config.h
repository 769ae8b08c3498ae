// Everything that can be asked of a training job, under the names of the command's flags.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "sluice/optimizers.h"

namespace sluice::train {

struct JobConfig {
  std::string dataset = "mnist";
  std::string data_dir;
  std::string model = "mnist_cnn";  // a built-in's name or a file with Keras' JSON
  std::string trainer = "adag";
  OptimizerSpec optimizer = "adam";
  std::string loss = "categorical_crossentropy";
  double learning_rate = 0;  // 0: the optimizer's own
  int workers = 3;
  int servers = 1;
  int shards = 0;
  int parallelism_factor = 1;
  int64_t batch_size = 16;
  int window = 5;
  int epochs = 5;
  uint64_t seed = 0;
  bool shuffle = true;
  bool overlap = false;
  double validation_split = 0;
  int threads_per_worker = 0;
  std::string device = "auto";
  int64_t gpu_memory = 0;  // MiB
  std::string precision = "float32";
  bool deterministic = false;
  std::string listen;
  int max_restarts = 3;
  double lease_timeout = 10;
  double idle_timeout = 300;
  double peer_timeout = 30;
  std::string save;
  std::string report;
  int verbose = 1;
};

// Calls visit(name, field, help) for every field, in the order of --help. Names have underscores.
template <typename Config, typename Visit>
void visit_fields(Config& c, Visit visit) {
  visit("dataset", c.dataset, "mnist, fashion_mnist, digits (generated), or a CSV file");
  visit("data_dir", c.data_dir, "folder to look for the dataset in first");
  visit("model", c.model, "mnist_cnn, mnist_mlp, or a file with a Keras model's JSON");
  visit("trainer", c.trainer, "algorithm: adag, downpour or async_sgd");
  visit("optimizer", c.optimizer, "sgd, rmsprop, adagrad or adam");
  visit("loss", c.loss, "categorical_crossentropy, sparse_categorical_crossentropy or mse");
  visit("learning_rate", c.learning_rate, "0: the optimizer's default");
  visit("workers", c.workers, "worker processes");
  visit("servers", c.servers, "parameter servers");
  visit("shards", c.shards, "pieces of the parameters, 0: as few as keep each within 4 MiB");
  visit("parallelism_factor", c.parallelism_factor, "partitions of the dataset per worker");
  visit("batch_size", c.batch_size, "samples in a mini-batch");
  visit("window", c.window, "mini-batches between two exchanges with the servers");
  visit("epochs", c.epochs, "passes over the dataset");
  visit("seed", c.seed, "of initial weights, partitioning and shuffling");
  visit("shuffle", c.shuffle, "shuffle once before partitioning and each epoch");
  visit("overlap", c.overlap, "train the next window while an exchange is under way");
  visit("validation_split", c.validation_split, "fraction of the training set kept for validation");
  visit("threads_per_worker", c.threads_per_worker, "at most 256; 0: the cores, shared evenly");
  visit("device", c.device, "auto (a GPU where there is one), cpu, cuda or cuda:N");
  visit("gpu_memory", c.gpu_memory, "MiB of its GPU that each process takes at most, 0: no bound");
  visit("precision", c.precision, "of training: float32, tf32 (GPUs) or mixed_bfloat16");
  visit("deterministic", c.deterministic,
        "only algorithms that give the same bits in every run (on GPUs)");
  visit("listen", c.listen,
        "the driver's address: HOST:PORT or unix:/path (for `sluice driver` 0.0.0.0:7070)");
  visit("max_restarts", c.max_restarts, "dead workers that are replaced");
  visit("lease_timeout", c.lease_timeout,
        "seconds without a heartbeat until a worker counts as dead");
  visit("idle_timeout", c.idle_timeout, "seconds to wait for servers or workers to join");
  visit("peer_timeout", c.peer_timeout, "seconds a worker waits for a silent server or driver");
  visit("save", c.save, "file to write the trained model to");
  visit("report", c.report, "file to write the results to, as JSON");
  visit("verbose", c.verbose, "0 silent, 1 progress, 2 a line for everything");
}

// The config as JSON, two spaces deep.
std::string to_json(const JobConfig& config);

// Sets the fields that `json` names, with '-' or '_' in names; leaves the others. Throws
// std::invalid_argument for text that is not JSON, an unknown name (suggesting the nearest) or a
// value of the wrong type.
void merge_json(const std::string& json, JobConfig& config);

// Its text is "FIELD: WHAT"; the command says the flag's name instead of the field's.
struct InvalidField : std::invalid_argument {
  InvalidField(const std::string& name, const std::string& wrong)
      : std::invalid_argument(name + ": " + wrong), field(name), what_is_wrong(wrong) {}
  const std::string field;
  const std::string what_is_wrong;
};

// Throws InvalidField, or std::invalid_argument for an unknown name, for what can be seen to make
// no sense without the dataset: zero workers, a negative window, an unknown trainer or device.
void validate(const JobConfig& config);

// The optimizer with the learning rate that counts.
OptimizerSpec effective_optimizer(const JobConfig& config);

int effective_threads_per_worker(const JobConfig& config);

}  // namespace sluice::train
