// Whole jobs in one process, over every transport, with several numbers of workers and shards.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/support/local_job.h"
#include "tests/support/optimizers.h"
#include "train/ensemble.h"
#include "transport/grpc/grpc_transport.h"
#include "transport/inproc/inproc_transport.h"

namespace sluice {
namespace {

using testing_support::LocalJobOptions;
using testing_support::LocalJobResult;
using testing_support::run_local_job;
using testing_support::small_dataset;
using testing_support::small_job;
using testing_support::small_model;

struct Case {
  std::string transport;
  int workers;
  int shards;
};

std::string name_of(const testing::TestParamInfo<Case>& info) {
  return info.param.transport + "_workers" + std::to_string(info.param.workers) + "_shards" +
         std::to_string(info.param.shards);
}

std::unique_ptr<wire::Transport> make_transport(const std::string& name) {
  if (name == "grpc") return std::make_unique<transport::GrpcTransport>();
  return std::make_unique<transport::InprocTransport>();
}

void set_addresses(const std::string& transport, LocalJobOptions& options) {
  if (transport != "grpc") return;  // inproc: names of their own choosing
  options.driver_address = "127.0.0.1:0";
  options.server_address = "127.0.0.1:0";
}

// Before there are threads; and of the log, only what is wrong.
class QuietLog : public testing::Environment {
 public:
  void SetUp() override {
    log::set_role("cluster");
    log::set_level("error");
  }
};
const auto* const kQuietLog = testing::AddGlobalTestEnvironment(new QuietLog);

class ClusterTest : public testing::TestWithParam<Case> {
 protected:
  LocalJobResult run(LocalJobOptions options, const Model& model, const Dataset& dataset) {
    set_addresses(GetParam().transport, options);
    driver::JobObserver observer;
    return run_local_job(*transport_, options, model, dataset, observer);
  }

