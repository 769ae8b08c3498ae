// Asynchronous distributed training across processes on this machine.
//
//   int main(int argc, char** argv) {
//     sluice::init(argc, argv);                       // worker processes never get past this line
//     ...
//     sluice::Adag trainer({.workers = 3, .batch_size = 16, .window = 5, .epochs = 5});
//     sluice::TrainingReport report = trainer.train(model, data.train);
//   }
//
// train() starts `servers` parameter servers and `workers` worker processes of the calling program,
// trains, and leaves the trained weights in the model. The dataset is cut into partitions, which
// workers train without waiting for one another: each holds a copy of the model (theta), and after
// every window of mini-batches exchanges what it has learned with the servers, which hold the
// common parameters (the centre). A worker that dies is replaced, and no sample is lost or counted
// twice by that. docs/architecture.md says how. The command `sluice` starts the same roles one by
// one, on several machines.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/algorithm/options.h"
#include "sluice/dataset.h"
#include "sluice/losses.h"
#include "sluice/model.h"
#include "sluice/optimizers.h"

namespace sluice {

// Call it first in main(), after register_layer() and register_algorithm() and before anything
// else. In a process that train() has started as a server or worker it does that role's work and
// exits; otherwise it returns at once. A program that calls train() without it would start itself
// over and over, so train() throws std::logic_error then.
//
// Workers wait for their threads without spinning. Where a program's own fit() and evaluate() share
// the cores with others, start it with OMP_WAIT_POLICY=passive, which OpenMP reads when it is
// loaded.
void init(int argc, char** argv);

// What a trainer is told. What FitOptions (sluice/model.h) has too means the same here. Values that
// make no sense are refused with std::invalid_argument by train(), before any process is started.
struct TrainerOptions {
  int workers = 2;  // worker processes, at least 1
  // Samples in a mini-batch of each worker; what is larger than a partition is one batch.
  int64_t batch_size = 32;
  int window = 0;  // mini-batches between two exchanges; 0: as many as suit the trainer
  int epochs = 1;  // passes over the dataset
  // Of each worker's replica (Adag, Downpour) or of the servers (AsyncSgd). With use_ema the model
  // gets the averages of the servers' parameters; epochs are validated without it.
  OptimizerSpec optimizer = "adam";
  LossSpec loss = "categorical_crossentropy";
  std::map<std::string, LossSpec> losses{};  // of several outputs, by name, where they differ
  std::map<std::string, double> loss_weights{};
  std::vector<std::string> metrics = {"accuracy"};
  std::map<int, float> class_weight = {};
  // The last records, as Keras. An epoch's validation is of the servers' parameters when the
  // epoch's last sample had been counted; of epochs that end together only the newest has one.
  double validation_split = 0;
  bool shuffle = true;   // once before the dataset is cut, and each partition for every epoch
  bool overlap = false;  // train the next window while an exchange is under way
  // What an algorithm has beside the fields here, by its flag's name with underscores:
  // {"moving_rate", 0.25} for --moving-rate, {"backup_workers", 1}, {"bound_gain", false},
  // {"server_optimizer", "yogi"}. `sluice help train` lists them.
  std::map<std::string, algorithm::OptionValue> hyperparameters{};
  // Windows that a worker may be ahead of the slowest: servers hold its answer until that one has
  // caught up. 0: all wait for one another after each window. Not for trainers with rounds.
  std::optional<int> max_staleness{};
  uint64_t seed = 0;           // of partitioning and shuffling
  int parallelism_factor = 1;  // partitions per worker
  int servers = 1;             // parameter servers
  int shards = 0;              // pieces of the parameters; 0: as few as keep each within 4 MiB
  // How updates, and what comes back for them, are made smaller on their way over a network, none
  // of which is between processes that share memory: "fp16", "bf16", "int8", "1bit", "topk:0.01".
  // What that leaves out is kept and sent later, the last of it with a worker's last push.
  std::string compress_push = "none", compress_pull = "none";
  int threads_per_worker = 0;  // 0: the cores, shared evenly; at most 256
  int verbose = 1;  // 0 silent, 1 progress bar on a terminal, 2 a line for everything; on stderr
  std::string device = "auto";        // a GPU where there is one; "cpu", "cuda", "cuda:1"
  int64_t gpu_memory_mib = 0;         // that each process takes of its GPU at most; 0: no bound
  std::string precision = "float32";  // "tf32", or "mixed_bfloat16" as Keras' dtype policy
  bool deterministic = false;         // on GPUs: only algorithms that give the same bits every time
};

// What a job has come to. The counts are the servers' own: they are checked against what the job
// had to do before train() returns.
struct TrainingReport {
  double training_time_s = 0;   // from the start of the servers to the last update
  int64_t server_updates = 0;   // pushes that the servers have applied, each counted once
  // Records times epochs, exactly; with backup workers, without those of updates that came too late
  // for their round, which were dropped.
  int64_t samples_trained = 0;
  // Of a push: the pushes of others that were applied between its worker's last pull and it.
  double staleness_mean = 0;
  int64_t staleness_max = 0;
  std::vector<EpochHistory> history;  // by epoch
  // What there is to say of a network that was dead when training ended, and what to do: its loss
  // was not a finite number, or no better than that of outputs which are the same for every record.
  // Known of models with one output and no penalties, for crossentropies of classes (without label
  // smoothing) and mse; of others only that the loss is no number. Else empty.
  std::string died{};
};

// What all trainers share; a program uses one of the classes below, or this one with the name of an
// algorithm of its own (sluice/algorithm.h). A trainer holds options only: it may train any number
// of models, one job after the other.
//
// train() starts from the model's weights, blocks until the job has ended, and throws
// std::invalid_argument for options that make no sense, ShapeError for records that the model
// cannot take, std::logic_error without init(), RuntimeError when the job fails; the model then
// keeps the weights it had. A network that dies is no failure: a warning is printed when it
// happens, and TrainingReport::died says it.
//
// While it runs, the first SIGINT, SIGTERM, SIGHUP, SIGUSR1 or SIGUSR2 ends the training: train()
// throws Interrupted, and the model has what was learned until then. A second one ends the program.
// Only signals that are at their default are taken, and they are at their default again afterwards:
// a program that handles one itself keeps it to itself.
class Trainer {
 public:
  // `algorithm`: as --trainer has it, "adag" or "dc_asgd".
  Trainer(std::string algorithm, TrainerOptions options)
      : algorithm_(std::move(algorithm)), options_(std::move(options)) {}

