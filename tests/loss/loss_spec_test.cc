#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

#include "loss/traits.h"
#include "sluice/losses.h"
#include "tests/errors.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

TEST(LossSpecTest, IsFoundByNameClassAndAbbreviationInAnyCase) {
  for (const char* name : {"mean_squared_error", "MeanSquaredError", "mse", "MSE"}) {
    EXPECT_EQ(LossSpec(name), MeanSquaredError{}) << name;
  }
  EXPECT_EQ(LossSpec("bce"), BinaryCrossentropy{});
  EXPECT_EQ(LossSpec("KLD"), KLDivergence{});
  EXPECT_EQ(LossSpec("KLDivergence"), KLDivergence{});
  EXPECT_EQ(LossSpec("mae"), MeanAbsoluteError{});
  EXPECT_EQ(LossSpec("MAPE"), MeanAbsolutePercentageError{});
  EXPECT_EQ(LossSpec("msle"), MeanSquaredLogarithmicError{});
  EXPECT_EQ(LossSpec("LogCosh"), LogCosh{});
  EXPECT_EQ(LossSpec(), CategoricalCrossentropy{});
}

TEST(LossSpecTest, EveryLossIsFoundByItsOwnName) {
  const std::vector<LossSpec> all = {CategoricalCrossentropy{},
                                     SparseCategoricalCrossentropy{},
                                     BinaryCrossentropy{},
                                     CategoricalFocalCrossentropy{},
                                     BinaryFocalCrossentropy{},
                                     CategoricalGeneralizedCrossEntropy{},
                                     KLDivergence{},
                                     Hinge{},
                                     SquaredHinge{},
                                     CategoricalHinge{},
                                     Dice{},
                                     Tversky{},
                                     Circle{},
                                     MeanSquaredError{},
                                     MeanAbsoluteError{},
                                     MeanAbsolutePercentageError{},
                                     MeanSquaredLogarithmicError{},
                                     Huber{},
                                     LogCosh{},
                                     Poisson{},
                                     CosineSimilarity{}};
  EXPECT_EQ(all.size(), std::variant_size_v<AnyLoss>);
  for (const LossSpec& spec : all) {
    EXPECT_EQ(LossSpec(spec.name()), spec) << spec.name();
    EXPECT_EQ(LossSpec(loss::short_name(spec)), spec) << spec.name();
  }
}

TEST(LossSpecTest, OptionsMayStandBehindTheName) {
  EXPECT_EQ(LossSpec("huber(delta=0.5)"), Huber({.delta = 0.5f}));
  EXPECT_EQ(LossSpec("CategoricalCrossentropy(label_smoothing=0.1, from_logits=True)"),
            CategoricalCrossentropy({.from_logits = true, .label_smoothing = 0.1f}));
  EXPECT_EQ(LossSpec("tversky(alpha=0.3, axis=[1, 2])"), Tversky({.alpha = 0.3f, .axis = {1, 2}}));
  EXPECT_EQ(LossSpec("dice(axis=-1)"), Dice({.axis = {-1}}));
  EXPECT_EQ(LossSpec("mse()"), MeanSquaredError{});
  EXPECT_EQ(LossSpec("dice(axis=(1, 2), dtype=float32, reduction=sum_over_batch_size)"),
            Dice({.axis = {1, 2}}));
  EXPECT_EQ(message_of([] { LossSpec("mse(reduction=sum)"); }),
            "loss \"mean_squared_error\": \"reduction\" must be left out: Sluice has only Keras' "
            "default, got \"sum\"");
  EXPECT_THAT(message_of([] { LossSpec("mse(dtype=float64)"); }),
              HasSubstr("\"dtype\" must be left out"));
  EXPECT_EQ(message_of([] { LossSpec("dice(axis=[0,0])"); }),
            "loss \"dice\": axis = [0, 0]: names an axis twice");
  EXPECT_THAT(message_of([] { LossSpec("huber(delta=0)"); }),
              HasSubstr("must be finite and above"));
  EXPECT_THAT(message_of([] { LossSpec("huber(gamma=1)"); }), HasSubstr("no argument \"gamma\""));
  EXPECT_THAT(message_of([] { LossSpec("lamb(gamma=1)"); }), HasSubstr("loss \"lamb\": use"));
  EXPECT_THAT(message_of([] { LossSpec("huber("); }),
              HasSubstr("expected ARGUMENT=VALUE at character 7"));
}

TEST(LossSpecTest, AnUnknownNameSaysWhichThereAre) {
  EXPECT_THAT(message_of([] { LossSpec("lamb"); }),
              HasSubstr("loss \"lamb\": use \"categorical_crossentropy\", "));
  EXPECT_THAT(message_of([] { LossSpec("lamb"); }), HasSubstr(" or \"cosine_similarity\""));
  EXPECT_THAT(message_of([] { LossSpec(""); }), HasSubstr("loss \"\": use"));
}

TEST(LossSpecTest, OptionsOutOfRangeAreRefusedByName) {
  const auto objection = [](const LossSpec& spec) {
    return message_of([&] { loss::validate(spec); });
  };
  EXPECT_EQ(objection(Huber({.delta = 0})),
            "loss \"huber\": delta = 0: must be finite and above 0");
  EXPECT_EQ(objection(CategoricalCrossentropy({.label_smoothing = 1.5f})),
            "loss \"categorical_crossentropy\": label_smoothing = 1.5: must be from 0 to 1");
  EXPECT_THAT(objection(BinaryFocalCrossentropy({.gamma = -1})), HasSubstr("gamma = -1"));
  EXPECT_EQ(objection(CategoricalGeneralizedCrossEntropy({.q = 1})),
            "loss \"categorical_generalized_cross_entropy\": q = 1: must be above 0 and below 1");
  EXPECT_THAT(objection(Tversky({.beta = -1})), HasSubstr("beta = -1"));
  EXPECT_THAT(objection(Circle({.gamma = 0})), HasSubstr("gamma = 0"));
  EXPECT_EQ(objection(Tversky({.axis = {1, 8}})),
            "loss \"tversky\": axis = [1, 8]: axes are from -8 to 7");
  EXPECT_THAT(objection(Dice({.axis = {-9}})), HasSubstr("axes are from -8 to 7"));
  EXPECT_EQ(objection(Dice({.axis = {-8, 7}})), "nothing was thrown");
  EXPECT_THROW(LossAxes({0, 1, 2, 3, 4, 5, 6, 7, 8}), std::invalid_argument);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(objection(CategoricalFocalCrossentropy({.alpha = nan})), HasSubstr("alpha = nan"));
  EXPECT_EQ(objection(CategoricalFocalCrossentropy({.alpha = 1, .gamma = 0})),
            "nothing was thrown");
}

TEST(LossSpecTest, LogitsAreForTheCrossentropies) {
  EXPECT_FALSE(loss::takes_logits("bce"));
  EXPECT_TRUE(loss::takes_logits(loss::of_logits("bce")));
  EXPECT_EQ(loss::of_logits(SparseCategoricalCrossentropy({.ignore_class = 3})),
            SparseCategoricalCrossentropy({.from_logits = true, .ignore_class = 3}));
  EXPECT_EQ(loss::of_logits("mse"), LossSpec("mse"));
}

}  // namespace
}  // namespace sluice