  std::unique_ptr<wire::Transport> transport_ = make_transport(GetParam().transport);
};

// sum over partitions of ceil(steps / window), steps = epochs * ceil(records / batch)
int64_t expected_updates(int64_t records, const LocalJobOptions& options) {
  const int64_t window = options.training.trainer.options.whole("window");
  int64_t updates = 0;
  const int64_t partitions = options.training.partitions;
  for (int64_t p = 0; p < partitions; ++p) {
    const int64_t size = records / partitions + (p < records % partitions ? 1 : 0);
    const int64_t batch = options.training.batch_size;
    const int64_t steps = options.training.epochs * ((size + batch - 1) / batch);
    updates += (steps + window - 1) / window;
  }
  return updates;
}

TEST_P(ClusterTest, CountsEverySampleAndEveryUpdateAndLearns) {
  const Sequential model = small_model();
  const Dataset dataset = small_dataset(301);
  auto options = small_job(model, dataset, GetParam().workers, GetParam().shards);
  options.training.epochs = 4;
  const LocalJobResult result = run(options, model, dataset);
  ASSERT_TRUE(result.job.ok()) << result.job.status();
  EXPECT_EQ(result.job->samples_trained, 4 * 301);
  EXPECT_EQ(result.job->server_updates, expected_updates(301, options));
  ASSERT_EQ(result.job->epochs.size(), 4u);
  for (const auto& epoch : result.job->epochs) EXPECT_EQ(epoch.samples, 301);
  const auto& last = result.job->epochs.back();
  EXPECT_GT(last.counters.at(0) / 301, 0.8);
  for (const Status& status : result.workers) EXPECT_TRUE(status.ok()) << status;
  for (const Status& status : result.servers) EXPECT_TRUE(status.ok()) << status;
  int64_t samples = 0;
  for (const auto& worker : result.job->workers) samples += worker.samples;
  EXPECT_EQ(samples, 4 * 301);
}

// One input, and two outputs: a class and two numbers.
Model two_outputs() {
  const Input x({6}, {.name = "x"});
  const SymbolicTensor hidden = Dense({.units = 16, .activation = "relu"})(x);
  return Model({x}, {Dense({.units = 3, .activation = "softmax", .name = "kind"})(hidden),
                     Dense({.units = 2, .name = "place"})(hidden)});
}
Dataset two_targets(size_t n) {
  std::vector<float> x, kind, place;
  for (size_t i = 0; i < n; ++i) {
    for (size_t f = 0; f < 6; ++f)
      x.push_back(f % 3 == i % 3 ? 1.0f : 0.01f * static_cast<float>(i));
    kind.push_back(static_cast<float>(i % 3));
    place.insert(place.end(), {x.back(), x.front()});
  }
  return Dataset::from_arrays({{x, {6}}}, {{kind, {}}, {place, {2}}});
}

// Records of weight 0 teach nothing, whoever has them; they are counted like all others.
TEST_P(ClusterTest, RecordsOfWeightZeroHaveNoEffect) {
  const Sequential model = small_model();
  const Dataset right = small_dataset(300);
  std::vector<float> x, weights;
  std::vector<int32_t> labels;
  for (uint32_t i = 0; i < 300; ++i) {  // every second one says the wrong class
    const std::vector<uint32_t> index = {i};
    x.resize(x.size() + 6);
    right.records()->gather(index, std::span(x).last(6));
    labels.push_back((right.records()->labels()[i] + static_cast<int>(i % 2)) % 3);
    weights.push_back(i % 2 == 0 ? 1 : 0);
  }
  const Dataset dataset = Dataset::from_arrays(x, labels, {6}, 3).with_sample_weights(weights);
  auto options = small_job(model, dataset, GetParam().workers, GetParam().shards);
  options.training.epochs = 20;
  const LocalJobResult result = run(options, model, dataset);
  ASSERT_TRUE(result.job.ok()) << result.job.status();
  EXPECT_EQ(result.job->samples_trained, 20 * 300);
  for (const auto& epoch : result.job->epochs) EXPECT_EQ(epoch.samples, 300);
  const auto& last = result.job->epochs.back();
  EXPECT_GT(last.counters.at(0), 140) << "of the right ones all, of the wrong ones none";
  EXPECT_LT(last.counters.at(0), 160);
  EXPECT_LT(last.loss_sum / 300, 0.1);
}

// Counters are whole numbers: what is counted once per sample comes to the samples, exactly.
TEST_P(ClusterTest, EveryCounterOfEveryOutputCountsEverySampleOnce) {
  const Model model = two_outputs();
  const Dataset dataset = two_targets(101);
  auto options = small_job(model, dataset, GetParam().workers, GetParam().shards);
  options.training.losses = {"sparse_categorical_crossentropy", "mse"};
  options.training.loss_weights = {1, 0.5f};
  options.training.metrics = {
      {"accuracy", "confusion_matrix", "auc(num_thresholds=10)", "f1_score"}, {"mae", "r2_score"}};
  options.training.epochs = 3;
  const LocalJobResult result = run(options, model, dataset);
  ASSERT_TRUE(result.job.ok()) << result.job.status();
  ASSERT_EQ(result.job->epochs.size(), 3u);
  for (const auto& epoch : result.job->epochs) {
    ASSERT_EQ(epoch.counters.size(), 1 + 1 + 9 + 20 + 9 + 1 + 1 + 6u);
    const std::span<const double> counters = epoch.counters;
    EXPECT_NEAR(epoch.loss_sum, counters[0] + 0.5 * counters[40], 1e-6 * epoch.loss_sum);
    const auto matrix = counters.subspan(2, 9);
    for (size_t c = 0; c < 3; ++c) {  // 34, 34 and 33 records
      EXPECT_EQ(matrix[3 * c] + matrix[3 * c + 1] + matrix[3 * c + 2], c < 2 ? 34 : 33);
    }
    EXPECT_EQ(matrix[0] + matrix[4] + matrix[8], counters[1]);
    const auto auc = counters.subspan(11, 20);
    EXPECT_EQ(std::accumulate(auc.begin(), auc.begin() + 10, 0.0), 2 * 101);
    EXPECT_EQ(std::accumulate(auc.begin() + 10, auc.end(), 0.0), 101);
    const auto by_class = counters.subspan(31, 9);  // found, taken for it, missed
    for (size_t c = 0; c < 3; ++c) EXPECT_EQ(by_class[c] + by_class[6 + c], c < 2 ? 34 : 33);
    EXPECT_GT(counters[41], 0);
    EXPECT_GT(counters[44], 0);
  }
}

TEST_P(ClusterTest, OverlapCountsTheSame) {
  const Sequential model = small_model();
  const Dataset dataset = small_dataset(200);
  auto options = small_job(model, dataset, GetParam().workers, GetParam().shards);
  options.training.trainer.set("overlap", true);
  const LocalJobResult result = run(options, model, dataset);
  ASSERT_TRUE(result.job.ok()) << result.job.status();
  EXPECT_EQ(result.job->samples_trained, 400);
  EXPECT_EQ(result.job->server_updates, expected_updates(200, options));
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const char* transport : {"inproc", "grpc"}) {
    for (int workers : {1, 2, 3, 5}) {
      for (int shards : {1, 2, 4}) cases.push_back({transport, workers, shards});
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, ClusterTest, testing::ValuesIn(all_cases()), name_of);

// From memory: the driver sends records and targets.
class NumbersTest : public ClusterTest {};

TEST_P(NumbersTest, ArriveWithTheirRecords) {
  Sequential model;
  model.add(Input({1})).add(Dense({.units = 2, .use_bias = false}));
  std::vector<float> x, y;
  for (int i = 0; i < 60; ++i) {
    const float value = static_cast<float>(i % 12) / 12;
    x.push_back(value);
    y.insert(y.end(), {3 * value, -value});
  }
  const Dataset dataset = Dataset::from_arrays(x, y, {1});
  auto options = small_job(model, dataset, GetParam().workers, GetParam().shards);
  options.training.losses = {"mse"};
  options.training.optimizer = SGD({.learning_rate = 0.5f});
  options.training.epochs = 40;
  const LocalJobResult result = run(options, model, dataset);
  ASSERT_TRUE(result.job.ok()) << result.job.status();
  const auto weights = result.job->parameters.span();
  EXPECT_NEAR(weights[0], 3, 0.05);
  EXPECT_NEAR(weights[1], -1, 0.05);
}

INSTANTIATE_TEST_SUITE_P(All, NumbersTest,
                         testing::Values(Case{"inproc", 2, 1}, Case{"grpc", 2, 1}), name_of);

// One worker in lock-step, the optimizer at the server, is local training.
class LockStepTest : public ClusterTest {};

TEST_P(LockStepTest, OneWorkerEqualsLocalTrainingBitForBit) {
  const Dataset dataset = small_dataset(150);
  for (const OptimizerSpec& optimizer : every_setting()) {
    Sequential local = small_model();
    auto options = small_job(local, dataset, 1, GetParam().shards);
    options.training.trainer = "async_sgd";
    options.training.optimizer = optimizer;
    options.training.trainer.set("window", int64_t{1});
    options.training.seed = 5;
    const LocalJobResult result = run(options, local, dataset);
    ASSERT_TRUE(result.job.ok()) << result.job.status();

    const auto before = local.parameters().values();
    const std::vector<float> initial(before.begin(), before.end());
    local.fit(dataset, {.batch_size = 4,
                        .epochs = 2,
                        .optimizer = optimizer,
                        .seed = 5,
                        .threads = 1,
                        .verbose = 0});
    const auto expected = local.parameters().values();
    const auto actual = result.job->trained();
    ASSERT_EQ(actual.size(), expected.size());
    EXPECT_EQ(result.job->averages.size(), optimizer.use_ema ? expected.size() : 0);
    EXPECT_FALSE(std::equal(expected.begin(), expected.end(), initial.begin()));
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), actual.begin())) << optimizer.name;
    EXPECT_EQ(result.job->staleness_max, 0);
  }
}

