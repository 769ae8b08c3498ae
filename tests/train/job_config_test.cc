#include "train/job_config.h"

#include <gmock/gmock.h>

#include <cmath>

namespace sluice::train {
namespace {

using testing::HasSubstr;

template <typename Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "nothing was thrown";
}

// The job that everything is measured by.
TEST(JobConfigTest, DefaultsAreTheMnistJobOfDistKeras) {
  const JobConfig c;
  EXPECT_EQ(c.dataset, "mnist");
  EXPECT_EQ(c.model, "mnist_cnn");
  EXPECT_EQ(c.trainer, "adag");
  EXPECT_EQ(c.optimizer.name, "adam");
  EXPECT_EQ(c.batch_size, 16);
  EXPECT_EQ(algorithm_of(c).options.whole("window"), 5);
  EXPECT_EQ(c.epochs, 5);
  EXPECT_EQ(c.workers, 3);
  EXPECT_NO_THROW(validate(c));
}

TEST(JobConfigTest, JsonSetsWhatItNamesAndNothingElse) {
  JobConfig c;
  merge_json(R"({"workers": 5, "batch-size": 32, "shuffle": false, "validation_split": 0.25})", c);
  EXPECT_EQ(c.workers, 5);
  EXPECT_EQ(c.batch_size, 32);
  EXPECT_FALSE(c.shuffle);
  EXPECT_EQ(c.validation_split, 0.25);
  EXPECT_EQ(c.epochs, 5);
}

TEST(JobConfigTest, OptimizerIsANameOrAnObject) {
  JobConfig c;
  merge_json(R"({"optimizer": "SGD"})", c);
  EXPECT_EQ(c.optimizer.name, "sgd");
  merge_json(R"({"optimizer": {"name": "adam", "beta_1": 0.5}})", c);
  EXPECT_EQ(c.optimizer, Adam({.beta_1 = 0.5f}));
  merge_json(R"x({"optimizer": "adamw(weight_decay=0.5)"})x", c);
  EXPECT_EQ(c.optimizer, AdamW({.weight_decay = 0.5f}));
  EXPECT_THAT(message_of([&] { merge_json(R"({"optimizer": {"name": "adam", "rho": 1}})", c); }),
              HasSubstr("has no argument \"rho\""));
}

TEST(JobConfigTest, WhatWasNamedIsToldInTheNamesOfFields) {
  JobConfig c;
  EXPECT_THAT(merge_json(R"({"batch-size": 1, "window": 2, "trainer": "adag"})", c),
              testing::UnorderedElementsAre("batch_size", "window", "trainer"));
}

TEST(JobConfigTest, MistakesInJsonAreNamed) {
  JobConfig c;
  const auto merge = [&](const char* json) { return message_of([&] { merge_json(json, c); }); };
  EXPECT_THAT(merge(R"({"worker": 3})"), HasSubstr("did you mean \"workers\"?"));
  EXPECT_THAT(merge(R"({"workers": "3"})"), HasSubstr("expected a whole number, got \"3\""));
  EXPECT_THAT(merge(R"({"shuffle": 1})"), HasSubstr("expected true or false"));
  EXPECT_THAT(merge(R"({"seed": -1})"), HasSubstr("not negative"));
  EXPECT_THAT(merge(R"({"workers": 99999999999})"), HasSubstr("99999999999 is out of range"));
  EXPECT_THAT(merge(R"({"workers": -2147483649})"), HasSubstr("out of range"));
  EXPECT_THAT(merge(R"({"batch_size": 18446744073709551615})"), HasSubstr("out of range"));
  EXPECT_EQ(merge(R"({"frobnicate": 1})"), "unknown name \"frobnicate\"");
  EXPECT_THAT(merge("[1]"), HasSubstr("expected a JSON object"));
  EXPECT_THAT(merge("{"), HasSubstr("not JSON"));
  EXPECT_THAT(merge(R"({"epochs": 1, "epochs": 2})"), HasSubstr("\"epochs\" is there twice"));
  EXPECT_EQ(merge(R"({"batch-size": 1, "batch_size": 2})"),
            "\"batch_size\" is there twice, with '-' and with '_': leave one of them out");
}

// In the words that fit() has for them, too.
TEST(JobConfigTest, AWrongNameIsSaidOnceWithItsField) {
  const auto wrong = [](auto set) {
    JobConfig c;
    set(c);
    return message_of([&] { validate(c); });
  };
  EXPECT_EQ(wrong([](JobConfig& c) { c.device = "gpu"; }),
            "device: \"gpu\" is not known; use \"auto\", \"cpu\", \"cuda\" or \"cuda:N\"");
  EXPECT_EQ(wrong([](JobConfig& c) { c.loss = Huber{.delta = 0}; }),
            "loss: \"huber\": delta = 0: must be finite and above 0");
  EXPECT_THAT(wrong([](JobConfig& c) { c.precision = "float16"; }),
              testing::StartsWith("precision: \"float16\" is not known; use "));
}

TEST(JobConfigTest, ClassWeightIsReadAsKerasHasIt) {
  JobConfig c;
  merge_json(R"({"class_weight": {"1": 2.5, "0": 1}})", c);
  EXPECT_EQ(c.class_weight, (std::map<int, float>{{0, 1}, {1, 2.5f}}));
  EXPECT_EQ(parse_class_weight("0:1,1:2.5"), c.class_weight);
  EXPECT_TRUE(parse_class_weight("").empty());
  for (const char* text : {"1", "1:", ":2", "a:1", "0:1,0:2", "0:1,", "0:1:2", "0.5:1"}) {
    EXPECT_THAT(message_of([&] { parse_class_weight(text); }),
                HasSubstr("expected each class by its number, once, with its weight"))
        << text;
  }
  for (const char* json : {R"({"class_weight": [1, 2]})", R"({"class_weight": {"a": 1}})",
                           R"({"class_weight": {"0": "1"}})"}) {
    EXPECT_THAT(message_of([&] { merge_json(json, c); }),
                HasSubstr("\"class_weight\": expected class numbers with their weights"));
  }
  EXPECT_THAT(message_of([&] { merge_json(R"({"class_weight": {"cat": 1}})", c); }),
              HasSubstr("got the class \"cat\"; classes with names are numbered from 0 in sorted"));
  c.class_weight = {{0, -1.0f}};
  EXPECT_THAT(message_of([&] { validate(c); }),
              testing::StartsWith("class_weight: class 0 with weight -1: "));
  c.class_weight = {{-1, 1.0f}};
  EXPECT_THAT(message_of([&] { validate(c); }), HasSubstr("classes count from 0"));
}

// What compile(metrics=...) takes, with objects as keras.metrics.serialize() makes them.
TEST(JobConfigTest, MetricsAreReadAsKerasHasThem) {
  const auto metrics = [](const char* json) {
    JobConfig c;
    merge_json(std::string(R"({"metrics": )") + json + "}", c);
    return c.metrics;
  };
  EXPECT_EQ(metrics(R"("accuracy,auc")"), "accuracy,auc");
  EXPECT_EQ(metrics(R"json(["accuracy", "auc(curve=PR)"])json"), "accuracy, auc(curve=PR)");
  EXPECT_EQ(metrics("[]"), "");
  EXPECT_EQ(metrics(R"({"kind": ["accuracy", "auc"], "none": [], "place": "mse"})"),
            "kind:accuracy, kind:auc, place:mse");
  const char* top_two = R"({"module": "keras.metrics", "class_name": "Recall", "config": {
      "name": "r", "dtype": "float32", "thresholds": null, "top_k": 2, "class_id": null},
      "registered_name": null})";
  const std::string text =
      R"(Recall(name="r", dtype="float32", thresholds=None, top_k=2, class_id=None))";
  EXPECT_EQ(metrics(top_two), text);
  EXPECT_EQ(metrics((R"(["accuracy", )" + std::string(top_two) + "]").c_str()),
            "accuracy, " + text);
  EXPECT_EQ(check_metrics(text), "");
  for (const char* json : {"3", "null", R"(["accuracy", 3])", R"({"kind": 3})"}) {
    EXPECT_THAT(
        message_of([&] { metrics(json); }),
        HasSubstr("\"metrics\": expected names of metrics, or objects as Keras writes them"));
  }
  EXPECT_THAT(message_of([&] { metrics(R"([{"name": "auc"}])"); }),
              HasSubstr("expected an object with a \"class_name\""));
}

