// Everything that can be asked of a training job, under the names of the command's flags.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "algorithm/algorithm.h"
#include "sluice/losses.h"
#include "sluice/optimizers.h"
#include "train/objective.h"

namespace sluice::train {

struct JobConfig {
  std::string dataset = "mnist";
  std::string data_dir;
  std::string target = "label";
  std::string ignore;               // names of columns, separated by commas
  std::string sample_weights;       // a column of a CSV file, of other data a file
  std::string scale;                // a number or "1/255"; empty: the model's, else the dataset's
  std::string model = "mnist_cnn";  // a built-in's name, or a file
  std::string weights;              // a file; empty: those of the model
  std::string trainer = "adag";
  // The algorithm's own, where they are not its defaults; see algorithm/.
  std::map<std::string, algorithm::OptionValue> trainer_options;
  OptimizerSpec optimizer = "adam";
  LossSpec loss;
  // Of programs only: the datasets of the command have targets for one output.
  std::map<std::string, LossSpec> losses;
  std::map<std::string, double> loss_weights;
  std::string metrics = "accuracy";   // separated by commas
  std::map<int, float> class_weight;  // 1 for classes that are not there
  double learning_rate = 0;           // instead of the optimizer's own; 0: that one
  int workers = 3;
  int min_workers = 1;
  int max_workers = 0;
  int servers = 1;
  int shards = 0;
  std::string compress_push = "none";
  std::string compress_pull = "none";
  int parallelism_factor = 1;
  int max_staleness = -1;  // in windows; -1: none
  int64_t batch_size = 16;
  int epochs = 5;
  uint64_t seed = 0;
  bool shuffle = true;
  double validation_split = 0;
  int threads_per_worker = 0;
  std::string device = "auto";
  int64_t gpu_memory = 0;  // MiB
  std::string precision = "float32";
  bool deterministic = false;
  std::string listen;
  std::string port_file;
  int max_restarts = 3;
  double lease_timeout = 10;
  double stall_timeout = 120;
  double idle_timeout = 300;
  double peer_timeout = 30;
  std::string save;
  std::string report;
  std::string history;
  int verbose = 1;
};

// "a,b" at its commas; none in an empty text.
std::vector<std::string> split_at_commas(const std::string& text);

// What is wrong with a value; empty: nothing.
template <typename T>
using Check = std::string (*)(const T& value);

// The library's words without the field's name before them.
std::string check_loss(const LossSpec& value);
std::string check_class_weight(const std::map<int, float>& value);
std::string check_metrics(const std::string& value);
std::string check_learning_rate(const double& value);
std::string check_scale(const std::string& value);
std::string check_fraction(const double& value);
// Of a timeout. No job can live with one that is shorter than what a busy machine takes to answer.
std::string check_seconds(const double& value);
std::string check_stall_seconds(const double& value);
std::string check_device(const std::string& value);
std::string check_precision(const std::string& value);
std::string check_compression(const std::string& value);
std::string check_address(const std::string& value);
std::string check_threads(const int& value);
std::string check_gpu_memory(const int64_t& mib);
std::string check_columns(const std::string& value);
std::string check_verbose(const int& value);
// Of processes.
std::string check_members(const int& value);

inline std::string fine(const auto& /*value*/) { return ""; }

// "expected at least 1 worker, got 0"; `of`: "1 worker".
template <int64_t least>
std::string at_least(const auto& value, const char* of) {
  if (value >= least) return "";
  return fmt::format("expected at least {}, got {}", of, value);
}

// What --help says of a field.
struct Help {
  const char* group;  // the heading that it stands under
  // What is written behind the flag: "a|b|FILE" to choose from. What has a capital letter stands
  // for something else than itself; shells complete files for FILE and folders for FOLDER.
  const char* value;
  const char* text;
};

// The one description of every field but the algorithm's: visit(name, field, help, check). Flag,
// config name, default, help, check and message come from here. In the order of --help; names have
// underscores.
template <typename Config, typename Visit>
void visit_fields(Config& c, Visit visit) {
  constexpr const char* kData = "Data and model";
  constexpr const char* kTraining = "Training";
  constexpr const char* kCluster = "Processes";
  constexpr const char* kDevices = "Devices";
  constexpr const char* kFailures = "When something does not answer";
  constexpr const char* kOutput = "Output";

  visit("dataset", c.dataset,
        Help{kData, "mnist|fashion_mnist|digits|csv:FILE[,FILE]|FOLDER",
             "digits are generated; csv: to train with, and to test with; a folder has IDX files"},
        fine<std::string>);
  visit("data_dir", c.data_dir, Help{kData, "FOLDER", "where to look for the dataset first"},
        fine<std::string>);
  visit("target", c.target,
        Help{kData, "COLUMN", "of a CSV file, to predict: numbers where mse meets one output"},
        fine<std::string>);
  visit("ignore", c.ignore,
        Help{kData, "COLUMN[,COLUMN...]", "of a CSV file, that are no features"}, check_columns);
  visit("sample_weights", c.sample_weights,
        Help{kData, "COLUMN|FILE",
             "how much each record counts: of a CSV file a column, else .npy or a number a line"},
        fine<std::string>);
  visit("scale", c.scale,
        Help{kData, "NUMBER",
             "instead of what the model's file says, or the dataset does: what bytes of images and "
             "numbers of tables are multiplied by, 1/255 or 1"},
        check_scale);
  visit("model", c.model,
        Help{kData, "mnist_cnn|mnist_mlp|FILE",
             "a file: Keras' .keras, .h5 or JSON, ONNX, or what --save wrote"},
        fine<std::string>);
  visit("weights", c.weights,
        Help{kData, "FILE", "to begin with, of any such file, or of a .weights.h5"},
        fine<std::string>);
  visit("validation_split", c.validation_split,
        Help{kData, "FRACTION", "of the training set, kept for validation"}, check_fraction);

  visit("optimizer", c.optimizer,
        Help{kTraining, "NAME[(ARGUMENT=VALUE,...)]",
             "Keras' name: adam, sgd, adamw(weight_decay=0.01); not given, a model's file says it"},
        fine<OptimizerSpec>);
  visit("learning_rate", c.learning_rate,
        Help{kTraining, "NUMBER", "instead of the optimizer's own; 0: that one"},
        check_learning_rate);
  visit("loss", c.loss,
        Help{kTraining,
             "categorical_crossentropy|sparse_categorical_crossentropy|binary_crossentropy|"
             "categorical_focal_crossentropy|binary_focal_crossentropy|kl_divergence|hinge|"
             "squared_hinge|categorical_hinge|mse|mae|mape|msle|huber|log_cosh|poisson|"
             "cosine_similarity|dice|tversky|circle|categorical_generalized_cross_entropy",
             "with options: huber(delta=2); not given, a model's file says it"},
        check_loss);
  visit("metrics", c.metrics,
        Help{kTraining, "METRIC[,METRIC...]",
             "what else is measured: accuracy, auc, precision, recall, confusion_matrix, mse, ...; "
             "not given, a model's file says it"},
        check_metrics);
  visit("class_weight", c.class_weight,
        Help{kTraining, "CLASS:NUMBER[,CLASS:NUMBER...]", "how much classes count; 1 for others"},
        check_class_weight);
  visit("batch_size", c.batch_size, Help{kTraining, "NUMBER", "samples in a mini-batch"},
        [](const int64_t& n) { return at_least<1>(n, "1 sample"); });
  visit("epochs", c.epochs, Help{kTraining, "NUMBER", "passes over the dataset"},
        [](const int& n) { return at_least<1>(n, "1 epoch"); });
  visit("seed", c.seed, Help{kTraining, "NUMBER", "of initial weights, partitioning and shuffling"},
        fine<uint64_t>);
  visit("shuffle", c.shuffle,
        Help{kTraining, "", "shuffle once before partitioning and each epoch"}, fine<bool>);

  visit("workers", c.workers, Help{kCluster, "NUMBER", "worker processes"}, check_members);
  visit("min_workers", c.min_workers, Help{kCluster, "NUMBER", "with fewer the job waits for more"},
        check_members);
  visit("max_workers", c.max_workers,
        Help{kCluster, "NUMBER", "beyond it workers are refused; 0: nobody is"},
        [](const int& n) { return n == 0 ? "" : check_members(n); });
  visit("servers", c.servers, Help{kCluster, "NUMBER", "parameter servers"}, check_members);
  visit("parallelism_factor", c.parallelism_factor,
        Help{kCluster, "NUMBER", "partitions of the dataset per worker"},
        [](const int& n) { return at_least<1>(n, "1"); });
  visit("max_staleness", c.max_staleness,
        Help{kCluster, "WINDOWS",
             "how many windows a worker may be ahead of the slowest; 0: it is never ahead; "
             "-1: without a bound (sluice ctl set max-staleness none)"},
        [](const int& n) { return at_least<-1>(n, "-1"); });
  visit("shards", c.shards,
        Help{kCluster, "NUMBER", "pieces of the parameters; 0: as few as keep each within 4 MiB"},
        [](const int& n) { return at_least<0>(n, "0 (by size)"); });
  visit("compress_push", c.compress_push,
        Help{kCluster, "none|fp16|bf16|int8|1bit|topk:FRACTION",
             "how updates are made smaller on their way over a network; what that leaves out is "
             "sent later"},
        check_compression);
  visit("compress_pull", c.compress_pull,
        Help{kCluster, "none|fp16|bf16|int8|1bit|topk:FRACTION",
             "likewise, what comes back: the difference to what the worker has"},
        check_compression);
  visit("listen", c.listen,
        Help{kCluster, "ADDRESS", "the driver's: HOST:PORT or unix:/path (`driver`: 0.0.0.0:7070)"},
        check_address);
  visit("port_file", c.port_file,
        Help{kCluster, "FILE", "to write the port to that the driver listens at"},
        fine<std::string>);

  visit("device", c.device,
        Help{kDevices, "auto|cpu|cuda|cuda:N", "auto: a GPU where there is one"}, check_device);
  visit("precision", c.precision,
        Help{kDevices, "float32|tf32|mixed_bfloat16", "of training; tf32 on GPUs"},
        check_precision);
  visit("threads_per_worker", c.threads_per_worker,
        Help{kDevices, "NUMBER", "at most 256; 0: the cores, shared evenly"}, check_threads);
  visit("gpu_memory", c.gpu_memory,
        Help{kDevices, "MIB", "of its GPU that each process takes at most; 0: no bound"},
        check_gpu_memory);
  visit("deterministic", c.deterministic,
        Help{kDevices, "", "only algorithms that give the same bits in every run (on GPUs)"},
        fine<bool>);

  visit("max_restarts", c.max_restarts, Help{kFailures, "NUMBER", "dead workers that are replaced"},
        [](const int& n) { return at_least<0>(n, "0"); });
  visit("lease_timeout", c.lease_timeout,
        Help{kFailures, "SECONDS", "without a heartbeat until a worker counts as dead"},
        check_seconds);
  visit("stall_timeout", c.stall_timeout,
        Help{kFailures, "SECONDS", "without a training step until a worker is given up as stuck"},
        check_stall_seconds);
  visit("peer_timeout", c.peer_timeout,
        Help{kFailures, "SECONDS", "until a silent server or driver is given up"}, check_seconds);
  visit("idle_timeout", c.idle_timeout,
        Help{kFailures, "SECONDS", "to wait for servers or workers to join"}, check_seconds);

  visit(
      "save", c.save,
      Help{kOutput, "FILE",
           "to write the trained model to, by its ending: .keras, .h5, .weights.h5, .json, .onnx, "
           "/ for a SavedModel's folder, or a format of Sluice's own"},
      fine<std::string>);
  visit("report", c.report,
        Help{kOutput, "FILE", "to write the results to, as JSON; -: standard output"},
        fine<std::string>);
  visit("history", c.history,
        Help{kOutput, "FILE", "to write a line of JSON to as each epoch ends; -: standard output"},
        fine<std::string>);
  visit("verbose", c.verbose,
        Help{kOutput, "0|1|2", "0 silent, 1 progress, 2 a line for everything"}, check_verbose);
}

// The config as JSON, two spaces deep.
std::string to_json(const JobConfig& config);

// As the command takes them, "0:1,1:2.5"; {} from "". Throws std::invalid_argument for anything
// else.
std::map<int, float> parse_class_weight(const std::string& text);

// "1/255", or a number. Throws std::invalid_argument unless it is finite and above 0.
float parse_scale(const std::string& text);

// Sets the fields that `json` names, with '-' or '_' in names; leaves the others. Returns the
// names, with '_'. Throws std::invalid_argument for text that is not JSON, an unknown name
// (suggesting the nearest), one that is there twice, or a value of the wrong type.
std::set<std::string> merge_json(const std::string& json, JobConfig& config);

// Its text is "FIELD: WHAT"; the command says the flag's name instead of the field's.
struct InvalidField : std::invalid_argument {
  InvalidField(const std::string& name, const std::string& wrong)
      : std::invalid_argument(name + ": " + wrong), field(name), what_is_wrong(wrong) {}
  const std::string field;
  const std::string what_is_wrong;
};

// Whoever is told of a field has its name already: "device \"x\" is ..." becomes "\"x\" is ...", as
// does "device: \"x\" is ...".
std::string without_name(const std::string& field, const std::string& text);

// Throws InvalidField for what can be seen to make no sense without the dataset: zero workers, a
// negative window, an unknown trainer or device.
void validate(const JobConfig& config);

// The algorithm with its options. Throws InvalidField for an option that it does not have or that
// is out of range, std::invalid_argument for an unknown algorithm.
algorithm::Choice algorithm_of(const JobConfig& config);

// Those to ignore, one by one.
std::vector<std::string> ignored_columns(const JobConfig& config);

// What the outputs learn, and what is measured of them.
Objective objective_of(const JobConfig& config);

// The optimizer with the learning rate that counts.
OptimizerSpec effective_optimizer(const JobConfig& config);

int effective_threads_per_worker(const JobConfig& config);

}  // namespace sluice::train
