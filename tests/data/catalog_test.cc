#include "data/catalog.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "core/log.h"
#include "data/describe.h"
#include "data/records.h"
#include "sluice/errors.h"
#include "tests/data/small_dataset.h"
#include "tests/data/test_files.h"

namespace sluice::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A machine with an empty home, no data folder and a network that consists of a map.
class CatalogTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { log::set_level("warn"); }
  Result<TrainTest> load(const std::string& data_dir = "") {
    return load_published(small_.dataset, data_dir, options_);
  }
  static void expect_small(const Result<TrainTest>& loaded) {
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(loaded->train.size(), 3);
    EXPECT_EQ(loaded->test.size(), 1);
    EXPECT_EQ(loaded->train.name(), "small_set");
    EXPECT_EQ(loaded->test.records()->labels()[0], 3);
  }

  TestFolder folder_;
  ScopedEnv cache_{"XDG_CACHE_HOME", folder_.path("cache").c_str()};
  ScopedEnv data_dir_{"SLUICE_DATA_DIR", nullptr};
  ScopedEnv online_{"SLUICE_OFFLINE", nullptr};
  SmallDataset small_;
  FakeFetcher fetcher_;
  std::string warning_;
  LoadOptions options_{.fetcher = &fetcher_,
                       .warn =
                           [this](const std::string& line) {
                             EXPECT_EQ(line.find('\n'), std::string::npos);
                             warning_ += line + "\n";
                           },
                       .digits_to_train = 60,
                       .digits_to_test = 10};
};

TEST_F(CatalogTest, TheFolderThatWasNamedComesFirst) {
  small_.write_to(folder_, "given/");
  small_.write_to(folder_, "env/small_set/");
  ScopedEnv env("SLUICE_DATA_DIR", folder_.path("env").c_str());
  auto loaded = load(folder_.path("given"));
  expect_small(loaded);
  EXPECT_THAT(loaded->train.records()->info().origin, HasSubstr("/given/"));
  loaded = load();
  expect_small(loaded);
  EXPECT_THAT(loaded->train.records()->info().origin, HasSubstr("/env/small_set/"));
  std::filesystem::create_directory(folder_.path("nothing in it"));
  loaded = load(folder_.path("nothing in it"));
  expect_small(loaded);
  EXPECT_TRUE(fetcher_.asked.empty());
}

TEST_F(CatalogTest, DownloadsIntoTheCacheAndTakesItFromThereNextTime) {
  fetcher_.serve(small_, "https://one.test/x");
  expect_small(load());
  EXPECT_EQ(fetcher_.asked.size(), 4u);
  fetcher_.bodies.clear();
  auto loaded = load();
  expect_small(loaded);
  EXPECT_THAT(loaded->train.records()->info().origin, HasSubstr(folder_.path("cache/sluice")));
  EXPECT_EQ(warning_, "");
}

TEST_F(CatalogTest, WithoutFilesAndNetworkThereAreGeneratedDigitsAndALoudWarning) {
  std::filesystem::create_directory(folder_.path("nothing"));
  const std::string given = folder_.path("nothing");
  ScopedEnv data_dir("SLUICE_DATA_DIR", given.c_str());
  auto loaded = load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->train.name(), "generated digits");
  EXPECT_EQ(loaded->train.size(), 60);
  EXPECT_EQ(loaded->test.size(), 10);
  EXPECT_THAT(warning_, AllOf(HasSubstr("GENERATED DIGITS"), HasSubstr("small_set was not found"),
                              HasSubstr(given), HasSubstr(folder_.path("cache")),
                              HasSubstr("https://one.test/x/train-images-idx3-ubyte.gz: no route"),
                              HasSubstr("https://two.test/y"), HasSubstr("SLUICE_DATA_DIR")));
}

TEST_F(CatalogTest, WhereDigitsAreNoLikenessNothingStandsIn) {
  small_.dataset.digits_stand_in = false;
  const Status status = load().status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("small_set was not found"),
                                      HasSubstr(folder_.path("cache")), HasSubstr("no route")));
  EXPECT_EQ(status.message().find('\n'), std::string::npos);
  EXPECT_TRUE(mnist_files().digits_stand_in);
  EXPECT_FALSE(fashion_mnist_files().digits_stand_in);
}

