// Names that are taken, and layers that come back through JSON: custom_layer_test.cc.
#include "nn/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

TEST(RegistryTest, EveryLayerOfOursIsKnownByItsKerasName) {
  const Sequential model = all_layers();
  for (const auto& layer : model.layers()) {
    const auto made = make_layer(layer->class_name(), layer->config());
    EXPECT_EQ(made->class_name(), layer->class_name());
    EXPECT_EQ(made->config().entries(), layer->config().entries());
  }
}

TEST(RegistryTest, AModelIsNoLayer) {
  const auto factory = [](const Config&) { return std::make_unique<Flatten>(); };
  EXPECT_THROW(register_layer("Sequential", factory), std::invalid_argument);
}

TEST(RegistryTest, WhatAFactoryThrowsReachesTheCaller) {
  register_layer("Fussy", [](const Config&) -> std::unique_ptr<Layer> {
    throw std::out_of_range("not today");
  });
  EXPECT_EQ(message_of<std::out_of_range>([] { make_layer("Fussy", {}); }), "not today");
}

TEST(RegistryTest, AFactoryMayAskTheRegistryItself) {
  register_layer("Wrapping", [](const Config& config) {
    register_layer("Wrapped", Dense::from_config);
    return make_layer("Wrapped", config);
  });
  Config config;
  config.set("units", int64_t{3});
  EXPECT_EQ(make_layer("Wrapping", config)->output_shape({5}), Shape({3}));
}

TEST(RegistryTest, ThreadsMayRegisterAndMakeAtOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      for (int k = 0; k < 50; ++k) {
        const std::string name = "Thread" + std::to_string(i) + "Layer" + std::to_string(k);
        register_layer(name, Flatten::from_config);
        EXPECT_EQ(make_layer(name, {})->class_name(), "Flatten");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace sluice::nn
