#include "data/published.h"

#include <gmock/gmock.h>

#include "tests/data/small_dataset.h"
#include "tests/data/test_files.h"

namespace sluice::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(FindInFolderTest, FindsPlainCompressedAndDottedNames) {
  TestFolder folder;
  folder.write("train-images-idx3-ubyte", "");
  folder.write("train-labels-idx1-ubyte.gz", "");
  folder.write("t10k-images.idx3-ubyte", "");
  folder.write("t10k-labels.idx1-ubyte.gz", "");
  auto paths = find_in_folder(idx_folder("x"), folder.path());
  ASSERT_TRUE(paths.ok() && *paths) << paths.status();
  EXPECT_EQ((**paths)[kTrainImages], folder.path("train-images-idx3-ubyte"));
  EXPECT_EQ((**paths)[kTrainLabels], folder.path("train-labels-idx1-ubyte.gz"));
  EXPECT_EQ((**paths)[kTestImages], folder.path("t10k-images.idx3-ubyte"));
  EXPECT_EQ((**paths)[kTestLabels], folder.path("t10k-labels.idx1-ubyte.gz"));
}

TEST(FindInFolderTest, NothingThereIsNothingAndSomeOfThemIsAnError) {
  TestFolder folder;
  auto paths = find_in_folder(idx_folder("x"), folder.path());
  ASSERT_TRUE(paths.ok());
  EXPECT_FALSE(paths->has_value());
  ASSERT_TRUE(find_in_folder(idx_folder("x"), folder.path("none")).ok());
  folder.write("train-images-idx3-ubyte", "");
  folder.write("t10k-labels-idx1-ubyte", "");
  paths = find_in_folder(idx_folder("x"), folder.path());
  EXPECT_EQ(paths.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(paths.status().message(),
              AllOf(HasSubstr("not train-labels-idx1-ubyte, t10k-images-idx3-ubyte"),
                    HasSubstr(folder.path())));
}

TEST(FindInPlaceTest, PrefersTheFolderNamedAfterTheDataset) {
  const SmallDataset small;
  TestFolder folder;
  small.write_to(folder, "");
  auto paths = find_in_place(small.dataset, folder.path());
  ASSERT_TRUE(paths.ok() && *paths) << paths.status();
  EXPECT_THAT((**paths)[0], Not(HasSubstr("small")));
  small.write_to(folder, "small-set/");
  paths = find_in_place(small.dataset, folder.path());
  ASSERT_TRUE(paths.ok() && *paths);
  EXPECT_THAT((**paths)[0], HasSubstr("/small-set/"));
  small.write_to(folder, "small_set/");
  paths = find_in_place(small.dataset, folder.path());
  ASSERT_TRUE(paths.ok() && *paths);
  EXPECT_THAT((**paths)[0], HasSubstr("/small_set/"));
}

TEST(PublishedTest, MnistAndFashionMnistHaveDifferentFilesOfTheSameSizes) {
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(mnist_files().files[i].sha256.size(), 64u);
    EXPECT_NE(mnist_files().files[i].sha256, fashion_mnist_files().files[i].sha256);
    EXPECT_EQ(mnist_files().files[i].bytes, fashion_mnist_files().files[i].bytes);
  }
  EXPECT_GE(mnist_files().mirrors.size(), 2u);
  EXPECT_GE(fashion_mnist_files().mirrors.size(), 2u);
}

// Needs the real files: the published digests, and that one dataset is not taken for the other.
TEST(PublishedTest, TheRealFilesHaveThePublishedDigests) {
  const char* place = getenv("SLUICE_DATA_DIR");
  if (place == nullptr) GTEST_SKIP() << "SLUICE_DATA_DIR does not name a folder with mnist/";
  auto paths = find_in_place(mnist_files(), place);
  ASSERT_TRUE(paths.ok()) << paths.status();
  if (!*paths) GTEST_SKIP() << "no mnist in " << place;
  for (size_t i = 0; i < 4; ++i) {
    auto digest = digest_of((**paths)[i], mnist_files().files[i].bytes);
    ASSERT_TRUE(digest.ok()) << digest.status();
    EXPECT_EQ(*digest, mnist_files().files[i].sha256) << (**paths)[i];
  }
  const std::string folder = std::filesystem::path((**paths)[0]).parent_path().string();
  auto other = find_in_place(fashion_mnist_files(), folder);
  EXPECT_EQ(other.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(other.status().message(), HasSubstr("belongs to mnist, not to fashion_mnist"));
}

}  // namespace
}  // namespace sluice::data
