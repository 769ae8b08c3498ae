#include "driver/record_server.h"

#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>
#include <optional>

#include "data/idx.h"
#include "sluice/dataset.h"
#include "tests/data/test_files.h"
#include "tests/support/manual_world.h"

namespace sluice::driver {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class RecordServerTest : public testing::Test {
 protected:
  // Records of these many floats, each beginning with its index; labels are the index modulo 3.
  void serve(int64_t records, size_t floats, int64_t partitions, data::Shuffle shuffle) {
    std::vector<float> x(static_cast<size_t>(records) * floats);
    std::vector<int32_t> labels;
    for (int64_t i = 0; i < records; ++i) {
      x[static_cast<size_t>(i) * floats] = static_cast<float>(i);
      labels.push_back(static_cast<int32_t>(i % 3));
    }
    server.emplace(world,
                   Dataset::from_arrays(x, labels, {static_cast<int64_t>(floats)}, 3).records(),
                   data::Partitioning(records, partitions, /*seed=*/5, shuffle));
  }

  Result<wire::RecordChunk> fetch(int64_t partition, int64_t first) {
    std::optional<Result<wire::RecordChunk>> answer;
    server->fetch(partition, first,
                  [&](Result<wire::RecordChunk> reply) { answer = std::move(reply); });
    world.run();
    EXPECT_TRUE(answer);
    return answer ? *std::move(answer) : internal_error("no answer");
  }

  // The first float of each record.
  static std::vector<float> x_of(const wire::RecordChunk& chunk) {
    std::vector<float> x;
    if (chunk.labels.empty()) return x;
    const size_t stride = chunk.features.size() / chunk.labels.size();
    for (size_t at = 0; at < chunk.features.size(); at += stride) {
      std::memcpy(&x.emplace_back(), chunk.features.data() + at, sizeof(float));
    }
    return x;
  }

