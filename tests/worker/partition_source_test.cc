#include "worker/partition_source.h"

#include <gmock/gmock.h>

#include "data/describe.h"
#include "sluice/dataset.h"
#include "tests/support/manual_world.h"
#include "tests/support/scripted_driver.h"
#include "tests/support/stored.h"

namespace sluice::worker {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr wire::Lease kLease{0, 1, 1, 5};

Dataset five_records() {
  return Dataset::from_arrays(std::vector<float>{0, 10, 20, 30, 40},
                              std::vector<int32_t>{0, 1, 2, 0, 1}, {1}, 3);
}

wire::RecordChunk chunk_of(int64_t first, int64_t count) {
  const auto part = five_records().records()->slice(first, count);
  return {first, testing_support::stored(*part), {part->labels().begin(), part->labels().end()}};
}

class PartitionSourceTest : public testing::Test {
 protected:
  PartitionSourceTest() {
    spec_.records = 5;
    spec_.partitions = 1;
    spec_.dataset = *data::describe(*five_records().records());
    driver_->fetches.answer = [this](const wire::FetchRequest& request) { return fetch(request); };
  }

  // Sends chunks of two records, or of what is left.
  Result<wire::RecordChunk> fetch(const wire::FetchRequest& request) {
    starts_.push_back(request.first);
    if (breaks_ > 0 && breaks_-- > 0) return unavailable("broken pipe");
    return chunk_of(request.first, std::min<int64_t>(2, to_send_ - request.first));
  }
  void open() {
    source_.emplace(
        world_, strand_, driver_, 42, spec_, [this] { ++got_on_; },
        [this](const std::string& whom) { waits_.push_back(whom); });
    source_->find_files();
    source_->open(kLease, [this](Result<PartitionData> data) { data_.emplace(std::move(data)); });
  }
  const Status& status() { return data_->status(); }
  void expect_weights_of_classes() {
    ASSERT_TRUE(data_.has_value() && data_->ok());
    std::vector<float> x(2), y(4);
    (*data_)->gather(std::vector<uint32_t>{1, 2}, x, data::TargetForm::kClassNumbers, y);
    EXPECT_THAT(y, ElementsAre(1, 2.5f, 2, 4));
  }
  void expect_five_records() {
    ASSERT_TRUE(data_.has_value());
    ASSERT_TRUE(data_->ok()) << status();
    EXPECT_EQ((*data_)->size(), 5);
    std::vector<float> x(5), y(5);
    (*data_)->gather(std::vector<uint32_t>{0, 1, 2, 3, 4}, x, data::TargetForm::kClassNumbers, y);
    EXPECT_THAT(x, ElementsAre(0, 10, 20, 30, 40));
    EXPECT_THAT(y, ElementsAre(0, 1, 2, 0, 1));
  }