TEST(JobConfigTest, AWrongMetricIsNamed) {
  EXPECT_THAT(check_metrics("accuracy, f1"), testing::StartsWith("\"f1\": use \"accuracy\""));
  EXPECT_EQ(check_metrics("kind:auc(k=1)"),
            "\"auc\" has no argument \"k\": use \"num_thresholds\", \"curve\" or \"name\"");
}

TEST(JobConfigTest, PrintedConfigReadsBackEqual) {
  JobConfig c;
  c.loss = CategoricalCrossentropy{.label_smoothing = 0.1f};
  c.class_weight = {{0, 0.3f}, {7, 2}};
  c.optimizer = Adam({.learning_rate = 0.0007f});
  c.save = "a \"quoted\" name";
  c.seed = ~uint64_t{0};
  c.stall_timeout = 7.5;
  JobConfig back;
  merge_json(to_json(c), back);
  EXPECT_EQ(back.stall_timeout, 7.5);
  EXPECT_EQ(to_json(back), to_json(c));
  EXPECT_EQ(back.optimizer, c.optimizer);
  EXPECT_EQ(back.loss, c.loss);
  EXPECT_EQ(back.class_weight, c.class_weight);
  EXPECT_THAT(to_json(c), HasSubstr("0.0007"));
}

TEST(JobConfigTest, ScaleIsANumberOrAFraction) {
  EXPECT_EQ(parse_scale("1/255"), 1.0f / 255);
  EXPECT_EQ(parse_scale("0.5"), 0.5f);
  for (const char* wrong : {"0", "-1", "1/0", "inf", "nan", "1/", "/255", "a", "1/2/3", "1 "}) {
    EXPECT_THAT(check_scale(wrong), HasSubstr("expected a finite number above 0, such as 1/255"))
        << wrong;
  }
  EXPECT_EQ(check_scale(""), "");
  JobConfig c;
  merge_json(R"({"scale": 1})", c);
  EXPECT_EQ(c.scale, "1");
}

