#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "core/parameter_set.h"
#include "nn/model_impl.h"
#include "sluice/errors.h"
#include "tests/support/local_job.h"
#include "tests/support/optimizers.h"
#include "train/evaluation.h"
#include "train/validate.h"

namespace sluice {
namespace {

using testing::HasSubstr;
using testing_support::small_dataset;
using testing_support::small_model;

TEST(FitTest, LearnsAndReportsEveryEpoch) {
  Sequential model = small_model();
  const auto history = model.fit(small_dataset(300), {.batch_size = 8, .epochs = 10, .verbose = 0});
  ASSERT_EQ(history.size(), 10u);
  EXPECT_LT(history.back().train.loss, history.front().train.loss / 2);
  EXPECT_GT(model.evaluate(small_dataset(60)).accuracy, 0.9);
}

TEST(FitTest, TwoCallsAreOneOfTwiceTheLength) {
  const Dataset data = small_dataset(24);
  for (const OptimizerSpec& optimizer : every_setting()) {
    SCOPED_TRACE(optimizer.name);
    FitOptions options{.batch_size = 8, .epochs = 4, .optimizer = optimizer, .loss = "mse"};
    options.shuffle = false;
    options.threads = 1;
    options.verbose = 0;
    Sequential at_once = small_model();
    at_once.fit(data, options);
    Sequential twice = small_model();
    options.epochs = 2;
    twice.fit(data, options);
    if (optimizer.use_ema) {  // where a training ends, parameters become their averages
      EXPECT_EQ(twice.impl().training->optimizer_state.iterations, 6);
      continue;
    }
    Model copy = twice;  // as a file would have it
    options.optimizer.reset();
    options.loss.reset();
    copy.fit(data, options);
    EXPECT_TRUE(std::ranges::equal(copy.parameters().values(), at_once.parameters().values()));
    EXPECT_EQ(copy.impl().training->optimizer_state.iterations, 12);
  }
}

TEST(FitTest, AnOptimizerThatIsGivenBeginsAnew) {
  const Dataset data = small_dataset(24);
  const FitOptions options{
      .batch_size = 8, .optimizer = Adam(), .loss = "mse", .shuffle = false, .verbose = 0};
  Sequential model = small_model();
  model.fit(data, options);
  const auto first = model.impl().training->optimizer_state;
  model.initialize(0);
  Sequential other = small_model();
  other.initialize(0);
  model.fit(data, options);
  other.fit(data, options);
  EXPECT_EQ(model.impl().training->optimizer_state.iterations, first.iterations);
  EXPECT_TRUE(std::ranges::equal(model.parameters().values(), other.parameters().values()));
}

TEST(FitTest, EvaluateTakesTheLossOfTheTraining) {
  const Dataset data = small_dataset(24);
  Sequential model = small_model();
  const double before = model.evaluate(data).loss;
  EXPECT_EQ(before, model.evaluate(data, {.loss = "categorical_crossentropy"}).loss);
  model.fit(data, {.loss = "mse", .verbose = 0});
  EXPECT_EQ(model.evaluate(data).loss, model.evaluate(data, {.loss = "mse"}).loss);
}

TEST(FitTest, AModelWithoutAnInputIsRefused) {
  Sequential model;
  model.add(Dense({.units = 3}));
  const auto message = [](const auto& act) -> std::string {
    try {
      act();
    } catch (const ShapeError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(message([&] { model.fit(small_dataset(10), {.verbose = 0}); }),
              HasSubstr("the input shape is not known; add an Input first"));
  EXPECT_THAT(message([&] { model.evaluate(small_dataset(10)); }),
              HasSubstr("the input shape is not known; add an Input first"));
}

TEST(FitTest, SaysThatLogitsAreNoProbabilitiesAndTrainsAllTheSame) {
  Sequential model;
  model.add(Input({6})).add(Dense({.units = 3, .name = "d"}));
  testing::internal::CaptureStderr();
  const auto history = model.fit(small_dataset(10), {.epochs = 1, .verbose = 0});
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr(" W sluice | the loss"), HasSubstr("add activation=\"softmax\"")));
  EXPECT_EQ(history.size(), 1u);
  testing::internal::CaptureStderr();
  model.evaluate(small_dataset(10));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << "it has been said of this model";
}

TEST(FitTest, SameSeedGivesTheSameWeightsAndAnotherSeedOthers) {
  const auto weights = [](uint64_t seed) {
    Sequential model = small_model();
    model.fit(small_dataset(100),
              {.batch_size = 7, .epochs = 2, .seed = seed, .threads = 1, .verbose = 0});
    const auto values = model.parameters().values();
    return std::vector<float>(values.begin(), values.end());
  };
  EXPECT_EQ(weights(1), weights(1));
  EXPECT_NE(weights(1), weights(2));
}

TEST(FitTest, FewerRecordsThanABatchHasAreOneBatch) {
  Sequential one = small_model(), same = small_model();
  one.fit(small_dataset(10), {.epochs = 2, .verbose = 0});  // 32 by default
  same.fit(small_dataset(10), {.batch_size = 10, .epochs = 2, .verbose = 0});
  const auto a = one.parameters().values(), b = same.parameters().values();
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin()));
}

