#include "backend/cpu/cpu_replica.h"

#include <strings.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "backend/cpu/onednn.h"
#include "backend/cpu/parallel.h"
#include "backend/multiply_adds.h"
#include "backend/ops.h"
#include "backend/validate.h"

namespace sluice::backend::cpu {
namespace {

// The options, for the processor as well.
const ReplicaOptions& checked(const Graph& graph, const ReplicaOptions& options) {
  validate(options);
  // For inference smaller batches may come.
  if (options.purpose == Purpose::kTraining) check_memory(graph, options.batch_size);
  const Status able = check(options.precision);
  if (!able.ok()) throw std::invalid_argument(able.message());
  return options;
}

// As OpenMP was told when it was loaded.
bool threads_wait_passively() {
  static const bool passive = [] {
    const char* policy = std::getenv("OMP_WAIT_POLICY");
    return policy != nullptr && strcasecmp(policy, "passive") == 0;
  }();
  return passive;
}

}  // namespace

Status check(Precision precision) {
  if (precision != Precision::kMixedBfloat16 || has_bfloat16()) return ok_status();
  return invalid_argument(
      "mixed_bfloat16: this processor has neither AVX512_BF16 nor AMX; use float32");
}

CpuReplica::CpuReplica(const Graph& graph, const ReplicaOptions& options)
    : graph_(validate(graph)),
      options_(checked(graph_, options)),
      plan_(make_cpu_plan(graph_, options_)),
      parameters_(graph.parameter_size, options_, trained_parameters(plan_), graph_.weight_rules),
      metrics_{.counters = std::vector<double>(graph_.counters())},
      window_(graph.parameter_size, untrained_of(graph_), !options.optimizer) {
  device_.threads = options_.threads;
  int64_t products = 0;
  for (const Op& op : graph_.ops) {
    const int64_t work = multiply_adds(graph_, op);
    work_per_step_ += work;
    products += work > 0 ? 1 : 0;
  }
  work_per_step_ /= std::max<int64_t>(1, products);
  if (options_.purpose == Purpose::kInference) return;  // who knows how many samples will come
  const ThreadScope threads(options_.threads);
  program_for(options_.batch_size);
}

int CpuReplica::threads_for(int64_t size) const {
  // Some 100 us of one thread. To wake up another takes 10 to 50 us at each step, and more where
  // others use the cores; one that spins instead is there at once.
  constexpr int64_t kLittleWork = 5'000'000;
  const bool little = work_per_step_ > 0 && work_per_step_ < kLittleWork / size;
  const bool alone = options_.purpose == Purpose::kInference && little && threads_wait_passively();
  return alone ? 1 : options_.threads;
}

Program& CpuReplica::program_for(int64_t size) {
  return programs_.get(size, [&] {
    check_memory(graph_, size);
    auto program = std::make_unique<Program>(
        graph_, plan_, threads_for(size) == 1 ? one_thread_ : device_, parameters_, size);
    if (arenas_.empty() || arenas_.back().size() < program->arena_size()) {
      arenas_.emplace_back(program->arena_size());
    }
    program->bind(arenas_.back().data());
    return program;
  });
}

BatchBuffers CpuReplica::batch_buffers() {
  if (x_.size() == 0) {
    x_ = core::AlignedBuffer(static_cast<size_t>(options_.batch_size * graph_.input_size()));
    y_ = core::AlignedBuffer(static_cast<size_t>(options_.batch_size * graph_.target_size()));
  }
  return {x_.span(), y_.span()};
}

const float* CpuReplica::padded(std::span<const float> x, int64_t size) {
  const auto floats = static_cast<size_t>(size * graph_.input_size());
  if (x.size() == floats || x.data() == x_.data()) return x.data();
  if (padded_.size() < floats) padded_ = core::AlignedBuffer(floats);
  std::copy(x.begin(), x.end(), padded_.data());
  return padded_.data();
}

void CpuReplica::start_step(const Batch& batch) {
  check_trains(options_);
  check_batch(graph_, options_.batch_size, batch);
  const ThreadScope threads(options_.threads);
  program_for(batch.size).train_step(batch.x.data(), batch.y.data(), step_++, metrics_);
  if (!parameters_.has_optimizer()) window_.add_gradients(parameters_.gradients());
}

// Nothing, not even counters, where there was no step.
StepMetrics CpuReplica::take_metrics() {
  if (metrics_.samples == 0) return {};
  StepMetrics taken = metrics_;
  metrics_.samples = 0;
  metrics_.loss_sum = 0;
  std::fill(metrics_.counters.begin(), metrics_.counters.end(), 0.0);
  return taken;
}

StepMetrics CpuReplica::evaluate(const Batch& batch) {
  check_batch(graph_, options_.batch_size, batch);
  const int64_t size = program_size(graph_, options_, batch.size);
  const ThreadScope threads(threads_for(size));
  StepMetrics sums{.counters = std::vector<double>(graph_.counters())};
  program_for(size).evaluate(batch.size, padded(batch.x, size), batch.y.data(), sums);
  return sums;
}

void CpuReplica::predict(int64_t n, std::span<const float> x, std::span<float> y) {
  check_prediction(graph_, options_.batch_size, n, x, y.size());
  const int64_t size = program_size(graph_, options_, n);
  const ThreadScope threads(threads_for(size));
  program_for(size).predict(n, padded(x, size), y.data());
}

std::span<const float> CpuReplica::gradients() {
  check_trains(options_);
  check_keeps_gradients(options_);
  return parameters_.gradients();
}

std::shared_ptr<core::AlignedBuffer> CpuReplica::make_exchange_buffer(
    std::unique_ptr<core::AlignedBuffer> memory) {
  if (memory) return memory;
  return std::make_shared<core::AlignedBuffer>(graph_.parameter_size);
}

void CpuReplica::begin_window() {
  check_trains(options_);
  window_.begin(parameters_.values());
}

void CpuReplica::start_update(const UpdateSpec& spec, std::span<float> update) {
  check_trains(options_);
  check_exchange(graph_, "update", update.size());
  window_.update(spec, parameters_.values(), update);
  if (!parameters_.has_optimizer()) parameters_.clip(update);
  window_metrics_ = take_metrics();
}

void CpuReplica::adopt(std::span<const float> centre, OwnUpdate own, float rate) {
  check_trains(options_);
  check_exchange(graph_, "centre", centre.size());
  window_.adopt(centre, own, rate, parameters_.values());
  parameters_.values_changed();
}

optim::OptimizerState CpuReplica::optimizer_state() {
  check_has_optimizer(options_);
  return parameters_.optimizer_state();
}

void CpuReplica::restore_optimizer(const optim::OptimizerState& state) {
  check_has_optimizer(options_);
  parameters_.restore_optimizer(state);
  step_ = static_cast<uint64_t>(state.iterations);
}

void CpuReplica::set_learning_rate(float rate) {
  check_has_optimizer(options_);
  parameters_.set_learning_rate(rate);
}

void CpuReplica::adopt_averages() {
  check_trains(options_);
  parameters_.adopt_averages();
}

}  // namespace sluice::backend::cpu