TEST(JobConfigTest, LearningRateFlagOverridesTheOptimizers) {
  JobConfig c;
  EXPECT_EQ(effective_optimizer(c).learning_rate, 0.001f);
  c.learning_rate = 0.5;
  EXPECT_EQ(effective_optimizer(c).learning_rate, 0.5f);
  c.optimizer = "adam(learning_rate=CosineDecay(initial_learning_rate=0.1, decay_steps=9))";
  EXPECT_EQ(effective_optimizer(c), OptimizerSpec("adam(learning_rate=0.5)"));
}

TEST(JobConfigTest, NonsenseIsRefusedByTheFieldsName) {
  JobConfig c;
  c.workers = 0;
  EXPECT_EQ(message_of([&] { validate(c); }), "workers: expected 1 to 65536, got 0");
  c = {};
  c.validation_split = 1;
  EXPECT_THAT(message_of([&] { validate(c); }), HasSubstr("validation_split: "));
  c = {};
  c.optimizer = Adam({.beta_1 = 2});
  EXPECT_EQ(message_of([&] { validate(c); }),
            "optimizer: \"adam\": beta_1 = 2: must be at least 0 and less than 1");
  c = {};
  c.threads_per_worker = 257;
  EXPECT_THAT(message_of([&] { validate(c); }), HasSubstr("threads_per_worker: "));
  c = {};
  c.device = "abacus";
  EXPECT_THAT(message_of([&] { validate(c); }), HasSubstr("device: "));
  c = {};
  c.gpu_memory = -1;
  EXPECT_THAT(message_of([&] { validate(c); }), HasSubstr("gpu_memory: "));
  c = {};
  c.device = "cuda:7";  // whether there is one is the workers' business
  EXPECT_EQ(message_of([&] { validate(c); }), "nothing was thrown");
}

TEST(JobConfigTest, TimesAndRatesThatAreNoFiniteNumbersAreRefused) {
  for (double wrong : {0.0, 1e-9, 0.09, -1.0, std::nan(""), HUGE_VAL, 1e30}) {
    JobConfig c;
    c.lease_timeout = wrong;
    EXPECT_THAT(message_of([&] { validate(c); }), HasSubstr("lease_timeout: ")) << wrong;
    c = {};
    c.stall_timeout = wrong;
    EXPECT_THAT(message_of([&] { validate(c); }), HasSubstr("stall_timeout: ")) << wrong;
    c.stall_timeout = 0.9;
    EXPECT_THAT(message_of([&] { validate(c); }), HasSubstr("stall_timeout: expected 1 to"));
    c = {};
    c.idle_timeout = wrong;
    EXPECT_THAT(message_of([&] { validate(c); }), HasSubstr("idle_timeout: ")) << wrong;
    c = {};
    c.peer_timeout = wrong;
    EXPECT_THAT(message_of([&] { validate(c); }), HasSubstr("peer_timeout: ")) << wrong;
  }
  for (double wrong : {-1.0, std::nan(""), HUGE_VAL, 1e300, 1e-300}) {
    JobConfig c;
    c.learning_rate = wrong;
    EXPECT_THAT(message_of([&] { validate(c); }), HasSubstr("learning_rate: ")) << wrong;
  }
}

}  // namespace
}  // namespace sluice::train
