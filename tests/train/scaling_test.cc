#include "train/scaling.h"

#include <gmock/gmock.h>

#include "core/parameter_set.h"
#include "sluice/dataset.h"
#include "sluice/layers.h"

namespace sluice::train {
namespace {

using testing::HasSubstr;

Sequential model_of(auto... first) {
  Sequential model;
  model.add(Input({28, 28, 1}));
  (model.add(first), ...);
  model.add(Flatten()).add(Dense({.units = 10, .activation = "softmax"}));
  return model;
}

TEST(ScalingTest, ALayerThatTakesStoredValuesIsFoundBehindTheInput) {
  EXPECT_EQ(scaling_layer(model_of(Rescaling({.scale = 1.0 / 255}))), "rescaling");
  EXPECT_EQ(scaling_layer(model_of(Rescaling({.scale = 1 / 127.5, .offset = -1}))), "rescaling");
  EXPECT_EQ(scaling_layer(model_of(Rescaling({.scale = 1, .offset = -128}))), "rescaling");
  EXPECT_EQ(scaling_layer(model_of(Dropout(0.1), Rescaling({.scale = 1.0 / 255, .name = "r"}))),
            "r");
  EXPECT_EQ(scaling_layer(model_of(Normalization({.mean = 33, .variance = 6000}))),
            "normalization");
  Sequential adapted = model_of(Normalization());
  EXPECT_EQ(scaling_layer(adapted), std::nullopt);  // which changes nothing yet
  adapted.set_weights("normalization/variance", std::vector<float>{6000});
  EXPECT_EQ(scaling_layer(adapted), "normalization");
  Sequential inner("inner");
  inner.add(Input({28, 28, 1})).add(Rescaling({.scale = 1.0 / 255}));
  Sequential outer;
  outer.add(Input({28, 28, 1}));
  outer.add(inner).add(Flatten());
  EXPECT_EQ(scaling_layer(outer), "inner/rescaling");
}

TEST(ScalingTest, LayersThatTakeValuesFrom0To1AreLeftAlone) {
  EXPECT_EQ(scaling_layer(model_of()), std::nullopt);
  EXPECT_EQ(scaling_layer(model_of(Rescaling({.scale = 2, .offset = -1}))), std::nullopt);
  // ImageNet's, of values from 0 to 1, as PyTorch's models have it.
  EXPECT_EQ(scaling_layer(model_of(Normalization({.mean = 0.485, .variance = 0.0524}))),
            std::nullopt);
  EXPECT_EQ(scaling_layer(model_of(Flatten(), Dense({.units = 3}), Rescaling({.scale = 0.1}))),
            std::nullopt);
}

TEST(ScalingTest, FitAndEvaluateWarnOnceUntilTheModelSaysWhatItsDatasetDid) {
  Sequential model = model_of(Rescaling({.scale = 1.0 / 255}));
  const TrainTest digits = generated_digits(20, 10);
  const auto warning = [](const auto& act) {
    testing::internal::CaptureStderr();
    act();
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_THAT(warning([&] { model.evaluate(digits.test); }),
              HasSubstr("come multiplied by 0.00392157, but the model scales values itself "
                        "(layer \"rescaling\"): take Dataset::with_scale(1)"));
  EXPECT_EQ(warning([&] { model.evaluate(digits.test); }), "");
  Sequential other = model_of(Rescaling({.scale = 1.0 / 255}));
  EXPECT_EQ(warning([&] { other.evaluate(digits.test.with_scale(1)); }), "");
  EXPECT_THAT(warning([&] { other.fit(digits.train, {.verbose = 0}); }),
              HasSubstr("scales values itself"));
}

}  // namespace
}  // namespace sluice::train
