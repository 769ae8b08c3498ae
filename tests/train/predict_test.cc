#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "core/parameter_set.h"
#include "sluice/dataset.h"
#include "sluice/errors.h"
#include "tests/train/linear_model.h"

namespace sluice::train {
namespace {

using testing::ElementsAre;

TEST(PredictTest, AnyNumberOfSamplesGivesWhatEachGivesAlone) {
  Sequential model = linear_model();
  std::copy(kIdentity.begin(), kIdentity.end(), model.parameters().values().begin());
  std::vector<float> x(2 * 259);  // two whole batches and three samples
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  EXPECT_EQ(model.predict(x), x);
  EXPECT_THAT(model.predict(std::vector<float>{5, 6}), ElementsAre(5, 6));
}

// What was compiled is kept: with the weights, and the layers, that the model has by then.
TEST(PredictTest, EachCallIsOfTheModelAsItIs) {
  Sequential model = linear_model();
  const std::span<float> weights = model.parameters().values();
  std::copy(kIdentity.begin(), kIdentity.end(), weights.begin());
  const std::vector<float> x{5, 6};
  EXPECT_EQ(model.predict(x), x);
  for (float& weight : model.parameters().values()) weight *= 2;
  EXPECT_THAT(model.predict(x), ElementsAre(10, 12));
  const Sequential copy = model;
  model.add(Activation("sigmoid"));
  EXPECT_THAT(model.predict(std::vector<float>{0, 0}), ElementsAre(0.5f, 0.5f));
  EXPECT_THAT(copy.predict(x), ElementsAre(10, 12));
  const auto data = Dataset::from_arrays(std::vector<float>(4), std::vector<float>(4, 0.5f), {2});
  EXPECT_NEAR(model.evaluate(data, {.loss = "mse"}).loss, 0, 1e-12);
  EXPECT_NEAR(copy.evaluate(data, {.loss = "mse"}).loss, 0.25, 1e-7);
}

TEST(PredictTest, SeveralThreadsMayAskAtTheSameTime) {
  Sequential model = linear_model();
  std::copy(kIdentity.begin(), kIdentity.end(), model.parameters().values().begin());
  const auto data = Dataset::from_arrays(std::vector<float>(4, 3), std::vector<float>(4, 3), {2});
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      const std::vector<float> x(static_cast<size_t>(2 * (i + 1)), static_cast<float>(i));
      for (int call = 0; call < 20; ++call) {
        if (model.predict(x, {.threads = 1}) != x) ++wrong;
        if (model.evaluate(data, {.loss = "mse", .threads = 1}).loss != 0) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(PredictTest, PartsOfSamplesAndNoneAreRefused) {
  const Sequential model = linear_model();
  for (size_t floats : {0u, 1u, 3u}) {
    EXPECT_EQ(message_of<ShapeError>([&] { (void)model.predict(std::vector<float>(floats)); }),
              "model \"linear\": predict() expected a multiple of 2 floats, got " +
                  std::to_string(floats));
  }
}

}  // namespace
}  // namespace sluice::train
