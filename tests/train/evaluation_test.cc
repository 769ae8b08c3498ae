#include "train/evaluation.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cmath>
#include <thread>

#include "core/parameter_set.h"
#include "nn/lowering.h"
#include "sluice/dataset.h"
#include "sluice/errors.h"
#include "tests/support/local_job.h"

namespace sluice::train {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::small_dataset;
using testing_support::small_model;

template <typename Error>
std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

// y = W x with two features and two classes.
Sequential linear_model() {
  Sequential model("linear");
  model.add(Input({2})).add(Dense({.units = 2, .use_bias = false}));
  return model;
}
const std::vector<float> kIdentity = {1, 0, 0, 1};

// What a model with one output is asked when only a loss is named.
std::vector<nn::OutputTask> task_of(const LossSpec& loss) { return {{.loss = loss}}; }

Evaluator evaluator_of(const Model& model, const Dataset& data, const EvaluateOptions& options) {
  return {model, tasks_of(model, data.records()->info(), objective_of(options)), options};
}

Dataset three_records() {
  return Dataset::from_arrays(std::vector<float>{1, 0, 3, 1, 0, 2}, std::vector<int32_t>{0, 1, 1},
                              {2}, 2);
}

TEST(EvaluatorTest, EqualsTheLossesComputedByHandAtTheParametersItIsGiven) {
  const Sequential model = linear_model();
  const auto evaluate = [&](const std::string& loss, const std::vector<float>& parameters) {
    Evaluator evaluator =
        evaluator_of(model, three_records(), {.batch_size = 2, .loss = loss, .threads = 1});
    return evaluator.evaluate(parameters, *three_records().records());
  };
  // Outputs (1, 0), (3, 1), (0, 2) for classes 0, 1, 1: mean squares 0, 9/2, 1/2.
  EXPECT_NEAR(evaluate("mse", kIdentity).loss, 5.0 / 3, 1e-6);
  EXPECT_NEAR(evaluate("mse", kIdentity).accuracy, 2.0 / 3, 1e-12);
  EXPECT_NEAR(evaluate("mse", {0, 1, 1, 0}).accuracy, 1.0 / 3, 1e-12);  // outputs swapped
  // Probabilities of the right classes: 1, 1/4, 1.
  for (const char* loss : {"categorical_crossentropy", "sparse_categorical_crossentropy"}) {
    EXPECT_NEAR(evaluate(loss, kIdentity).loss, std::log(4.0) / 3, 1e-6) << loss;
  }
}

// y is 1 at the class, also where there is no other: as Keras with to_categorical(labels, 1).
TEST(EvaluatorTest, TheOnlyClassIsOneHotToo) {
  Sequential model;
  model.add(Input({1})).add(Dense({.units = 1, .activation = "sigmoid", .use_bias = false}));
  model.parameters().values()[0] = 1;
  const Dataset data = Dataset::from_arrays(std::vector<float>{-1, 0, 0.001f, 2, 0.5f},
                                            std::vector<int32_t>(5, 0), {1}, 1);
  const Metrics mse = model.evaluate(data, {.loss = "mse"});
  EXPECT_NEAR(mse.loss, 0.238189, 1e-6);  // Keras'
  EXPECT_NEAR(mse.accuracy, 0.6, 1e-12);
  EXPECT_NEAR(model.evaluate(data, {.loss = "categorical_crossentropy"}).accuracy, 0.6, 1e-12);
}

TEST(EvaluatorTest, NumbersAreComparedAsTheyAre) {
  // Outputs (1, 0), (3, 1).
  const std::vector<float> x = {1, 0, 3, 1}, y = {0.5f, 0, 3, -1};
  const Dataset data = Dataset::from_arrays(x, y, {2});
  Evaluator evaluator =
      evaluator_of(linear_model(), data, {.batch_size = 2, .loss = "mse", .threads = 1});
  const Metrics metrics = evaluator.evaluate(kIdentity, *data.records());
  EXPECT_NEAR(metrics.loss, (0.25 / 2 + 4.0 / 2) / 2, 1e-6);
  EXPECT_TRUE(std::isnan(metrics.accuracy));
}

TEST(EvaluatorTest, TheBatchSizeAndTheThreadsChangeNothing) {
  const Sequential model = small_model();
  const Dataset data = small_dataset(101);
  const Metrics whole = model.evaluate(data, {.batch_size = 101, .threads = 1});
  EXPECT_GT(whole.loss, 0.1);
  for (int64_t batch : {1, 7, 100, 128}) {
    const Metrics metrics = model.evaluate(data, {.batch_size = batch, .threads = 2});
    EXPECT_NEAR(metrics.loss, whole.loss, 1e-6) << batch;
    EXPECT_EQ(metrics.accuracy, whole.accuracy) << batch;
  }
}

TEST(EvaluatorTest, MistakesAreRefusedWhenItIsMade) {
  const Sequential model = linear_model();
  EXPECT_THAT(message_of<std::invalid_argument>(
                  [&] { evaluator_of(model, three_records(), {.batch_size = 0}); }),
              HasSubstr("batch_size"));
  EXPECT_THAT(message_of<std::invalid_argument>(
                  [&] { evaluator_of(model, three_records(), {.loss = "triplet"}); }),
              HasSubstr("triplet"));
  EXPECT_THAT(
      message_of<RuntimeError>([&] { evaluator_of(model, three_records(), {.device = "tpu"}); }),
      HasSubstr("tpu"));
}

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
                        "last layer \"d\" ends in linear: add activation=\"softmax\"\n"));
  EXPECT_THAT(warning(CategoricalCrossentropy{}, logits),
              HasSubstr("the loss categorical_crossentropy takes"));
  EXPECT_THAT(warning(sparse, Dense({.units = 3, .activation = "relu"})),
              HasSubstr("ends in relu: add activation"));
  EXPECT_THAT(warning(sparse, logits, Activation("tanh")), HasSubstr("ends in tanh: add"));
  EXPECT_THAT(warning(sparse, logits, Flatten()),
              HasSubstr("ends in linear: add Activation(\"softmax\") behind it"));
  EXPECT_THAT(warning(sparse, Flatten()), HasSubstr("ends in linear: add Activation"));
  EXPECT_EQ(warning(MeanSquaredError{}, logits), "");
  EXPECT_EQ(warning(sparse, Dense({.units = 3, .activation = "softmax"})), "");
  EXPECT_EQ(warning(sparse, Dense({.units = 3, .activation = "sigmoid"})), "");
  EXPECT_EQ(warning(sparse, logits, Activation("softmax"), Flatten()), "");
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
                        "\"d\" ends in linear: add activation=\"sigmoid\"\n"));
  EXPECT_THAT(warning("kld", "linear"), HasSubstr("kl_divergence takes probabilities"));
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
  EXPECT_THAT(said("categorical_crossentropy"), HasSubstr("add activation=\"softmax\"\n"));
  EXPECT_EQ(said("categorical_crossentropy"), "");
}

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
  for (float& weight : weights) weight *= 2;
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
