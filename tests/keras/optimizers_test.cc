// Optimizers and learning rate schedules against Keras in float64 (optimizers.py), and both ways of
// the JSON: Keras' is read, and what is written is what optimizers.py has shown to Keras.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "backend/cpu/parameter_store.h"
#include "optim/optimizer_json.h"
#include "optim/schedule.h"

namespace sluice {
namespace {

using Json = nlohmann::json;
using Variables = std::vector<std::vector<double>>;

const Json& cases() {
  static const Json json = [] {
    std::ifstream file(SLUICE_SOURCE_DIR "/tests/keras/optimizers.json");
    return Json::parse(file);
  }();
  return json;
}

OptimizerSpec spec_of(const Json& json) {
  OptimizerSpec spec;
  from_json(nlohmann::ordered_json::parse(json.dump()), spec);
  return spec;
}

Json written(const OptimizerSpec& spec) { return Json::parse(nlohmann::ordered_json(spec).dump()); }

// Whose names are "kernel" and "bias".
std::vector<ParameterRange> undecayed(const Json& golden, const Variables& variables) {
  OptimizerSpec spec;
  spec.exclude_from_weight_decay =
      golden.value("exclude_from_weight_decay", std::vector<std::string>());
  const size_t kernel = variables[0].size();
  std::vector<ParameterRange> ranges;
  if (optim::is_undecayed(spec, "layer/kernel")) optim::add_range(ranges, 0, kernel);
  if (optim::is_undecayed(spec, "layer/bias")) {
    optim::add_range(ranges, kernel, variables[1].size());
  }
  return ranges;
}

// Variables one behind the other, as a replica has them.
std::vector<float> flat(const Variables& variables) {
  std::vector<float> values;
  for (const auto& variable : variables) {
    for (const double value : variable) values.push_back(static_cast<float>(value));
  }
  return values;
}

std::vector<backend::ParameterSlice> slices(const Variables& variables) {
  std::vector<backend::ParameterSlice> slices;
  size_t offset = 0;
  for (const auto& variable : variables) {
    slices.push_back({offset, variable.size()});
    offset += variable.size();
  }
  return slices;
}

void expect_close(std::span<const float> ours, const Variables& expected, double tolerance) {
  size_t i = 0;
  for (const auto& variable : expected) {
    for (const double value : variable) {
      EXPECT_NEAR(ours[i], value, tolerance) << "element " << i;
      ++i;
    }
  }
}

TEST(KerasOptimizersTest, FiveStepsOfEachAreThoseOfKeras) {
  const auto start = cases()["start"].get<Variables>();
  const auto gradients = cases()["gradients"].get<std::vector<Variables>>();
  for (const Json& golden : cases()["optimizers"]) {
    SCOPED_TRACE(golden["ours"].dump());
    const double tolerance = std::max(1e-6, 3 * golden["float32_error"].get<double>());
    std::vector<float> w = flat(start);
    backend::cpu::ParameterStore store(
        w.size(), {.optimizer = spec_of(golden["keras"]), .undecayed = undecayed(golden, start)},
        slices(start));
    std::copy(w.begin(), w.end(), store.values().begin());
    for (size_t step = 0; step < gradients.size(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step + 1));
      const std::vector<float> g = flat(gradients[step]);
      store.begin_step();
      for (const backend::ParameterSlice& slice : slices(start)) {
        std::copy_n(g.begin() + static_cast<std::ptrdiff_t>(slice.offset), slice.size,
                    store.gradients_of(slice));
        store.gradient_complete(slice);
      }
      store.end_step();
      expect_close(store.values(), golden["steps"][step].get<Variables>(), tolerance);
    }
    store.adopt_averages();
    expect_close(store.values(), golden["final"].get<Variables>(), tolerance);
  }
}

TEST(KerasOptimizersTest, TheJsonOfKerasIsReadAndOursIsWhatKerasHasRead) {
  for (const Json& golden : cases()["optimizers"]) {
    EXPECT_EQ(spec_of(golden["keras"]), spec_of(golden["ours"])) << golden["keras"];
    EXPECT_EQ(written(spec_of(golden["ours"])), golden["ours"]);
  }
}

TEST(KerasSchedulesTest, RatesAreThoseOfKeras) {
  const auto steps = cases()["steps"].get<std::vector<int64_t>>();
  for (const Json& golden : cases()["schedules"]) {
    SCOPED_TRACE(golden["ours"].dump());
    const OptimizerSpec spec = spec_of({{"name", "sgd"}, {"learning_rate", golden["keras"]}});
    optim::validate(spec);
    EXPECT_EQ(written(spec)["config"]["learning_rate"], golden["ours"]);
    for (size_t i = 0; i < steps.size(); ++i) {
      EXPECT_NEAR(optim::rate_at(spec.learning_rate, steps[i]), golden["rates"][i].get<double>(),
                  1e-7)  // Keras computes them in float32
          << "after " << steps[i] << " steps";
    }
  }
}

}  // namespace
}  // namespace sluice
