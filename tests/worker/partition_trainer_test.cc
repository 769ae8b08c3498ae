// One partition against a real parameter server, which remembers what it was pushed, in a world of
// one thread.
#include "worker/partition_trainer.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "server/parameter_server.h"
#include "sluice/dataset.h"
#include "sluice/layers.h"
#include "sluice/model.h"
#include "tests/support/await.h"
#include "tests/support/manual_world.h"
#include "transport/inproc/inproc_transport.h"

namespace sluice::worker {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint64_t kJob = 42;

class RecordingServer final : public wire::ParameterService {
 public:
  explicit RecordingServer(core::World& world) : server_(world) { server_.serve_job(kJob); }

  void create(const wire::CreateRequest& request, core::Reply<Status> reply) override {
    server_.create(request, std::move(reply));
  }
  void assign(const wire::AssignRequest& request, wire::ReceivedPayload values,
              core::Reply<Status> reply) override {
    server_.assign(request, std::move(values), std::move(reply));
  }
  void exchange(const wire::PushHeader& header, wire::ReceivedPayload update,
                core::Reply<Result<wire::ExchangeReply>> reply) override {
    const std::span<const std::byte> bytes = update.pieces.front();  // inproc: one piece
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    arrived_clocks.push_back(header.clock);
    server_.exchange(header, std::move(update),
                     [this, header, values = std::move(values),
                      reply = std::move(reply)](Result<wire::ExchangeReply> answer) mutable {
                       if (answer.ok()) {
                         headers.push_back(header);
                         updates.push_back(std::move(values));
                       }
                       if (mute) return held.push_back(std::move(reply));
                       reply(std::move(answer));
                     });
  }
  void pull(const wire::PullRequest& request, core::Reply<Result<wire::PullReply>> reply) override {
    server_.pull(request, std::move(reply));
  }
  void fence(const wire::FenceRequest& request,
             core::Reply<Result<wire::FenceReply>> reply) override {
    server_.fence(request, std::move(reply));
  }
  void ledger(const wire::LedgerRequest& request,
              core::Reply<Result<wire::LedgerReply>> reply) override {
    server_.ledger(request, std::move(reply));
  }
  void ping(uint64_t job, core::Reply<Result<wire::PingReply>> reply) override {
    server_.ping(job, std::move(reply));
  }
  void set_gate(const wire::GateRequest& request, core::Reply<Status> reply) override {
    server_.set_gate(request, std::move(reply));
  }
  ~RecordingServer() override {
    for (auto& reply : held) reply(cancelled("the server is gone"));
  }

  std::vector<wire::PushHeader> headers;  // of exchanges that were applied
  std::vector<std::vector<float>> updates;
  std::vector<int64_t> arrived_clocks;  // of all exchanges
  bool mute = false;                    // applies, and does not answer
  std::vector<core::Reply<Result<wire::ExchangeReply>>> held;

 private:
  server::ParameterServer server_;
};

wire::TrainingSpec spec_of(const Sequential& model, const std::string& trainer, int window) {
  wire::TrainingSpec spec;
  spec.model = model.to_json();
  spec.trainer = trainer;
  spec.trainer.set("window", int64_t{window});
  spec.optimizer = SGD({.learning_rate = 0.25f});
  spec.seed = 7;
  return spec;
}

// A job of one server, one shard and two partitions, of which the second is somebody else's.
class Job {
 public:
  Job(const Dataset& dataset, const wire::TrainingSpec& training, std::vector<float> parameters)
      : spec_(training), data_(dataset.records(), order(dataset.size())) {
    const auto map = wire::ShardMap::even(parameters.size(), 1, 1);
    listener_ = *transport_.listen("server", &server, {});
    EXPECT_TRUE(await_status([&](auto reply) {
                  const auto rule = spec_.trainer.to_update_rule(spec_.optimizer);
                  server.create({kJob, map, 0, rule, {1000, 1000}}, std::move(reply));
                }).ok());
    EXPECT_TRUE(
        await_status([&](auto reply) {
          server.assign({kJob, 0}, {{std::as_bytes(std::span(parameters))}, {}}, std::move(reply));
        }).ok());
    client_ = std::make_unique<client::ParameterClient>(
        world, transport_, world.make_strand("network"), kJob, wire::Placement{0, map, {"server"}},
        client::ExchangeOptions{}, [](const std::string&) {});
  }