TEST(FitTest, ValidationIsOnTheLastRecords) {
  Sequential model = small_model();
  const auto history = model.fit(
      small_dataset(100), {.batch_size = 10, .epochs = 1, .validation_split = 0.3, .verbose = 0});
  ASSERT_TRUE(history[0].validation.has_value());
  const auto held_out = small_dataset(100).split(0.3).second;
  EXPECT_EQ(held_out.size(), 30);
  EXPECT_NEAR(history[0].validation->loss, model.evaluate(held_out).loss, 1e-6);
}

TEST(FitTest, SgdStepOnOneBatchIsTheHandComputedOne) {
  // One sample, one unit, no activation: y = w x + b, loss (y - t)^2.
  Sequential model;
  model.add(Input({1})).add(Dense({.units = 1, .kernel_initializer = "ones"}));
  model.initialize(0);
  const Dataset data = Dataset::from_arrays(std::vector<float>{2}, std::vector<float>{0}, {1});
  model.fit(data, {.batch_size = 1,
                   .epochs = 1,
                   .optimizer = SGD({.learning_rate = 0.1f}),
                   .loss = "mse",
                   .verbose = 0});
  // dloss/dy = 2 (2 - 0) = 4, dw = 4 x = 8, db = 4.
  const auto values = model.parameters().values();
  EXPECT_FLOAT_EQ(values[0], 1 - 0.1f * 8);
  EXPECT_FLOAT_EQ(values[1], 0 - 0.1f * 4);
}

// y = 2 a - b + 0.5, which two weights and a bias can learn exactly.
TEST(FitTest, LearnsNumbersAndHasNoAccuracyForThem) {
  std::vector<float> x, y;
  for (int i = 0; i < 64; ++i) {
    const float a = static_cast<float>(i % 8) / 8, b = static_cast<float>(i) / 64;
    x.insert(x.end(), {a, b});
    y.push_back(2 * a - b + 0.5f);
  }
  Sequential model;
  model.add(Input({2})).add(Dense({.units = 1}));
  const Dataset data = Dataset::from_arrays(x, y, {2});
  const auto history = model.fit(data, {.batch_size = 8,
                                        .epochs = 200,
                                        .optimizer = SGD({.learning_rate = 0.2f}),
                                        .loss = "mse",
                                        .validation_split = 0.25,
                                        .verbose = 0});
  EXPECT_LT(history.back().train.loss, 1e-6);
  EXPECT_TRUE(std::isnan(history.back().train.accuracy));
  EXPECT_LT(history.back().validation->loss, 1e-5);
  EXPECT_TRUE(std::isnan(history.back().validation->accuracy));
  const Metrics all = model.evaluate(data, {.loss = "mse"});
  EXPECT_LT(all.loss, 1e-5);
  EXPECT_TRUE(std::isnan(all.accuracy));
}

