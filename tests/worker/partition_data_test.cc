#include "worker/partition_data.h"

#include <gmock/gmock.h>

#include "data/describe.h"
#include "sluice/dataset.h"

namespace sluice::worker {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

Dataset five_records() {
  return Dataset::from_arrays(std::vector<float>{0, 10, 20, 30, 40},
                              std::vector<int32_t>{0, 1, 2, 0, 1}, {1}, 3);
}

// A driver that streams what the test gives it.
class FakeDriver final : public wire::ControlChannel {
 public:
  Result<wire::JoinReply> join(const wire::JoinRequest&, const wire::CallOptions&) override {
    return unavailable("");
  }
  Result<wire::AcquireReply> acquire(int64_t, const wire::CallOptions&) override {
    return unavailable("");
  }
  Result<wire::HeartbeatReply> heartbeat(const wire::HeartbeatRequest&,
                                         const wire::CallOptions&) override {
    return unavailable("");
  }
  Status finish(const wire::FinishRequest&, const wire::CallOptions&) override { return {}; }
  Status leave(const wire::LeaveRequest&, const wire::CallOptions&) override { return {}; }
  Status fetch_partition(int64_t, int64_t from,
                         const std::function<bool(const wire::RecordChunk&)>& sink,
                         const wire::CallOptions&) override {
    const auto records = five_records().records();
    starts.push_back(from);
    int64_t sent = 0;
    for (int64_t first = from; first < to_send; ++first) {
      if (++sent > breaks_after) return unavailable("broken pipe");
      const auto part = records->slice(first, 1);
      if (!sink({first, 1, part->features(), part->labels()})) break;
    }
    return ok_status();
  }
  const std::string& address() const override { return address_; }

  int64_t to_send = 5;
  int64_t breaks_after = 1000;
  std::vector<int64_t> starts;

 private:
  std::string address_ = "fake:1";
};

bool never_stop() { return false; }

TEST(PartitionDataTest, GathersThroughItsMapAsNumbersOrOneHot) {
  const PartitionData data(five_records().records(), {4, 2});
  EXPECT_EQ(data.size(), 2);
  std::vector<float> x(2), numbers(2), one_hot(6);
  const std::vector<uint32_t> indices = {1, 0};
  data.gather(indices, x, numbers, 1);
  EXPECT_THAT(x, ElementsAre(20, 40));
  EXPECT_THAT(numbers, ElementsAre(2, 1));
  data.gather(indices, x, one_hot, 3);
  EXPECT_THAT(one_hot, ElementsAre(0, 0, 1, 0, 1, 0));
}

class PartitionSourceTest : public testing::Test {
 protected:
  wire::TrainingSpec spec() {
    wire::TrainingSpec spec;
    spec.records = 5;
    spec.partitions = 1;
    spec.dataset = *data::describe(*five_records().records());
    return spec;
  }
  FakeDriver driver_;
};

TEST_F(PartitionSourceTest, RecordsThatAreNowhereElseAreStreamed) {
  PartitionSource source(spec());
  const auto data = source.open({0, 1, 1, 5}, driver_, never_stop);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->size(), 5);
  EXPECT_EQ(source.origin(), "streamed by the driver");
  std::vector<float> x(5), y(5);
  data->gather(std::vector<uint32_t>{0, 1, 2, 3, 4}, x, y, 1);
  EXPECT_THAT(x, ElementsAre(0, 10, 20, 30, 40));
  EXPECT_THAT(y, ElementsAre(0, 1, 2, 0, 1));
}

TEST_F(PartitionSourceTest, StreamThatEndsEarlyIsNotTakenForThePartition) {
  driver_.to_send = 3;
  PartitionSource source(spec());
  const auto data = source.open({0, 1, 1, 5}, driver_, never_stop);
  EXPECT_EQ(data.status().code(), StatusCode::kDataLoss);
  EXPECT_THAT(data.status().message(), HasSubstr("fake:1 sent 3 records"));
}

TEST_F(PartitionSourceTest, StreamThatBreaksGoesOnWhereItBroke) {
  driver_.breaks_after = 2;
  PartitionSource source(spec());
  const auto data = source.open({0, 1, 1, 5}, driver_, never_stop);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(driver_.starts, ElementsAre(0, 2, 4));
  std::vector<float> x(5), y(5);
  data->gather(std::vector<uint32_t>{0, 1, 2, 3, 4}, x, y, 1);
  EXPECT_THAT(x, ElementsAre(0, 10, 20, 30, 40));
}

TEST_F(PartitionSourceTest, DriverThatStaysAwayIsGivenUpWithTheReason) {
  driver_.breaks_after = 0;
  wire::TrainingSpec impatient = spec();
  impatient.driver_timeout = 30ms;
  PartitionSource source(impatient);
  const Status status = source.open({0, 1, 1, 5}, driver_, never_stop).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("broken pipe"));
}

TEST_F(PartitionSourceTest, StopEndsAStream) {
  PartitionSource source(spec());
  EXPECT_EQ(source.open({0, 1, 1, 5}, driver_, [] { return true; }).status().code(),
            StatusCode::kCancelled);
}

}  // namespace
}  // namespace sluice::worker
