// What metrics count of rows of outputs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "backend/metrics.h"
#include "backend/replica.h"

namespace sluice::nn {

// Of one position each.
struct Rows {
  std::vector<float> p, y;
  int64_t outputs;
  LossSpec loss;
  bool weighted = false;  // the targets of each row end in its weight
};

// The counters of all metrics over all rows, in batches of `sizes`, the first of which comes behind
// the last.
inline std::vector<double> counters_of(const std::vector<backend::Metric>& metrics,
                                       const Rows& rows, const std::vector<size_t>& sizes,
                                       const std::string& device = "cpu") {
  backend::Graph graph(std::vector{Shape{rows.outputs}});
  graph.outputs = {{.value = 0, .loss = rows.loss, .metrics = metrics}};
  graph.weighted = rows.weighted;
  const auto backend = backend::open_backend({.name = device});
  if (!backend.ok()) throw std::runtime_error(backend.status().to_string());
  const auto most = static_cast<int64_t>(std::ranges::max(sizes));
  const auto replica =
      (*backend)->compile(graph, {.purpose = backend::Purpose::kInference, .batch_size = most});
  backend::StepMetrics sums;
  const auto x_size = static_cast<size_t>(rows.outputs);
  const auto y_size = static_cast<size_t>(graph.target_size());
  const size_t n = rows.p.size() / x_size;
  for (size_t begin = 0, batch = 0; begin < n; ++batch) {
    const size_t count = std::min(sizes[batch % sizes.size()], n - begin);
    sums += replica->evaluate({static_cast<int64_t>(count),
                               std::span(rows.p).subspan(begin * x_size, count * x_size),
                               std::span(rows.y).subspan(begin * y_size, count * y_size)});
    begin += count;
  }
  return sums.counters;
}

}  // namespace sluice::nn
