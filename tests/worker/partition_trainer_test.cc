// One partition against a real parameter server in this process, which remembers what it was
// pushed.
#include "worker/partition_trainer.h"

#include <gmock/gmock.h>

#include <cstring>

#include "server/parameter_server.h"
#include "sluice/dataset.h"
#include "sluice/layers.h"
#include "sluice/model.h"
#include "transport/inproc/inproc_transport.h"

namespace sluice::worker {
namespace {

using testing::ElementsAre;

constexpr uint64_t kJob = 42;

class RecordingServer final : public wire::ParameterService {
 public:
  Status create(const wire::CreateRequest& request) override { return server_.create(request); }
  Status assign(const wire::AssignRequest& request, const wire::PayloadView& values) override {
    return server_.assign(request, values);
  }
  Result<wire::ExchangeReply> exchange(const wire::PushHeader& header,
                                       const wire::PayloadView& update) override {
    auto reply = server_.exchange(header, update);
    if (!reply.ok()) return reply;
    headers.push_back(header);
    const std::span<const std::byte> bytes = update.pieces.front();  // inproc: one piece
    updates.emplace_back(bytes.size() / sizeof(float));
    std::memcpy(updates.back().data(), bytes.data(), bytes.size());
    return reply;
  }
  Result<wire::PushReply> push(const wire::PushHeader& header,
                               const wire::PayloadView& update) override {
    return server_.push(header, update);
  }
  Result<wire::PullReply> pull(uint64_t job, int shard) override {
    return server_.pull(job, shard);
  }
  Result<wire::FenceReply> fence(const wire::FenceRequest& request) override {
    return server_.fence(request);
  }
  Result<wire::LedgerReply> ledger(uint64_t job) override { return server_.ledger(job); }
  Status shutdown(const std::string& reason) override { return server_.shutdown(reason); }

  std::vector<wire::PushHeader> headers;  // of exchanges that were applied
  std::vector<std::vector<float>> updates;

 private:
  server::ParameterServer server_;
};

wire::TrainingSpec spec_of(const Sequential& model, const std::string& trainer, int window) {
  wire::TrainingSpec spec;
  spec.model = model.to_json();
  spec.trainer = trainer;
  spec.window = window;
  spec.optimizer = SGD({.learning_rate = 0.25f});
  spec.seed = 7;
  return spec;
}

// A job of one server, one shard and one partition.
class Job {
 public:
  Job(const Dataset& dataset, const wire::TrainingSpec& training, std::vector<float> parameters)
      : spec_(training), data_(dataset.records(), order(dataset.size())) {
    const auto map = wire::ShardMap::even(parameters.size(), 1, 1);
    listener_ = *transport_.listen("server", &server, 1);
    EXPECT_TRUE(
        server.create({kJob, map, 0, update_rule_for(spec_.trainer, spec_.optimizer)}).ok());
    EXPECT_TRUE(server.assign({kJob, 0}, {{std::as_bytes(std::span(parameters))}}).ok());
    client_ = std::make_unique<wire::ParameterClient>(
        transport_, kJob, map, std::vector<std::string>{"server"}, wire::ParameterClientOptions{},
        [] { return false; }, [](const std::string&) {});
  }

  PartitionTrainer trainer(int worker = 0) {
    return {spec_, **backend::open_backend({.name = "cpu"}), worker};
  }

  // As a lease of `incarnation` that owes the pushes from `sequence` on; `steps` before it is told
  // to stop.
  Status train(PartitionTrainer& trainer, int64_t incarnation, int64_t sequence,
               int64_t steps = 1000) {
    EXPECT_TRUE(server.fence({kJob, 0, incarnation}).ok());
    int64_t trained = 0;
    const TrainerHooks hooks{.should_stop = [&] { return trained == steps; },
                             .on_step =
                                 [&](int64_t step) {
                                   ++trained;
                                   if (on_step) on_step(step);
                                 }};
    return trainer.train({0, incarnation, sequence, data_.size()}, data_, *client_, hooks);
  }

  // Somebody else's push, of another partition.
  void push(float value) {
    wire::PushHeader header;
    header.job = kJob;
    header.id = {1, 1, ++others_};
    EXPECT_TRUE(server.push(header, {{std::as_bytes(std::span(&value, 1))}}).ok());
  }

  std::vector<float> centre() {
    const auto reply = server.pull(kJob, 0);
    EXPECT_TRUE(reply.ok());
    return {reply->values.values.begin(), reply->values.values.end()};
  }

  RecordingServer server;
  std::function<void(int64_t step)> on_step;

