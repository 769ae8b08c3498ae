#include "backend/cpu/cpu_replica.h"

#include <stdexcept>
#include <string>

#include "backend/cpu/onednn.h"
#include "backend/cpu/parallel.h"

namespace sluice::backend::cpu {
namespace {

const Graph& checked(const Graph& graph) {
  validate(graph);
  return graph;
}

const ReplicaOptions& checked(const ReplicaOptions& options) {
  if (options.batch_size < 1) {
    throw std::invalid_argument("batch_size must be at least 1, got " +
                                std::to_string(options.batch_size));
  }
  if (options.threads < 1) {
    throw std::invalid_argument("threads must be at least 1, got " +
                                std::to_string(options.threads));
  }
  const Status able = check(options.precision);
  if (!able.ok()) throw std::invalid_argument(able.message());
  return options;
}

}  // namespace

Status check(Precision precision) {
  if (precision == Precision::kFloat32 || has_bfloat16()) return ok_status();
  return invalid_argument(
      "mixed_bfloat16: this processor has neither AVX512_BF16 nor AMX; use float32");
}

CpuReplica::CpuReplica(const Graph& graph, const ReplicaOptions& options)
    : graph_(checked(graph)),
      options_(checked(options)),
      parameters_(graph.parameter_size, options.optimizer, options.threads),
      stages_(make_stages(graph_, options.precision)) {
  device_.threads = options_.threads;
  const ThreadScope threads(options_.threads);
  program_for(options_.batch_size);
}

Program& CpuReplica::program_for(int64_t batch) {
  std::unique_ptr<Program>& program = programs_[batch];
  if (program == nullptr) {
    auto made = std::make_unique<Program>(graph_, stages_, device_, parameters_, batch);
    if (arenas_.empty() || arenas_.back().size() < made->arena_size()) {
      arenas_.emplace_back(made->arena_size());
    }
    made->bind(arenas_.back().data());
    program = std::move(made);
  }
  return *program;
}

void CpuReplica::check_batch(int64_t n, size_t x, const char* what, size_t got,
                             int64_t per_sample) const {
  if (n < 1 || n > options_.batch_size) {
    throw std::invalid_argument("a batch of " + std::to_string(n) +
                                " for a replica compiled for 1 to " +
                                std::to_string(options_.batch_size));
  }
  const auto check = [n](const char* name, size_t size, int64_t each) {
    if (size == static_cast<size_t>(n * each)) return;
    throw std::invalid_argument(std::string(name) + ": expected " + std::to_string(n) + " x " +
                                std::to_string(each) + " floats, got " + std::to_string(size));
  };
  check("x", x, graph_.input.size());
  check(what, got, per_sample);
}

StepMetrics CpuReplica::train_step(const Batch& batch) {
  check_batch(batch.size, batch.x.size(), "y", batch.y.size(), graph_.target_size());
  const ThreadScope threads(options_.threads);
  return program_for(batch.size).train_step(batch.x.data(), batch.y.data(), step_++);
}

StepMetrics CpuReplica::evaluate(const Batch& batch) {
  check_batch(batch.size, batch.x.size(), "y", batch.y.size(), graph_.target_size());
  const ThreadScope threads(options_.threads);
  return program_for(batch.size).evaluate(batch.x.data(), batch.y.data());
}

void CpuReplica::predict(int64_t n, std::span<const float> x, std::span<float> y) {
  check_batch(n, x.size(), "y", y.size(), graph_.output().size());
  const ThreadScope threads(options_.threads);
  program_for(n).predict(x.data(), y.data());
}

std::span<const float> CpuReplica::gradients() {
  if (parameters_.has_optimizer()) {
    throw std::logic_error("gradients() of a replica that has an optimizer: it has used them up");
  }
  return parameters_.gradients();
}

}  // namespace sluice::backend::cpu
