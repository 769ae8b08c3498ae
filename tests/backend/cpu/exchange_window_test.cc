// What a worker pushes and goes on from, on the CPU.
#include "backend/cpu/exchange_window.h"

#include <gmock/gmock.h>

#include <vector>

namespace sluice::backend::cpu {
namespace {

using ::testing::ElementsAre;

std::vector<float> update_of(ExchangeWindow& window, const std::vector<float>& parameters,
                             float scale, std::vector<float>& memory) {
  memory.assign(parameters.size(), -99);
  window.update({.trained = scale}, parameters, memory);
  return memory;
}

TEST(ExchangeWindowTest, WithAnOptimizerAnUpdateIsTheScaledChangeSinceTheWindowBegan) {
  ExchangeWindow window(2, {}, false);
  std::vector<float> memory;
  window.begin(std::vector<float>{1, 3});
  EXPECT_THAT(update_of(window, {5, 1}, 0.25f, memory), ElementsAre(1.0f, -0.5f));
  EXPECT_THAT(update_of(window, {5, 1}, 1, memory), ElementsAre(4.0f, -2.0f));
}

TEST(ExchangeWindowTest, WithoutOneItIsTheScaledSumOfGradients) {
  ExchangeWindow window(2, {}, true);
  std::vector<float> memory;
  window.begin(std::vector<float>{9, 9});
  window.add_gradients(std::vector<float>{1, -2});
  window.add_gradients(std::vector<float>{3, -4});
  EXPECT_THAT(update_of(window, {9, 9}, 0.5f, memory), ElementsAre(2.0f, -3.0f));
  window.begin(std::vector<float>{9, 9});
  window.add_gradients(std::vector<float>{7, 7});
  EXPECT_THAT(update_of(window, {9, 9}, 1, memory), ElementsAre(7.0f, 7.0f));
}

TEST(ExchangeWindowTest, AWindowWithoutStepsPushesZeros) {
  ExchangeWindow window(2, {}, true);
  std::vector<float> memory;
  window.begin(std::vector<float>{9, 9});
  EXPECT_THAT(update_of(window, {9, 9}, 1, memory), ElementsAre(0, 0));
}

// Of four numbers the middle two are state.
TEST(ExchangeWindowTest, StateIsItsOwnChangeAtItsOwnScaleWhateverTheRestIs) {
  const UpdateSpec scale{.trained = 0.5f, .state = 0.25f};
  std::vector<float> memory(4, -99);
  for (const bool sums_gradients : {false, true}) {
    ExchangeWindow window(4, {{1, 2, ParameterRole::kState}}, sums_gradients);
    const std::vector<float> centre{1, 2, 3, 4};
    std::vector<float> parameters = centre;
    window.adopt(centre, OwnUpdate::kIncluded, 0, parameters);
    if (sums_gradients) window.add_gradients(std::vector<float>{2, 0, 0, -2});
    window.update(scale, std::vector<float>{3, 6, 7, 2}, memory);
    EXPECT_THAT(memory, ElementsAre(1, 1, 1, -1)) << sums_gradients;
  }
}

TEST(ExchangeWindowTest, GoesOnFromTheCentreAndAnUpdateThatIsMissingThere) {
  ExchangeWindow window(2, {}, false);
  std::vector<float> centre{1, 2}, parameters{0, 0}, memory;
  window.adopt(centre, OwnUpdate::kIncluded, 0, parameters);
  EXPECT_THAT(parameters, ElementsAre(1, 2));
  EXPECT_THAT(update_of(window, {1.5f, 1.5f}, 1, memory), ElementsAre(0.5f, -0.5f));
  centre = {7, 7};  // from here on it is the caller's
  window.adopt(std::vector<float>{10, 20}, OwnUpdate::kMissing, 0, parameters);
  EXPECT_THAT(parameters, ElementsAre(10.5f, 19.5f));
  EXPECT_THAT(update_of(window, {10.5f, 19.5f}, 1, memory), ElementsAre(0, 0))
      << "a window has begun";
}

// Of three numbers the last is state. A replica that is pulled towards a centre keeps what it has
// explored; its state is the centre's and its own change.
TEST(ExchangeWindowTest, WeightsAreSentAndPulledTowardsTheCentre) {
  ExchangeWindow window(3, {{2, 1, ParameterRole::kState}}, false);
  const std::vector<float> centre{1, 2, 10};
  std::vector<float> parameters{0, 0, 0}, update(3);
  window.adopt(centre, OwnUpdate::kIncluded, 0, parameters);
  parameters = {3, 6, 14};
  window.update({.trained = 7, .weights = true}, parameters, update);
  EXPECT_THAT(update, ElementsAre(3, 6, 4));
  window.adopt(std::vector<float>{1, 2, 20}, OwnUpdate::kElastic, 0.25f, parameters);
  EXPECT_THAT(parameters, ElementsAre(2.5f, 5, 24));
}

}  // namespace
}  // namespace sluice::backend::cpu
