// Models that several tests train on both devices.
#pragma once

#include "tests/backend/graph_builder.h"

namespace sluice::backend::testing {

// Under a sanitizer an emulated GPU is some twenty times as slow: less of the same is tested there.
#if defined(SLUICE_SANITIZED)
inline constexpr bool kSlow = true;
#else
inline constexpr bool kSlow = false;
#endif

// Smooth, with an asymmetric padding and a strided pooling.
inline Graph small_cnn() {
  return GraphBuilder({9, 10, 2})
      .conv({.filters = kSlow ? 4 : 12, .padding = {.top = 0, .bottom = 1, .left = 1, .right = 0}})
      .activation(Activation::kTanh)
      .pool({.kind = Pool2DOp::Kind::kAverage})
      .dropout(0.3f, 11)
      .flatten()
      .dense(kSlow ? 7 : 21)
      .activation(Activation::kSigmoid)
      .dense(5)
      .activation(Activation::kSoftmax)
      .build(SparseCategoricalCrossentropy{});
}

// With state between what is trained.
inline Graph normalized_cnn() {
  return GraphBuilder({6, 5, 3})
      .conv({.filters = 10})
      .batch_norm()
      .activation(Activation::kRelu)
      .flatten()
      .dense(5)
      .batch_norm()
      .activation(Activation::kSoftmax)
      .build(SparseCategoricalCrossentropy{});
}

}  // namespace sluice::backend::testing