// The optimizer at the worker, whose own averages would overwrite what the servers' have, and which
// leaves out of weight decay what fit() leaves out.
TEST_P(LockStepTest, AveragesAreThoseOfLocalTrainingWhereverTheOptimizerIs) {
  const Dataset dataset = small_dataset(150);
  for (const int64_t frequency : {0, 3}) {
    const OptimizerSpec optimizer = Adam({.weight_decay = 0.5f,
                                          .exclude_from_weight_decay = {"bias"},
                                          .use_ema = true,
                                          .ema_momentum = 0.9f,
                                          .ema_overwrite_frequency = frequency});
    Sequential local = small_model();
    local.fit(dataset, {.batch_size = 4,
                        .epochs = 2,
                        .optimizer = optimizer,
                        .seed = 5,
                        .threads = 1,
                        .verbose = 0});
    const auto expected = local.parameters().values();
    for (const char* trainer : {"adag", "downpour"}) {
      SCOPED_TRACE(trainer);
      const Sequential model = small_model();
      auto options = small_job(model, dataset, 1, GetParam().shards);
      options.training.trainer = trainer;
      options.training.optimizer = optimizer;
      options.training.trainer.set("window", int64_t{1});
      options.training.seed = 5;
      const LocalJobResult result = run(options, model, dataset);
      ASSERT_TRUE(result.job.ok()) << result.job.status();
      ASSERT_EQ(result.job->averages.size(), expected.size());
      EXPECT_THAT(result.job->averages.span(),
                  testing::Pointwise(testing::FloatNear(1e-5f), expected));
    }
  }
}

