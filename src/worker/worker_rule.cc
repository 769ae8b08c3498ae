#include "worker/worker_rule.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "optim/optimizer_json.h"

namespace sluice::worker {
namespace {

float one_over(int64_t steps) { return 1.0f / static_cast<float>(std::max<int64_t>(steps, 1)); }

// Rules that push what the window changed: the server adds it to the centre.
class DeltaRule : public WorkerRule {
 public:
  using WorkerRule::WorkerRule;
  bool trains_locally() const override { return true; }
};

// Accumulated gradient normalization (Hermans et al., 2017): delta = (theta - anchor) / W, after
// every W-th step. A last, shorter window is divided by its own number of steps.
class Adag final : public DeltaRule {
 public:
  using DeltaRule::DeltaRule;
  float update_scale(int64_t steps) const override { return one_over(steps); }
};

// DOWNPOUR (Dean et al., 2012) as Dist-Keras has it: delta = theta - anchor, exchanged before every
// W-th step, so that the first push sums up W - 1 steps and later ones W.
class Downpour final : public DeltaRule {
 public:
  using DeltaRule::DeltaRule;
  int64_t push_end(int64_t sequence) const override {
    return sequence == 0 ? 0 : sequence * window() - 1;
  }
  float update_scale(int64_t /*steps*/) const override { return 1; }
};

// Asynchronous SGD with the optimizer at the servers (Li et al., 2014): the mean gradient of the
// window's mini-batches, all taken at the same parameters.
class AsyncSgd final : public WorkerRule {
 public:
  using WorkerRule::WorkerRule;
  bool trains_locally() const override { return false; }
  float update_scale(int64_t steps) const override { return one_over(steps); }
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