TEST(FitTest, PredictGivesProbabilitiesThatEvaluateCounts) {
  Sequential model = small_model();
  const Dataset data = small_dataset(200);
  std::vector<uint32_t> indices(200);
  for (uint32_t i = 0; i < 200; ++i) indices[i] = i;
  std::vector<float> x(200 * 6);
  data.records()->gather(indices, x);
  const std::vector<float> y = model.predict(x);
  int correct = 0;
  for (size_t i = 0; i < 200; ++i) {
    float sum = 0;
    for (size_t k = 0; k < 3; ++k) sum += y[i * 3 + k];
    EXPECT_NEAR(sum, 1, 1e-5);
    const auto best = std::max_element(y.begin() + static_cast<long>(i * 3),
                                       y.begin() + static_cast<long>(i * 3 + 3));
    if (best - (y.begin() + static_cast<long>(i * 3)) == data.records()->labels()[i]) ++correct;
  }
  EXPECT_DOUBLE_EQ(model.evaluate(data).accuracy, correct / 200.0);
}

TEST(FitTest, DatasetThatDoesNotFitTheModelIsRefused) {
  Sequential model = small_model();
  const Dataset wrong =
      Dataset::from_arrays(std::vector<float>(8), std::vector<int32_t>(2), {4}, 3);
  try {
    model.fit(wrong);
    FAIL();
  } catch (const ShapeError& error) {
    EXPECT_THAT(error.what(), HasSubstr("takes [6]"));
    EXPECT_THAT(error.what(), HasSubstr("[4]"));
  }
}

template <typename Call>
std::string refusal_of(Call call) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(FitTest, OptionsThatMakeNoSenseAreRefusedByTheirName) {
  Sequential model = small_model();
  const Dataset data = small_dataset(30);
  const auto fit = [&](FitOptions options) {
    options.verbose = options.verbose == 1 ? 0 : options.verbose;
    return refusal_of([&] { model.fit(data, options); });
  };
  EXPECT_EQ(fit({.batch_size = 0}), "batch_size: expected at least 1 sample, got 0");
  EXPECT_EQ(fit({.epochs = 0}), "epochs: expected at least 1 epoch, got 0");
  EXPECT_EQ(fit({.loss = Huber({.delta = 0})}),
            "loss: \"huber\": delta = 0: must be finite and above 0");
  EXPECT_THAT(fit({.validation_split = -0.5}), testing::StartsWith("validation_split: expected"));
  EXPECT_EQ(fit({.validation_split = 0.99}),
            "validation_split: 0.99 of 30 records leaves none for one of the two parts");
  EXPECT_THAT(fit({.threads = -1}), HasSubstr("threads: expected 0 (as many as"));
  EXPECT_THAT(fit({.verbose = 3}), testing::StartsWith("verbose: expected 0, 1 or 2"));
  EXPECT_EQ(fit({.device = "gpu"}),
            "device: \"gpu\" is not known; use \"auto\", \"cpu\", \"cuda\" or \"cuda:N\"");
  EXPECT_THAT(fit({.gpu_memory_mib = -1}), testing::StartsWith("gpu_memory_mib: expected 0"));
  EXPECT_THAT(fit({.precision = "float16"}), testing::StartsWith("precision: \"float16\" is not"));
}

TEST(FitTest, WeightDecayLeavesOutWhatItIsTold) {
  const Dataset data = small_dataset(30);
  const auto fitted = [&](const OptimizerSpec& optimizer) {
    Sequential model = small_model();
    model.fit(data, {.epochs = 1, .optimizer = optimizer, .threads = 1, .verbose = 0});
    return model;
  };
  const Sequential plain = fitted(SGD());
  const auto all =
      fitted(SGD({.weight_decay = 1, .exclude_from_weight_decay = {"kernel", "bias"}}));
  const auto biases = fitted(SGD({.weight_decay = 1, .exclude_from_weight_decay = {"bias"}}));
  const std::string first = plain.parameters().layout().variables().front().name;
  const auto one = fitted(SGD({.weight_decay = 1, .exclude_from_weight_decay = {first}}));
  EXPECT_TRUE(std::ranges::equal(all.parameters().values(), plain.parameters().values()));
  EXPECT_NE(biases.get_weights(first), plain.get_weights(first));
  EXPECT_NE(one.get_weights(first), biases.get_weights(first));
  Sequential model = small_model();
  EXPECT_THAT(
      refusal_of(
          [&] { model.fit(data, {.optimizer = "adamw(exclude_from_weight_decay=[biass])"}); }),
      HasSubstr("exclude_from_weight_decay: the model has no weight \"biass\", nor one with "
                "this in its own name; it has " +
                first));
}