// Beside the records' weights, and the product of both where classes have some.
TEST_P(LockStepTest, WeightsOfRecordsAndClassesCountAsInLocalTraining) {
  std::vector<float> weights;
  for (size_t i = 0; i < 151; ++i) weights.push_back(0.25f * static_cast<float>(i % 7));
  const auto expect_equal = [&](Model model, const Dataset& dataset, LocalJobOptions options,
                                FitOptions fit) {
    options.training.trainer = "async_sgd";
    options.training.trainer.set("window", int64_t{1});
    options.training.seed = fit.seed = 5;
    fit.batch_size = 4;
    fit.epochs = 2;
    fit.optimizer = options.training.optimizer;
    fit.threads = 1;
    fit.verbose = 0;
    const LocalJobResult result = run(options, model, dataset);
    ASSERT_TRUE(result.job.ok()) << result.job.status();
    const auto history = model.fit(dataset, fit);
    const auto expected = model.parameters().values();
    const auto actual = result.job->parameters.span();
    ASSERT_EQ(actual.size(), expected.size());
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), actual.begin()));
    EXPECT_FLOAT_EQ(result.job->epochs[1].loss_sum / 151, history[1].train.loss);
  };
  const Dataset classes = small_dataset(151).with_sample_weights(weights);
  auto options = small_job(small_model(), classes, 1, GetParam().shards);
  expect_equal(small_model(), classes, options, {});
  options.training.class_weight = {1, 2.5f, 0.5f};
  expect_equal(small_model(), classes, options, {.class_weight = {{1, 2.5f}, {2, 0.5f}}});

  const Model model = two_outputs();
  const Dataset numbers = two_targets(151).with_sample_weights(weights);
  options = small_job(model, numbers, 1, GetParam().shards);
  options.training.losses = {"sparse_categorical_crossentropy", "mse"};
  options.training.loss_weights = {1, 0.5f};
  options.training.metrics = {{}, {}};
  expect_equal(model, numbers, options,
               {.losses = {{"kind", "sparse_categorical_crossentropy"}, {"place", "mse"}},
                .loss_weights = {{"place", 0.5}}});
}

// Mean and variance as settings, as found by adapt(), and as weights that nobody trains.
TEST_P(LockStepTest, ANormalizationIsWhatItIsInLocalTraining) {
  const Dataset dataset = small_dataset(150);
  Normalization adapted;
  adapted.adapt(std::vector<float>{0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0, 9}, 6);
  const Normalization given({.axis = {}, .mean = 0.5, .variance = 4.0});
  for (const Normalization& normalization : {adapted, given, Normalization()}) {
    Sequential model;
    model.add(Input({6}))
        .add(normalization)
        .add(Dense({.units = 16, .activation = "relu"}))
        .add(Dense({.units = 3, .activation = "softmax"}));
    model.initialize(1);
    const std::string name = normalization.mean().values.empty() ? "normalization/" : "";
    if (!name.empty()) {
      model.set_weights(name + "mean", std::vector<float>{0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f});
      model.set_weights(name + "variance", std::vector<float>{1, 2, 3, 4, 5, 6});
    }
    auto options = small_job(model, dataset, 1, GetParam().shards);
    options.training.trainer = "async_sgd";
    // What decays all weights must not decay these.
    options.training.optimizer = AdamW({.learning_rate = 0.01f, .weight_decay = 0.1f});
    options.training.trainer.set("window", int64_t{1});
    options.training.seed = 5;
    const LocalJobResult result = run(options, model, dataset);
    ASSERT_TRUE(result.job.ok()) << result.job.status();
    model.fit(dataset, {.batch_size = 4,
                        .epochs = 2,
                        .optimizer = options.training.optimizer,
                        .seed = 5,
                        .threads = 1,
                        .verbose = 0});
    const auto expected = model.parameters().values();
    const auto actual = result.job->parameters.span();
    ASSERT_EQ(actual.size(), expected.size());
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), actual.begin()));
    if (name.empty()) continue;
    EXPECT_THAT(model.get_weights(name + "variance"), testing::ElementsAre(1, 2, 3, 4, 5, 6));
    options = small_job(model, dataset, 3, GetParam().shards);
    const LocalJobResult three = run(options, model, dataset);
    ASSERT_TRUE(three.job.ok()) << three.job.status();
    const auto trained = three.job->parameters.span();
    EXPECT_TRUE(std::equal(expected.begin(), expected.begin() + 12, trained.begin()))
        << "mean and variance, which come first";
  }
}

