// The CPU as the oracle of a GPU: the same graph, parameters and batches on both.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/cuda_plugin.h"
#include "core/rng.h"
#include "tests/backend/graph_builder.h"

namespace sluice::backend::testing {

// The GPU that the tests run on, or why there is none.
inline Result<std::shared_ptr<Backend>> gpu() {
  static const auto backend = open_backend({.name = "cuda"});
  return backend;
}

#define SLUICE_SKIP_WITHOUT_GPU() \
  if (!gpu().ok()) GTEST_SKIP() << gpu().status().message()

// How far a GPU may be off, as ||ours - cpu|| / ||cpu||, for each convolution or dense layer that a
// value has passed.
inline double tolerance(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return 1e-5;
    case Precision::kTf32:
      return 1e-3;
    default:
      return 1e-2;
  }
}

inline double relative_error(std::span<const float> ours, std::span<const float> reference) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    const double error = static_cast<double>(ours[i]) - static_cast<double>(reference[i]);
    difference += error * error;
    norm += static_cast<double>(reference[i]) * static_cast<double>(reference[i]);
  }
  if (norm == 0) return std::sqrt(difference);
  return std::sqrt(difference / norm);  // NaN where anything is
}

inline void expect_close(const char* what, std::span<const float> ours,
                         std::span<const float> reference, double allowed) {
  ASSERT_EQ(ours.size(), reference.size()) << what;
  EXPECT_LE(relative_error(ours, reference), allowed) << what;
}

// Both replicas with the same parameters, drawn by `seed`. The CPU's is float32 in any case.
struct Pair {
  Pair(const Graph& graph, const ReplicaOptions& options, uint64_t seed, float scale = 0.5f) {
    ReplicaOptions on_cpu = options;
    on_cpu.precision = Precision::kFloat32;
    cpu = make_replica(graph, on_cpu, seed, scale);
    ours = (*gpu())->compile(graph, options);
    copy_parameters();
  }
  void copy_parameters() const {
    const auto from = cpu->parameters();
    std::copy(from.begin(), from.end(), ours->parameters().begin());
    ours->parameters_changed();
  }

  std::unique_ptr<Replica> cpu, ours;
};

inline void expect_same_metrics(const StepMetrics& ours, const StepMetrics& reference,
                                double allowed) {
  EXPECT_EQ(ours.samples, reference.samples);
  EXPECT_NEAR(ours.loss_sum, reference.loss_sum,
              allowed * std::max(std::abs(reference.loss_sum), 1.0 * reference.samples));
}

inline int products(const Graph& graph) {
  return static_cast<int>(std::count_if(graph.ops.begin(), graph.ops.end(), [](const Op& op) {
    return std::holds_alternative<Conv2DOp>(op.kind) || std::holds_alternative<DenseOp>(op.kind);
  }));
}

// From equal gradients an optimizer makes equal bits; those of two devices are equal to 1e-5 only,
// and Adam's first steps, m / sqrt(v), may turn that around where a gradient is almost zero.
inline constexpr double kAfterSteps = 1e-3;

// Loss, gradients, predictions and evaluation of one batch.
inline void expect_parity(const Pair& pair, const Samples& samples, Precision precision) {
  const Graph& graph = pair.cpu->graph();
  const int64_t batch = samples.n;
  const double allowed = tolerance(precision) * std::max(products(graph), 1);
  const StepMetrics ours = pair.ours->train_step(samples.batch());
  const StepMetrics reference = pair.cpu->train_step(samples.batch());
  expect_same_metrics(ours, reference, allowed);
  if (precision == Precision::kFloat32) {
    ASSERT_EQ(ours.counters.size(), reference.counters.size());
    for (size_t i = 0; i < ours.counters.size(); ++i) {  // whole numbers and sums of losses
      EXPECT_NEAR(ours.counters[i], reference.counters[i], allowed * static_cast<double>(batch));
    }
  }
  expect_close("gradients", pair.ours->gradients(), pair.cpu->gradients(), allowed);

  const auto outputs = static_cast<size_t>(batch * graph.output_size());
  std::vector<float> y(outputs), reference_y(outputs);
  pair.ours->predict(batch, samples.x, y);
  pair.cpu->predict(batch, samples.x, reference_y);
  expect_close("predictions", y, reference_y, allowed);
  expect_same_metrics(pair.ours->evaluate(samples.batch()), pair.cpu->evaluate(samples.batch()),
                      allowed);
}

}  // namespace sluice::backend::testing
