#include "data/describe.h"

#include <gmock/gmock.h>

#include <random>

#include "data/csv.h"
#include "data/digits.h"
#include "data/idx.h"
#include "sluice/dataset.h"
#include "tests/data/test_files.h"
#include "tests/support/stored.h"

namespace sluice::data {
namespace {

using ::testing::HasSubstr;
using testing_support::stored;

void expect_same(const Records& a, const Records& b) {
  EXPECT_EQ(a.info().name, b.info().name);
  EXPECT_EQ(a.info().sample_shape, b.info().sample_shape);
  EXPECT_EQ(a.info().classes, b.info().classes);
  EXPECT_EQ(a.info().element, b.info().element);
  EXPECT_EQ(a.info().scale, b.info().scale);
  EXPECT_EQ(a.info().records, b.info().records);
  EXPECT_EQ(a.info().origin, b.info().origin);
  EXPECT_EQ(a.info().source, b.info().source);
  EXPECT_EQ(a.info().values, b.info().values);
  EXPECT_EQ(a.info().table, b.info().table);
  EXPECT_EQ(stored(a), stored(b));
  const auto same = [](auto left, auto right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end());
  };
  EXPECT_TRUE(same(a.labels(), b.labels()));
  EXPECT_TRUE(same(a.targets().values, b.targets().values));
  EXPECT_TRUE(same(a.targets().weights, b.targets().weights));
}

void expect_opens_the_same(const Records& records) {
  auto description = describe(records);
  ASSERT_TRUE(description.ok()) << description.status();
  auto opened = open_described(*description);
  ASSERT_TRUE(opened.ok()) << opened.status();
  expect_same(**opened, records);
}

class DescribeTest : public ::testing::Test {
 protected:
  std::shared_ptr<const Records> idx(bool compressed) {
    const std::string images = idx_images(5, 1, 2, "abcdefghij");
    images_ = folder_.write("images", compressed ? gzip(images) : images);
    labels_ = folder_.write("labels", idx_labels(5, "\x01\x02\x03\x04\x05"));
    auto records = read_idx(images_, labels_, {.name = "five"});
    EXPECT_TRUE(records.ok()) << records.status();
    return *records;
  }

  TestFolder folder_;
  std::string images_, labels_;
};

TEST_F(DescribeTest, FilesAreReadAgainByAnotherProcess) {
  expect_opens_the_same(*idx(false));
  expect_opens_the_same(*idx(true));
  const std::string csv = folder_.write("x.csv", "label,a,b\n2,1.5,2\n0,3,4\n1,5,6\n");
  auto records = read_csv(csv);
  ASSERT_TRUE(records.ok());
  expect_opens_the_same(**records);
}

TEST_F(DescribeTest, SlicesAndSlicesOfSlicesAreTheSamePart) {
  auto records = idx(true);
  expect_opens_the_same(*records->slice(1, 3));
  expect_opens_the_same(*records->slice(1, 4)->slice(2, 2));
  const auto [train, validation] = Dataset(records).split(0.4);
  expect_opens_the_same(*train.records());
  expect_opens_the_same(*validation.records());
}

TEST_F(DescribeTest, GeneratedDigitsNeedNoFiles) {
  expect_opens_the_same(*generate_digits(100, 30, 7));
  expect_opens_the_same(*generate_digits(kDigitTestFirst, 30, 7)->slice(10, 5));
}

// A job's own, of which the files know nothing.
TEST_F(DescribeTest, AnotherScaleComesWithTheDescription) {
  const auto records = idx(false);
  RecordsInfo info = records->info();
  info.scale = 1;
  expect_opens_the_same(*records->with_info(info));
}

TEST_F(DescribeTest, ADescriptionTellsWhatToExpect) {
  auto description = describe(*idx(false)->slice(1, 3));
  ASSERT_TRUE(description.ok());
  auto info = parse_description(*description);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->records, 3);
  EXPECT_EQ(info->source.first, 1);
  EXPECT_EQ(info->sample_shape, (Shape{1, 2, 1}));
  ASSERT_EQ(info->source.files.size(), 2u);
  EXPECT_EQ(info->source.files[0].path, images_);
  EXPECT_EQ(info->source.files[1].path, labels_);
}

