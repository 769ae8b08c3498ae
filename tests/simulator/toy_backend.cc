#include "tests/simulator/toy_backend.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/check.h"

namespace sluice::simulator {
namespace {

class ToyReplica final : public backend::Replica {
 public:
  ToyReplica(Simulation& simulation, const ToyOptions& times, const backend::Graph& graph,
             const backend::ReplicaOptions& options)
      : simulation_(simulation),
        times_(times),
        graph_(graph),
        x_(static_cast<size_t>(options.batch_size * graph.input_size())),
        y_(static_cast<size_t>(options.batch_size * graph.target_size())),
        parameters_(graph.parameter_size),
        anchor_(graph.parameter_size),
        last_update_(graph.parameter_size) {}

  const backend::Graph& graph() const override { return graph_; }
  backend::BatchBuffers batch_buffers() override { return {x_, y_}; }

  void start_step(const backend::Batch& batch) override {
    for (const float record : batch.x) {
      const auto place = static_cast<size_t>(record);
      SLUICE_CHECK(place < kPlaces);
      for (size_t at = place; at < parameters_.size(); at += kPlaces) parameters_[at] += 1;
    }
    std::vector<double> counts(kPlaces);
    for (const float record : batch.x) ++counts[static_cast<size_t>(record)];
    metrics_ += {batch.size, static_cast<double>(batch.size), std::move(counts)};
    SimulatedWorld::spend(step_time());
  }
  backend::StepMetrics take_metrics() override { return std::exchange(metrics_, {}); }
  backend::StepMetrics evaluate(const backend::Batch&) override { return {}; }
  void predict(int64_t, std::span<const float>, std::span<float>) override {}

  std::span<float> parameters() override { return parameters_; }
  void parameters_changed() override {}
  std::span<const float> gradients() override { return {}; }

  std::shared_ptr<core::AlignedBuffer> make_exchange_buffer(
      std::unique_ptr<core::AlignedBuffer>) override {
    return std::make_shared<core::AlignedBuffer>(parameters_.size());
  }
  void begin_window() override { anchor_ = parameters_; }
  void start_update(const backend::UpdateSpec& spec, std::span<float> update) override {
    for (size_t i = 0; i < update.size(); ++i) {
      last_update_[i] = update[i] = spec.trained * (parameters_[i] - anchor_[i]);
    }
    update_metrics_ = take_metrics();
  }
  bool update_ready() override { return true; }
  void set_learning_rate(float) override {}  // records count, and nothing else
  backend::StepMetrics finish_update() override { return std::exchange(update_metrics_, {}); }
  void adopt(std::span<const float> centre, backend::OwnUpdate own, float) override {
    std::copy(centre.begin(), centre.end(), parameters_.begin());
    if (own == backend::OwnUpdate::kMissing) {
      for (size_t i = 0; i < parameters_.size(); ++i) parameters_[i] += last_update_[i];
    }
    begin_window();
  }

 private:
  core::Duration step_time() {
    if (times_.mean_step == core::Duration()) {
      return simulation_.between(times_.shortest_step, times_.longest_step);
    }
    const double log = -std::log(1 - simulation_.chance().uniform());
    return core::from_seconds(core::to_seconds(times_.mean_step) * log);
  }

  Simulation& simulation_;
  const ToyOptions times_;
  const backend::Graph graph_;
  std::vector<float> x_, y_;
  std::vector<float> parameters_, anchor_, last_update_;
  backend::StepMetrics metrics_, update_metrics_;
};

class ToyBackend final : public backend::Backend {
 public:
  ToyBackend(Simulation& simulation, const ToyOptions& options)
      : simulation_(simulation), options_(options) {}

  std::string name() const override { return "toy"; }
  Status check(backend::Precision) const override { return ok_status(); }
  std::unique_ptr<backend::Replica> compile(const backend::Graph& graph,
                                            const backend::ReplicaOptions& options) override {
    SimulatedWorld::spend(simulation_.between(options_.shortest_step, options_.longest_step));
    return std::make_unique<ToyReplica>(simulation_, options_, graph, options);
  }

 private:
  Simulation& simulation_;
  const ToyOptions options_;
};

}  // namespace

std::shared_ptr<backend::Backend> make_toy_backend(Simulation& simulation,
                                                   const ToyOptions& options) {
  return std::make_shared<ToyBackend>(simulation, options);
}

}  // namespace sluice::simulator