  TrainingReport train(Model& model, const Dataset& dataset) const;

  const TrainerOptions& options() const { return options_; }

 private:
  std::string algorithm_;
  TrainerOptions options_;
};

// Accumulated gradient normalization: a worker steps by itself, and after every window of W
// mini-batches pushes what they changed, divided by W; the server adds it.
//
//   delta = (theta - anchor) / W;   centre += delta;   theta = anchor = centre
//
// A last, shorter window is divided by its own length. Hermans et al., 2017 (arXiv:1710.02368).
// Dist-Keras: distkeras.trainers.ADAG.
class Adag final : public Trainer {
 public:
  explicit Adag(TrainerOptions options = {}) : Trainer("adag", std::move(options)) {}
};

// A worker steps by itself and pushes what a window changed, undivided; the server adds it.
//
//   delta = theta - anchor;   centre += delta;   theta = anchor = centre
//
// The exchange comes before every W-th step, as in Dist-Keras: the first push sums up W - 1 steps.
// The sum of several workers' changes is too large a step for many models: use a smaller learning
// rate than with Adag. Dean et al., 2012. Dist-Keras: distkeras.trainers.DOWNPOUR.
class Downpour final : public Trainer {
 public:
  explicit Downpour(TrainerOptions options = {}) : Trainer("downpour", std::move(options)) {}
};

// A worker pushes the mean of the gradients of a window's mini-batches, all taken at the same
// parameters, and the server takes one step of the optimizer, whose slots it keeps.
//
//   g = mean of the window's gradients at theta;   centre = step(centre, g);   theta = centre
//
// Li et al., 2014 (OSDI).
class AsyncSgd final : public Trainer {
 public:
  explicit AsyncSgd(TrainerOptions options = {}) : Trainer("async_sgd", std::move(options)) {}
};

// The server adds what a window changed, divided by how many others pushed since it began:
//
//   centre += (theta - anchor) / (staleness + 1)
//
// Jiang et al., 2017 (SIGMOD). Dist-Keras: distkeras.trainers.DynSGD.
class DynSgd final : public Trainer {
 public:
  explicit DynSgd(TrainerOptions options = {}) : Trainer("dynsgd", std::move(options)) {}
};

// Elastic averaging: a worker keeps its own parameters, and after every window it and the centre
// move towards each other by alpha = moving_rate (0.5).
//
//   e = alpha (theta - centre);   centre += e;   theta -= e
//
// Zhang et al., 2015 (arXiv:1412.6651). Dist-Keras: distkeras.trainers.AEASGD.
class Aeasgd final : public Trainer {
 public:
  explicit Aeasgd(TrainerOptions options = {}) : Trainer("aeasgd", std::move(options)) {}
};

// Elastic averaging whose workers step by SGD with Nesterov's momentum (0.9). `optimizer` must be
// plain SGD. Zhang et al., 2015. Dist-Keras: distkeras.trainers.EAMSGD.
class Eamsgd final : public Trainer {
 public:
  explicit Eamsgd(TrainerOptions options = {}) : Trainer("eamsgd", std::move(options)) {}
};

// ADAG, adding less where the centre has moved since the window began, with rate = distance_rate:
//
//   centre += delta / ((centre - anchor)^2 / rate + 1)
//
// Dist-Keras: distkeras.trainers.Experimental.
class Experimental final : public Trainer {
 public:
  explicit Experimental(TrainerOptions options = {})
      : Trainer("experimental", std::move(options)) {}
};

// Rounds: workers train for an epoch each, then all go on from the mean of their weights. `window`
// must be 0. Dist-Keras: distkeras.trainers.AveragingTrainer.
class Averaging final : public Trainer {
 public:
  explicit Averaging(TrainerOptions options = {}) : Trainer("averaging", std::move(options)) {}
};

// As many models as there are partitions (workers times parallelism_factor), each trained on one of
// them, whose mean is the result:
//
//   y(x) = (y_1(x) + ... + y_P(x)) / P
//
//   const Ensemble trainer({.workers = 3});
//   Model model = trainer.combine(one);    // three of them, and the mean of their outputs
//   trainer.train(model, data.train);
//
// train() refuses any other model. Without use_ema. Dist-Keras: distkeras.trainers.EnsembleTrainer,
// which returns the models in a list.
class Ensemble final : public Trainer {
 public:
  explicit Ensemble(TrainerOptions options = {}) : Trainer("ensemble", std::move(options)) {}