TEST_F(CatalogTest, AFolderThatWasNamedAndIsNotThereIsAnError) {
  fetcher_.serve(small_, "https://one.test/x");
  const std::string none = folder_.path("none");
  EXPECT_THAT(load(none).status().message(), HasSubstr(none));
  {
    ScopedEnv env("SLUICE_DATA_DIR", none.c_str());
    EXPECT_EQ(load().status().code(), StatusCode::kNotFound);
    EXPECT_THAT(load().status().message(), AllOf(HasSubstr(none), HasSubstr("SLUICE_DATA_DIR")));
  }
  EXPECT_TRUE(fetcher_.asked.empty());
  // Whatever the dataset is.
  const std::string csv = folder_.write("some.csv", "label,a\n0,1\n1,2\n");
  for (const std::string& name : {csv, std::string("digits"), std::string("mnist")}) {
    EXPECT_EQ(load_dataset(name, none, options_).status().code(), StatusCode::kNotFound) << name;
  }
}

TEST_F(CatalogTest, OfflineAsksNobody) {
  fetcher_.serve(small_, "https://one.test/x");
  ScopedEnv offline("SLUICE_OFFLINE", "1");
  auto loaded = load();
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->train.name(), "generated digits");
  EXPECT_TRUE(fetcher_.asked.empty());
  EXPECT_THAT(warning_, HasSubstr("SLUICE_OFFLINE is set"));
}

TEST_F(CatalogTest, DamagedOrMissingFilesOfAFoundDatasetAreNotPassedOver) {
  fetcher_.serve(small_, "https://one.test/x");
  small_.write_to(folder_, "given/");
  folder_.write("given/" + small_.name(kTestImages), small_.contents[kTestImages].substr(0, 18));
  EXPECT_EQ(load(folder_.path("given")).status().code(), StatusCode::kDataLoss);
  std::filesystem::remove(folder_.path("given/" + small_.name(kTestImages)));
  const Status missing = load(folder_.path("given")).status();
  EXPECT_EQ(missing.code(), StatusCode::kNotFound);
  EXPECT_THAT(missing.message(), HasSubstr("t10k-images-idx3-ubyte"));
  EXPECT_TRUE(fetcher_.asked.empty());
}

TEST_F(CatalogTest, DamageInTheCacheIsNotPassedOver) {
  fetcher_.serve(small_, "https://one.test/x");
  ASSERT_TRUE(load().ok());
  folder_.write("cache/sluice/small_set/" + small_.name(kTestLabels), idx_labels(1, "\x04"));
  EXPECT_EQ(load().status().code(), StatusCode::kDataLoss);
}

TEST_F(CatalogTest, TrainAndTestImagesMustHaveTheSameShape) {
  small_.contents[kTestImages] = idx_images(1, 1, 4, "mnop");
  small_.write_to(folder_, "given/");
  const Status status = load(folder_.path("given")).status();
  EXPECT_THAT(status.message(), AllOf(HasSubstr("[2, 2, 1]"), HasSubstr("[1, 4, 1]")));
}

TEST_F(CatalogTest, AFolderOfIdxFilesIsADataset) {
  small_.write_to(folder_, "kanji/");
  for (const char* path : {"kanji", "kanji/"}) {
    auto loaded = load_dataset(folder_.path(path), "", options_);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(loaded->train.name(), "kanji");
    EXPECT_EQ(loaded->train.size(), 3);
    EXPECT_EQ(loaded->train.classes(), 4);  // the test set has a 3
  }
  std::filesystem::create_directory(folder_.path("empty"));
  EXPECT_EQ(load_dataset(folder_.path("empty"), "", options_).status().code(),
            StatusCode::kNotFound);
}

TEST_F(CatalogTest, ACsvFileAloneLeavesASeventhToTestWith) {
  std::string text = "label,a\n";
  for (int i = 0; i < 14; ++i) {
    text.append(std::to_string(i / 5)).append(",").append(std::to_string(i)).append("\n");
  }
  const std::string path = folder_.write("some, of them.csv", text);
  for (const std::string& name : {path, std::string("csv:").append(path)}) {
    auto loaded = load_dataset(name, "", options_);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(loaded->train.size(), 12);
    EXPECT_EQ(loaded->test.size(), 2);
    EXPECT_EQ(loaded->train.classes(), 3);
    EXPECT_EQ(loaded->test.classes(), 3);
    EXPECT_EQ(loaded->train.name(), "some, of them.csv");
    EXPECT_EQ(summary_of_columns(*loaded),
              "Target \"label\": classes 0 to 2; 1 columns of numbers, as they are; 12 records to "
              "train, 2 to test drawn by seed 0");
  }
}

