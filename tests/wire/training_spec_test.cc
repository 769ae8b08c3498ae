#include "wire/training_spec.h"

#include <gmock/gmock.h>

#include "wire/parameters.h"

namespace sluice::wire {
namespace {

TEST(TrainingSpecTest, EveryFieldSurvivesTheWay) {
  TrainingSpec spec;
  spec.model = R"({"class_name": "Sequential"})";
  spec.losses = {Huber({.delta = 0.5f}), "categorical_crossentropy"};
  spec.loss_weights = {0.1f, 3};
  spec.metrics = {{}, {"accuracy", "auc(curve=PR)"}};
  spec.class_weight = {1, 2.5f};
  spec.sample_weights = true;
  spec.optimizer = RMSprop({.learning_rate = 0.0123f, .rho = 0.8f, .centered = true});
  spec.trainer = "downpour";
  spec.trainer.set("window", int64_t{7});
  spec.trainer.set("overlap", true);
  spec.batch_size = 33;
  spec.epochs = 4;
  spec.seed = 0xFFFFFFFFFFFFFFFFu;
  spec.shuffle = false;
  spec.records = 1234567890123;
  spec.partitions = 12;
  spec.workers = 4;
  spec.largest_message = 1 << 20;
  spec.counters = 500;
  spec.dataset = "{}";
  spec.threads = 3;
  spec.device = "cpu";
  spec.gpu_memory_mib = 4096;
  spec.precision = "mixed_bfloat16";
  spec.deterministic = true;
  spec.heartbeat_interval = std::chrono::milliseconds(250);
  spec.server_timeout = std::chrono::seconds(5);
  spec.driver_timeout = std::chrono::seconds(6);
  const auto back = parse_training_spec(to_json(spec));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(to_json(*back), to_json(spec));
  EXPECT_EQ(back->class_weight, spec.class_weight);
  EXPECT_EQ(back->optimizer, spec.optimizer);
  EXPECT_EQ(back->losses, spec.losses);
  EXPECT_EQ(back->loss_weights, spec.loss_weights);
  EXPECT_EQ(back->metrics, spec.metrics);
  EXPECT_EQ(back->seed, spec.seed);
  EXPECT_EQ(back->records, spec.records);
  EXPECT_EQ(back->heartbeat_interval, spec.heartbeat_interval);
}

TEST(TrainingSpecTest, DamageNamesTheField) {
  std::string text = to_json(TrainingSpec{});
  const size_t at = text.find("\"window\":5");
  ASSERT_NE(at, std::string::npos);
  text.replace(at, 10, "\"window\":\"\"");
  const auto result = parse_training_spec(text);
  EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(result.status().message(), testing::HasSubstr("window"));
  EXPECT_FALSE(parse_training_spec("").ok());
  EXPECT_FALSE(parse_training_spec("[]").ok());
}

TEST(TrainingSpecTest, EveryOutputHasALossAWeightAndMetrics) {
  TrainingSpec spec;
  spec.losses.clear();
  EXPECT_EQ(parse_training_spec(to_json(spec)).status().message(),
            "training spec: 0 losses, 1 loss_weights and 1 metrics; an output has one each");
}

TEST(TrainingSpecTest, DeepNestingIsRefusedInOneLine) {
  const auto result = parse_training_spec(R"({"model": )" + std::string(100'000, '['));
  EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(result.status().message(), "training spec: nested more than 64 levels deep");
}

// A server would take it for a bound that nothing exceeds.
TEST(TrainingSpecTest, ANegativeSizeIsRefusedInOneLine) {
  TrainingSpec spec;
  spec.largest_message = -1;
  const auto result = parse_training_spec(to_json(spec));
  EXPECT_EQ(result.status(),
            invalid_argument("training spec: largest_message is -1; it counts floats, from 0"));
  spec.largest_message = 0;
  for (const int64_t counters : {int64_t{-1}, static_cast<int64_t>(kMostCounters) + 1}) {
    spec.counters = counters;
    EXPECT_EQ(parse_training_spec(to_json(spec)).status().code(), StatusCode::kInvalidArgument);
  }
}

TEST(TrainingSpecTest, APushHasMetricsOfAsManyEpochsAsMiniBatchesAtMost) {
  TrainingSpec spec;
  spec.counters = 1000;
  spec.epochs = 100;
  spec.trainer.set("window", int64_t{7});
  const size_t seven = push_header_bytes(spec);
  spec.epochs = 7;
  EXPECT_EQ(push_header_bytes(spec), seven);
  spec.epochs = 6;
  EXPECT_GE(push_header_bytes(spec) + 8000, seven - 64);
  EXPECT_LT(push_header_bytes(spec) + 7999, seven);
  EXPECT_GE(ledger_bytes(spec), 6u * 8000);
}

}  // namespace
}  // namespace sluice::wire
