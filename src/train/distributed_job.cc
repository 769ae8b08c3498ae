#include "train/distributed_job.h"

#include <algorithm>
#include <stdexcept>

#include "core/log.h"
#include "core/parameter_set.h"
#include "data/describe.h"
#include "nn/lowering.h"
#include "train/evaluation.h"
#include "train/local_cluster.h"
#include "train/progress_view.h"
#include "transport/grpc/grpc_transport.h"
#include "worker/worker_rule.h"

namespace sluice::train {
namespace {

core::TimePoint now() { return std::chrono::steady_clock::now(); }

ShownMetrics shown(const wire::EpochMetrics& sums) {
  const auto samples = static_cast<double>(std::max<int64_t>(sums.samples, 1));
  return {sums.loss_sum / samples, static_cast<double>(sums.correct) / samples};
}

// How long after a signal local children are killed: the driver has told them to end for most of
// a second by then.
constexpr core::Duration kGraceAfterSignal = std::chrono::milliseconds(300);
constexpr core::Duration kGrace = std::chrono::seconds(3);

// Shows the job, evaluates after every epoch, and looks after local children.
class JobView final : public driver::JobObserver {
 public:
  JobView(const JobConfig& config, Cluster cluster, const Sequential& model, int64_t records,
          std::shared_ptr<const data::Records> validation, const std::atomic<bool>& stop)
      : stop_(stop),
        verbose_(config.verbose),
        records_(records),
        validation_(std::move(validation)),
        view_(ProgressView::style_for(config.verbose), config.epochs, records, now()),
        epoch_start_(now()) {
    if (!validation_) return;
    EvaluateOptions options;
    options.loss = config.loss;
    options.device = evaluation_device(config, cluster);
    options.gpu_memory_mib = config.gpu_memory;
    evaluator_.emplace(model, options);
    pulled_ = core::AlignedBuffer(model.parameters().values().size());
  }

  void attach(LocalCluster* cluster, driver::Driver* driver) {
    cluster_ = cluster;
    driver_ = driver;
  }
  std::vector<EpochHistory> take_history() { return std::move(history_); }
  ProgressView& view() { return view_; }

  void on_tick() override {
    if (cluster_ == nullptr) return;
    if (stop_.load()) cluster_->terminate();
    cluster_->look_after(*driver_);
  }

  void on_progress(const driver::JobProgress& progress) override {
    show_ended_epochs();
    say_waits(progress);
    // Workers are in different epochs; the bar is of the first that is not complete.
    int epoch = 0;
    for (const auto& sums : progress.epochs) {
      if (sums.samples == records_) epoch = std::max(epoch, sums.epoch + 1);
    }
    if (epoch * records_ >= progress.total_samples) return;
    wire::EpochMetrics current{epoch, 0, 0, 0};
    for (const auto& sums : progress.epochs) {
      if (sums.epoch == epoch) current = sums;
    }
    view_.update(epoch, current.samples, progress.samples, shown(current), now());
  }

  void on_epoch_end(int epoch, const wire::EpochMetrics& metrics,
                    const std::function<Status(std::span<float>)>& pull) override {
    // Workers do not wait for an evaluation: it is no part of the epoch's time.
    ended_.push_back({epoch, shown(metrics), now()});
    pull_ = pull;
    if (!evaluator_) show_ended_epochs();
  }

  void on_notice(const std::string& line) override {
    // Joining and leaving is daily business; a death is not.
    const bool daily = line.ends_with(" left") || line.find(" joined") != std::string::npos ||
                       line.ends_with("exit status 0");
    if (daily && verbose_ < 2) return;
    view_.message(line);
  }

 private:
  struct EndedEpoch {
    int epoch;
    ShownMetrics metrics;
    core::TimePoint at;
  };

  // Epochs of asynchronous workers may end together. The parameters are then the newest one's: the
  // others have no validation.
  void show_ended_epochs() {
    for (const EndedEpoch& ended : ended_) {
      EpochHistory entry;
      entry.train = {ended.metrics.loss, ended.metrics.accuracy};
      if (&ended == &ended_.back()) entry.validation = validate(ended.epoch);
      entry.seconds = core::to_seconds(ended.at - epoch_start_);
      epoch_start_ = ended.at;
      history_.push_back(entry);
      std::optional<ShownMetrics> validation;
      if (entry.validation) validation = {entry.validation->loss, entry.validation->accuracy};
      view_.epoch_end(ended.epoch, ended.metrics, validation, ended.at);
    }
    ended_.clear();
  }

  std::optional<Metrics> validate(int epoch) {
    if (!evaluator_) return std::nullopt;
    if (const Status pulled = pull_(pulled_.span()); !pulled.ok()) {
      SLUICE_LOG(warn, "no validation of epoch {}: {}", epoch + 1, pulled.message());
      return std::nullopt;
    }
    return evaluator_->evaluate(pulled_.span(), *validation_);
  }

  void say_waits(const driver::JobProgress& progress) {
    std::string waits = progress.waiting_for;
    for (const auto& worker : progress.workers) {
      if (worker.waiting_for.empty() || worker.partition < 0) continue;
      waits += (waits.empty() ? "" : "; ") + std::string("worker ") + std::to_string(worker.index) +
               " waits: " + worker.waiting_for;
    }
    // Starting up takes a moment and needs no words.
    if (waits == said_ || progress.elapsed_s < 2) return;
    said_ = waits;
    if (!waits.empty()) view_.message("waiting for " + waits);
  }

