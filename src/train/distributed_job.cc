#include "train/distributed_job.h"

#include <fmt/core.h>

#include <algorithm>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "core/parameter_set.h"
#include "core/process_info.h"
#include "core/real_world.h"
#include "data/describe.h"
#include "launch/local_cluster.h"
#include "launch/port_file.h"
#include "launch/running_jobs.h"
#include "launch/signals.h"
#include "nn/lowering.h"
#include "show/job_view.h"
#include "train/chance_level.h"
#include "train/ensemble.h"
#include "train/evaluation.h"
#include "train/fits.h"
#include "train/inference.h"
#include "train/logits.h"
#include "train/scaling.h"
#include "train/validate.h"
#include "transport/grpc/grpc_transport.h"
#include "worker/pushes.h"
#include "worker/update_rule.h"

namespace sluice::train {
namespace {

// How long after a signal local children are killed: the driver has told them to end by then.
constexpr core::Duration kGraceAfterSignal = std::chrono::milliseconds(100);
// Members start one after the other, as containers do.
constexpr core::Duration kGather = std::chrono::seconds(3);
constexpr core::Duration kGrace = std::chrono::seconds(3);

// Hands what happens in the job to whoever watches it.
class Watchers final : public driver::JobObserver {
 public:
  Watchers(show::JobView& view, launch::LocalCluster* cluster) : view_(view), cluster_(cluster) {}
  void on_event(const driver::JobEvent& event) override {
    view_.on_event(event);
    std::lock_guard lock(mutex_);
    if (cluster_ != nullptr) cluster_->on_event(event);
  }
  // It is about to go; the driver may still say something.
  void forget_cluster() {
    std::lock_guard lock(mutex_);
    cluster_ = nullptr;
  }