  PartitionTrainer trainer(int worker = 0, int64_t member = 0) {
    return {spec_, **backend::open_backend({.name = "cpu"}), worker, strand, member};
  }

  // As a lease of `incarnation` that owes the pushes from `sequence` on.
  void start(PartitionTrainer& trainer, int64_t incarnation, int64_t sequence) {
    fence(incarnation);
    ended.clear();
    trainer.train(
        {0, incarnation, sequence, data_.size(), last}, data_, *client_,
        [this](int64_t step) {
          if (on_step) on_step(step);
        },
        [this](Status status) { ended.push_back(std::move(status)); });
  }
  Status train(PartitionTrainer& trainer, int64_t incarnation, int64_t sequence) {
    start(trainer, incarnation, sequence);
    world.run();
    EXPECT_EQ(ended.size(), 1u);
    return ended.at(0);
  }
  // `do_it` is the strand's next task after so many steps of this training.
  void after_steps(int64_t steps, std::function<void()> do_it) {
    on_step = [this, steps, trained = int64_t{0}, do_it = std::move(do_it)](int64_t) mutable {
      if (++trained == steps) strand->post(do_it);
    };
  }

  void fence(int64_t incarnation, int64_t first = 1) {
    EXPECT_TRUE(await_result<wire::FenceReply>([&](auto reply) {
                  server.fence({kJob, 0, incarnation, first, 1000}, std::move(reply));
                }).ok());
  }
  // Somebody else's push, of another partition.
  void push(float value) {
    wire::PushHeader header;
    header.job = kJob;
    header.id = {1, 1, ++others_};
    EXPECT_TRUE(await_result<wire::ExchangeReply>([&](auto reply) {
                  others_values_ = {value};
                  server.exchange(header, {{std::as_bytes(std::span(others_values_))}, {}},
                                  std::move(reply));
                }).ok());
    server.headers.pop_back();
    server.updates.pop_back();
  }

  // The sequence of the partition's last push that the server has applied.
  int64_t last_applied() {
    const auto ledger = await_result<wire::LedgerReply>([&](auto answer) {
      server.ledger({kJob, true}, std::move(answer));
    });
    EXPECT_TRUE(ledger.ok());
    return ledger->partitions.front().pushes;
  }

  std::vector<float> centre() {
    const auto reply = await_result<wire::PullReply>([&](auto answer) {
      server.pull({kJob, {0, 1}}, std::move(answer));
    });
    EXPECT_TRUE(reply.ok());
    return {reply->values[0].values.begin(), reply->values[0].values.end()};
  }

  ManualWorld world;
  std::shared_ptr<core::Strand> strand = world.make_strand("training");
  RecordingServer server{world};
  int64_t last = 1000;  // of the leases
  std::function<void(int64_t step)> on_step;
  std::vector<Status> ended;

