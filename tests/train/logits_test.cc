#include "train/logits.h"

#include <gmock/gmock.h>

#include "sluice/dataset.h"
#include "tests/train/linear_model.h"

namespace sluice::train {
namespace {

using testing::HasSubstr;

TEST(LogitsTest, CrossentropiesWarnOfOutputsThatAreNoProbabilities) {
  const auto warning = [](LossSpec loss, auto... layers) {
    Sequential model;
    model.add(Input({4}));
    (model.add(layers), ...);
    testing::internal::CaptureStderr();
    warn_of_logits(model, task_of(loss));
    return testing::internal::GetCapturedStderr();
  };
  const LossSpec sparse = SparseCategoricalCrossentropy{};
  const Dense logits({.units = 3, .name = "d"});
  EXPECT_THAT(warning(sparse, logits),
              HasSubstr("the loss sparse_categorical_crossentropy takes probabilities, but the "
                        "last layer \"d\" ends in linear: add activation=\"softmax\", or take the "
                        "loss sparse_categorical_crossentropy(from_logits=true)\n"));
  EXPECT_THAT(warning(CategoricalCrossentropy{}, logits),
              HasSubstr("the loss categorical_crossentropy takes"));
  EXPECT_THAT(warning(sparse, Dense({.units = 3, .activation = "relu"})),
              HasSubstr("ends in relu: add activation=\"softmax\"\n"));
  EXPECT_THAT(warning(sparse, logits, Activation("tanh")), HasSubstr("ends in tanh: add"));
  EXPECT_THAT(warning(sparse, logits, Flatten()),
              HasSubstr("ends in linear: add Activation(\"softmax\") behind it"));
  EXPECT_THAT(warning(sparse, Flatten()), HasSubstr("ends in linear: add Activation"));
  EXPECT_EQ(warning(MeanSquaredError{}, logits), "");
  EXPECT_EQ(warning(sparse, Dense({.units = 3, .activation = "softmax"})), "");
  EXPECT_EQ(warning(sparse, Dense({.units = 3, .activation = "sigmoid"})), "");
  EXPECT_EQ(warning(sparse, logits, Activation("softmax"), Flatten()), "");
}

TEST(LogitsTest, AMeanOfProbabilitiesIsOne) {
  const auto warning = [](const char* activation) {
    const Input x({4});
    const DenseOptions dense{.units = 3, .activation = activation};
    const Model model(x, Average()({Dense(dense)(x), Dense(dense)(x)}));
    testing::internal::CaptureStderr();
    warn_of_logits(model, task_of(SparseCategoricalCrossentropy{}));
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(warning("softmax"), "");
  EXPECT_THAT(warning("linear"),
              HasSubstr("ends in linear: add Activation(\"softmax\") behind it"));
}

TEST(LogitsTest, EachLossSaysWhatItTakes) {
  const auto warning = [](const LossSpec& loss, const char* activation) {
    Sequential model;
    model.add(Input({4})).add(Dense({.units = 3, .activation = activation, .name = "d"}));
    testing::internal::CaptureStderr();
    warn_of_logits(model, {{loss}});
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_THAT(warning("bce", "linear"),
              HasSubstr("the loss binary_crossentropy takes probabilities, but the last layer "
                        "\"d\" ends in linear: add activation=\"sigmoid\", or take the loss "
                        "binary_crossentropy(from_logits=true)\n"));
  EXPECT_THAT(warning("kld", "linear"),
              HasSubstr("the loss kl_divergence takes probabilities, but the last layer \"d\" ends "
                        "in linear: add activation=\"softmax\"\n"));
  EXPECT_THAT(warning(CategoricalCrossentropy{}, "log_softmax"),
              HasSubstr("ends in log_softmax: take the loss categorical_crossentropy"
                        "(from_logits=true), which is exactly right there\n"));
  EXPECT_EQ(warning(CategoricalCrossentropy{.from_logits = true}, "log_softmax"), "");
  EXPECT_EQ(warning("bce", "sigmoid"), "");
  EXPECT_EQ(warning("hinge", "linear"), "");
  EXPECT_EQ(warning(BinaryCrossentropy{.from_logits = true}, "linear"), "");
  EXPECT_THAT(warning(BinaryCrossentropy{.from_logits = true}, "sigmoid"),
              HasSubstr("the loss binary_crossentropy is told that it gets logits, but the last "
                        "layer \"d\" ends in sigmoid: leave out from_logits, or that activation"));
}

TEST(LogitsTest, AnEvaluationWarnsOnceToo) {
  Sequential model;
  model.add(Input({2})).add(Dense({.units = 2, .name = "d"}));
  const auto data = Dataset::from_arrays(kIdentity, std::vector<int32_t>{0, 1}, {2}, 2);
  const auto said = [&](const char* loss) {
    testing::internal::CaptureStderr();
    model.evaluate(data, {.loss = loss});
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(said("mse"), "");
  EXPECT_THAT(said("categorical_crossentropy"), HasSubstr("add activation=\"softmax\""));
  EXPECT_EQ(said("categorical_crossentropy"), "");
}

}  // namespace
}  // namespace sluice::train
