#include "worker/worker_rule.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/simd.h"
#include "optim/optimizer_json.h"

namespace sluice::worker {
namespace {

SLUICE_SIMD void scaled_difference(const float* a, const float* b, float scale, float* out,
                                   size_t n) {
  for (size_t i = 0; i < n; ++i) out[i] = (a[i] - b[i]) * scale;
}

SLUICE_SIMD void sum(const float* a, const float* b, float* out, size_t n) {
  for (size_t i = 0; i < n; ++i) out[i] = a[i] + b[i];
}

SLUICE_SIMD void add_to(const float* a, float* out, size_t n) {
  for (size_t i = 0; i < n; ++i) out[i] += a[i];
}

SLUICE_SIMD void scale_by(const float* a, float scale, float* out, size_t n) {
  for (size_t i = 0; i < n; ++i) out[i] = a[i] * scale;
}

// Rules that push what the window changed: the server adds it to the centre.
class DeltaRule : public WorkerRule {
 public:
  using WorkerRule::WorkerRule;
  bool trains_locally() const override { return true; }
  void adopt(std::span<const float> centre, std::span<const float> own_update,
             std::span<float> replica) const override {
    if (own_update.empty()) {
      std::copy(centre.begin(), centre.end(), replica.begin());
    } else {
      sum(centre.data(), own_update.data(), replica.data(), replica.size());
    }
  }
};

// Accumulated gradient normalization (Hermans et al., 2017): delta = (theta - anchor) / W, after
// every W-th step. A last, shorter window is divided by its own number of steps.
class Adag final : public DeltaRule {
 public:
  using DeltaRule::DeltaRule;
  void make_update(std::span<const float> replica, std::span<const float> anchor, int64_t steps,
                   std::span<float> update) override {
    scaled_difference(replica.data(), anchor.data(), 1.0f / static_cast<float>(steps),
                      update.data(), update.size());
  }
};

// DOWNPOUR (Dean et al., 2012) as Dist-Keras has it: delta = theta - anchor, exchanged before every
// W-th step, so that the first push sums up W - 1 steps and later ones W.
class Downpour final : public DeltaRule {
 public:
  using DeltaRule::DeltaRule;
  int64_t push_end(int64_t sequence) const override {
    return sequence == 0 ? 0 : sequence * window() - 1;
  }
  void make_update(std::span<const float> replica, std::span<const float> anchor, int64_t /*steps*/,
                   std::span<float> update) override {
    scaled_difference(replica.data(), anchor.data(), 1.0f, update.data(), update.size());
  }
};

// Asynchronous SGD with the optimizer at the servers (Li et al., 2014): the mean gradient of the
// window's mini-batches, all taken at the same parameters.
class AsyncSgd final : public WorkerRule {
 public:
  using WorkerRule::WorkerRule;
  bool trains_locally() const override { return false; }
  void add_gradient(std::span<const float> gradient) override {
    if (summed_ == 0) {
      sum_.assign(gradient.begin(), gradient.end());
    } else {
      add_to(gradient.data(), sum_.data(), sum_.size());
    }
    ++summed_;
  }
  void make_update(std::span<const float> /*replica*/, std::span<const float> /*anchor*/,
                   int64_t steps, std::span<float> update) override {
    scale_by(sum_.data(), 1.0f / static_cast<float>(steps), update.data(), update.size());
    summed_ = 0;
  }
  void adopt(std::span<const float> centre, std::span<const float> /*own_update*/,
             std::span<float> replica) const override {
    std::copy(centre.begin(), centre.end(), replica.begin());
  }

 private:
  std::vector<float> sum_;
  int64_t summed_ = 0;
};

using Json = nlohmann::ordered_json;

struct Algorithm {
  const char* name;
  std::unique_ptr<WorkerRule> (*make)(int window);
  Json (*update_rule)(const OptimizerSpec& optimizer);
};

template <typename Rule>
std::unique_ptr<WorkerRule> make_rule(int window) {
  return std::make_unique<Rule>(window);
}

Json add_rule(const OptimizerSpec&) { return {{"rule", "add"}}; }

Json optimizer_rule(const OptimizerSpec& optimizer) {
  Json spec;
  to_json(spec, optimizer);
  return {{"rule", "optimizer"}, {"optimizer", std::move(spec)}};
}

// One line per algorithm: its name, its worker's half and its server's half.
constexpr Algorithm kAlgorithms[] = {
    {"adag", make_rule<Adag>, add_rule},
    {"downpour", make_rule<Downpour>, add_rule},
    {"async_sgd", make_rule<AsyncSgd>, optimizer_rule},
};

const Algorithm& find_algorithm(const std::string& name) {
  for (const Algorithm& algorithm : kAlgorithms) {
    if (name == algorithm.name) return algorithm;
  }
  std::string known;
  for (const std::string& candidate : trainer_names()) {
    known += (known.empty() ? "" : ", ") + candidate;
  }
  throw std::invalid_argument("unknown trainer \"" + name + "\": use one of " + known);
}

}  // namespace

int64_t WorkerRule::pushes(int64_t steps) const {
  int64_t due = steps / window_;  // push_end grows by one window a push
  while (push_end(due + 1) <= steps) ++due;
  while (push_end(due) > steps) --due;
  return due + (push_end(due) < steps ? 1 : 0);
}

std::unique_ptr<WorkerRule> make_worker_rule(const wire::TrainingSpec& spec) {
  const Algorithm& algorithm = find_algorithm(spec.trainer);
  if (spec.window < 1) throw std::invalid_argument("window: expected at least 1 mini-batch");
  return algorithm.make(spec.window);
}

std::string update_rule_for(const std::string& trainer, const OptimizerSpec& optimizer) {
  return find_algorithm(trainer).update_rule(optimizer).dump();
}

std::vector<std::string> trainer_names() {
  std::vector<std::string> names;
  for (const Algorithm& algorithm : kAlgorithms) names.emplace_back(algorithm.name);
  return names;
}

}  // namespace sluice::worker