INSTANTIATE_TEST_SUITE_P(All, LockStepTest,
                         testing::Values(Case{"inproc", 1, 1}, Case{"inproc", 1, 4},
                                         Case{"grpc", 1, 1}, Case{"grpc", 1, 4}),
                         name_of);

// A second algorithm's counts: Dist-Keras' DOWNPOUR exchanges before every W-th step, so that
// pushes come after W - 1, 2 W - 1, ... steps, and once more for the rest.
TEST(ClusterDownpourTest, PushesOneStepBeforeTheWindowIsFull) {
  const Sequential model = small_model();
  const Dataset dataset = small_dataset(48);
  auto options = small_job(model, dataset, 1, 1);
  options.training.trainer = "downpour";
  options.training.optimizer = "sgd";
  options.training.trainer.set("window",
                               int64_t{4});  // 24 steps: after 3, 7, 11, 15, 19, 23 and the last
  transport::InprocTransport transport;
  driver::JobObserver observer;
  const auto result = run_local_job(transport, options, model, dataset, observer);
  ASSERT_TRUE(result.job.ok()) << result.job.status();
  EXPECT_EQ(result.job->server_updates, 7);
  EXPECT_EQ(result.job->samples_trained, 96);
}

// --- State of layers ---

// Every record is the same, so that each batch has the same mean, 2, and the variance 0.
Dataset constant_dataset(int64_t n) {
  const std::vector<float> x(static_cast<size_t>(n), 2.0f);
  return Dataset::from_arrays(x, std::vector<int32_t>(static_cast<size_t>(n), 1), {1}, 2);
}

Sequential normalizing_model(double momentum) {
  Sequential model;
  model.add(Input({1}))
      .add(BatchNormalization({.momentum = momentum}))
      .add(Dense({.units = 2, .activation = "softmax"}));
  model.initialize(1);
  return model;
}

constexpr size_t kMovingMean = 2, kMovingVariance = 3;  // behind gamma and beta

// Partitions of a job of three workers, all trained by one that came: one push follows the other,
// and each of s steps brings the moving mean (1 - momentum^s) / 3 of its way to the batches'.
// Of the workers that train, that is: one, though the job is for three.
TEST(ClusterStateTest, APushMovesStateByItsShareOfTheWorkers) {
  for (const char* trainer : {"adag", "downpour", "async_sgd"}) {
    SCOPED_TRACE(trainer);
    const Sequential model = normalizing_model(0.8);
    const Dataset dataset = constant_dataset(60);
    auto options = small_job(model, dataset, 3, 1);
    options.workers = 1;
    options.training.trainer = trainer;
    options.training.trainer.set("window", int64_t{4});
    options.training.epochs = 1;
    transport::InprocTransport transport;
    driver::JobObserver observer;
    const auto result = run_local_job(transport, options, model, dataset, observer);
    ASSERT_TRUE(result.job.ok()) << result.job.status();
    // Five batches of four records in each partition.
    const bool exchanges_before = std::string(trainer) == "downpour";
    const int windows[] = {exchanges_before ? 3 : 4, exchanges_before ? 2 : 1};
    double mean = 0, variance = 1;
    for (int partition = 0; partition < 3; ++partition) {
      for (const int steps : windows) {
        const double share = 1 - std::pow(0.8, steps);
        mean += share * (2 - mean);
        variance += share * (0 - variance);
      }
    }
    const auto parameters = result.job->parameters.span();
    EXPECT_NEAR(parameters[kMovingMean], mean, 1e-6);
    EXPECT_NEAR(parameters[kMovingVariance], variance, 1e-6);
  }
}