  ManualWorld world_;
  std::shared_ptr<core::Strand> strand_ = world_.make_strand("training");
  std::shared_ptr<ScriptedDriver> driver_ = std::make_shared<ScriptedDriver>("fake:1");
  wire::TrainingSpec spec_;
  int64_t to_send_ = 5;
  int breaks_ = 0;
  std::vector<int64_t> starts_;
  int got_on_ = 0;
  std::vector<std::string> waits_;
  std::optional<PartitionSource> source_;
  std::optional<Result<PartitionData>> data_;
};

TEST_F(PartitionSourceTest, RecordsThatAreNowhereElseAreSentByTheDriver) {
  open();
  world_.run();
  expect_five_records();
  EXPECT_EQ(source_->origin(), "sent by the driver");
  EXPECT_THAT(starts_, ElementsAre(0, 2, 4));
  EXPECT_EQ(got_on_, 3);
  EXPECT_EQ(driver_->fetches.requests[0].job, 42u);
}

TEST_F(PartitionSourceTest, RecordsHaveTheWeightsOfTheirClasses) {
  spec_.class_weight = {1, 2.5f, 4};
  open();
  world_.run();
  expect_weights_of_classes();
}

TEST_F(PartitionSourceTest, WeightsOfOtherClassesAreRefused) {
  spec_.class_weight = {1, 2};
  open();
  world_.run();
  EXPECT_THAT(status().message(), HasSubstr("2 weights for 3 classes"));
}

TEST_F(PartitionSourceTest, WeightsOfRecordsAreSentTooAndMultiplyWithThoseOfTheirClasses) {
  spec_.sample_weights = true;
  spec_.class_weight = {1, 2, 10};
  driver_->fetches.answer = [this](const wire::FetchRequest& request) {
    auto chunk = *fetch(request);
    for (size_t i = 0; i < chunk.labels.size(); ++i) {
      chunk.weights.push_back(0.5f * static_cast<float>(request.first + static_cast<int64_t>(i)));
    }
    return chunk;
  };
  open();
  world_.run();
  ASSERT_TRUE(data_.has_value() && data_->ok()) << status();
  std::vector<float> x(5), y(10);
  (*data_)->gather(std::vector<uint32_t>{0, 1, 2, 3, 4}, x, data::TargetForm::kClassNumbers, y);
  EXPECT_THAT(y, ElementsAre(0, 0, 1, 1, 2, 10, 0, 1.5f, 1, 4));
}

TEST_F(PartitionSourceTest, WeightsThatTheJobHasNotOrThatAreMissingAreRefused) {
  spec_.sample_weights = true;
  open();
  world_.run();
  EXPECT_EQ(status().code(), StatusCode::kDataLoss);
  EXPECT_THAT(status().message(), HasSubstr("sent 0 weights with 2 records of partition 0"));
  spec_.sample_weights = false;
  driver_->fetches.answer = [this](const wire::FetchRequest& request) {
    auto chunk = *fetch(request);
    chunk.weights = {1, 1};
    return chunk;
  };
  data_.reset();
  open();
  world_.run();
  EXPECT_THAT(status().message(), HasSubstr("sent 2 weights with 2 records of partition 0"));
}

TEST_F(PartitionSourceTest, NumbersToPredictAreSentToo) {
  const Dataset numbers = Dataset::from_arrays(std::vector<float>{0, 10, 20},
                                               std::vector<float>{0.5f, -1, 2, 3, 1e9f, 0}, {1});
  spec_.records = 3;
  spec_.dataset = *data::describe(*numbers.records());
  driver_->fetches.answer = [&](const wire::FetchRequest& request) {
    const auto part = numbers.records()->slice(request.first, request.first == 0 ? 2 : 1);
    const auto values = part->targets().values;
    return wire::RecordChunk{.first = request.first,
                             .features = testing_support::stored(*part),
                             .values = {values.begin(), values.end()}};
  };
  source_.emplace(world_, strand_, driver_, 42, spec_, [] {});
  source_->find_files();
  source_->open({0, 1, 1, 3}, [this](Result<PartitionData> data) { data_ = std::move(data); });
  world_.run();
  ASSERT_TRUE(data_.has_value());
  ASSERT_TRUE(data_->ok()) << status();
  std::vector<float> x(3), y(6);
  (*data_)->gather(std::vector<uint32_t>{0, 1, 2}, x, data::TargetForm::kVectors, y);
  EXPECT_THAT(x, ElementsAre(0, 10, 20));
  EXPECT_THAT(y, ElementsAre(0.5f, -1, 2, 3, 1e9f, 0));
}

TEST_F(PartitionSourceTest, DescribedFilesAreReadHere) {
  const Dataset digits = generated_digits(20, 1).train;
  spec_.dataset = *data::describe(*digits.records());
  spec_.records = 20;
  spec_.partitions = 4;
  open();
  ASSERT_TRUE(data_.has_value()) << "at once";
  ASSERT_TRUE(data_->ok()) << status();
  EXPECT_EQ((*data_)->size(), 5);
  EXPECT_THAT(source_->origin(), HasSubstr("read from"));
  EXPECT_TRUE(starts_.empty());
}

TEST_F(PartitionSourceTest, APartitionThatEndsEarlyIsNotTakenForTheWhole) {
  to_send_ = 3;
  open();
  world_.run();
  EXPECT_EQ(status().code(), StatusCode::kDataLoss);
  EXPECT_THAT(status().message(), HasSubstr("fake:1 sent 3 records of partition 0, which has 5"));
}

TEST_F(PartitionSourceTest, NorIsOneThatDoesNotEnd) {
  driver_->fetches.answer = [](const wire::FetchRequest& request) {
    wire::RecordChunk chunk = chunk_of(0, 5);
    chunk.first = request.first;
    chunk.labels.push_back(0);
    return chunk;
  };
  open();
  world_.run();
  EXPECT_EQ(status().code(), StatusCode::kDataLoss);
  EXPECT_THAT(status().message(), HasSubstr("fake:1 sent 6 records of partition 0, which has 5"));
}

TEST_F(PartitionSourceTest, RecordsThatWereNotAskedForAreRefused) {
  driver_->fetches.answer = [](const wire::FetchRequest& request) {
    return chunk_of(request.first == 0 ? 0 : 1, 2);
  };
  open();
  world_.run();
  EXPECT_EQ(status().code(), StatusCode::kDataLoss);
  EXPECT_THAT(status().message(), HasSubstr("sent record 1 of partition 0, record 2 was asked"));
}

TEST_F(PartitionSourceTest, FeaturesThatDoNotFitTheirLabelsAreRefused) {
  driver_->fetches.answer = [](const wire::FetchRequest&) {
    wire::RecordChunk chunk = chunk_of(0, 2);
    chunk.features.pop_back();
    return chunk;
  };
  open();
  world_.run();
  EXPECT_EQ(status().code(), StatusCode::kInvalidArgument);
}

TEST_F(PartitionSourceTest, AChunkThatDoesNotComeIsAskedForAgain) {
  open();
  world_.run();
  starts_.clear();
  driver_->fetches.answer = [this](const wire::FetchRequest& request) {
    if (request.first == 2 && starts_.size() == 1) breaks_ = 2;
    return fetch(request);
  };
  open();
  world_.advance(1s);
  EXPECT_THAT(starts_, ElementsAre(0, 2, 2, 2, 4));
  expect_five_records();
}

TEST_F(PartitionSourceTest, TheNextChunkIsOnItsWayWhileOneIsWritten) {
  driver_->fetches.answer = nullptr;
  open();
  world_.disk().failure = {StatusCode::kResourceExhausted, "the disk is full"};
  driver_->fetches.answer_held(chunk_of(0, 2));
  world_.run();
  EXPECT_EQ(driver_->fetches.requests.back().first, 2);
  EXPECT_EQ(status().message(), "the disk is full");
  driver_->fetches.answer_held(chunk_of(2, 2));
  world_.run();
  EXPECT_EQ(driver_->fetches.requests.size(), 2u) << "nobody wants it any more";
}

TEST_F(PartitionSourceTest, ADriverThatStaysAwayIsGivenUpWithTheReason) {
  breaks_ = 1'000'000;
  open();
  world_.advance(30s - 1ns);
  EXPECT_FALSE(data_.has_value());
  world_.advance(1ns);
  EXPECT_EQ(status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(status().message(), HasSubstr("broken pipe"));
}

TEST_F(PartitionSourceTest, SilenceIsCountedFromTheLastChunk) {
  driver_->fetches.answer = nullptr;
  open();
  for (int64_t first = 0; first < 4; ++first) {
    world_.advance(29s);
    ASSERT_EQ(driver_->fetches.held.size(), 1u);
    driver_->fetches.answer_held(chunk_of(first, 1));
    world_.run();
  }
  EXPECT_THAT(waits_, testing::SizeIs(8)) << "told, and told that it is over, for each";
  EXPECT_EQ(waits_[0], "the driver at fake:1");
  driver_->fetches.answer_held(chunk_of(4, 1));
  world_.run();
  expect_five_records();
}

TEST_F(PartitionSourceTest, CancelEndsItAndNothingMoreIsAskedFor) {
  driver_->fetches.answer = nullptr;
  open();
  source_->cancel();
  EXPECT_EQ(status().code(), StatusCode::kCancelled);
  driver_->fetches.answer_held(chunk_of(0, 2));
  world_.advance(1h);
  EXPECT_EQ(driver_->fetches.requests.size(), 1u);
  source_->cancel();  // nothing is under way
}

TEST_F(PartitionSourceTest, ADiskThatCannotBeWrittenIsTheReason) {
  world_.disk().failure = {StatusCode::kPermissionDenied, "set TMPDIR"};
  open();
  EXPECT_EQ(status().message(), "set TMPDIR");
}

}  // namespace
}  // namespace sluice::worker
