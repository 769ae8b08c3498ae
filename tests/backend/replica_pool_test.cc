// Who gets which replica.
#include "backend/replica_pool.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "tests/backend/graph_builder.h"

namespace sluice::backend {
namespace {

using testing::GraphBuilder;

class ReplicaPoolTest : public ::testing::Test {
 protected:
  ReplicaPool::Lease take(const ReplicaPool::Key& key) {
    return pool_.take(key, parameters_, [this] {
      ++compiled_;
      return testing::make_replica(GraphBuilder({1}).dense(1, false).build(MeanSquaredError{}),
                                   {.purpose = Purpose::kInference});
    });
  }

  static core::ParameterSet one_weight() {
    core::ParameterLayout layout;
    layout.add("kernel", {1});
    core::ParameterSet parameters(layout);
    parameters.values()[0] = 3;
    return parameters;
  }

  ReplicaPool pool_;
  core::ParameterSet parameters_ = one_weight();
  int compiled_ = 0;
};

TEST_F(ReplicaPoolTest, WhatIsFreeIsTakenWithTheParametersOfTheDay) {
  EXPECT_EQ((*take({})).parameters()[0], 3);
  parameters_.values()[0] = 5;
  EXPECT_EQ((*take({})).parameters()[0], 5);
  EXPECT_EQ(compiled_, 1);
  pool_.clear();
  (void)take({});
  EXPECT_EQ(compiled_, 2);
}

TEST_F(ReplicaPoolTest, ParametersThatNobodyHasChangedAreNotCopiedAgain) {
  (*take({})).parameters()[0] = 4;
  EXPECT_EQ((*take({})).parameters()[0], 4);
  (void)parameters_.values();
  EXPECT_EQ((*take({})).parameters()[0], 3);
}

TEST_F(ReplicaPoolTest, NobodySharesOne) {
  {
    const auto one = take({}), two = take({});
    EXPECT_NE(&*one, &*two);
  }
  const auto one = take({}), two = take({});
  EXPECT_EQ(compiled_, 2);
}

TEST_F(ReplicaPoolTest, AnotherKeyIsAnotherReplica) {
  (void)take({});
  for (const ReplicaPool::Key& key :
       {ReplicaPool::Key{.outputs = {{.loss = CategoricalCrossentropy{}}}},
        {.batch_size = 2},
        {.threads = 2},
        {.device = "cpu"},
        {.gpu_memory_bytes = 1}}) {
    const int before = compiled_;
    (void)take(key);
    EXPECT_EQ(compiled_, before + 1);
  }
}

TEST_F(ReplicaPoolTest, AFewAreKeptThoseThatWereUsedLast) {
  for (int threads = 1; threads <= 6; ++threads) (void)take({.threads = threads});
  compiled_ = 0;
  for (int threads = 6; threads >= 3; --threads) (void)take({.threads = threads});
  EXPECT_EQ(compiled_, 0);
  (void)take({.threads = 1});
  EXPECT_EQ(compiled_, 1);
}

TEST_F(ReplicaPoolTest, OneThatFailedIsNotUsedAgain) {
  try {
    const auto replica = take({});
    throw std::runtime_error("the device is gone");
  } catch (const std::runtime_error&) {
  }
  (void)take({});
  EXPECT_EQ(compiled_, 2);
}

}  // namespace
}  // namespace sluice::backend