 private:
  static std::vector<uint32_t> order(int64_t records) {
    std::vector<uint32_t> indices(static_cast<size_t>(records));
    for (size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<uint32_t>(i);
    return indices;
  }

  const wire::TrainingSpec spec_;
  transport::InprocTransport transport_{{}, world};
  std::unique_ptr<wire::Listener> listener_;
  const PartitionData data_;
  int64_t others_ = 0;
  std::vector<float> others_values_;
  std::unique_ptr<client::ParameterClient> client_;
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

Job ten_record_job(const std::string& trainer, bool overlap = false, int epochs = 2,
                   const std::string& compress_push = "none", int window = 4) {
  Sequential model;
  model.add(Input({2})).add(Dense({.units = 2, .activation = "softmax"}));
  wire::TrainingSpec spec = spec_of(model, trainer, window);
  spec.batch_size = 4;
  spec.push_compression = *compression::Compression::parse(compress_push);
  spec.epochs = epochs;
  spec.trainer.set("overlap", overlap);
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
    EXPECT_EQ(job.last_applied(), 2);
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

std::vector<std::string> encodings_of(const Job& job) {
  std::vector<std::string> encodings;
  for (const auto& header : job.server.headers) encodings.push_back(header.encoding.to_string());
  return encodings;
}

TEST(PartitionTrainerTest, WhatEncodingHasKeptBackGoesWithTheLastPush) {
  for (const bool overlap : {false, true}) {
    Job job = ten_record_job("adag", overlap, /*epochs=*/2, "1bit", /*window=*/2);
    PartitionTrainer trainer = job.trainer();
    job.last = 1;  // of the first epoch: another lease follows
    ASSERT_TRUE(job.train(trainer, 1, 1).ok());
    job.last = 1000;
    ASSERT_TRUE(job.train(trainer, 2, 2).ok());
    EXPECT_THAT(encodings_of(job), ElementsAre("1bit", "1bit", "none"));
  }
}

TEST(PartitionTrainerTest, WhoMakesRoomKeepsNothingBack) {
  Job job = ten_record_job("adag", /*overlap=*/false, /*epochs=*/2, "1bit", /*window=*/2);
  PartitionTrainer trainer = job.trainer();
  job.after_steps(1, [&] { trainer.drain(); });
  EXPECT_EQ(job.train(trainer, 1, 1).code(), StatusCode::kCancelled);
  EXPECT_THAT(encodings_of(job), ElementsAre("none"));
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
  job.after_steps(3, [&] { first.drain(); });
  EXPECT_EQ(job.train(first, 1, 1).code(), StatusCode::kCancelled);
  EXPECT_EQ(job.last_applied(), 1);
  ASSERT_TRUE(job.train(successor, 2, 2).ok());
  EXPECT_EQ(job.last_applied(), 2);
  EXPECT_EQ(job.centre(), centre_after_whole_training());
}

TEST(PartitionTrainerTest, NothingOfAWindowThatWasCutShortGoesIntoTheNext) {
  Job job = ten_record_job("async_sgd");
  PartitionTrainer trainer = job.trainer();
  job.after_steps(3, [&] { trainer.cancel(); });
  EXPECT_EQ(job.train(trainer, 1, 1).code(), StatusCode::kCancelled);
  EXPECT_EQ(job.last_applied(), 0);
  EXPECT_TRUE(job.server.headers.empty());
  ASSERT_TRUE(job.train(trainer, 2, 1).ok());
  EXPECT_EQ(job.centre(), centre_after_whole_training());
}

TEST(PartitionTrainerTest, AFinishedPartitionIsNotTrainedAgain) {
  Job job = ten_record_job("adag");
  PartitionTrainer trainer = job.trainer();
  ASSERT_TRUE(job.train(trainer, 1, 3).ok());
  EXPECT_TRUE(job.server.headers.empty());
}

TEST(PartitionTrainerTest, ALostLeaseEndsItWithTheLastPushThatCounted) {
  Job job = ten_record_job("adag");
  PartitionTrainer trainer = job.trainer();
  job.on_step = [&](int64_t step) {
    if (step == 5) job.fence(2);  // somebody else has it now
  };
  EXPECT_EQ(job.train(trainer, 1, 1).code(), StatusCode::kAborted);
  EXPECT_EQ(job.last_applied(), 1);
}

// --- Leases of a part: windows of four in eight epochs, six pushes. ---

TEST(PartitionTrainerTest, ALeaseEndsWithItsLastPush) {
  for (const bool overlap : {false, true}) {
    Job job = ten_record_job("adag", overlap, 8);
    PartitionTrainer trainer = job.trainer();
    job.last = 2;
    ASSERT_TRUE(job.train(trainer, 1, 1).ok());
    EXPECT_EQ(job.last_applied(), 2);
    job.last = 6;
    ASSERT_TRUE(job.train(trainer, 2, 3).ok());
    EXPECT_EQ(job.last_applied(), 6);
    int64_t samples = 0;
    for (const auto& header : job.server.headers) {
      for (const auto& [epoch, count] : samples_of(header)) samples += count;
    }
    EXPECT_EQ(samples, 80);
  }
}

TEST(PartitionTrainerTest, ALeaseThatIsCutEndsBehindTheWindowThatItKeeps) {
  for (const bool overlap : {false, true}) {
    SCOPED_TRACE(overlap);
    Job job = ten_record_job("adag", overlap, 8);
    PartitionTrainer trainer = job.trainer();
    job.after_steps(6, [&] { trainer.cut(2); });
    EXPECT_TRUE(job.train(trainer, 1, 1).ok());
    EXPECT_EQ(job.last_applied(), 2);
    EXPECT_EQ(job.server.headers.size(), 2u);
  }
}

TEST(PartitionTrainerTest, WhatIsTrainedBehindALeasesNewEndIsDropped) {
  for (const bool overlap : {false, true}) {
    SCOPED_TRACE(overlap);
    Job job = ten_record_job("async_sgd", overlap, 8);
    PartitionTrainer trainer = job.trainer();
    job.after_steps(6, [&] {
      job.fence(2, 2);
      trainer.cut(1);
    });
    int64_t trained = 0;
    const auto count = std::exchange(job.on_step, nullptr);
    job.on_step = [&](int64_t step) {
      trained = step;
      count(step);
    };
    const Status status = job.train(trainer, 1, 1);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(job.last_applied(), 1);
    EXPECT_EQ(trained, 6) << "the window was not trained to its end";
    job.on_step = nullptr;
    ASSERT_TRUE(job.train(trainer, 3, 2).ok()) << "and nothing of it is left";
    EXPECT_EQ(job.last_applied(), 6);
  }
}

// The new holder's fence comes before the news.
TEST(PartitionTrainerTest, APushThatIsRefusedBehindALeasesEndIsNoLoss) {
  for (const bool overlap : {false, true}) {
    SCOPED_TRACE(overlap);
    Job job = ten_record_job("adag", overlap, 8);
    PartitionTrainer trainer = job.trainer();
    job.on_step = [&](int64_t step) {
      if (step == 8) {
        job.fence(2, 2);  // push 2 is about to leave
        trainer.cut(1);
      }
    };
    const Status status = job.train(trainer, 1, 1);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(job.last_applied(), 1);
  }
}

// --- y = w x at x = 1 towards 0: loss w^2, and a step at learning rate 1/4 halves w. ---

Job halving_job(bool overlap, const std::string& trainer = "adag", int workers = 1) {
  Sequential model;
  model.add(Input({1})).add(Dense({.units = 1, .use_bias = false}));
  wire::TrainingSpec spec = spec_of(model, trainer, 1);
  spec.losses = {"mse"};
  spec.batch_size = 1;
  spec.epochs = 1;
  spec.trainer.set("overlap", overlap);
  spec.workers = workers;
  const Dataset data =
      Dataset::from_arrays(std::vector<float>(3, 1), std::vector<float>(3, 0), {1});
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

TEST(PartitionTrainerTest, WithOverlapACancelledTrainingLosesNoPush) {
  Job job = halving_job(true);
  PartitionTrainer trainer = job.trainer();
  job.after_steps(2, [&] { trainer.cancel(); });
  EXPECT_EQ(job.train(trainer, 1, 1).code(), StatusCode::kCancelled);
  EXPECT_EQ(job.last_applied(), 2);
  ASSERT_TRUE(job.train(trainer, 2, 3).ok());
  EXPECT_EQ(job.last_applied(), 3);
  EXPECT_THAT(job.centre(), ElementsAre(1));  // 8 halved three times: nothing lost, nothing twice
}

// Of a push that some shards had from a worker before it died: the lease owes it to the others.
TEST(PartitionTrainerTest, APushThatWasAppliedIsRepeatedAndTrainingGoesOn) {
  for (const bool overlap : {false, true}) {
    SCOPED_TRACE(overlap);
    Job job = halving_job(overlap);
    PartitionTrainer trainer = job.trainer();
    job.after_steps(2, [&] { trainer.cancel(); });
    EXPECT_EQ(job.train(trainer, 1, 1).code(), StatusCode::kCancelled);
    const int64_t applied = job.last_applied();
    ASSERT_GT(applied, 0);
    const Status status = job.train(trainer, 2, applied);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(job.last_applied(), 3);
    EXPECT_EQ(job.server.headers.size(), 4u);
  }
}

// --- What people change meanwhile ---

TEST(PartitionTrainerTest, WhilePausedTheWindowIsPushedAndNoOtherBegins) {
  for (const bool overlap : {false, true}) {
    SCOPED_TRACE(overlap);
    Job job = halving_job(overlap);
    PartitionTrainer trainer = job.trainer();
    std::vector<bool> told;
    trainer.on_pause([&](bool paused) { told.push_back(paused); });
    job.after_steps(1, [&] { trainer.set_knobs({.revision = 1, .paused = true}); });
    job.start(trainer, 1, 1);
    job.world.advance(1h);
    EXPECT_TRUE(job.ended.empty());
    const int64_t pushed = job.last_applied();
    EXPECT_LT(pushed, 3);
    EXPECT_EQ(std::ssize(job.server.headers), pushed);
    EXPECT_THAT(told, ElementsAre(true));
    trainer.set_knobs({.revision = 2, .paused = false});
    job.world.run();
    ASSERT_EQ(job.ended.size(), 1u);
    EXPECT_TRUE(job.ended[0].ok()) << job.ended[0];
    EXPECT_THAT(told, ElementsAre(true, false));
    // As without a pause: 8 halved three times.
    EXPECT_THAT(flat(job.server.updates), ElementsAre(-4, -2, -1));
  }
}

TEST(PartitionTrainerTest, WhilePausedItCanBeDrainedAndCancelled) {
  for (const bool drain : {false, true}) {
    Job job = halving_job(true);
    PartitionTrainer trainer = job.trainer();
    trainer.set_knobs({.revision = 1, .paused = true});
    job.start(trainer, 1, 1);
    job.world.run();
    EXPECT_TRUE(job.ended.empty());
    drain ? trainer.drain() : trainer.cancel();
    job.world.run();
    ASSERT_EQ(job.ended.size(), 1u);
    EXPECT_EQ(job.ended[0].code(), StatusCode::kCancelled);
    EXPECT_EQ(job.server.headers.size(), 0u);
  }
}

TEST(PartitionTrainerTest, AnotherLearningRateIsInForceFromTheNextStepOn) {
  Job job = halving_job(false);
  PartitionTrainer trainer = job.trainer();
  job.after_steps(1, [&] { trainer.set_knobs({.revision = 1, .learning_rate = 0.5f}); });
  ASSERT_TRUE(job.train(trainer, 1, 1).ok());
  // w becomes w (1 - 2 rate): 8 -> 4, and then 0 at the rate of 1/2.
  EXPECT_THAT(flat(job.server.updates), ElementsAre(-4, -4, 0));
  EXPECT_EQ(job.server.headers.back().optimizer_rate, std::nullopt) << "only the worker steps";
}

// Of four workers: twice the rate at first, then 11/6 and 4/3 of it, of whatever is in force.
TEST(PartitionTrainerTest, OfManyWorkersTheRateIsLargerAndFalls) {
  Job job = halving_job(false, "adag", 4);
  PartitionTrainer trainer = job.trainer();
  trainer.set_knobs({.revision = 1, .learning_rate = 0.1875f});
  ASSERT_TRUE(job.train(trainer, 1, 1).ok());
  // 8 (1 - 3/4) = 2; 2 (1 - 11/16) = 5/8; 5/8 (1 - 1/2) = 5/16
  EXPECT_THAT(flat(job.server.updates), ElementsAre(-6, -1.375, -0.3125));
  ASSERT_EQ(job.server.headers.size(), 3u);
  EXPECT_FLOAT_EQ(job.server.headers[1].learning_rate, 0.34375);
}

TEST(PartitionTrainerTest, OfManyWorkersAServersOptimizerHasALargerRateThatFallsFromThePushes) {
  Job job = halving_job(false, "async_sgd", 4);
  PartitionTrainer trainer = job.trainer();
  ASSERT_TRUE(job.train(trainer, 1, 1).ok());
  ASSERT_EQ(job.server.headers.size(), 3u);
  EXPECT_DOUBLE_EQ(job.server.headers[0].rate_scale, 2);
  EXPECT_DOUBLE_EQ(job.server.headers[1].rate_scale, 2 - 1.5 / 9);
  EXPECT_DOUBLE_EQ(job.server.headers[2].rate_scale, 2 - 1.5 * 4 / 9);
}

TEST(PartitionTrainerTest, AServersOptimizerHasAnotherLearningRateFromThePush) {
  Job job = halving_job(false, "async_sgd");
  PartitionTrainer trainer = job.trainer();
  job.after_steps(1, [&] { trainer.set_knobs({.revision = 1, .learning_rate = 0.125f}); });
  ASSERT_TRUE(job.train(trainer, 1, 1).ok());
  ASSERT_EQ(job.server.headers.size(), 3u);
  EXPECT_EQ(job.server.headers.back().optimizer_rate, 0.125f);
  // The gradient is 2 w. w: 8 -> 4, or 6 where the first push has the new rate already; then w
  // becomes w (1 - 2/8).
  const float first = job.server.headers.front().optimizer_rate ? 6.0f : 4.0f;
  EXPECT_THAT(job.centre(), ElementsAre(first * 0.75f * 0.75f));
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
  // One worker alone is never stale: the push that was not answered yet is its own.
  EXPECT_THAT(base_versions(true), ElementsAre(0, 1, 2));
}

// --- With the optimizer at the servers: the gradient of w^2 is 2 w, and a step there halves w. ---

TEST(PartitionTrainerTest, GradientsInLockStep) {
  Job job = halving_job(false, "async_sgd");
  PartitionTrainer trainer = job.trainer();
  ASSERT_TRUE(job.train(trainer, 1, 1).ok());
  EXPECT_THAT(flat(job.server.updates), ElementsAre(16, 8, 4));
  EXPECT_THAT(job.centre(), ElementsAre(1));
}

TEST(PartitionTrainerTest, WithOverlapAGradientIsNotAddedToTheCentre) {
  Job job = halving_job(true, "async_sgd");
  PartitionTrainer trainer = job.trainer();
  ASSERT_TRUE(job.train(trainer, 1, 1).ok());
  // At 8; at 8 again, for the answer comes one window later; then at the centre of the first push,
  // 8 - 4. The centre: 8, 4, 0, -2.
  EXPECT_THAT(flat(job.server.updates), ElementsAre(16, 16, 8));
  EXPECT_THAT(job.centre(), ElementsAre(-2));
}

TEST(PartitionTrainerTest, TheLossFallsWithEveryTrainerAndWithOverlap) {
  for (const char* name : {"adag", "downpour", "async_sgd"}) {
    for (const bool overlap : {false, true}) {
      Job job = ten_record_job(name, overlap, 40);
      PartitionTrainer trainer = job.trainer();
      ASSERT_TRUE(job.train(trainer, 1, 1).ok());
      std::map<int, std::pair<double, int64_t>> epochs;  // sum of losses, samples
      for (const auto& header : job.server.headers) {
        for (const auto& metrics : header.metrics) {
          epochs[metrics.epoch].first += metrics.loss_sum;
          epochs[metrics.epoch].second += metrics.samples;
        }
      }
      ASSERT_EQ(epochs.size(), 40u);
      for (const auto& [epoch, sums] : epochs) EXPECT_EQ(sums.second, 10) << name << epoch;
      EXPECT_LT(epochs[39].first, 0.9 * epochs[0].first) << name << (overlap ? " overlap" : "");
      for (const float value : job.centre()) EXPECT_TRUE(std::isfinite(value));
    }
  }
}

// --- Between two steps ---

TEST(PartitionTrainerTest, EveryStepIsATaskOfItsOwn) {
  Job job = ten_record_job("adag");
  PartitionTrainer trainer = job.trainer();
  std::vector<std::string> order;
  job.on_step = [&](int64_t step) {
    order.push_back(std::to_string(step));
    job.strand->post([&] { order.emplace_back("other"); });
  };
  ASSERT_TRUE(job.train(trainer, 1, 1).ok());
  EXPECT_THAT(order, ElementsAre("1", "other", "2", "other", "3", "other", "4", "other", "5",
                                 "other", "6", "other"));
}

TEST(PartitionTrainerTest, DrainingFinishesTheWindowAndPushesIt) {
  for (const bool overlap : {false, true}) {
    Job job = ten_record_job("adag", overlap, 10);
    PartitionTrainer trainer = job.trainer();
    job.after_steps(6, [&] { trainer.drain(); });
    EXPECT_EQ(job.train(trainer, 1, 1).code(), StatusCode::kCancelled);
    EXPECT_EQ(job.last_applied(), 2);
    ASSERT_EQ(job.server.headers.size(), 2u);
    EXPECT_EQ(job.server.headers[1].steps, 4);
  }
}

TEST(PartitionTrainerTest, DrainingTheLastWindowIsATrainedPartition) {
  Job job = ten_record_job("adag");
  PartitionTrainer trainer = job.trainer();
  job.after_steps(5, [&] { trainer.drain(); });
  EXPECT_TRUE(job.train(trainer, 1, 1).ok());
}

TEST(PartitionTrainerTest, ALostLeaseIsNoticedInTheMiddleOfAnOverlappedWindow) {
  Job job = ten_record_job("adag", true, 10);
  PartitionTrainer trainer = job.trainer();
  int64_t trained = 0;
  job.on_step = [&](int64_t step) {
    trained = step;
    if (step == 4) job.fence(2);
  };
  EXPECT_EQ(job.train(trainer, 1, 1).code(), StatusCode::kAborted);
  EXPECT_EQ(trained, 4) << "the answer came before the next step";
}

TEST(PartitionTrainerTest, CancelEndsAWaitForAServerOnceTheBuffersAreFree) {
  Job job = ten_record_job("adag");
  job.server.mute = true;
  PartitionTrainer trainer = job.trainer();
  job.start(trainer, 1, 1);
  job.world.advance(1min);  // it answers pings
  EXPECT_TRUE(job.ended.empty());
  trainer.cancel();
  trainer.cancel();
  job.world.run();
  EXPECT_THAT(job.ended, ElementsAre(cancelled("stopped")));
  job.server.mute = false;
  EXPECT_TRUE(job.train(trainer, 2, 2).ok()) << "it can be used again";
}

// Else it would be two rounds ahead of who is waited for, and its push one round old.
TEST(PartitionTrainerTest, InRoundsAWindowAfterALostLeaseIsOfTheRoundThatIsOpen) {
  Sequential model;
  model.add(Input({2})).add(Dense({.units = 2, .activation = "softmax"}));
  wire::TrainingSpec spec = spec_of(model, "local_sgd", 1);
  spec.batch_size = 4;
  Job job(ten_records(), spec, {0.5f, -0.5f, 0.25f, 1, 0, 0.125f});
  EXPECT_TRUE(await_status([&](auto reply) {
                wire::GateRequest request{.job = kJob};
                request.gate = {.generation = 1, .trainees = {{10, 0, 0}, {11, 1, 0}}};
                job.server.set_gate(request, std::move(reply));
              }).ok());
  PartitionTrainer trainer = job.trainer(/*worker=*/0, /*member=*/10);
  for (const int64_t lease : {1, 2}) {
    job.start(trainer, lease, /*sequence=*/lease);
    job.world.advance(1s);
    EXPECT_TRUE(job.ended.empty()) << "its push is held";
    EXPECT_EQ(job.last_applied(), lease);
    trainer.cancel();
    job.world.run();
  }
  EXPECT_EQ(job.server.arrived_clocks, (std::vector<int64_t>{1, 1}));
}

TEST(PartitionTrainerTest, DestroyedItIsSilent) {
  Job job = ten_record_job("adag");
  {
    PartitionTrainer trainer = job.trainer();
    job.after_steps(2, [&] { job.world.run(); });
    job.start(trainer, 1, 1);
  }
  job.world.run();
  EXPECT_TRUE(job.ended.empty());
}

// --- What a step throws ---

TEST(PartitionTrainerTest, APartitionSmallerThanABatchIsOneBatch) {
  Sequential model;
  model.add(Input({2})).add(Dense({.units = 2, .activation = "softmax"}));
  wire::TrainingSpec spec = spec_of(model, "adag", 1);
  spec.batch_size = 11;
  Job job(ten_records(), spec, std::vector<float>(6));
  PartitionTrainer trainer = job.trainer();
  EXPECT_TRUE(job.train(trainer, 1, 1).ok());
}

class FailingLayer final : public CustomLayer {
 public:
  std::string class_name() const override { return "FailingLayer"; }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<FailingLayer>(*this); }
  void forward(const Forward&) const override { throw std::runtime_error("of the user's"); }
  void backward(const Backward&) const override {}
};

TEST(PartitionTrainerTest, WhatTheUsersProgramThrowsIsAStatus) {
  static const bool registered = [] {
    register_layer("FailingLayer", [](const Config&) { return std::make_unique<FailingLayer>(); });
    return true;
  }();
  ASSERT_TRUE(registered);
  Sequential model;
  model.add(Input({2})).add(FailingLayer()).add(Dense({.units = 2, .activation = "softmax"}));
  wire::TrainingSpec spec = spec_of(model, "adag", 1);
  spec.batch_size = 4;
  Job job(ten_records(), spec, std::vector<float>(6));
  PartitionTrainer trainer = job.trainer();
  const Status status = job.train(trainer, 1, 1);
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_THAT(status.message(), HasSubstr("of the user's"));
}

// --- Dropout ---

std::vector<float> first_update(int worker, double rate) {
  Sequential model;
  model.add(Input({16})).add(Dropout(rate, {.seed = 3})).add(Dense({.units = 2}));
  wire::TrainingSpec spec = spec_of(model, "async_sgd", 1);
  spec.losses = {"mse"};
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
