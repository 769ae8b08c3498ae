#include "train/ensemble.h"

#include <gmock/gmock.h>

#include "core/parameter_set.h"
#include "sluice/layers.h"
#include "train/job_config.h"

namespace sluice::train {
namespace {

using testing::FloatNear;
using testing::Pointwise;

Model small() {
  Sequential model("small");
  model.add(Input({3}))
      .add(Dense({.units = 4, .activation = "relu"}))
      .add(BatchNormalization())
      .add(Dense({.units = 2, .activation = "softmax"}));
  model.initialize(5);
  return model;
}

TEST(EnsembleTest, GivesTheMeanOfItsModels) {
  const Model one = small();
  const Model combined = combine(one, 3, 7);
  EXPECT_EQ(combined.count_params(), 3 * one.count_params());
  const std::vector<float> x = {1, -2, 3, 0.5, 0, -1};
  std::vector<float> mean(4);
  for (int p = 0; p < 3; ++p) {
    Model each = one_of(combined, 3);
    const auto values = combined.parameters().values();
    const size_t n = one.count_params();
    std::copy_n(values.begin() + static_cast<ptrdiff_t>(p * n), n,
                each.parameters().values().begin());
    const std::vector<float> y = each.predict(x);
    for (size_t i = 0; i < mean.size(); ++i) mean[i] += y[i] / 3;
    // The first has the model's weights, the others have their own.
    EXPECT_EQ(y == one.predict(x), p == 0);
  }
  EXPECT_THAT(combined.predict(x), Pointwise(FloatNear(1e-6f), mean));
}

// Frozen layers among them.
TEST(EnsembleTest, WeightsThatWereTrainedAreKeptByAll) {
  Model one = small();
  one.set_weights("dense/bias", std::vector<float>{1, 2, 3, 4});
  const std::vector<float> x = {1, -2, 3};
  const Model combined = combine(one, 3, 7);
  EXPECT_THAT(combined.predict(x), Pointwise(FloatNear(1e-6f), one.predict(x)));
  EXPECT_EQ(combined.get_weights("model_3/dense/bias"), one.get_weights("dense/bias"));
}

// Names that the parts would have may be an input's.
TEST(EnsembleTest, NoTwoLayersHaveOneName) {
  Sequential one;
  one.add(Input({3}, {.name = "model_2"})).add(Dense({.units = 2}));
  const Model combined = combine(one, 2, 7);
  EXPECT_TRUE(is_combined(combined, 2));
  EXPECT_EQ(Model::from_json(combined.to_json()).count_params(), combined.count_params());
  Sequential other;
  other.add(Input({3}, {.name = "average"})).add(Dense({.units = 2}));
  EXPECT_EQ(Model::from_json(combine(other, 2, 7).to_json()).input_names()[0], "average");
}

TEST(EnsembleTest, AModelAloneIsItsOwnMean) {
  const Model combined = combine(small(), 1, 7);
  EXPECT_EQ(combined.predict(std::vector<float>{1, 2, 3}),
            small().predict(std::vector<float>{1, 2, 3}));
  EXPECT_EQ(one_of(combined, 1).count_params(), small().count_params());
}

TEST(EnsembleTest, OtherModelsAreRefused) {
  EXPECT_THROW((void)one_of(small(), 3), InvalidField);
  EXPECT_THROW((void)one_of(combine(small(), 2, 7), 3), InvalidField);
  const Input x({3});
  const Model mixed(x, Average()({Dense({.units = 2})(x), small()(x)}));
  EXPECT_THROW((void)one_of(mixed, 2), InvalidField);
  EXPECT_THROW((void)combine(small(), 0, 7), InvalidField);
  EXPECT_THROW((void)combine(small(), 33, 7), InvalidField);
}

}  // namespace
}  // namespace sluice::train