// At once, in whatever order: 450 pushes leave (1 - 1 / 3)^150 of the way at most. If each brought
// its whole change, three at once would overshoot three times over.
TEST(ClusterStateTest, WorkersAtTheSameTimeDoNotMoveStateTooFar) {
  for (const char* trainer : {"adag", "async_sgd"}) {
    SCOPED_TRACE(trainer);
    const Sequential model = normalizing_model(0);
    const Dataset dataset = constant_dataset(600);
    auto options = small_job(model, dataset, 3, 1);
    options.training.trainer = trainer;
    options.training.trainer.set("window", int64_t{1});
    options.training.epochs = 3;
    transport::InprocTransport transport;
    driver::JobObserver observer;
    const auto result = run_local_job(transport, options, model, dataset, observer);
    ASSERT_TRUE(result.job.ok()) << result.job.status();
    EXPECT_EQ(result.job->server_updates, 450);
    const auto parameters = result.job->parameters.span();
    EXPECT_NEAR(parameters[kMovingMean], 2, 1e-5);
    EXPECT_NEAR(parameters[kMovingVariance], 0, 1e-5);
  }
}

// In Keras neither: use_ema is of what the optimizer steps.
TEST(ClusterStateTest, StateIsNotAveraged) {
  const Sequential model = normalizing_model(0.8);
  const Dataset dataset = constant_dataset(60);
  auto options = small_job(model, dataset, 3, 1);
  options.training.optimizer = Adam({.learning_rate = 0.1, .use_ema = true, .ema_momentum = 0.5f});
  transport::InprocTransport transport;
  driver::JobObserver observer;
  const auto result = run_local_job(transport, options, model, dataset, observer);
  ASSERT_TRUE(result.job.ok()) << result.job.status();
  const auto values = result.job->parameters.span(), averages = result.job->averages.span();
  ASSERT_EQ(averages.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    // Gamma has no gradient where every record is the mean.
    const bool moves = i != 0 && i != kMovingMean && i != kMovingVariance;
    EXPECT_EQ(values[i] != averages[i], moves) << i;
  }
}

TEST(ClusterServersTest, ShardsAreSpreadOverSeveralServers) {
  const Sequential model = small_model();
  const Dataset dataset = small_dataset(120);
  auto options = small_job(model, dataset, 2, 4);
  options.servers = 2;
  transport::InprocTransport transport;
  driver::JobObserver observer;
  const auto result = run_local_job(transport, options, model, dataset, observer);
  ASSERT_TRUE(result.job.ok()) << result.job.status();
  ASSERT_EQ(result.job->servers.size(), 2u);
  EXPECT_EQ(result.job->servers[0].shards, 2);
  EXPECT_EQ(result.job->servers[1].shards, 2);
  EXPECT_EQ(result.job->server_updates, expected_updates(120, options));
}

// One worker that trains three models one after the other leaves what three do who train one each:
// nothing of one goes into another, the optimizer's slots neither. And the first of them, alone, is
// what fit() makes of it.
TEST(ClusterEnsembleTest, EachModelIsTrainedByItselfWhoeverTrainsIt) {
  const Sequential one = small_model();
  const Dataset dataset = small_dataset(150);
  const Model combined = train::combine(one, 3, /*seed=*/9);
  const auto trained_by = [&](const char* kind, int workers, int shards, const Model& model,
                              int64_t partitions) {
    auto options = small_job(one, dataset, workers, shards);
    set_addresses(kind, options);
    options.training.trainer = "ensemble";
    options.training.trainer.set("window", int64_t{3});
    options.training.partitions = partitions;
    options.training.seed = 5;
    options.servers = shards > 1 ? 2 : 1;
    const auto transport = make_transport(kind);
    driver::JobObserver observer;
    const auto result = run_local_job(*transport, options, model, dataset, observer);
    EXPECT_TRUE(result.job.ok()) << result.job.status();
    EXPECT_EQ(result.job->server_updates, expected_updates(150, options));
    EXPECT_EQ(result.job->samples_trained, 300);
    const auto parameters = result.job->parameters.span();
    return std::vector<float>(parameters.begin(), parameters.end());
  };
  const auto all = trained_by("inproc", 3, 3, combined, 3);
  EXPECT_EQ(all, trained_by("inproc", 1, 6, combined, 3));
  EXPECT_EQ(all, trained_by("grpc", 2, 3, combined, 3));

  Sequential local = small_model();
  local.fit(dataset, {.batch_size = 4,
                      .epochs = 2,
                      .optimizer = Adam({.learning_rate = 0.01f}),
                      .seed = 5,
                      .threads = 1,
                      .verbose = 0});
  const auto expected = local.parameters().values();
  EXPECT_EQ(trained_by("inproc", 1, 1, train::combine(one, 1, 9), 1),
            std::vector<float>(expected.begin(), expected.end()));
}

}  // namespace
}  // namespace sluice
