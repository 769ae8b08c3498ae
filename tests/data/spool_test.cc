#include "data/spool.h"

#include <gmock/gmock.h>

#include "core/real_world.h"
#include "tests/data/test_files.h"

namespace sluice::data {
namespace {

using ::testing::HasSubstr;

RecordsInfo pairs() {
  RecordsInfo info;
  info.name = "pairs";
  info.sample_shape = Shape{2};
  info.classes = 3;
  info.scale = 1.0f;
  return info;
}

TEST(RecordsSpoolTest, BecomesTheRecordsThatWereAppended) {
  auto spool = RecordsSpool::create(core::real_world().disk(), pairs());
  ASSERT_TRUE(spool.ok()) << spool.status();
  const std::vector<uint8_t> first = {1, 2, 3, 4}, second = {5, 6};
  const std::vector<int32_t> first_labels = {2, 1}, second_labels = {0};
  ASSERT_TRUE(spool->append(std::as_bytes(std::span(first)), {.labels = first_labels}).ok());
  ASSERT_TRUE(spool->append({}, {}).ok());
  ASSERT_TRUE(spool->append(std::as_bytes(std::span(second)), {.labels = second_labels}).ok());
  EXPECT_EQ(spool->records(), 3);
  auto records = spool->finish();
  ASSERT_TRUE(records.ok()) << records.status();
  EXPECT_EQ((*records)->info().records, 3);
  EXPECT_EQ((*records)->info().name, "pairs");
  std::vector<uint32_t> indices = {2, 0, 1};
  std::vector<float> x(6), y(3);
  (*records)->gather(indices, x);
  (*records)->gather_targets(indices, TargetForm::kClassNumbers, y);
  EXPECT_EQ(x, (std::vector<float>{5, 6, 1, 2, 3, 4}));
  EXPECT_EQ(y, (std::vector<float>{0, 2, 1}));
}

TEST(RecordsSpoolTest, KeepsNumbersAsTargets) {
  RecordsInfo info = pairs();
  info.classes = 0;
  info.values = 2;
  auto spool = RecordsSpool::create(core::real_world().disk(), info);
  ASSERT_TRUE(spool.ok()) << spool.status();
  const std::vector<uint8_t> features = {1, 2, 3, 4};
  const std::vector<float> values = {0.5f, 1, -2, 3};
  const auto append = [&](const Targets& targets) {
    return spool->append(std::as_bytes(std::span(features)), targets);
  };
  const std::vector<int32_t> labels = {0, 0};
  EXPECT_EQ(append({.labels = labels}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(append({.values = std::span(values).first(3)}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(append({.labels = labels, .values = values}).code(), StatusCode::kInvalidArgument);
  ASSERT_TRUE(append({.values = values}).ok());
  EXPECT_EQ(spool->records(), 2);
  const auto records = spool->finish();
  ASSERT_TRUE(records.ok());
  std::vector<float> y(2);
  const std::vector<uint32_t> second = {1};
  (*records)->gather_targets(second, TargetForm::kVectors, y);
  EXPECT_EQ(y, (std::vector<float>{-2, 3}));
}

TEST(RecordsSpoolTest, KeepsWeightsWhichAllOrNoneHave) {
  const std::vector<uint8_t> features = {1, 2};
  const std::vector<int32_t> label = {1};
  const std::vector<float> half = {0.5f}, two = {0.5f, 1}, negative = {-1}, none;
  auto weighted = RecordsSpool::create(core::real_world().disk(), pairs());
  auto plain = RecordsSpool::create(core::real_world().disk(), pairs());
  ASSERT_TRUE(weighted.ok() && plain.ok());
  const auto append = [&](RecordsSpool& spool, std::span<const float> weights) {
    return spool.append(std::as_bytes(std::span(features)), {.labels = label, .weights = weights});
  };
  EXPECT_THAT(append(*weighted, two).message(), HasSubstr("got 2 weights of 1 records"));
  ASSERT_TRUE(append(*weighted, half).ok());
  EXPECT_EQ(append(*weighted, none).code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(append(*weighted, negative).message(), HasSubstr("the weight of record 1 is -1"));
  ASSERT_TRUE(append(*weighted, std::span(two).last(1)).ok());
  const auto records = weighted->finish();
  ASSERT_TRUE(records.ok());
  EXPECT_THAT((*records)->targets().weights, ::testing::ElementsAre(0.5f, 1));
  ASSERT_TRUE(append(*plain, none).ok());
  EXPECT_EQ(append(*plain, half).code(), StatusCode::kInvalidArgument);
}

TEST(RecordsSpoolTest, RecordsMayBeNone) {
  auto spool = RecordsSpool::create(core::real_world().disk(), pairs());
  ASSERT_TRUE(spool.ok());
  auto records = spool->finish();
  ASSERT_TRUE(records.ok());
  EXPECT_EQ((*records)->info().records, 0);
}

TEST(RecordsSpoolTest, WhatDoesNotFitIsRefusedAndLeavesTheSpoolUsable) {
  auto spool = RecordsSpool::create(core::real_world().disk(), pairs());
  ASSERT_TRUE(spool.ok());
  const std::vector<uint8_t> two = {1, 2}, three = {1, 2, 3};
  const std::vector<int32_t> good = {0}, bad = {3};
  ASSERT_TRUE(spool->append(std::as_bytes(std::span(two)), {.labels = good}).ok());
  EXPECT_EQ(spool->append(std::as_bytes(std::span(three)), {.labels = good}).code(),
            StatusCode::kInvalidArgument);
  const Status label = spool->append(std::as_bytes(std::span(two)), {.labels = bad});
  EXPECT_EQ(label.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(label.message(), HasSubstr("record 1 has label 3, expected 0 to 2"));
  ASSERT_TRUE(spool->append(std::as_bytes(std::span(two)), {.labels = good}).ok());
  auto records = spool->finish();
  ASSERT_TRUE(records.ok());
  EXPECT_EQ((*records)->info().records, 2);
}

TEST(RecordsSpoolTest, AFolderThatIsNotThereIsAnError) {
  TestFolder folder;
  ScopedEnv tmpdir("TMPDIR", folder.path("gone").c_str());
  EXPECT_THAT(RecordsSpool::create(core::real_world().disk(), pairs()).status().message(),
              HasSubstr("TMPDIR"));
}

}  // namespace
}  // namespace sluice::data
