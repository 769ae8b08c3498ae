// Metrics against Keras (metrics.py): batch by batch, with either form of targets, and with weights
// of samples, which do not count. On the device that $SLUICE_TEST_DEVICE names; without it on the
// CPU.
#include "nn/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/nn/counted_rows.h"

namespace sluice::nn {
namespace {

using Json = nlohmann::ordered_json;
using backend::Metric;

const Json& golden() {
  static const Json json = [] {
    std::ifstream file(SLUICE_SOURCE_DIR "/tests/keras/metrics.json");
    return Json::parse(file);
  }();
  return json;
}

// Behind each row's targets, which are so many numbers.
void add_weights(Rows& rows, size_t width) {
  std::vector<float> y;
  for (size_t i = 0; i < rows.y.size(); ++i) {
    y.push_back(rows.y[i]);
    if ((i + 1) % width == 0) y.push_back(static_cast<float>(i % 3));
  }
  rows.y = std::move(y);
  rows.weighted = true;
}

void expect_keras(const Json& set, const Rows& rows) {
  std::vector<Metric> metrics;
  for (const auto& item : set["metrics"].items()) metrics.push_back(parse_metric(item.key()));
  if (set.contains("confusion_matrix")) metrics.push_back(parse_metric("confusion_matrix"));
  const char* device = std::getenv("SLUICE_TEST_DEVICE");
  const std::vector<double> counters =
      counters_of(metrics, rows, golden()["batches"].get<std::vector<size_t>>(),
                  device != nullptr ? device : "cpu");
  const auto n = static_cast<double>(rows.p.size()) / static_cast<double>(rows.outputs);
  std::span<const double> rest = counters;
  auto metric = metrics.begin();
  for (const auto& item : set["metrics"].items()) {
    SCOPED_TRACE(item.key());
    const auto own = rest.first(backend::counters_of(*metric, rows.outputs));
    rest = rest.subspan(own.size());
    const auto expected = item.value()["values"].get<std::vector<double>>();
    const std::vector<double> values = backend::results_of(*metric++, rows.outputs, own, n);
    ASSERT_EQ(values.size(), expected.size());
    for (size_t i = 0; i < values.size(); ++i) {
      const double error = item.value()["error"];
      EXPECT_NEAR(values[i], expected[i],
                  std::max(2e-6 * std::max(1.0, std::abs(expected[i])), 3 * error));
    }
  }
  if (metric == metrics.end()) return;
  EXPECT_EQ(std::vector(rest.begin(), rest.end()),
            set["confusion_matrix"].get<std::vector<double>>());
}

TEST(KerasMetricsTest, ValuesAreThoseOfKeras) {
  ASSERT_EQ(golden()["sets"].size(), 4u);
  for (const auto& item : golden()["sets"].items()) {
    SCOPED_TRACE(item.key());
    const Json& set = item.value();
    const int64_t outputs = set["outputs"];
    std::vector<Rows> forms = {{set["p"], set["y"], outputs, MeanSquaredError{}}};
    if (set.contains("classes")) {
      forms.push_back({set["p"], set["classes"], outputs, SparseCategoricalCrossentropy{}});
    }
    for (Rows& rows : forms) {
      expect_keras(set, rows);
      SCOPED_TRACE("with weights");
      add_weights(rows, rows.y.size() * static_cast<size_t>(outputs) / rows.p.size());
      expect_keras(set, rows);
    }
  }
}

}  // namespace
}  // namespace sluice::nn
