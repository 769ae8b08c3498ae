// Every loss and option against Keras: values and gradients in float64, from tests/keras/losses.py.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "backend/cpu/loss.h"
#include "loss/loss_json.h"

namespace sluice::backend::cpu {
namespace {

using Json = nlohmann::ordered_json;

Activation activation_of(const std::string& name) {
  if (name == "softmax") return Activation::kSoftmax;
  return name == "sigmoid" ? Activation::kSigmoid : Activation::kLinear;
}

Shape shape_of(const Json& entry) {
  auto dims = entry.value("positions", std::vector<int64_t>());
  dims.push_back(entry["outputs"].get<int64_t>());
  return Shape(dims);
}

// 1e-5, or three times what Keras' own float32 is off.
double tolerance(double value, double keras_error) {
  return std::max(1e-5 * std::max(std::abs(value), 1e-2), 3 * keras_error);
}

// With each row's weight behind it, where there are weights.
std::vector<float> targets_of(const Json& entry, size_t rows) {
  const auto targets = entry["y"].get<std::vector<float>>();
  if (!entry.contains("weights")) return targets;
  const size_t width = targets.size() / rows;
  std::vector<float> y;
  for (size_t n = 0; n < rows; ++n) {
    const auto row = targets.begin() + static_cast<std::ptrdiff_t>(n * width);
    y.insert(y.end(), row, row + static_cast<std::ptrdiff_t>(width));
    y.push_back(entry["weights"][n].get<float>());
  }
  return y;
}

TEST(GoldenLossesTest, EqualKeras) {
  std::ifstream file(std::string(SLUICE_SOURCE_DIR) + "/tests/backend/golden/losses.json");
  ASSERT_TRUE(file);
  const Json golden = Json::parse(file);
  ASSERT_FALSE(golden["cases"].empty());
  for (const Json& entry : golden["cases"]) {
    SCOPED_TRACE(entry["loss"].dump() + " behind " + entry["activation"].dump());
    const auto z = entry["z"].get<std::vector<float>>();
    const LossSpec loss = entry["loss"].get<LossSpec>();
    const Shape shape = shape_of(entry);
    const int64_t outputs = shape.dims().back();
    const LossOptions options{.loss = loss,
                              .activation = activation_of(entry["activation"].get<std::string>()),
                              .outputs = outputs,
                              .positions = shape.size() / outputs,
                              .weighted = entry.contains("weights"),
                              .kept = batch_losses::kept_axes(loss, shape)};
    const int64_t rows = static_cast<int64_t>(z.size()) / options.outputs;
    const std::vector<float> y = targets_of(entry, static_cast<size_t>(rows));
    std::vector<float> gradient(z.size(), -1), scratch(static_cast<size_t>(rows));
    const LossSums metrics =
        compute_loss(options, rows, z.data(), y.data(), gradient.data(), scratch.data());
    const double value = entry["value"].get<double>();
    EXPECT_NEAR(metrics.loss_sum / static_cast<double>(rows), value,
                tolerance(value, entry["error"].get<double>()));
    const auto wanted = entry["gradient"].get<std::vector<double>>();
    double largest = 0;
    for (const double g : wanted) largest = std::max(largest, std::abs(g));
    const double off = tolerance(largest, entry["gradient_error"].get<double>());
    for (size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_NEAR(gradient[i], wanted[i], off) << "of z " << i << " = " << z[i];
    }
    EXPECT_DOUBLE_EQ(
        compute_loss(options, rows, z.data(), y.data(), nullptr, scratch.data()).loss_sum,
        metrics.loss_sum);
  }
}

}  // namespace
}  // namespace sluice::backend::cpu