  // The models are layers "model_1" and so on of what this returns. All begin with the model's
  // weights if these were trained or come from a file. If they are as they were drawn, the others
  // than the first begin with such as its initializers draw. Throws ShapeError for a model
  // that is not built or of which memory does not hold so many, std::invalid_argument for one of
  // several outputs, and for options with other than 1 to 32 partitions.
  Model combine(const Model& model) const;
};

// One worker, as fit() trains: centre = theta. Dist-Keras: distkeras.trainers.SingleTrainer.
class Single final : public Trainer {
 public:
  explicit Single(TrainerOptions options = {})
      : Trainer("single", with_one_worker(std::move(options))) {}

 private:
  static TrainerOptions with_one_worker(TrainerOptions options) {
    options.workers = 1;
    return options;
  }
};

// A worker pushes what a window changed; the servers add it block by block, to some blocks while
// other workers' pushes are added to others. No block is torn and no push lost, but a worker may be
// given blocks of which some have a push and some have not. Without use_ema. Recht et al., 2011
// (arXiv:1106.5730). Elephas: mode="hogwild".
class Hogwild final : public Trainer {
 public:
  explicit Hogwild(TrainerOptions options = {}) : Trainer("hogwild", std::move(options)) {}
};

// AsyncSgd with gradients corrected for what others changed meanwhile:
//
//   g' = g + lambda g^2 (centre - anchor);   centre = step(centre, g')
//
// Zheng et al., 2017 (arXiv:1609.08326).
class DcAsgd final : public Trainer {
 public:
  explicit DcAsgd(TrainerOptions options = {}) : Trainer("dc_asgd", std::move(options)) {}
};

// Rounds: when all workers have pushed their mean gradients, centre = step(centre, their mean).
// With backup_workers B a round does not wait for the last B. Chen et al., 2016 (arXiv:1604.00981).
class Synchronous final : public Trainer {
 public:
  explicit Synchronous(TrainerOptions options = {}) : Trainer("synchronous", std::move(options)) {}
};

// Rounds: workers train for a window, then all go on from the mean of their weights, weighted by
// mini-batches. McMahan et al., 2016 (arXiv:1602.05629), "FedAvg"; Stich, 2018.
class LocalSgd final : public Trainer {
 public:
  explicit LocalSgd(TrainerOptions options = {}) : Trainer("local_sgd", std::move(options)) {}
};

// Rounds as LocalSgd's; Adam, Yogi or Adagrad at the servers steps on the mean change. Reddi et
// al., 2020 (arXiv:2003.00295).
class FedOpt final : public Trainer {
 public:
  explicit FedOpt(TrainerOptions options = {}) : Trainer("fedopt", std::move(options)) {}
};

// The servers collect buffer_size pushes, and add their sum divided by that; old ones count less.
// Nguyen et al., 2021 (arXiv:2106.06639).
class FedBuff final : public Trainer {
 public:
  explicit FedBuff(TrainerOptions options = {}) : Trainer("fedbuff", std::move(options)) {}
};

// Rounds as LocalSgd's, with momentum at the servers in units of gradients; g is the workers'
// learning rate:
//
//   u = b u + mean(anchor - theta) / g;   centre -= a g u
//
// Wang et al., 2019 (arXiv:1910.00643).
class SlowMo final : public Trainer {
 public:
  explicit SlowMo(TrainerOptions options = {}) : Trainer("slowmo", std::move(options)) {}
};

// Rounds of local training, and Nesterov's momentum at the servers over what they changed:
//
//   D = mean(anchor - theta);   m = b m + D;   centre -= e (D + b m)
//
// Douillard et al., 2023 (arXiv:2311.08105).
class DiLoCo final : public Trainer {
 public:
  explicit DiLoCo(TrainerOptions options = {}) : Trainer("diloco", std::move(options)) {}
};

// DiLoCo without rounds: each push moves the centre by e D / N, every N-th the momentum of the last
// N. Liu et al., 2024 (arXiv:2401.09135).
class AsyncDiLoCo final : public Trainer {
 public:
  explicit AsyncDiLoCo(TrainerOptions options = {}) : Trainer("async_diloco", std::move(options)) {}
};

}  // namespace sluice