TEST(FitTest, EvaluateAndPredictRefuseTheSame) {
  const Sequential model = small_model();
  const Dataset data = small_dataset(30);
  const auto evaluate = [&](const EvaluateOptions& options) {
    return refusal_of([&] { (void)model.evaluate(data, options); });
  };
  EXPECT_THAT(evaluate({.batch_size = 0}), testing::StartsWith("batch_size: "));
  EXPECT_THAT(evaluate({.loss = Huber({.delta = 0})}), testing::StartsWith("loss: "));
  EXPECT_THAT(evaluate({.threads = -1}), testing::StartsWith("threads: "));
  EXPECT_THAT(evaluate({.device = "gpu"}), testing::StartsWith("device: \"gpu\" is not known"));
  const std::vector<float> x(6);
  const auto predict = [&](const PredictOptions& options) {
    return refusal_of([&] { (void)model.predict(x, options); });
  };
  EXPECT_THAT(predict({.batch_size = -3}), testing::StartsWith("batch_size: "));
  EXPECT_THAT(predict({.threads = 257}), testing::StartsWith("threads: "));
  EXPECT_THAT(predict({.device = "gpu"}), testing::StartsWith("device: \"gpu\" is not known"));
}

TEST(FitTest, AnOptionOfATrainerHasItsOwnName) {
  EXPECT_THAT(refusal_of([] { train::validate(TrainerOptions{.gpu_memory_mib = -1}); }),
              testing::StartsWith("gpu_memory_mib: expected 0"));
}

TEST(FitTest, OneOfSomethingIsSingular) {
  Sequential model("single");
  model.add(Input({4})).add(Dense({.units = 1}));
  const Dataset one = Dataset::from_arrays(std::vector<float>(8), std::vector<int32_t>(2), {4}, 2);
  EXPECT_EQ(refusal_of([&] { model.fit(one, {.verbose = 0}); }),
            "model \"single\" has 1 output, but " + one.name() +
                " has 2 classes; one output tells two classes apart where the loss is "
                "binary_crossentropy");
}

// p = sigmoid(w x + b) of a class number c: dloss/dz = p - c.
TEST(FitTest, OneOutputTellsTwoClassesApartWithTheBinaryCrossentropy) {
  Sequential model;
  model.add(Input({1})).add(Dense({.units = 1, .activation = "sigmoid", .name = "d"}));
  model.parameters().values()[0] = 0.5f;
  const auto data =
      Dataset::from_arrays(std::vector<float>{2, -1}, std::vector<int32_t>{1, 0}, {1}, 2);
  const double p = 1 / (1 + std::exp(-1.0)), q = 1 / (1 + std::exp(0.5));
  const auto history = model.fit(data, {.optimizer = SGD({.learning_rate = 1}),
                                        .loss = "binary_crossentropy",
                                        .shuffle = false,
                                        .verbose = 0});
  EXPECT_NEAR(history[0].train.loss, -(std::log(p) + std::log(1 - q)) / 2, 1e-6);
  EXPECT_EQ(history[0].train.accuracy, 1);
  EXPECT_NEAR(model.parameters().values()[0], 0.5 - (2 * (p - 1) - q) / 2, 1e-6);
  EXPECT_NEAR(model.parameters().values()[1], -((p - 1) + q) / 2, 1e-6);
  const std::vector<float> predicted = model.predict(std::vector<float>{0});
  EXPECT_NEAR(predicted[0], 1 / (1 + std::exp(((p - 1) + q) / 2)), 1e-6);
  // The same as numbers.
  const auto numbers =
      Dataset::from_arrays(std::vector<float>{2, -1}, std::vector<float>{1, 0}, {1});
  EXPECT_EQ(model.evaluate(numbers, {.loss = "bce"}).loss,
            model.evaluate(data, {.loss = "bce"}).loss);
}

