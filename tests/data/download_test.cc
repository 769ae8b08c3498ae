#include "data/download.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "core/log.h"
#include "tests/data/small_dataset.h"
#include "tests/data/test_files.h"

namespace sluice::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class DownloadTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { log::set_level("warn"); }
  Result<PublishedPaths> get() { return download(small_.dataset, cache_, fetcher_); }
  std::string url(const std::string& mirror, size_t part) {
    return mirror + "/" + small_.name(part) + ".gz";
  }

  SmallDataset small_;
  FakeFetcher fetcher_;
  TestFolder folder_;
  const std::string cache_ = folder_.path("cache/small_set");
  const std::string one_ = "https://one.test/x", two_ = "https://two.test/y";
};

TEST_F(DownloadTest, KeepsTheDecompressedFilesAndNothingElse) {
  fetcher_.serve(small_, one_);
  auto paths = get();
  ASSERT_TRUE(paths.ok()) << paths.status();
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(read_whole((*paths)[i]), small_.contents[i]);
  EXPECT_EQ(folder_.files(), 2 + 4);  // the two folders and the files
  EXPECT_EQ(fetcher_.asked.size(), 4u);
}

TEST_F(DownloadTest, ASecondTimeNothingIsFetched) {
  fetcher_.serve(small_, one_);
  ASSERT_TRUE(get().ok());
  fetcher_.asked.clear();
  ASSERT_TRUE(get().ok());
  EXPECT_TRUE(fetcher_.asked.empty());
  auto found = find_downloaded(small_.dataset, cache_);
  ASSERT_TRUE(found.ok() && *found) << found.status();
}

TEST_F(DownloadTest, OnlyWhatIsMissingIsFetched) {
  fetcher_.serve(small_, one_);
  ASSERT_TRUE(get().ok());
  std::filesystem::remove(cache_ + "/" + small_.name(kTestImages));
  auto found = find_downloaded(small_.dataset, cache_);
  ASSERT_TRUE(found.ok());
  EXPECT_FALSE(found->has_value());
  fetcher_.asked.clear();
  ASSERT_TRUE(get().ok());
  EXPECT_EQ(fetcher_.asked, std::vector{url(one_, kTestImages)});
}

TEST_F(DownloadTest, AnotherMirrorIsTriedAndThenKept) {
  fetcher_.serve(small_, two_);
  ASSERT_TRUE(get().ok());
  ASSERT_EQ(fetcher_.asked.size(), 5u);  // the first mirror once, the second four times
  EXPECT_THAT(fetcher_.asked[0], StartsWith(one_));
  EXPECT_THAT(fetcher_.asked[2], StartsWith(two_));
}

TEST_F(DownloadTest, AMirrorWithOtherContentIsPassedOver) {
  fetcher_.serve(small_, one_);
  fetcher_.serve(small_, two_);
  const std::string other(small_.contents[0].size(), 'x');
  for (const std::string& bad :
       {gzip(other), other, gzip(small_.contents[0]).substr(0, 30), std::string("<html>"),
        gzip(std::string(100000, 'x')), std::string()}) {
    std::filesystem::remove_all(cache_);
    fetcher_.bodies[url(one_, 0)] = bad;
    auto paths = get();
    ASSERT_TRUE(paths.ok()) << paths.status();
    EXPECT_EQ(read_whole((*paths)[0]), small_.contents[0]);
    EXPECT_EQ(folder_.files(), 2 + 4);
  }
}

TEST_F(DownloadTest, ABodyThatNeverEndsIsGivenUp) {
  fetcher_.serve(small_, two_);
  fetcher_.bodies[url(one_, 0)] = std::string(4 << 20, 'x');
  EXPECT_TRUE(get().ok());
  fetcher_.bodies[url(two_, 0)] = std::string(4 << 20, 'x');
  std::filesystem::remove_all(cache_);
  EXPECT_THAT(get().status().message(), HasSubstr("sends more than the file can have"));
}

TEST_F(DownloadTest, NoMirrorIsUnavailableWithALineForEach) {
  fetcher_.bodies[url(two_, 0)] = gzip("something else");
  auto paths = get();
  EXPECT_EQ(paths.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(paths.status().message(), AllOf(HasSubstr(url(one_, 0) + ": no route\n"),
                                              HasSubstr(url(two_, 0) + ": expected SHA-256 " +
                                                        small_.dataset.files[0].sha256)));
}

TEST_F(DownloadTest, DamageInTheCacheIsAnErrorThatSaysWhatToDelete) {
  fetcher_.serve(small_, one_);
  ASSERT_TRUE(get().ok());
  const std::string path = cache_ + "/" + small_.name(kTrainImages);
  std::string bytes = read_whole(path);
  bytes.back() ^= 1;
  std::ofstream(path, std::ios::binary) << bytes;
  for (const Status& status : {get().status(), find_downloaded(small_.dataset, cache_).status()}) {
    EXPECT_EQ(status.code(), StatusCode::kDataLoss);
    EXPECT_THAT(status.message(), AllOf(HasSubstr(path), HasSubstr("delete it")));
  }
}

TEST_F(DownloadTest, ACacheThatCannotBeWrittenIsAnErrorOfItsOwn) {
  fetcher_.serve(small_, one_);
  folder_.write("cache", "a file where the folder should be");
  auto paths = get();
  EXPECT_FALSE(paths.ok());
  EXPECT_NE(paths.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(paths.status().message(), HasSubstr("set XDG_CACHE_HOME"));
}

TEST(CacheFolderTest, IsXdgsThenHomesThenTheUsersOwn) {
  ScopedEnv home("HOME", "/home/somebody");
  ScopedEnv xdg("XDG_CACHE_HOME", "/var/x");
  EXPECT_EQ(cache_folder(), "/var/x/sluice");
  ScopedEnv no_xdg("XDG_CACHE_HOME", nullptr);
  EXPECT_EQ(cache_folder(), "/home/somebody/.cache/sluice");
  ScopedEnv no_home("HOME", nullptr);
  EXPECT_THAT(cache_folder(), StartsWith("/tmp/sluice-cache-"));
}

TEST(IsOfflineTest, IsSetByAnythingButZero) {
  ScopedEnv unset("SLUICE_OFFLINE", nullptr);
  EXPECT_FALSE(is_offline());
  ScopedEnv zero("SLUICE_OFFLINE", "0");
  EXPECT_FALSE(is_offline());
  ScopedEnv one("SLUICE_OFFLINE", "1");
  EXPECT_TRUE(is_offline());
}

}  // namespace
}  // namespace sluice::data