  const std::atomic<bool>& stop_;
  const int verbose_;
  const int64_t records_;
  const std::shared_ptr<const data::Records> validation_;
  ProgressView view_;
  core::TimePoint epoch_start_;
  std::optional<Evaluator> evaluator_;
  core::AlignedBuffer pulled_;
  std::vector<EndedEpoch> ended_;  // not yet shown
  std::function<Status(std::span<float>)> pull_;
  std::vector<EpochHistory> history_;
  std::string said_;
  LocalCluster* cluster_ = nullptr;
  driver::Driver* driver_ = nullptr;
};

Result<driver::DriverOptions> driver_options(const JobConfig& config, Cluster cluster,
                                             const Sequential& model,
                                             const data::Records& records) {
  driver::DriverOptions options;
  wire::TrainingSpec& training = options.training;
  training.model = model.to_json();
  training.loss = config.loss;
  training.optimizer = effective_optimizer(config);
  training.trainer = config.trainer;
  training.window = config.window;
  training.overlap = config.overlap;
  training.batch_size = config.batch_size;
  training.epochs = config.epochs;
  training.seed = config.seed;
  training.shuffle = config.shuffle;
  training.records = records.info().records;
  training.partitions = int64_t{config.workers} * config.parallelism_factor;
  SLUICE_ASSIGN_OR_RETURN(training.dataset, data::describe(records));
  // Workers elsewhere know their own cores.
  training.threads =
      cluster == Cluster::kLocal ? effective_threads_per_worker(config) : config.threads_per_worker;
  training.device = config.device;
  training.gpu_memory_mib = config.gpu_memory;
  training.precision = config.precision;
  training.deterministic = config.deterministic;
  training.heartbeat_interval = core::from_seconds(std::min(config.lease_timeout / 5, 1.0));
  training.server_timeout = core::from_seconds(config.peer_timeout);
  training.driver_timeout = core::from_seconds(config.peer_timeout);
  options.update_rule = worker::update_rule_for(config.trainer, training.optimizer);
  options.servers = config.servers;
  options.shards = config.shards;
  options.lease_timeout = core::from_seconds(config.lease_timeout);
  options.idle_timeout = core::from_seconds(config.idle_timeout);
  return options;
}

// What a worker would refuse much later.
void check_partitions(const JobConfig& config, int64_t records) {
  const int64_t partitions = int64_t{config.workers} * config.parallelism_factor;
  const data::Partitioning partitioning(records, partitions, config.seed, data::Shuffle::kNone);
  const int64_t smallest = partitioning.size(partitions - 1);
  (void)data::BatchPlan(partitions - 1, smallest, config.batch_size, config.epochs, config.seed,
                        data::Shuffle::kNone);
}

}  // namespace

std::string evaluation_device(const JobConfig& config, Cluster cluster) {
  return cluster == Cluster::kLocal ? config.device : "auto";
}

Result<JobOutcome> run_distributed(const DistributedJob& job, Sequential& model,
                                   const Dataset& dataset, const std::atomic<bool>& stop) {
  const JobConfig& config = job.config;
  validate(config);
  check_fits(model, dataset.records()->info(), nn::parse_loss(config.loss));
  auto records = dataset.records();
  std::shared_ptr<const data::Records> validation;
  if (config.validation_split > 0) {
    const auto parts = dataset.split(config.validation_split);
    records = parts.first.records();
    validation = parts.second.records();
  }
  check_partitions(config, records->info().records);

  std::unique_ptr<LocalCluster> cluster;
  if (job.cluster == Cluster::kLocal) {
    const auto backend = backend::open_backend(device_options(config.device, config.gpu_memory));
    if (!backend.ok()) return backend.status();
    const Status able = (*backend)->check(backend::parse_precision(config.precision));
    if (!able.ok()) throw InvalidField("precision", able.message());
    LocalClusterOptions options;
    options.program = job.program;
    options.log_level = job.log_level;
    options.servers = config.servers;
    options.workers = config.workers;
    options.max_restarts = config.max_restarts;
    SLUICE_ASSIGN_OR_RETURN(auto created, LocalCluster::create(options));
    cluster = std::make_unique<LocalCluster>(std::move(created));
  }
  JobView view(config, job.cluster, model, records->info().records, validation, stop);
  transport::GrpcTransport transport;
  SLUICE_ASSIGN_OR_RETURN(auto options, driver_options(config, job.cluster, model, *records));
  driver::Driver driver(std::move(options), records, model.parameters().values(), transport, view);
  const std::string address = !config.listen.empty() ? config.listen
                              : cluster              ? cluster->driver_address()
                                                     : "0.0.0.0:7070";
  SLUICE_ASSIGN_OR_RETURN(const auto listener, transport.listen(address, &driver));
  if (cluster) {
    view.attach(cluster.get(), &driver);
    SLUICE_RETURN_IF_ERROR(cluster->start(listener->address()));
  } else {
    view.view().message("driver: listening at " + listener->address() + " for " +
                        std::to_string(config.servers) + " server(s) and " +
                        std::to_string(config.workers) + " worker(s)");
  }
  auto result = driver.run(stop);
  if (cluster) cluster->stop(stop.load() ? kGraceAfterSignal : kGrace);
  if (!result.ok()) return result.status();
  const auto trained = result->parameters.span();
  std::copy(trained.begin(), trained.end(), model.parameters().values().begin());
  return JobOutcome{std::move(*result), view.take_history()};
}

}  // namespace sluice::train
