#include "data/records.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <stdexcept>

#include "sluice/errors.h"
#include "tests/data/test_files.h"

namespace sluice::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

struct Storage {
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;
};

// Three records of two pixels.
std::shared_ptr<const Records> three(std::vector<int32_t> labels = {2, 0, 1}) {
  auto storage = std::make_shared<Storage>(
      Storage{.pixels = {0, 255, 51, 102, 153, 204}, .labels = std::move(labels)});
  RecordsInfo info;
  info.name = "three";
  info.sample_shape = Shape{2};
  info.classes = 3;
  info.records = 3;
  return std::make_shared<Records>(info, std::as_bytes(std::span(storage->pixels)), storage->labels,
                                   storage);
}

TEST(RecordsTest, GatherScalesBytesToUnitRangeInTheOrderAsked) {
  std::vector<uint32_t> indices = {2, 0, 2};
  std::vector<float> x(6);
  three()->gather(indices, x);
  EXPECT_FLOAT_EQ(x[0], 0.6f);
  EXPECT_FLOAT_EQ(x[1], 0.8f);
  EXPECT_FLOAT_EQ(x[2], 0.0f);
  EXPECT_FLOAT_EQ(x[3], 1.0f);
  EXPECT_FLOAT_EQ(x[4], 0.6f);
  EXPECT_FLOAT_EQ(x[5], 0.8f);
}

TEST(RecordsTest, StoredFloatsAreLittleEndian) {
  const std::vector<uint8_t> bytes = {0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc1};
  const std::vector<int32_t> labels = {0};
  RecordsInfo info;
  info.sample_shape = Shape{2};
  info.element = Element::kFloat32;
  info.scale = 1;
  info.records = 1;
  const Records records(info, std::as_bytes(std::span(bytes)), labels, nullptr);
  std::vector<float> x(2);
  records.gather(std::vector<uint32_t>{0}, x);
  EXPECT_THAT(x, ElementsAre(1.0f, -10.0f));
}

TEST(RecordsTest, GatherOfALargeRecordScalesEveryPixel) {
  std::vector<uint8_t> pixels(2 * 1031);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 7);
  std::vector<int32_t> labels = {0, 1};
  RecordsInfo info;
  info.sample_shape = Shape{1031};
  info.records = 2;
  Records records(info, std::as_bytes(std::span(pixels)), labels, nullptr);
  std::vector<uint32_t> indices = {1};
  std::vector<float> x(1031);
  records.gather(indices, x);
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_FLOAT_EQ(x[i], static_cast<float>(pixels[1031 + i]) / 255.0f) << i;
  }
}

TEST(RecordsTest, GatherOfFloatsKeepsThemAndAppliesTheScale) {
  std::vector<float> values = {1.5f, -2.0f, 8.0f, 0.25f};
  std::vector<int32_t> labels = {0, 1};
  RecordsInfo info;
  info.sample_shape = Shape{2};
  info.records = 2;
  info.element = Element::kFloat32;
  info.scale = 1.0f;
  std::vector<uint32_t> indices = {1, 0};
  std::vector<float> x(4);
  Records(info, std::as_bytes(std::span(values)), labels, nullptr).gather(indices, x);
  EXPECT_THAT(x, ElementsAre(8.0f, 0.25f, 1.5f, -2.0f));
  info.scale = 0.5f;
  Records(info, std::as_bytes(std::span(values)), labels, nullptr).gather(indices, x);
  EXPECT_THAT(x, ElementsAre(4.0f, 0.125f, 0.75f, -1.0f));
}

TEST(RecordsTest, LabelsAreGatheredAsNumbersAndAsOneHotRows) {
  std::vector<uint32_t> indices = {1, 0};
  std::vector<float> y(2, 9.0f), one_hot(6, 9.0f);
  three()->gather_targets(indices, TargetForm::kClassNumbers, y);
  three()->gather_targets(indices, TargetForm::kVectors, one_hot);
  EXPECT_THAT(y, ElementsAre(0.0f, 2.0f));
  EXPECT_THAT(one_hot, ElementsAre(1, 0, 0, 0, 0, 1));
}

TEST(RecordsTest, GatherRefusesASpanOfAnotherSizeAndAnIndexBeyondTheEnd) {
  auto records = three();
  std::vector<uint32_t> two = {0, 1}, beyond = {3};
  std::vector<float> x(3), one(1), pair(2);
  EXPECT_THROW(records->gather(two, x), std::invalid_argument);
  EXPECT_THROW(records->gather_targets(two, TargetForm::kClassNumbers, x), std::invalid_argument);
  EXPECT_THROW(records->gather_targets(two, TargetForm::kVectors, x), std::invalid_argument);
  EXPECT_THROW(records->gather(beyond, pair), std::out_of_range);
  EXPECT_THROW(records->gather_targets(beyond, TargetForm::kClassNumbers, one), std::out_of_range);
}