// Sums of weights times losses, by the number of samples; the accuracy and the validation do not
// know the weights of classes.
TEST(FitTest, ClassesAndSamplesCountByTheirWeights) {
  Sequential model;
  model.add(Input({1})).add(Dense({.units = 1, .activation = "sigmoid"}));
  const auto train = [&](const Dataset& data, const FitOptions& options) {
    model.parameters().values()[0] = 0.5f;
    model.parameters().values()[1] = 0;
    return model.fit(data, options)[0];
  };
  const auto data = Dataset::from_arrays(std::vector<float>{2, -1, 1, 1},
                                         std::vector<int32_t>{1, 0, 1, 1}, {1}, 2);
  const FitOptions options{.optimizer = SGD({.learning_rate = 1}),
                           .loss = "bce",
                           .class_weight = {{1, 3.0f}},
                           .validation_split = 0.5,
                           .shuffle = false,
                           .verbose = 0};
  const double p = 1 / (1 + std::exp(-1.0)), q = 1 / (1 + std::exp(0.5));
  const EpochHistory by_class = train(data, options);
  EXPECT_NEAR(by_class.train.loss, -(3 * std::log(p) + std::log(1 - q)) / 2, 1e-6);
  EXPECT_EQ(by_class.train.accuracy, 1);
  const double w = 0.5 - (3 * 2 * (p - 1) - q) / 2, b = -(3 * (p - 1) + q) / 2;
  EXPECT_NEAR(model.parameters().values()[0], w, 1e-6);
  EXPECT_NEAR(model.parameters().values()[1], b, 1e-6);
  EXPECT_NEAR(by_class.validation->loss, std::log(1 + std::exp(-(w + b))), 1e-6);

  const auto weighted = data.with_sample_weights(std::vector<float>{3, 1, 0.5f, 0});
  FitOptions without = options;
  without.class_weight.clear();
  const EpochHistory by_sample = train(weighted, without);
  EXPECT_NEAR(by_sample.train.loss, by_class.train.loss, 1e-6);
  EXPECT_NEAR(model.parameters().values()[0], w, 1e-6);
  EXPECT_NEAR(by_sample.validation->loss, 0.25 * std::log(1 + std::exp(-(w + b))), 1e-6);
  const Metrics all = model.evaluate(weighted, {.loss = "bce"});
  const double l2 = std::log(1 + std::exp(-(2 * w + b))), l1 = std::log(1 + std::exp(-(w + b)));
  EXPECT_NEAR(all.loss, (3 * l2 + std::log(1 + std::exp(-w + b)) + 0.5 * l1) / 4, 1e-6);
  EXPECT_EQ(all.accuracy, 1);
  // Both: the product.
  EXPECT_NEAR(train(weighted, options).train.loss, -(9 * std::log(p) + std::log(1 - q)) / 2, 1e-6);
}

