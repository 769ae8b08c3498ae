// The driver's answers that take more than the coordinator: leases, which every server must fence,
// and the records of a partition.
#include <gmock/gmock.h>

#include <cstring>

#include "data/partition.h"
#include "tests/driver/driver_fixture.h"

namespace sluice::driver {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = wire::AcquireReply::Kind;

class AcquireTest : public DriverFixture {};

TEST_F(AcquireTest, ALeaseStartsBehindTheLastPushThatEveryServerHas) {
  start();
  servers[0].answer_fence(wire::FenceReply{5});
  servers[1].answer_fence(wire::FenceReply{3});
  const auto granted = acquire(join(wire::Role::kWorker, 10));
  ASSERT_EQ(granted.kind, Kind::kGranted);
  EXPECT_EQ(granted.lease.next_sequence, 4);
  EXPECT_EQ(granted.lease.records, 4);
  EXPECT_THAT(granted.servers, ElementsAre("server 0", "server 1"));
  for (const FakeServer& server : servers) {
    const auto told = server.told();
    ASSERT_EQ(told.fences.size(), 1u);
    EXPECT_EQ(told.fences[0].job, told.created[0].job);
    EXPECT_EQ(told.fences[0].partition, granted.lease.partition);
    EXPECT_EQ(told.fences[0].incarnation, granted.lease.incarnation);
  }
}

TEST_F(AcquireTest, WithoutEveryServersFenceNobodyGetsThePartition) {
  start();
  servers[1].answer_fence(unavailable("server 1 does not answer"));
  const auto refused = acquire(join(wire::Role::kWorker, 10));
  EXPECT_EQ(refused.kind, Kind::kWait);
  EXPECT_THAT(refused.reason, HasSubstr("server 1 does not answer"));
  EXPECT_GT(refused.retry_after, core::Duration::zero());
  const wire::FenceRequest fenced = servers[0].told().fences.back();

  servers[1].answer_fence(wire::FenceReply{0});
  const auto granted = acquire(join(wire::Role::kWorker, 11));  // whoever asks next
  ASSERT_EQ(granted.kind, Kind::kGranted);
  EXPECT_EQ(granted.lease.partition, fenced.partition);
  EXPECT_GT(granted.lease.incarnation, fenced.incarnation);  // what server 0 had fenced stays old
  EXPECT_EQ(granted.lease.next_sequence, 1);
}

class FetchPartitionTest : public DriverFixture {
 protected:
  struct Fetched {
    std::vector<std::pair<int64_t, int64_t>> chunks;  // first, records
    std::vector<float> x;                             // the first float of each record
    std::vector<int32_t> labels;
    Status status;
  };
  Fetched fetch(int64_t partition, int64_t first, size_t at_most = 100) {
    Fetched fetched;
    fetched.status = driver->fetch_partition(partition, first, [&](const wire::RecordChunk& chunk) {
      fetched.chunks.emplace_back(chunk.first, chunk.records);
      const size_t stride = chunk.features.size() / static_cast<size_t>(chunk.records);
      for (size_t at = 0; at < chunk.features.size(); at += stride) {
        fetched.x.emplace_back();
        std::memcpy(&fetched.x.back(), chunk.features.data() + at, sizeof(float));
      }
      fetched.labels.insert(fetched.labels.end(), chunk.labels.begin(), chunk.labels.end());
      return fetched.chunks.size() < at_most;
    });
    return fetched;
  }
};

// Workers that can read the dataset themselves take the same.
TEST_F(FetchPartitionTest, ItsRecordsAreThoseOfThePartitioning) {
  make_driver();
  const data::Partitioning partitioning(12, 3, 5, data::Shuffle::kEachEpoch);
  for (int64_t p = 0; p < 3; ++p) {
    std::vector<float> x;
    std::vector<int32_t> labels;
    for (uint32_t index : partitioning.records(p)) {
      x.push_back(static_cast<float>(index));
      labels.push_back(static_cast<int32_t>(index % 3));
    }
    const Fetched fetched = fetch(p, 0);
    EXPECT_TRUE(fetched.status.ok());
    EXPECT_EQ(fetched.x, x);
    EXPECT_EQ(fetched.labels, labels);
  }
}

TEST_F(FetchPartitionTest, UnknownPartitionsAreNotFound) {
  make_driver();
  for (int64_t partition : {-1, 3}) {
    const Fetched fetched = fetch(partition, 0);
    EXPECT_EQ(fetched.status.code(), StatusCode::kNotFound);
    EXPECT_TRUE(fetched.chunks.empty());
  }
}

// Five records of 1 MiB come two to a message.
TEST_F(FetchPartitionTest, LargePartitionsComeInChunksFromAnyRecordOn) {
  constexpr size_t kFloats = size_t{1} << 18;
  std::vector<float> x(5 * kFloats);
  for (size_t i = 0; i < 5; ++i) x[i * kFloats] = static_cast<float>(i);
  options.training.partitions = 1;
  options.training.shuffle = false;
  make_driver(Dataset::from_arrays(x, std::vector<int32_t>{0, 1, 2, 0, 1},
                                   {static_cast<int64_t>(kFloats)}, 3));
  using Chunk = std::pair<int64_t, int64_t>;
  Fetched fetched = fetch(0, 0);
  EXPECT_THAT(fetched.chunks, ElementsAre(Chunk{0, 2}, Chunk{2, 2}, Chunk{4, 1}));
  EXPECT_THAT(fetched.x, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(fetched.labels, ElementsAre(0, 1, 2, 0, 1));

  fetched = fetch(0, 3);
  EXPECT_THAT(fetched.chunks, ElementsAre(Chunk{3, 2}));
  EXPECT_THAT(fetched.x, ElementsAre(3, 4));
  EXPECT_THAT(fetched.labels, ElementsAre(0, 1));
  EXPECT_TRUE(fetch(0, 5).status.ok());
  EXPECT_TRUE(fetch(0, 5).chunks.empty());

  fetched = fetch(0, 0, 1);  // the worker has gone
  EXPECT_EQ(fetched.status.code(), StatusCode::kCancelled);
  EXPECT_EQ(fetched.chunks.size(), 1u);
}

}  // namespace
}  // namespace sluice::driver