TEST(RecordsTest, ALabelThatIsNoClassIsRefusedByRecord) {
  EXPECT_THAT(
      ([] {
        three({0, 1, 3});
      }),
      ThrowsMessage<std::invalid_argument>(HasSubstr("record 2 has label 3, expected 0 to 2")));
  EXPECT_THROW(three({0, -1, 2}), std::invalid_argument);
}

TEST(RecordsTest, TheOnlyClassIsOneHotToo) {
  const std::vector<uint8_t> pixels = {1, 2};
  const std::vector<int32_t> labels = {0, 0};
  RecordsInfo info;
  info.sample_shape = Shape{1};
  info.classes = 1;
  info.records = 2;
  const Records records(info, std::as_bytes(std::span(pixels)), labels, nullptr);
  std::vector<float> y(2);
  const std::vector<uint32_t> both = {0, 1};
  records.gather_targets(both, TargetForm::kVectors, y);
  EXPECT_THAT(y, ElementsAre(1, 1));
  records.gather_targets(both, TargetForm::kClassNumbers, y);
  EXPECT_THAT(y, ElementsAre(0, 0));
}

TEST(RecordsTest, AWeightStandsBehindTheTargets) {
  const auto records = three();
  const auto weighted = records->with_weights({0.5f, 2, 4})->with_class_weights({1, 10, 100});
  const std::vector<int32_t> labels(records->labels().begin(), records->labels().end());
  const auto weight = [&](size_t i) {
    return std::vector<float>{0.5f, 2, 4}[i] *
           std::vector<float>{1, 10, 100}[static_cast<size_t>(labels[i])];
  };
  const std::vector<uint32_t> indices = {2, 0};
  std::vector<float> numbers(4), one_hot(8);
  weighted->gather_targets(indices, TargetForm::kClassNumbers, numbers);
  EXPECT_THAT(numbers, ElementsAre(labels[2], weight(2), labels[0], weight(0)));
  weighted->gather_targets(indices, TargetForm::kVectors, one_hot);
  EXPECT_EQ(one_hot[static_cast<size_t>(labels[2])], 1);
  EXPECT_EQ(one_hot[3], weight(2));
  EXPECT_EQ(one_hot[7], weight(0));
  const std::vector<uint32_t> first = {0};
  std::vector<float> pair(2);
  weighted->slice(1, 2)->gather_targets(first, TargetForm::kClassNumbers, pair);
  EXPECT_THAT(pair, ElementsAre(labels[1], weight(1)));
  EXPECT_EQ(weighted->info().source, RecordsSource{});
  EXPECT_THROW(weighted->gather_targets(first, TargetForm::kVectors, std::span(one_hot).first(3)),
               std::invalid_argument);
  EXPECT_THROW((void)three()->with_weights({1, 2}), std::invalid_argument);
  EXPECT_THROW((void)three()->with_weights({1, 2, NAN}), std::invalid_argument);
  EXPECT_THROW((void)three()->with_weights({1, 2, -0.5f}), std::invalid_argument);
  EXPECT_THROW((void)three()->with_class_weights({1}), std::invalid_argument);
}

// One output for two classes.
TEST(RecordsTest, TheNumberOfOneOfTwoClassesIsATarget) {
  const std::vector<uint8_t> pixels = {1, 2};
  const std::vector<int32_t> labels = {1, 0};
  RecordsInfo info;
  info.sample_shape = Shape{1};
  info.classes = 2;
  info.records = 2;
  const Records records(info, std::as_bytes(std::span(pixels)), labels, nullptr);
  std::vector<float> y(2);
  records.gather_targets(std::vector<uint32_t>{0, 1}, TargetForm::kNumbers, y);
  EXPECT_THAT(y, ElementsAre(1, 0));
}