// As Keras' Dense of the same does; its Embedding on TensorFlow squares and clips each gradient of
// a row by itself.
TEST(FitTest, ARowOfAnEmbeddingThatABatchHasOftenIsTrainedByTheSumOfItsGradients) {
  const std::vector<float> ids = {0, 1, 1, 2, 1, 0}, table = {0.5f, -1, 2, 0.25f, -0.5f, 1, 3, 4};
  std::vector<float> one_hot(ids.size() * 4), targets(ids.size() * 2);
  for (size_t i = 0; i < ids.size(); ++i) one_hot[4 * i + static_cast<size_t>(ids[i])] = 1;
  for (size_t i = 0; i < targets.size(); ++i) targets[i] = static_cast<float>(i % 5) - 2;
  const auto trained = [&](const Shape& input, std::unique_ptr<Layer> layer,
                           const std::vector<float>& x, const char* optimizer) {
    Sequential model;
    model.add(Input(input)).add(std::move(layer)).add(Flatten());
    std::ranges::copy(table, model.parameters().values().begin());
    const FitOptions options{.batch_size = 2,
                             .epochs = 3,
                             .optimizer = optimizer,
                             .loss = "mse",
                             .threads = 1,
                             .verbose = 0};
    model.fit(Dataset::from_arrays({{x, input}}, {{targets, {6}}}), options);
    const auto values = model.parameters().values();
    return std::vector<float>(values.begin(), values.end());
  };
  for (const char* optimizer : {"sgd", "adam", "rmsprop", "adagrad", "adamax", "ftrl",
                                "sgd(clipnorm=0.1)", "sgd(clipvalue=0.1)"}) {
    const auto rows =
        trained({3}, std::make_unique<Embedding>(EmbeddingOptions{.input_dim = 4, .output_dim = 2}),
                ids, optimizer);
    const auto kernel =
        trained({3, 4}, std::make_unique<Dense>(DenseOptions{.units = 2, .use_bias = false}),
                one_hot, optimizer);
    ASSERT_EQ(rows.size(), kernel.size());
    for (size_t i = 0; i < rows.size(); ++i) EXPECT_NEAR(rows[i], kernel[i], 1e-6) << optimizer;
  }
}

TEST(FitTest, WeightsThatMakeNoSenseAreRefused) {
  Sequential model;
  model.add(Input({1})).add(Dense({.units = 1}));
  const std::vector<float> x{1, 2}, y{0, 1};
  const auto numbers = Dataset::from_arrays(x, y, {1});
  const auto classes = Dataset::from_arrays(x, std::vector<int32_t>{0, 1}, {1}, 2);
  const auto refusal = [&](const Dataset& data, std::map<int, float> weights) {
    return refusal_of([&] {
      model.fit(data, {.loss = "mse", .class_weight = std::move(weights), .verbose = 0});
    });
  };
  EXPECT_THAT(refusal(numbers, {{0, 1.0f}}),
              HasSubstr("class_weight: the targets of arrays are numbers"));
  EXPECT_THAT(refusal(classes, {{2, 1.0f}}),
              HasSubstr("class_weight: class 2 of arrays, which has 2 classes, counted from 0"));
  EXPECT_THAT(refusal(classes, {{0, -1.0f}}), HasSubstr("class 0 with weight -1"));
  EXPECT_THAT(refusal_of([&] { (void)numbers.with_sample_weights(std::vector<float>{1}); }),
              HasSubstr("has 2 records, got 1 weights"));
  EXPECT_THAT(refusal_of([&] { (void)numbers.with_sample_weights(std::vector<float>{1, NAN}); }),
              HasSubstr("the weight of record 1 is nan; it must be finite and at least 0"));
}

// Of a model with branches, by the model itself.
TEST(FitTest, AFrozenLayerKeepsItsWeightsWhileTheOthersTrain) {
  const Input image({6, 6, 2});
  const Conv2D first({.filters = 4, .kernel_size = 3, .padding = "same", .name = "first"});
  const Conv2D shared({.filters = 4, .kernel_size = 3, .padding = "same", .name = "shared"});
  const Dense last({.units = 3, .activation = "softmax", .name = "probs"});
  const SymbolicTensor x_1 = first(image);
  Model model(image, last(Flatten()(Add()({shared(shared(x_1)), x_1}))));
  model.get_layer("shared").set_trainable(false);
  const auto before = [&, copy = model](const char* name) { return copy.get_weights(name); };
  std::vector<float> x(8 * 72);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) / 7;
  const auto data =
      Dataset::from_arrays(x, std::vector<int32_t>{0, 1, 2, 0, 1, 2, 0, 1}, {6, 6, 2}, 3);
  model.fit(data, {.batch_size = 4, .threads = 1, .verbose = 0, .device = "cpu"});
  for (const char* name : {"shared/kernel", "shared/bias"}) {
    EXPECT_EQ(model.get_weights(name), before(name)) << name;
  }
  for (const char* name : {"first/kernel", "probs/bias"}) {
    EXPECT_NE(model.get_weights(name), before(name)) << name;
  }
}

}  // namespace
}  // namespace sluice