  ManualWorld world;
  std::optional<RecordServer> server;
};

// Workers that can read the dataset themselves take the same.
TEST_F(RecordServerTest, ItsRecordsAreThoseOfThePartitioning) {
  serve(12, 1, 3, data::Shuffle::kEachEpoch);
  const data::Partitioning partitioning(12, 3, 5, data::Shuffle::kEachEpoch);
  for (int64_t p = 0; p < 3; ++p) {
    std::vector<float> x;
    std::vector<int32_t> labels;
    for (const uint32_t index : partitioning.records(p)) {
      x.push_back(static_cast<float>(index));
      labels.push_back(static_cast<int32_t>(index % 3));
    }
    const auto chunk = fetch(p, 0);
    ASSERT_TRUE(chunk.ok()) << chunk.status();
    EXPECT_EQ(chunk->first, 0);
    EXPECT_EQ(x_of(*chunk), x);
    EXPECT_EQ(chunk->labels, labels);
  }
}

TEST_F(RecordServerTest, RecordsHaveTheirOwnWeights) {
  const std::vector<float> x{10, 20, 30, 40, 50};
  const auto records =
      Dataset::from_arrays(x, std::vector<int32_t>{0, 1, 2, 0, 1}, {1}, 3).with_sample_weights(x);
  server.emplace(world, records.records(),
                 data::Partitioning(5, 2, /*seed=*/5, data::Shuffle::kEachEpoch));
  for (int64_t p = 0; p < 2; ++p) {
    const auto chunk = fetch(p, 0);
    ASSERT_TRUE(chunk.ok()) << chunk.status();
    EXPECT_EQ(chunk->weights, x_of(*chunk));
  }
  serve(12, 1, 3, data::Shuffle::kNone);
  EXPECT_THAT(fetch(0, 0)->weights, ElementsAre());
}

TEST_F(RecordServerTest, UnknownPartitionsAreNotFound) {
  serve(12, 1, 3, data::Shuffle::kEachEpoch);
  for (const int64_t partition : {int64_t{-1}, int64_t{3}, INT64_MAX, INT64_MIN}) {
    EXPECT_EQ(fetch(partition, 0).status().code(), StatusCode::kNotFound);
  }
}

// Five records of 1 MiB come two to a chunk.
TEST_F(RecordServerTest, LargePartitionsComeInChunksFromAnyRecordOn) {
  serve(5, size_t{1} << 18, 1, data::Shuffle::kNone);
  std::vector<int64_t> firsts;
  std::vector<float> x;
  std::vector<int32_t> labels;
  for (int64_t next = 0;;) {
    const auto chunk = fetch(0, next);
    ASSERT_TRUE(chunk.ok()) << chunk.status();
    EXPECT_EQ(chunk->first, next);
    if (chunk->labels.empty()) break;
    firsts.push_back(next);
    for (const float value : x_of(*chunk)) x.push_back(value);
    labels.insert(labels.end(), chunk->labels.begin(), chunk->labels.end());
    next += static_cast<int64_t>(chunk->labels.size());
  }
  EXPECT_THAT(firsts, ElementsAre(0, 2, 4));
  EXPECT_THAT(x, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(labels, ElementsAre(0, 1, 2, 0, 1));

  const auto later = fetch(0, 3);
  ASSERT_TRUE(later.ok());
  EXPECT_THAT(x_of(*later), ElementsAre(3, 4));
  EXPECT_THAT(later->labels, ElementsAre(0, 1));
}

// Some records are larger than a chunk should be.
TEST_F(RecordServerTest, AHugeRecordComesAlone) {
  serve(2, size_t{1} << 20, 1, data::Shuffle::kNone);
  const auto chunk = fetch(0, 1);
  ASSERT_TRUE(chunk.ok());
  EXPECT_EQ(chunk->features.size(), size_t{4} << 20);
  EXPECT_THAT(x_of(*chunk), ElementsAre(1));
}

TEST_F(RecordServerTest, RecordsThatAreNotThereAreAMistake) {
  serve(12, 1, 3, data::Shuffle::kNone);
  for (const int64_t first : {int64_t{-1}, int64_t{5}, INT64_MAX, INT64_MIN}) {
    const auto chunk = fetch(0, first);
    EXPECT_EQ(chunk.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(chunk.status().message(), HasSubstr("partition 0 has 4 records"));
  }
  const auto end = fetch(0, 4);
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->first, 4);
  EXPECT_TRUE(end->labels.empty());
  EXPECT_TRUE(end->features.empty());
}

TEST_F(RecordServerTest, NumbersToPredictGoWithTheirRecords) {
  const std::vector<float> x = {1, 2, 3}, y = {10, 11, 20, 21, 30, 31};
  server.emplace(world, Dataset::from_arrays(x, y, {1}).records(),
                 data::Partitioning(3, 1, 5, data::Shuffle::kNone));
  const auto chunk = fetch(0, 1);
  ASSERT_TRUE(chunk.ok()) << chunk.status();
  EXPECT_TRUE(chunk->labels.empty());
  EXPECT_THAT(chunk->values, ElementsAre(20, 21, 30, 31));
}

TEST_F(RecordServerTest, AFileThatIsCutShortIsDataLoss) {
  const data::TestFolder folder;
  const std::string images = folder.write("images", data::idx_images(2, 1, 2, "abcd"));
  const std::string labels = folder.write("labels", data::idx_labels(2, "\x01\x02"));
  const auto records = data::read_idx(images, labels, {.name = "two"});
  ASSERT_TRUE(records.ok()) << records.status();
  server.emplace(world, *records, data::Partitioning(2, 1, 5, data::Shuffle::kNone));
  ASSERT_TRUE(fetch(0, 0).ok());
  std::filesystem::resize_file(images, 3);
  EXPECT_EQ(fetch(0, 0).status().code(), StatusCode::kDataLoss);
  EXPECT_THAT(fetch(0, 0).status().message(), HasSubstr(images + " was written to"));
}

TEST_F(RecordServerTest, WhatWasAskedForIsAnsweredBeforeItGoes) {
  serve(12, 1, 3, data::Shuffle::kNone);
  int answers = 0;
  for (int64_t p = 0; p < 3; ++p) {
    server->fetch(p, 0, [&](const Result<wire::RecordChunk>& chunk) {
      EXPECT_TRUE(chunk.ok());
      ++answers;
    });
  }
  server.reset();
  EXPECT_EQ(answers, 3);
}

}  // namespace
}  // namespace sluice::driver