TEST_F(DescribeTest, AnotherFileUnderTheSamePathMustNotBeRead) {
  auto description = describe(*idx(false));
  ASSERT_TRUE(description.ok());
  folder_.write("images", idx_images(5, 1, 2, "abcdefghiX"));  // same size
  EXPECT_EQ(open_described(*description).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(open_described(*description).status().message(), HasSubstr(images_));
  folder_.write("images", idx_images(6, 1, 2, "abcdefghijkl"));
  EXPECT_EQ(open_described(*description).status().code(), StatusCode::kFailedPrecondition);
  std::filesystem::remove(images_);
  EXPECT_EQ(open_described(*description).status().code(), StatusCode::kFailedPrecondition);
}

// Which of its columns is what, what its classes are called, and how it was parted: another process
// that sees only a part must come to the same.
TEST_F(DescribeTest, PartsOfATableAreReadAgainByAnotherProcess) {
  std::string text = "kind;size;weight\n";
  for (int i = 0; i < 30; ++i) {
    text +=
        (i < 15 ? "pear;" : "apple;") + std::to_string(i) + ";" + std::to_string(i % 4) + ".5\n";
  }
  const std::string path = folder_.write("x.csv", text);
  const auto classes = read_csv_parts(path, {.target = "kind"}, 3);
  ASSERT_TRUE(classes.ok()) << classes.status();
  expect_opens_the_same(*classes->first);
  expect_opens_the_same(*classes->second);
  expect_opens_the_same(*classes->first->slice(5, 10));
  const auto whole = read_csv(path, {.target = "kind"});
  ASSERT_TRUE(whole.ok()) << whole.status();
  const std::string other = folder_.write("y.csv", "size;kind;weight\n7;pear;8\n");
  const auto test = read_csv_like(other, (*whole)->info());
  ASSERT_TRUE(test.ok()) << test.status();
  expect_opens_the_same(**test);
}

TEST_F(DescribeTest, WhatIsIgnoredHereIsIgnoredByAnotherProcess) {
  const std::string path = folder_.write("x.csv", "id,a,label\nx,1,0\ny,2,1\nz,3,0\n");
  const auto records = read_csv(path, {.ignored = {"id"}});
  ASSERT_TRUE(records.ok()) << records.status();
  expect_opens_the_same(**records);
  // The file that goes with it need not have what is ignored.
  const auto test = read_csv_like(folder_.write("y.csv", "a,label\n7,1\n"), (*records)->info());
  ASSERT_TRUE(test.ok()) << test.status();
  expect_opens_the_same(**test);
}

TEST_F(DescribeTest, WeightsInAColumnAreReadAgainByAnotherProcess) {
  const std::string path = folder_.write("x.csv", "w,a,label\n0.5,1,0\n2,2,1\n0,3,0\n");
  const auto records = read_csv(path, {.weights = "w"});
  ASSERT_TRUE(records.ok()) << records.status();
  expect_opens_the_same(**records);
  expect_opens_the_same(*(*records)->slice(1, 2));
  // Other weights than the file's are nowhere to be read.
  const auto other = (*records)->with_weights({1, 2, 3});
  EXPECT_EQ(open_described(*describe(*other)).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(DescribeTest, NumbersToPredictAreReadAgainByAnotherProcess) {
  const std::string path = folder_.write("x.csv", "a,price\n1,2.5\n2,-3\n4,1e3\n");
  const auto numbers = read_csv(path, {.target = "price", .means = CsvOptions::Means::kNumbers});
  ASSERT_TRUE(numbers.ok()) << numbers.status();
  expect_opens_the_same(**numbers);
}

// What is described is what was read: a file that was written to since is neither.
TEST_F(DescribeTest, AFileThatHasChangedSinceItWasReadIsNotDescribed) {
  const auto records = idx(true);
  folder_.write("images", gzip(idx_images(5, 1, 2, "abcdefghiX")));
  std::filesystem::last_write_time(images_, std::filesystem::file_time_type{});
  EXPECT_EQ(describe(*records).status().code(), StatusCode::kDataLoss);
  EXPECT_THAT(describe(*records).status().message(), HasSubstr(images_ + " was written to"));
}

TEST_F(DescribeTest, AFileThatIsGoneCannotBeDescribed) {
  const auto records = idx(false);
  std::filesystem::remove(labels_);
  EXPECT_EQ(describe(*records).status().code(), StatusCode::kNotFound);
}

TEST_F(DescribeTest, RecordsFromMemoryMustBeSent) {
  const std::vector<float> x = {1, 2};
  const std::vector<int32_t> labels = {0, 1};
  auto description = describe(*Dataset::from_arrays(x, labels, Shape{1}, 2).records());
  ASSERT_TRUE(description.ok());
  EXPECT_EQ(open_described(*description).status().code(), StatusCode::kFailedPrecondition);
  auto info = parse_description(*description);
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->element, Element::kFloat32);
}

TEST_F(DescribeTest, WhatIsNoDescriptionIsRefused) {
  for (const char* text : {"", "{", "[]", "{}", "null", R"({"name": 5})"}) {
    EXPECT_EQ(open_described(text).status().code(), StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(parse_description(text).status().code(), StatusCode::kInvalidArgument) << text;
  }
}

// Its parts are walked by recursion where it is read.
TEST_F(DescribeTest, DeepNestingIsRefusedInOneLine) {
  const std::string deep(100'000, '[');
  for (const Status& status : {open_described(deep).status(), parse_description(deep).status()}) {
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(), "description of records: nested more than 64 levels deep");
  }
}

TEST_F(DescribeTest, ASourceWithAnotherNumberOfFilesHasNoReader) {
  auto description = describe(*idx(false));
  ASSERT_TRUE(description.ok());
  const auto as = [&](const std::string& kind) {
    std::string text = *description;
    return open_described(text.replace(text.find("\"idx\""), 5, "\"" + kind + "\"")).status();
  };
  for (const char* kind : {"csv", "digits", ""}) {
    EXPECT_EQ(as(kind).code(), StatusCode::kFailedPrecondition) << kind;
    EXPECT_THAT(as(kind).message(), HasSubstr("no reader for source")) << kind;
  }
}

TEST_F(DescribeTest, ValuesThatMakeNoSenseAreRefused) {
  auto description = describe(*generate_digits(0, 3, 1));
  ASSERT_TRUE(description.ok());
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = *description;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return open_described(text.replace(at, from.size(), to)).status().code();
  };
  EXPECT_EQ(with("\"records\":3", "\"records\":4"), StatusCode::kOk);
  EXPECT_EQ(with("\"records\":3", "\"records\":-1"), StatusCode::kInvalidArgument);
  EXPECT_EQ(with("\"records\":3", "\"records\":4000000000"), StatusCode::kFailedPrecondition);
  EXPECT_EQ(with("[28,28,1]", "[4294967296,4294967296]"), StatusCode::kInvalidArgument);
  EXPECT_EQ(with("[28,28,1]", "[0]"), StatusCode::kInvalidArgument);
  EXPECT_EQ(with("[28,28,1]", "[784]"), StatusCode::kFailedPrecondition);
  EXPECT_EQ(with("\"classes\":10", "\"classes\":0"), StatusCode::kInvalidArgument);
  EXPECT_EQ(with("\"classes\":10", "\"classes\":1"), StatusCode::kFailedPrecondition);
  EXPECT_EQ(with("\"uint8\"", "\"uint9\""), StatusCode::kInvalidArgument);
  EXPECT_EQ(with("\"first\":0", "\"first\":-1"), StatusCode::kInvalidArgument);
  EXPECT_EQ(with("\"first\":0", "\"first\":9223372036854775807"), StatusCode::kInvalidArgument);
  EXPECT_EQ(with("\"digits\"", "\"other\""), StatusCode::kFailedPrecondition);
}

TEST_F(DescribeTest, NoDamageToADescriptionCrashes) {
  auto description = describe(*idx(false));
  ASSERT_TRUE(description.ok());
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string text = *description;
    text[random() % text.size()] = static_cast<char>(random());
    auto opened = open_described(text);
    const int64_t records = opened.ok() ? (*opened)->info().records : 0;
    EXPECT_LE(records, 5);
  }
}

}  // namespace
}  // namespace sluice::data
