#include "tests/simulator/scale.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/check.h"
#include "data/describe.h"
#include "driver/driver.h"
#include "server/serve.h"
#include "sluice/dataset.h"
#include "sluice/layers.h"
#include "sluice/model.h"
#include "tests/simulator/running.h"
#include "tests/simulator/toy_algorithms.h"
#include "tests/simulator/toy_backend.h"
#include "worker/pushes.h"
#include "worker/worker.h"

namespace sluice::simulator {
namespace {

using std::chrono::seconds;

class ScaleRun {
 public:
  explicit ScaleRun(const ScaleOptions& options)
      : options_(options),
        shards_(options.servers * options.shards_per_server),
        partitions_(int64_t{options.workers} * options.partitions_per_worker),
        parameters_(static_cast<size_t>(shards_) * kPlaces),
        network_(simulation_, network_options()) {
    simulation_.be_quiet();
    simulation_.set_longest_hand_over(std::chrono::microseconds(10));
    network_.on_answered = [this](const wire::PushHeader& header) {
      const bool whole = header.step != wire::PushStep::kStage && header.shards.first == 0;
      if (whole && header.shards.count > 0) answered_.push_back(simulation_.now());
    };
  }

  ScaleResult run() {
    start_driver();
    for (int i = 0; i < options_.servers; ++i) start_server(i);
    for (int i = 0; i < options_.workers; ++i) {
      simulation_.after(simulation_.between({}, std::chrono::milliseconds(50)), nullptr,
                        [this, i] { start_worker(i); });
    }
    const bool ended = simulation_.run_until([this] { return result_.has_value(); },
                                             core::TimePoint(seconds(1'000'000)));
    SLUICE_CHECK(ended && result_->ok()) << "the job failed: " << result_->status();
    ScaleResult result{.exchanges_per_s = rate(),
                       .staleness = (*result_)->staleness_mean,
                       .simulated_s = core::to_seconds(simulation_.now().time_since_epoch()) - 1000,
                       .events = simulation_.events()};
    workers_.clear();
    servers_.clear();
    listener_.reset();
    driver_.reset();
    return result;
  }

 private:
  NetworkOptions network_options() const {
    NetworkOptions network;
    network.least_delay = network.most_delay = options_.latency;
    network.slow = network.lost = network.repeated = 0;
    network.bytes_per_s = options_.bytes_per_s;
    network.bytes_scale = options_.bytes / static_cast<double>(parameters_ * sizeof(float));
    return network;
  }

  wire::TrainingSpec job(const Dataset& dataset) const {
    wire::TrainingSpec job;
    Sequential model;
    model.add(Input({1})).add(Dense({.units = static_cast<int64_t>(parameters_ / 2)}));
    job.model = model.to_json();
    job.losses = {"mse"};
    job.batch_size = 1;
    job.epochs = options_.epochs;
    if (options_.rounds) {
      job.trainer = kSumOfRounds;
    } else {
      job.trainer = "adag";
      job.trainer.set("bound_gain", false);
    }
    job.trainer.set("window", int64_t{1});
    job.dataset = *data::describe(*dataset.records());
    job.records = dataset.size();
    job.partitions = partitions_;
    job.workers = options_.workers;
    return job;
  }

  // Fractions of the pushes, between which all workers train.
  static constexpr double kFrom = 0.3, kTo = 0.7;

  double rate() const {
    const auto first = static_cast<size_t>(kFrom * static_cast<double>(answered_.size()));
    const auto last = static_cast<size_t>(kTo * static_cast<double>(answered_.size()));
    return static_cast<double>(last - first) / core::to_seconds(answered_[last] - answered_[first]);
  }

  void start_driver() {
    std::vector<float> x(static_cast<size_t>(partitions_ * options_.windows));
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % kPlaces);
    const Dataset dataset = Dataset::from_arrays(x, std::vector<int32_t>(x.size()), {1},
                                                 static_cast<int64_t>(parameters_ / 2));
    driver_ = std::make_unique<Running<driver::Driver>>(simulation_, network_, "driver", 1);
    driver::DriverOptions options;
    options.training = job(dataset);
    options.update_rule = options.training.trainer.to_update_rule(options.training.optimizer);
    options.pushes = worker::pushes_by_partition(options.training);
    options.servers = options_.servers;
    options.shards = shards_;
    options.workers = options_.workers;
    if (options_.rounds) options.gather = seconds(3);
    const std::vector<float> initial(parameters_);
    driver_->role.emplace(driver_->world, *driver_->transport, options, dataset.records(), initial,
                          observer_);
    listener_ = *driver_->transport->listen("driver:1", &*driver_->role);
    driver_->role->start([this](Result<driver::JobResult> result) { result_ = std::move(result); });
  }

  void start_server(int index) {
    const std::string name = "server" + std::to_string(index);
    servers_.push_back(
        std::make_unique<Running<server::Server>>(simulation_, network_, name, 2 + index));
    server::ServeOptions options;
    options.driver = "driver:1";
    options.listen = name + ":1";
    auto& server = *servers_.back();
    server.role.emplace(server.world, *server.transport, options, [](const Status&) {});
    server.role->start();
  }

  void start_worker(int index) {
    const std::string name = "worker" + std::to_string(index);
    workers_.push_back(
        std::make_unique<Running<worker::Worker>>(simulation_, network_, name, 100'000 + index));
    ToyOptions times{options_.window, options_.window};
    if (options_.exponential) times.mean_step = options_.window;
    worker::WorkerParts parts;
    parts.open_backend = [this, times](const backend::DeviceOptions&) {
      return Result(make_toy_backend(simulation_, times));
    };
    auto& worker = *workers_.back();
    worker.role.emplace(worker.world, *worker.transport,
                        worker::WorkerOptions{"driver:1", index, "", seconds(60)}, parts,
                        [](const Status&) {});
    worker.role->start();
  }

  const ScaleOptions options_;
  const int shards_;
  const int64_t partitions_;
  const size_t parameters_;
  driver::JobObserver observer_;  // who looks at nothing
  Simulation simulation_{1};
  Network network_;
  std::unique_ptr<Running<driver::Driver>> driver_;
  std::unique_ptr<wire::Listener> listener_;
  std::vector<std::unique_ptr<Running<server::Server>>> servers_;
  std::vector<std::unique_ptr<Running<worker::Worker>>> workers_;
  std::vector<core::TimePoint> answered_;  // when pushes were, at the first shard
  std::optional<Result<driver::JobResult>> result_;
};

}  // namespace

ScaleResult run_at_scale(const ScaleOptions& options) {
  register_toy_algorithms();
  return ScaleRun(options).run();
}

}  // namespace sluice::simulator