 private:
  show::JobView& view_;
  std::mutex mutex_;
  launch::LocalCluster* cluster_;  // guarded by mutex_
};

// What `make` makes; what it refuses is said of the option that it is about.
template <typename Make>
auto blaming(const char* field, Make make) {
  try {
    return make();
  } catch (const std::invalid_argument& error) {
    throw InvalidField(field, without_name(field, error.what()));
  }
}

// A server knows no parameter from another, and holds none to a constraint.
void check_constraints(const wire::TrainingSpec& training, const Model& model) {
  if (training.trainer.worker_rule()->trains_locally()) return;
  const backend::Graph graph = nn::lower(model, LossSpec{});
  if (!std::ranges::any_of(graph.weight_rules, &backend::WeightRule::is_constrained)) return;
  throw InvalidField("model", fmt::format("with {} the servers step, which know no constraints of "
                                          "weights: use another trainer",
                                          training.trainer.name()));
}

// Weights are no differences: what would be sent of them later is not what they are then.
void set_compression(const JobConfig& config, wire::TrainingSpec& training) {
  using compression::Compression;
  training.push_compression = *Compression::parse(config.compress_push);
  training.pull_compression = *Compression::parse(config.compress_pull);
  const Compression::Kind kind = training.push_compression.kind;
  const bool is_exact = kind == Compression::Kind::kNone || kind == Compression::Kind::kFp16 ||
                        kind == Compression::Kind::kBf16;
  const auto rule = training.trainer.worker_rule();
  if (is_exact || rule->contribution() != algorithm::Contribution::kWeights) return;
  throw InvalidField("compress_push",
                     fmt::format("workers of {} push their weights, of which {} leaves out too "
                                 "much: use fp16, bf16 or none",
                                 training.trainer.name(), config.compress_push));
}

// The numbers that the metrics of a mini-batch come to.
int64_t count_counters(const Model& model, const std::vector<nn::OutputTask>& tasks) {
  const size_t counters = nn::lower(model, nn::parse_tasks(tasks)).counters();
  if (counters <= wire::kMostCounters) return static_cast<int64_t>(counters);
  throw InvalidField("metrics",
                     fmt::format("they count {} numbers together, and a job can send {}; "
                                 "ask for fewer, or for those of fewer classes",
                                 counters, wire::kMostCounters));
}

Result<driver::DriverOptions> driver_options(const JobConfig& config, Cluster cluster,
                                             const Model& model,
                                             const std::vector<nn::OutputTask>& tasks,
                                             const data::Records& records) {
  driver::DriverOptions options;
  wire::TrainingSpec& training = options.training;
  training.trainer = algorithm_of(config);
  training.partitions = int64_t{config.workers} * config.parallelism_factor;
  if (training.trainer.worker_rule() == nullptr) {  // of a program's own algorithm
    throw std::invalid_argument(
        fmt::format("the algorithm {} makes no worker's half", training.trainer.name()));
  }
  const bool in_parts = training.trainer.algorithm->own_parameters;
  const Model of_a_worker = in_parts ? one_of(model, training.partitions) : model;
  training.model = of_a_worker.to_json();
  training.losses.clear();
  training.loss_weights.clear();
  training.metrics.clear();
  for (const nn::OutputTask& task : tasks) {
    training.losses.push_back(task.loss);
    training.loss_weights.push_back(task.weight);
    training.metrics.push_back(task.metrics);
  }
  training.class_weight = class_weights(config.class_weight, records.info());
  training.sample_weights = !records.targets().weights.empty();
  training.optimizer = effective_optimizer(config);
  check_constraints(training, model);
  // Of the largest partition at most: a worker's buffers are as large as this says.
  const int64_t largest = (records.info().records + training.partitions - 1) / training.partitions;
  training.batch_size = std::min(config.batch_size, largest);
  training.epochs = config.epochs;
  training.seed = config.seed;
  training.shuffle = config.shuffle;
  training.records = records.info().records;
  training.workers = config.workers;
  training.counters = count_counters(model, tasks);
  SLUICE_ASSIGN_OR_RETURN(training.dataset, data::describe(records));
  // Workers elsewhere know their own cores.
  training.threads =
      cluster == Cluster::kLocal ? effective_threads_per_worker(config) : config.threads_per_worker;
  training.device = config.device;
  training.gpu_memory_mib = config.gpu_memory;
  training.precision = config.precision;
  set_compression(config, training);
  training.deterministic = config.deterministic;
  // Of workers and of servers: several before either is given up.
  training.heartbeat_interval =
      core::from_seconds(std::min({config.lease_timeout / 5, config.peer_timeout / 5, 1.0}));
  training.server_timeout = core::from_seconds(config.peer_timeout);
  training.driver_timeout = core::from_seconds(config.peer_timeout);
  options.pushes = blaming(config.parallelism_factor > 1 ? "parallelism_factor" : "workers",
                           [&] { return worker::pushes_by_partition(training); });
  options.update_rule =
      blaming("optimizer", [&] { return worker::update_rule_of(training, model, of_a_worker); });
  options.servers = config.servers;
  options.workers = config.workers;
  options.min_workers = config.min_workers;
  options.max_workers = config.max_workers;
  options.starts_members = cluster == Cluster::kLocal;
  // Rounds are of all workers from the first one on.
  const bool rounds = training.trainer.algorithm->rounds;
  if (training.threads == 0 || rounds) options.gather = kGather;
  options.max_staleness = config.max_staleness;
  options.shards = config.shards;
  options.lease_timeout = core::from_seconds(config.lease_timeout);
  options.stall_timeout = core::from_seconds(config.stall_timeout);
  options.idle_timeout = core::from_seconds(config.idle_timeout);
  return options;
}

// The local cluster that the job asks for, or none. Refuses what its workers could not do.
Result<std::unique_ptr<launch::LocalCluster>> make_cluster(const DistributedJob& job) {
  if (job.cluster != Cluster::kLocal) return std::unique_ptr<launch::LocalCluster>();
  const JobConfig& config = job.config;
  const auto backend = backend::open_backend(device_options(config.device, config.gpu_memory));
  if (!backend.ok()) return backend.status();
  const Status able = (*backend)->check(backend::parse_precision(config.precision));
  if (!able.ok()) throw InvalidField("precision", able.message());
  launch::LocalClusterOptions options;
  options.program = job.program;
  options.log_level = job.log_level;
  options.servers = config.servers;
  options.workers = config.workers;
  options.max_restarts = config.max_restarts;
  return launch::LocalCluster::create(options);
}

show::JobView::Evaluate validate_on(std::shared_ptr<const data::Records> records,
                                    const DistributedJob& job, const Model& model,
                                    const std::vector<nn::OutputTask>& tasks) {
  EvaluateOptions options;
  options.device = evaluation_device(job.config, job.cluster);
  options.gpu_memory_mib = job.config.gpu_memory;
  const auto evaluator = std::make_shared<Evaluator>(model, tasks, options, records->weighted());
  return [evaluator, records = std::move(records)](std::span<const float> parameters) {
    return evaluator->evaluate(parameters, *records);
  };
}

std::string listening_address(const JobConfig& config, const launch::LocalCluster* cluster) {
  if (!config.listen.empty()) return config.listen;
  return cluster != nullptr ? cluster->driver_address() : kDriverAddress;
}

// A listener at every address of its host is reached at `host`.
std::string with_host(const std::string& address, const std::string& host) {
  for (const std::string_view any : {"0.0.0.0:", "[::]:"}) {
    if (address.starts_with(any)) return host + address.substr(any.size() - 1);
  }
  return address;
}

}  // namespace

std::string evaluation_device(const JobConfig& config, Cluster cluster) {
  return cluster == Cluster::kLocal ? config.device : "auto";
}

show::Strides strides_of(const JobConfig& config) {
  const algorithm::Gain gain = algorithm_of(config).gain();
  const LearningRate rate = effective_optimizer(config).learning_rate;
  show::Strides strides{
      .gain = gain.of(config.workers), .bounded = gain.bounded, .workers = config.workers};
  if (rate.schedule.empty()) strides.learning_rate = rate.number;
  return strides;
}

Result<JobOutcome> run_distributed(const DistributedJob& job, Model& model, const Dataset& dataset,
                                   std::stop_token stop) {
  const JobConfig& config = job.config;
  validate(config);
  const std::vector<nn::OutputTask> tasks =
      tasks_of(model, dataset.records()->info(), objective_of(config));
  check_fits(model, dataset.records()->info(), tasks);
  if (model.count_params() == 0) {
    throw InvalidField("model", fmt::format("\"{}\" has no parameters to train", model.name()));
  }
  auto records = dataset.records();
  std::shared_ptr<const data::Records> validation;
  if (config.validation_split > 0) {
    const auto parts = split_for_validation(dataset, config.validation_split);
    records = parts.first.records();
    validation = parts.second.records();
  }
  core::World& world = core::real_world();
  SLUICE_ASSIGN_OR_RETURN(auto options,
                          driver_options(config, job.cluster, model, tasks, *records));
  options.keep_when_stopped = job.keep_when_stopped;
  options.dataset = dataset.name();
  options.model = model.name();
  SLUICE_RETURN_IF_ERROR(core::check_limits(config.workers + config.servers));
  SLUICE_ASSIGN_OR_RETURN(auto made, make_cluster(job));
  const backend::Graph graph = nn::lower(model, nn::parse_tasks(tasks));
  const Measures measures(model, graph);
  show::JobView view(world,
                     {.epochs = config.epochs,
                      .records = records->info().records,
                      .parameters = model.count_params(),
                      .verbose = config.verbose,
                      .on_epoch = job.on_epoch,
                      .members_come = job.cluster == Cluster::kExternal,
                      .metrics_of =
                          [measures](const wire::EpochMetrics& sums) {
                            return measures.of(sums.samples, sums.loss_sum, sums.counters);
                          },
                      .chance = chance_level(graph, *records, options.training.class_weight),
                      .strides = strides_of(config)},
                     validation ? validate_on(validation, job, model, tasks) : nullptr);
  Watchers watchers(view, made.get());
  transport::GrpcTransport transport;
  const auto its_driver = blaming(config.shards > 0 ? "shards" : "servers", [&] {
    return std::make_unique<driver::Driver>(world, transport, std::move(options), records,
                                            model.parameters().values(), watchers);
  });
  driver::Driver& driver = *its_driver;
  view.pull_with([&driver](std::span<float> into, core::Reply<Status> reply) {
    driver.pull(into, std::move(reply));
  });
  // Goes before the driver, which hears of every child's end.
  const auto end_cluster = [&watchers](launch::LocalCluster* ended) {
    watchers.forget_cluster();
    delete ended;
  };
  const std::unique_ptr<launch::LocalCluster, decltype(end_cluster)> cluster(made.release(),
                                                                             end_cluster);
  SLUICE_ASSIGN_OR_RETURN(const auto listener,
                          transport.listen(listening_address(config, cluster.get()), &driver));
  SLUICE_RETURN_IF_ERROR(launch::write_port_file(config.port_file, listener->address()));
  if (!cluster) driver.listens_at(with_host(listener->address(), core::host_name()));
  const launch::RunningJobFile found_by_status(
      launch::running_jobs_folder(), with_host(listener->address(), "127.0.0.1"),
      fmt::format("{} on {}, {}", model.name(), dataset.name(), config.trainer));
  if (job.on_start) job.on_start();
  warn_of_logits(model, tasks);
  warn_of_scaling(model, dataset.records()->info());
  if (cluster) {
    SLUICE_RETURN_IF_ERROR(cluster->start(listener->address(), driver, stop));
  } else {
    view.message(fmt::format("driver ({}): listening at {} for {} server(s) and {} worker(s)",
                             core::to_text(world.process()), listener->description(),
                             config.servers, config.workers));
  }
  std::promise<Result<driver::JobResult>> ended;
  driver.start([&ended](Result<driver::JobResult> result) { ended.set_value(std::move(result)); });
  std::optional<std::stop_callback<std::function<void()>>> on_stop;
  on_stop.emplace(stop, [&] {
    driver.stop("the driver was stopped by " + launch::StopSignals::name());
    if (cluster && !job.keep_when_stopped) cluster->terminate();
  });
  Result<driver::JobResult> result = ended.get_future().get();
  on_stop.reset();
  if (cluster) cluster->stop(stop.stop_requested() ? kGraceAfterSignal : kGrace);
  const bool trained_to_its_end = result.ok() && result->stopped.empty();
  auto history = view.finish(trained_to_its_end ? result->parameters.span() : std::span<float>());
  if (!result.ok()) return result.status();
  const auto trained = result->trained();
  std::copy(trained.begin(), trained.end(), model.parameters().values().begin());
  // Optimizers were the workers' or the servers', in parts: nothing of their state is here.
  const Objective objective = objective_of(config);
  model.impl().training = {effective_optimizer(config), objective.loss,    objective.losses,
                           objective.loss_weights,      objective.metrics, {}};
  model.impl().preprocessing = data::preprocessing_of(dataset.records()->info());
  return JobOutcome{std::move(*result), std::move(history), view.divergence()};
}

}  // namespace sluice::train
