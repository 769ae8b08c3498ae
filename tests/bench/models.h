// The models that benchmarks of a training step train.
#pragma once

#include <stdexcept>
#include <string>

#include "tests/backend/graph_builder.h"

namespace sluice::bench {

// Cats and dogs: three times convolution, batch normalization, max pooling and dropout; 12,942,914
// trained parameters.
inline backend::Graph cats_and_dogs_cnn() {
  using backend::Activation;
  backend::testing::GraphBuilder builder({128, 128, 3});
  for (const int64_t filters : {32, 64, 128}) {
    builder.conv({.filters = filters}).activation(Activation::kRelu).batch_norm();
    builder.max_pool().dropout(0.25f, static_cast<uint64_t>(filters));
  }
  builder.flatten().dense(512).activation(Activation::kRelu).batch_norm().dropout(0.5f, 1);
  return builder.dense(2).activation(Activation::kSoftmax).build(SparseCategoricalCrossentropy{});
}

// ResNet-20 for images of 32 x 32 (He et al., 2015, section 4.2), with projections (B) where the
// size changes; 272,474 trained parameters and 1,376 of state.
inline backend::Graph resnet20() {
  using backend::Activation;
  backend::testing::GraphBuilder builder({32, 32, 3});
  const auto conv = [&](int64_t filters, int64_t size, int64_t stride) {
    // As Keras' "same" pads: on an even image of stride 2 only behind.
    const int64_t before = size == 3 && stride == 1 ? 1 : 0, after = size == 3 ? 1 : 0;
    builder.conv({.filters = filters,
                  .kernel_h = size,
                  .kernel_w = size,
                  .stride_h = stride,
                  .stride_w = stride,
                  .padding = {.top = before, .bottom = after, .left = before, .right = after}});
  };
  conv(16, 3, 1);
  builder.batch_norm().activation(Activation::kRelu);
  for (const int64_t filters : {16, 32, 64}) {
    for (int block = 0; block < 3; ++block) {
      const bool changes = filters > 16 && block == 0;
      const backend::ValueId x = builder.here();
      conv(filters, 3, changes ? 2 : 1);
      builder.batch_norm().activation(Activation::kRelu);
      conv(filters, 3, 1);
      const backend::ValueId y = builder.batch_norm().here();
      builder.from(x);
      if (changes) {
        conv(filters, 1, 2);
        builder.batch_norm();
      }
      builder.merge({}, {y}).activation(Activation::kRelu);
    }
  }
  builder.pool({.kind = backend::Pool2DOp::Kind::kAverage,
                .pool_h = 8,
                .pool_w = 8,
                .stride_h = 8,
                .stride_w = 8});
  return builder.flatten()
      .dense(10)
      .activation(Activation::kSoftmax)
      .build(SparseCategoricalCrossentropy{});
}

inline backend::Graph model_named(const std::string& name) {
  if (name == "mnist-cnn") return backend::testing::mnist_cnn();
  if (name == "cats-and-dogs") return cats_and_dogs_cnn();
  if (name == "resnet20") return resnet20();
  throw std::invalid_argument("no model \"" + name +
                              "\": there are mnist-cnn, cats-and-dogs and resnet20");
}

}  // namespace sluice::bench
