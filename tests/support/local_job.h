// A whole job inside the test's process: the driver, servers and workers that ship, as threads.
#pragma once

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/log.h"
#include "core/parameter_set.h"
#include "core/real_world.h"
#include "data/describe.h"
#include "data/records.h"
#include "driver/driver.h"
#include "server/serve.h"
#include "sluice/dataset.h"
#include "sluice/layers.h"
#include "sluice/model.h"
#include "wire/transport.h"
#include "worker/pushes.h"
#include "worker/update_rule.h"
#include "worker/worker.h"

namespace sluice::testing_support {

struct LocalJobOptions {
  wire::TrainingSpec training;
  int servers = 1;
  int workers = 1;
  int shards = 0;
  std::string driver_address;  // where the driver listens
  std::string server_address;  // where servers listen
};

// Dense 8 ReLU, Dense 3 softmax over 6 features: small, and every parameter matters.
inline Sequential small_model(uint64_t seed = 1) {
  Sequential model;
  model.add(Input({6}))
      .add(Dense({.units = 16, .activation = "relu"}))
      .add(Dense({.units = 3, .activation = "softmax"}));
  model.initialize(seed);
  return model;
}

// n records of three classes, each around its own corner, so that training gets somewhere.
inline Dataset small_dataset(int64_t n) {
  std::vector<float> x;
  std::vector<int32_t> labels;
  uint32_t state = 12345;
  for (int64_t i = 0; i < n; ++i) {
    const auto label = static_cast<int32_t>(i % 3);
    for (int f = 0; f < 6; ++f) {
      state = state * 1664525u + 1013904223u;
      const float noise = static_cast<float>(state >> 8) / static_cast<float>(1 << 24) - 0.5f;
      x.push_back((f % 3 == label ? 1.0f : 0.0f) + noise);
    }
    labels.push_back(label);
  }
  return Dataset::from_arrays(x, labels, {6}, 3);
}

inline LocalJobOptions small_job(const Model& model, const Dataset& dataset, int workers,
                                 int shards) {
  LocalJobOptions options;
  options.training.model = model.to_json();
  options.training.metrics = {{"accuracy"}};
  options.training.optimizer = Adam({.learning_rate = 0.01f});
  options.training.trainer.set("window", int64_t{3});
  options.training.batch_size = 4;
  options.training.epochs = 2;
  options.training.records = dataset.size();
  options.training.partitions = workers;
  options.training.workers = workers;
  options.training.sample_weights = !dataset.records()->targets().weights.empty();
  options.training.dataset = *data::describe(*dataset.records());
  options.training.heartbeat_interval = std::chrono::milliseconds(50);
  options.workers = workers;
  options.shards = shards;
  return options;
}

struct LocalJobResult {
  Result<driver::JobResult> job = internal_error("not run");
  std::vector<Status> servers;
  std::vector<Status> workers;
};

// Runs the job to its end; `observer` may look on.
inline LocalJobResult run_local_job(wire::Transport& transport, const LocalJobOptions& options,
                                    const Model& model, const Dataset& dataset,
                                    driver::JobObserver& observer) {
  core::World& world = core::real_world();
  driver::DriverOptions driver_options;
  driver_options.training = options.training;
  driver_options.update_rule = worker::update_rule_of(options.training, model, model);
  driver_options.pushes = worker::pushes_by_partition(options.training);
  driver_options.servers = options.servers;
  driver_options.shards = options.shards;
  driver_options.idle_timeout = std::chrono::seconds(30);
  driver::Driver driver(world, transport, driver_options, dataset.records(),
                        model.parameters().values(), observer);
  const auto listener = transport.listen(options.driver_address, &driver);
  LocalJobResult result;
  if (!listener.ok()) {
    result.job = listener.status();
    return result;
  }
  const std::string address = (*listener)->address();
  result.servers.resize(static_cast<size_t>(options.servers));
  result.workers.resize(static_cast<size_t>(options.workers));
  std::vector<std::thread> threads;
  for (Status& status : result.servers) {
    threads.emplace_back([&] {
      server::ServeOptions serve;
      serve.driver = address;
      serve.listen = options.server_address;
      status = server::serve(world, transport, serve, {}).why;
    });
  }
  for (Status& status : result.workers) {
    threads.emplace_back([&] { status = worker::run_worker(world, transport, {address}, {}).why; });
  }
  std::promise<Result<driver::JobResult>> ended;
  driver.start([&ended](Result<driver::JobResult> job) { ended.set_value(std::move(job)); });
  result.job = ended.get_future().get();
  for (std::thread& thread : threads) thread.join();
  return result;
}

}  // namespace sluice::testing_support