// Three records of one pixel with two numbers each.
TEST(RecordsTest, NumbersAreGatheredAsTheyAre) {
  const std::vector<uint8_t> pixels = {1, 2, 3};
  const std::vector<float> values = {0.5f, -1, 2, 3, 1e9f, 0};
  RecordsInfo info;
  info.sample_shape = Shape{1};
  info.classes = 0;
  info.values = 2;
  info.records = 3;
  const Features features{.memory = std::as_bytes(std::span(pixels))};
  const Records records(info, features, {.values = values}, nullptr);
  std::vector<float> y(4);
  const std::vector<uint32_t> some = {2, 0};
  records.gather_targets(some, TargetForm::kVectors, y);
  EXPECT_THAT(y, ElementsAre(1e9f, 0, 0.5f, -1));
  std::fill(y.begin(), y.end(), 0.0f);
  records.gather_targets(some, TargetForm::kClassNumbers, y);  // they may be
  EXPECT_THAT(y, ElementsAre(1e9f, 0, 0.5f, -1));
  const std::vector<uint32_t> first = {0};
  std::vector<float> pair(2);
  records.slice(1, 2)->gather_targets(first, TargetForm::kVectors, pair);
  EXPECT_THAT(pair, ElementsAre(2, 3));
  EXPECT_THROW(Records(info, features, {.values = std::span(values).first(5)}, nullptr),
               std::invalid_argument);
  info.classes = 3;  // either, not both
  EXPECT_THROW(Records(info, features, {.values = values}, nullptr), std::invalid_argument);
}

// Eleven records of three bytes behind a header of two.
class RecordsInAFileTest : public ::testing::Test {
 protected:
  RecordsInAFileTest() {
    std::string text = "**";
    for (int i = 0; i < 33; ++i) text += static_cast<char>(i);
    path_ = folder_.write("records", text);
    info_.sample_shape = Shape{3};
    info_.scale = 1;
    info_.records = 11;
    auto file = core::InputFile::open(path_);
    EXPECT_TRUE(file.ok()) << file.status();
    records_ = std::make_shared<Records>(info_, Features{.file = *file, .offset = 2},
                                         Targets{.labels = labels_}, nullptr);
  }
  static std::vector<float> gather(const Records& records, std::vector<uint32_t> indices) {
    std::vector<float> x(indices.size() * 3);
    records.gather(indices, x);
    return x;
  }

  TestFolder folder_;
  std::string path_;
  RecordsInfo info_;
  const std::vector<int32_t> labels_ = std::vector<int32_t>(11);
  std::shared_ptr<const Records> records_;
};

TEST_F(RecordsInAFileTest, AreGatheredInTheOrderAskedAlsoInRuns) {
  EXPECT_THAT(gather(*records_, {10, 3, 4, 5, 0}),
              ElementsAre(30, 31, 32, 9, 10, 11, 12, 13, 14, 15, 16, 17, 0, 1, 2));
  EXPECT_THAT(gather(*records_->slice(4, 3), {1}), ElementsAre(15, 16, 17));
}

TEST_F(RecordsInAFileTest, AFileThatIsCutShortOrOverwrittenIsNamed) {
  const auto names_it = ThrowsMessage<RuntimeError>(HasSubstr(path_ + " was written to"));
  ASSERT_EQ(truncate(path_.c_str(), 20), 0);
  EXPECT_THAT([&] { gather(*records_, {10}); }, names_it);
  EXPECT_THAT([&] { gather(*records_, {0}); }, names_it);  // though it is still there
}

TEST(RecordsTest, SizesThatDoNotAgreeAreRefused) {
  EXPECT_THROW(three({0, 1}), std::invalid_argument);
  RecordsInfo info;
  info.sample_shape = Shape{2};
  info.records = 1;
  std::vector<uint8_t> pixels(3);
  std::vector<int32_t> labels = {0};
  EXPECT_THROW(Records(info, std::as_bytes(std::span(pixels)), labels, nullptr),
               std::invalid_argument);
  info.records = -1;
  EXPECT_THROW(Records(info, Features{}, Targets{}, nullptr), std::invalid_argument);
}

TEST(RecordsTest, ASliceKeepsTheBytesAlive) {
  const auto part = three()->slice(1, 2);
  EXPECT_EQ(part->info().records, 2);
  EXPECT_EQ(part->info().source.first, 1);
  EXPECT_EQ(part->slice(1, 1)->info().source.first, 2);
  std::vector<uint32_t> indices = {1};
  std::vector<float> x(2), y(1);
  part->gather(indices, x);
  part->gather_targets(indices, TargetForm::kClassNumbers, y);
  EXPECT_FLOAT_EQ(x[0], 0.6f);
  EXPECT_FLOAT_EQ(y[0], 1.0f);
}

TEST(RecordsTest, ASliceOutsideTheRecordsIsRefused) {
  EXPECT_THROW(three()->slice(2, 2), std::out_of_range);
  EXPECT_THROW(three()->slice(-1, 1), std::out_of_range);
  EXPECT_THROW(three()->slice(0, -1), std::out_of_range);
  EXPECT_EQ(three()->slice(3, 0)->info().records, 0);
}

}  // namespace
}  // namespace sluice::data
