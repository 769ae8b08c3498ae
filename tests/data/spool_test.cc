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
  ASSERT_TRUE(spool->append(std::as_bytes(std::span(first)), first_labels).ok());
  ASSERT_TRUE(spool->append({}, {}).ok());
  ASSERT_TRUE(spool->append(std::as_bytes(std::span(second)), second_labels).ok());
  EXPECT_EQ(spool->records(), 3);
  auto records = spool->finish();
  ASSERT_TRUE(records.ok()) << records.status();
  EXPECT_EQ((*records)->info().records, 3);
  EXPECT_EQ((*records)->info().name, "pairs");
  std::vector<uint32_t> indices = {2, 0, 1};
  std::vector<float> x(6), y(3);
  (*records)->gather(indices, x);
  (*records)->gather_labels(indices, y);
  EXPECT_EQ(x, (std::vector<float>{5, 6, 1, 2, 3, 4}));
  EXPECT_EQ(y, (std::vector<float>{0, 2, 1}));
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
  ASSERT_TRUE(spool->append(std::as_bytes(std::span(two)), good).ok());
  EXPECT_EQ(spool->append(std::as_bytes(std::span(three)), good).code(),
            StatusCode::kInvalidArgument);
  const Status label = spool->append(std::as_bytes(std::span(two)), bad);
  EXPECT_EQ(label.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(label.message(), HasSubstr("record 1 has label 3, expected 0 to 2"));
  ASSERT_TRUE(spool->append(std::as_bytes(std::span(two)), good).ok());
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