TEST_F(CatalogTest, APathMayHaveCommasOfItsOwn) {
  const std::string train = folder_.write("a,b.csv", "kind,a\nx,1\ny,2\n");
  const std::string test = folder_.write("c,d.csv", "kind,a\ny,1\n");
  options_.csv.target = "kind";
  auto loaded =
      load_dataset(std::string("csv:").append(train).append(",").append(test), "", options_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->train.size(), 2);
  EXPECT_EQ(loaded->train.class_names(), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(
      summary_of_columns(*loaded),
      "Target \"kind\": 2 classes, \"x\", \"y\"; 1 columns of numbers, as they are; 2 records "
      "to train, 1 to test from " +
          test);
}

TEST_F(CatalogTest, ATargetOfWhatHasNoColumnsIsRefused) {
  options_.csv.target = "kind";
  const Status status = load_dataset("digits", "", options_).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("only CSV files have"));
}

TEST_F(CatalogTest, WhatIsIgnoredIsSaidAndNeedsColumns) {
  const std::string csv = folder_.write("x.csv", "id,a,label\nx,1,0\ny,2,1\nz,3,0\n");
  options_.csv.ignored = {"id"};
  const auto loaded = load_dataset(csv, "", options_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_THAT(summary_of_columns(*loaded),
              HasSubstr("; 1 columns of numbers, as they are, without \"id\"; "));
  const Status status = load_dataset("digits", "", options_).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("no columns, of which \"id\" could be ignored"));
}

// As a model's file says it: its columns in its order, its classes, and others passed over.
TEST_F(CatalogTest, ATableIsReadAsTheModelThatIsTrainedOnKnowsIt) {
  const std::string csv =
      folder_.write("x.csv", "kind,b,id,a\ny,2,9,1\ny,4,9,3\ny,6,9,5\nx,8,9,7\n");
  const Preprocessing known{.sample_shape = {2},
                            .columns = {"a", "b"},
                            .target = "kind",
                            .class_names = {"w", "x", "y"}};
  options_.like = records_like(known, 3);
  for (const std::string& name : {csv, "csv:" + csv + "," + csv}) {
    const auto loaded = load_dataset(name, "", options_);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    const auto& records = loaded->train.records();
    EXPECT_EQ(records->info().table.columns, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(records->labels()[0], 2);
    EXPECT_EQ(loaded->train.classes(), 3);
    std::vector<float> row(2);
    records->gather(std::vector<uint32_t>{0}, row);
    EXPECT_EQ(row[1], row[0] + 1);
    // A worker reads the same.
    const auto again = open_described(*describe(*records));
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ((*again)->info().table.columns, records->info().table.columns);
  }
  options_.csv.weights = options_.like->table.weights = "nothere";
  for (const std::string& name : {csv, "csv:" + csv + "," + csv}) {
    EXPECT_THAT(load_dataset(name, "", options_).status().message(), HasSubstr("of weights"));
  }
  EXPECT_THAT(load_test_set(csv, "", options_, *options_.like).status().message(),
              HasSubstr("has no column \"nothere\" of weights"));
  options_.csv.weights = options_.like->table.weights = "";
  const std::string other = folder_.write("other.csv", "kind,b,a\nz,2,1\ny,2,1\n");
  EXPECT_THAT(load_dataset(other, "", options_).status().message(), HasSubstr("found \"z\""));
}

TEST_F(CatalogTest, AFolderWithATestSetAloneIsEnoughToMeasureWith) {
  small_.write_to(folder_, "kanji/");
  for (const char* part : {"images-idx3", "labels-idx1"}) {
    std::filesystem::remove(folder_.path(std::string("kanji/train-") + part + "-ubyte"));
  }
  RecordsInfo like;
  like.classes = 10;
  const auto loaded = load_test_set(folder_.path("kanji"), "", options_, like);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->size(), 1);
  EXPECT_EQ(loaded->classes(), 10);
  EXPECT_EQ(load_dataset(folder_.path("kanji"), "", options_).status().code(),
            StatusCode::kNotFound);
  // So are tables, whose classes are numbers.
  const std::string csv = folder_.write("few.csv", "label,a\n0,1\n2,3\n");
  EXPECT_EQ(load_test_set(csv, "", options_, like)->classes(), 10);
  const std::string named = folder_.write("named.csv", "label,a\nx,1\ny,3\n");
  EXPECT_EQ(load_test_set(named, "", options_, like)->classes(), 2);
}

