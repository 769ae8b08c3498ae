#include "train/fits.h"

#include <gmock/gmock.h>

#include "sluice/dataset.h"
#include "sluice/errors.h"
#include "tests/train/linear_model.h"

namespace sluice::train {
namespace {

using testing::HasSubstr;

// As Keras' MNIST models have them: (28, 28) with a Flatten, or (784,).
TEST(CheckFitsTest, ImagesOfOneChannelMayComeWithoutItOrFlat) {
  data::RecordsInfo info;
  info.name = "images";
  info.sample_shape = {4, 3, 1};
  info.classes = 2;
  const auto fits = [&](const Shape& input) {
    Sequential model;
    model.add(Input(input));
    model.add(Flatten());
    model.add(Dense({.units = 2, .activation = "softmax"}));
    try {
      check_fits(model, info, task_of(CategoricalCrossentropy{}));
      return true;
    } catch (const ShapeError&) {
      return false;
    }
  };
  EXPECT_TRUE(fits({4, 3, 1}));
  EXPECT_TRUE(fits({4, 3}));
  EXPECT_TRUE(fits({12}));
  EXPECT_FALSE(fits({3, 4}));
  EXPECT_FALSE(fits({2, 6}));
  EXPECT_FALSE(fits({4, 3, 2}));
  EXPECT_FALSE(fits({11}));
}

// One class number would have to stand for all positions; a one-hot target [12] is taken as [4, 3],
// as Keras does when it is reshaped.
TEST(CheckFitsTest, ARecordHasOneClassNumberWhateverPositionsTheOutputHas) {
  Sequential model("rows");
  model.add(Input({4, 5})).add(Dense({.units = 3, .activation = "softmax"}));
  const Dataset data =
      Dataset::from_arrays(std::vector<float>(20), std::vector<int32_t>(1), {4, 5}, 12);
  EXPECT_THAT(message_of<ShapeError>(
                  [&] { model.evaluate(data, {.loss = "sparse_categorical_crossentropy"}); }),
              HasSubstr("model \"rows\" has the output [4, 3]: sparse_categorical_crossentropy"));
  for (const char* loss : {"categorical_crossentropy", "mse"}) {
    const Metrics metrics = model.evaluate(data, {.loss = loss});
    EXPECT_GT(metrics.loss, 0) << loss;
    // Of class 0 of 12 the first row is right or wrong, the three empty ones are class 0.
    EXPECT_EQ(std::fmod(metrics.accuracy, 0.25), 0) << loss;
  }
}

TEST(CheckFitsTest, ClassNumbersNeedAnOutputEachAndOneHotTargetsExactlyAsMany) {
  const auto check = [](int classes, LossSpec loss) {
    const Dataset data =
        Dataset::from_arrays(std::vector<float>(2), std::vector<int32_t>(1), {2}, classes);
    return message_of<ShapeError>(
        [&] { check_fits(linear_model(), data.records()->info(), task_of(loss)); });
  };
  const LossSpec sparse = SparseCategoricalCrossentropy{};
  EXPECT_EQ(check(2, sparse), "nothing was thrown");
  EXPECT_EQ(check(1, sparse), "nothing was thrown");
  EXPECT_THAT(check(3, sparse), HasSubstr("model \"linear\" has 2 outputs"));
  for (const char* loss : {"categorical_crossentropy", "mse"}) {
    EXPECT_EQ(check(2, loss), "nothing was thrown");
    EXPECT_THAT(check(1, loss), HasSubstr("has 1 class"));
    EXPECT_THAT(check(3, loss), HasSubstr("3 classes"));
  }
}

TEST(CheckFitsTest, NumbersNeedAnOutputEachAndALossThatComparesThem) {
  const auto check = [](size_t values, LossSpec loss) {
    const std::vector<float> x(2), y(values);
    const auto info = Dataset::from_arrays(x, y, {2}).records()->info();
    return message_of<std::invalid_argument>(
        [&] { check_fits(linear_model(), info, task_of(loss)); });
  };
  EXPECT_EQ(check(2, MeanSquaredError{}), "nothing was thrown");
  EXPECT_EQ(check(2, CategoricalCrossentropy{}), "nothing was thrown");
  EXPECT_THAT(check(1, MeanSquaredError{}),
              HasSubstr("has 2 outputs, but a target of arrays is 1 number"));
  EXPECT_THAT(check(2, SparseCategoricalCrossentropy{}), HasSubstr("use mse"));
}

// The share of one output in their sum is 1: such a loss is 0, and nothing would be learned.
TEST(CheckFitsTest, NoCrossentropyComparesASingleNumber) {
  Sequential one;
  one.add(Input({2})).add(Dense({.units = 1}));
  const std::vector<float> x(2), y(1);
  const auto info = Dataset::from_arrays(x, y, {2}).records()->info();
  for (const auto loss : {"categorical_crossentropy", "sparse_categorical_crossentropy"}) {
    EXPECT_THAT(message_of<std::invalid_argument>([&] { check_fits(one, info, task_of(loss)); }),
                HasSubstr("use mse"));
  }
}

TEST(CheckFitsTest, OneOutputTellsTwoClassesApart) {
  Sequential one;
  one.add(Input({2})).add(Dense({.units = 1}));
  const auto check = [&](int classes, const LossSpec& loss) {
    const Dataset data =
        Dataset::from_arrays(std::vector<float>(2), std::vector<int32_t>(1), {2}, classes);
    return message_of<ShapeError>([&] { check_fits(one, data.records()->info(), {{loss}}); });
  };
  for (const char* loss : {"binary_crossentropy", "binary_focal_crossentropy", "hinge", "mse"}) {
    EXPECT_EQ(check(2, loss), "nothing was thrown") << loss;
    EXPECT_THAT(check(3, loss), HasSubstr("has 1 output, but")) << loss;
  }
  for (const char* loss : {"categorical_crossentropy", "categorical_hinge"}) {
    EXPECT_THAT(check(2, loss), HasSubstr("; one output tells two classes apart where the loss is "
                                          "binary_crossentropy"))
        << loss;
  }
}

TEST(CheckFitsTest, AClassThatIsIgnoredNeedsNoOutputBehindTheLast) {
  const auto check = [](int ignored) {
    const Dataset data =
        Dataset::from_arrays(std::vector<float>(2), std::vector<int32_t>(1), {2}, 3);
    return message_of<ShapeError>([&] {
      check_fits(linear_model(), data.records()->info(),
                 {{SparseCategoricalCrossentropy{.ignore_class = ignored}}});
    });
  };
  EXPECT_EQ(check(2), "nothing was thrown");
  EXPECT_THAT(check(0), HasSubstr("has 2 outputs, but"));
}

TEST(CheckFitsTest, AModelOfOneOutputAndMsePredictNumbers) {
  Sequential one;
  one.add(Input({2})).add(Dense({.units = 1}));
  EXPECT_TRUE(predicts_numbers(one, MeanSquaredError{}));
  EXPECT_TRUE(predicts_numbers(one, Huber{}));
  EXPECT_FALSE(predicts_numbers(one, BinaryCrossentropy{}));
  EXPECT_FALSE(predicts_numbers(one, CategoricalCrossentropy{}));
  EXPECT_FALSE(predicts_numbers(linear_model(), MeanSquaredError{}));
}

}  // namespace
}  // namespace sluice::train