 private:
  static std::vector<uint32_t> order(int64_t records) {
    std::vector<uint32_t> indices(static_cast<size_t>(records));
    for (size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<uint32_t>(i);
    return indices;
  }

  const wire::TrainingSpec spec_;
  transport::InprocTransport transport_;
  std::unique_ptr<wire::Listener> listener_;
  const PartitionData data_;
  int64_t others_ = 0;
  std::unique_ptr<wire::ParameterClient> client_;
};

// --- Ten records in batches of four: three steps in each of two epochs, windows of four. ---

Dataset ten_records() {
  std::vector<float> x;
  std::vector<int32_t> labels;
  for (int i = 0; i < 10; ++i) {
    x.insert(x.end(), {static_cast<float>(i % 3), static_cast<float>(i % 7) - 3});
    labels.push_back(i % 2);
  }
  return Dataset::from_arrays(x, labels, {2}, 2);
}

Job ten_record_job(const std::string& trainer, bool overlap = false) {
  Sequential model;
  model.add(Input({2})).add(Dense({.units = 2, .activation = "softmax"}));
  wire::TrainingSpec spec = spec_of(model, trainer, 4);
  spec.batch_size = 4;
  spec.epochs = 2;
  spec.overlap = overlap;
  return {ten_records(), spec, {0.5f, -0.5f, 0.25f, 1, 0, 0.125f}};
}

std::vector<std::pair<int, int64_t>> samples_of(const wire::PushHeader& header) {
  std::vector<std::pair<int, int64_t>> samples;
  for (const auto& metrics : header.metrics) samples.emplace_back(metrics.epoch, metrics.samples);
  return samples;
}

TEST(PartitionTrainerTest, EverySampleIsPushedOnceInItsEpoch) {
  for (const bool overlap : {false, true}) {
    Job job = ten_record_job("adag", overlap);
    std::vector<int64_t> steps;
    job.on_step = [&](int64_t step) { steps.push_back(step); };
    PartitionTrainer trainer = job.trainer(3);
    const Status status = job.train(trainer, 2, 1);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(trainer.last_sequence(), 2);
    EXPECT_THAT(steps, ElementsAre(1, 2, 3, 4, 5, 6));
    const auto& headers = job.server.headers;
    ASSERT_EQ(headers.size(), 2u);
    EXPECT_EQ(headers[0].id, (wire::PushIdentity{0, 2, 1}));
    EXPECT_EQ(headers[1].id, (wire::PushIdentity{0, 2, 2}));
    EXPECT_EQ(headers[1].worker, 3);
    EXPECT_EQ(headers[0].steps, 4);
    EXPECT_EQ(headers[1].steps, 2);
    EXPECT_THAT(samples_of(headers[0]), ElementsAre(std::pair(0, 10), std::pair(1, 4)));
    EXPECT_THAT(samples_of(headers[1]), ElementsAre(std::pair(1, 6)));
  }
}

std::vector<float> centre_after_whole_training() {
  Job job = ten_record_job("async_sgd");
  PartitionTrainer trainer = job.trainer();
  EXPECT_TRUE(job.train(trainer, 1, 1).ok());
  return job.centre();
}

TEST(PartitionTrainerTest, ASuccessorGoesOnWithTheSameBatches) {
  Job job = ten_record_job("async_sgd");
  PartitionTrainer first = job.trainer(0), successor = job.trainer(1);
  EXPECT_EQ(job.train(first, 1, 1, 4).code(), StatusCode::kCancelled);
  EXPECT_EQ(first.last_sequence(), 1);
  ASSERT_TRUE(job.train(successor, 2, 2).ok());
  EXPECT_EQ(successor.last_sequence(), 2);
  EXPECT_EQ(job.centre(), centre_after_whole_training());
}

TEST(PartitionTrainerTest, NothingOfAWindowThatWasCutShortGoesIntoTheNext) {
  Job job = ten_record_job("async_sgd");
  PartitionTrainer trainer = job.trainer();
  EXPECT_EQ(job.train(trainer, 1, 1, 3).code(), StatusCode::kCancelled);
  EXPECT_EQ(trainer.last_sequence(), 0);
  EXPECT_TRUE(job.server.headers.empty());
  ASSERT_TRUE(job.train(trainer, 2, 1).ok());
  EXPECT_EQ(job.centre(), centre_after_whole_training());
}

TEST(PartitionTrainerTest, AFinishedPartitionIsNotTrainedAgain) {
  Job job = ten_record_job("adag");
  PartitionTrainer trainer = job.trainer();
  ASSERT_TRUE(job.train(trainer, 1, 3).ok());
  EXPECT_EQ(trainer.last_sequence(), 2);
  EXPECT_TRUE(job.server.headers.empty());
}

TEST(PartitionTrainerTest, ALostLeaseEndsItWithTheLastPushThatCounted) {
  Job job = ten_record_job("adag");
  PartitionTrainer trainer = job.trainer();
  job.on_step = [&](int64_t step) {
    if (step == 5) (void)job.server.fence({kJob, 0, 2});  // somebody else has it now
  };
  EXPECT_EQ(job.train(trainer, 1, 1).code(), StatusCode::kAborted);
  EXPECT_EQ(trainer.last_sequence(), 1);
}

// --- y = w x at x = 1 towards 0: loss w^2, and a step at learning rate 1/4 halves w. ---

Job halving_job(bool overlap) {
  Sequential model;
  model.add(Input({1})).add(Dense({.units = 1, .use_bias = false}));
  wire::TrainingSpec spec = spec_of(model, "adag", 1);
  spec.loss = "mse";
  spec.batch_size = 1;
  spec.epochs = 1;
  spec.overlap = overlap;
  const Dataset data =
      Dataset::from_arrays(std::vector<float>(3, 1), std::vector<int32_t>(3, 0), {1}, 1);
  return {data, spec, {8}};
}

std::vector<float> flat(const std::vector<std::vector<float>>& updates) {
  std::vector<float> all;
  for (const auto& update : updates) all.insert(all.end(), update.begin(), update.end());
  return all;
}

TEST(PartitionTrainerTest, InLockStepEachWindowStartsFromTheNewCentre) {
  Job job = halving_job(false);
  job.on_step = [&](int64_t step) {
    if (step == 1) job.push(16);
  };
  PartitionTrainer trainer = job.trainer();
  ASSERT_TRUE(job.train(trainer, 1, 1).ok());
  // 8 -> 4; the centre is 8 + 16 - 4 = 20 -> 10; then 10 -> 5.
  EXPECT_THAT(flat(job.server.updates), ElementsAre(-4, -10, -5));
  EXPECT_THAT(job.centre(), ElementsAre(5));
}

TEST(PartitionTrainerTest, WithOverlapTheCentreComesOneWindowLater) {
  Job job = halving_job(true);
  job.on_step = [&](int64_t step) {
    if (step == 1) job.push(16);
  };
  PartitionTrainer trainer = job.trainer();
  ASSERT_TRUE(job.train(trainer, 1, 1).ok());
  // 8 -> 4; on from 4 -> 2; then the centre of the first push, 20, and the own -2: 18 -> 9.
  EXPECT_THAT(flat(job.server.updates), ElementsAre(-4, -2, -9));
  EXPECT_THAT(job.centre(), ElementsAre(9));
}

TEST(PartitionTrainerTest, WithOverlapAPushCountsWhenItsAnswerWasAwaited) {
  Job job = halving_job(true);
  PartitionTrainer trainer = job.trainer();
  EXPECT_EQ(job.train(trainer, 1, 1, 2).code(), StatusCode::kCancelled);
  EXPECT_EQ(trainer.last_sequence(), 1);
  ASSERT_TRUE(job.train(trainer, 2, 3).ok());
  EXPECT_EQ(trainer.last_sequence(), 3);
  EXPECT_THAT(job.centre(), ElementsAre(1));  // 8 halved three times: nothing lost, nothing twice
}

std::vector<int64_t> base_versions(bool overlap) {
  Job job = halving_job(overlap);
  PartitionTrainer trainer = job.trainer();
  EXPECT_TRUE(job.train(trainer, 1, 1).ok());
  std::vector<int64_t> versions;
  for (const auto& header : job.server.headers) versions.push_back(header.base_version);
  return versions;
}

// Push n makes version n; its staleness is n - 1 - base.
TEST(PartitionTrainerTest, APushNamesTheVersionThatItsWindowBeganFrom) {
  EXPECT_THAT(base_versions(false), ElementsAre(0, 1, 2));
  EXPECT_THAT(base_versions(true), ElementsAre(0, 0, 1)) << "the answer comes one window later";
}

// --- Dropout ---

std::vector<float> first_update(int worker, double rate) {
  Sequential model;
  model.add(Input({16})).add(Dropout(rate, {.seed = 3})).add(Dense({.units = 2}));
  wire::TrainingSpec spec = spec_of(model, "async_sgd", 1);
  spec.loss = "mse";
  spec.batch_size = 1;
  spec.epochs = 1;
  const Dataset data =
      Dataset::from_arrays(std::vector<float>(16, 1), std::vector<int32_t>{1}, {16}, 2);
  Job job(data, spec, std::vector<float>(34, 0.5f));
  PartitionTrainer trainer = job.trainer(worker);
  EXPECT_TRUE(job.train(trainer, 1, 1).ok());
  return job.server.updates.at(0);
}

TEST(PartitionTrainerTest, EveryWorkerDropsOtherUnitsAndAlwaysTheSame) {
  EXPECT_EQ(first_update(0, 0.5), first_update(0, 0.5));
  EXPECT_NE(first_update(0, 0.5), first_update(1, 0.5));
  EXPECT_EQ(first_update(0, 0), first_update(1, 0));
}

}  // namespace
}  // namespace sluice::worker