TEST_F(CatalogTest, TwoCsvFilesHaveTheClassesOfBoth) {
  const std::string train = folder_.write("train.csv", "label,a\n0,1\n1,2\n");
  const std::string test = folder_.write("test.csv", "label,a\n4,1\n");
  auto loaded =
      load_dataset(std::string("csv:").append(train).append(",").append(test), "", options_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->train.size(), 2);
  EXPECT_EQ(loaded->test.size(), 1);
  EXPECT_EQ(loaded->train.classes(), 5);
  EXPECT_EQ(loaded->test.classes(), 5);
  EXPECT_EQ(loaded->train.records()->info().classes_origin, test);  // what a message has to blame
  EXPECT_EQ(loaded->test.records()->info().classes_origin, "");
}

TEST_F(CatalogTest, CsvFilesThatCannotBeUsedAreErrors) {
  EXPECT_EQ(load_dataset(folder_.path("none.csv"), "", options_).status().code(),
            StatusCode::kNotFound);
  const std::string one = folder_.write("one.csv", "label,a\n0,1\n");
  EXPECT_THAT(load_dataset(one, "", options_).status().message(), HasSubstr("at least 2 records"));
}

TEST_F(CatalogTest, OtherNamesListWhatThereIs) {
  auto loaded = load_dataset("cifar10", "", options_);
  EXPECT_EQ(loaded.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(loaded.status().message(),
            "dataset \"cifar10\": expected mnist, fashion_mnist, digits, csv:TRAIN[,TEST], a .csv "
            "file or a folder with IDX files");
}

TEST_F(CatalogTest, DigitsByNameComeWithoutAWarning) {
  auto loaded = load_dataset("digits", "", options_);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->train.name(), "generated digits");
  EXPECT_EQ(warning_, "");
}

TEST_F(CatalogTest, ThePublicFunctionsThrowWhatIsWrongWithTheFiles) {
  folder_.write("mnist/train-images-idx3-ubyte", "x");
  EXPECT_THROW((void)sluice::mnist({.data_dir = folder_.path()}), RuntimeError);
  folder_.write("fashion-mnist/train-images-idx3-ubyte", "x");
  EXPECT_THROW((void)sluice::fashion_mnist({.data_dir = folder_.path()}), RuntimeError);
  EXPECT_THROW((void)sluice::load_dataset("cifar10"), RuntimeError);
  const std::string csv = folder_.write("x.csv", "label,a\n0,1\n1,2\n");
  EXPECT_EQ(sluice::load_dataset(csv).train.size(), 1);
}

// The whole way with the real files, where there are some.
TEST(CatalogRealDataTest, MnistHasSixtyThousandAndTenThousandRecords) {
  const char* place = getenv("SLUICE_DATA_DIR");
  if (place == nullptr) GTEST_SKIP() << "SLUICE_DATA_DIR does not name a folder with mnist/";
  FakeFetcher nobody;
  auto loaded =
      load_dataset("mnist", place, {.fetcher = &nobody, .warn = [](const std::string&) {}});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  if (loaded->train.name() != "mnist") GTEST_SKIP() << "no mnist in " << place;
  EXPECT_EQ(loaded->train.size(), 60000);
  EXPECT_EQ(loaded->test.size(), 10000);
  EXPECT_EQ(loaded->train.sample_shape(), (Shape{28, 28, 1}));
  EXPECT_EQ(loaded->train.records()->labels()[0], 5);  // the well-known first digits
  EXPECT_EQ(loaded->test.records()->labels()[0], 7);
}

}  // namespace
}  // namespace sluice::data
