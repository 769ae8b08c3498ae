#include "data/idx.h"

#include <gmock/gmock.h>

#include <random>

#include "tests/data/test_files.h"

namespace sluice::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kPixels = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\xFF";
const std::string kClasses = std::string("\x07\x00", 2);

// Two images of 2 rows and 3 columns.
std::string images() { return idx_images(2, 2, 3, kPixels); }
std::string labels() { return idx_labels(2, kClasses); }

class IdxTest : public ::testing::Test {
 protected:
  Result<std::shared_ptr<const Records>> read(const std::string& image_bytes,
                                              const std::string& label_bytes) {
    images_path_ = folder_.write("images", image_bytes);
    labels_path_ = folder_.write("labels", label_bytes);
    return read_idx(images_path_, labels_path_, {.name = "small"});
  }
  // The one line that reading fails with.
  std::string error(const std::string& image_bytes, const std::string& label_bytes) {
    auto records = read(image_bytes, label_bytes);
    EXPECT_FALSE(records.ok());
    const std::string message = records.status().message();
    EXPECT_EQ(message.find('\n'), std::string::npos);
    return message;
  }

  TestFolder folder_;
  std::string images_path_, labels_path_;
};

void expect_small(const Records& records) {
  EXPECT_EQ(records.info().records, 2);
  EXPECT_EQ(records.info().sample_shape, (Shape{2, 3, 1}));
  EXPECT_EQ(records.info().classes, 10);
  EXPECT_EQ(records.info().name, "small");
  std::vector<uint32_t> second = {1};
  std::vector<float> x(6), y(1);
  records.gather(second, x);
  records.gather_targets(second, TargetForm::kClassNumbers, y);
  EXPECT_FLOAT_EQ(x[0], 7.0f / 255.0f);
  EXPECT_FLOAT_EQ(x[5], 1.0f);
  EXPECT_EQ(y[0], 0.0f);
  EXPECT_EQ(records.labels()[0], 7);
}

TEST_F(IdxTest, ReadsPlainAndCompressedFilesByContentNotByName) {
  for (bool gzip_images : {false, true}) {
    for (bool gzip_labels : {false, true}) {
      auto records =
          read(gzip_images ? gzip(images()) : images(), gzip_labels ? gzip(labels()) : labels());
      ASSERT_TRUE(records.ok()) << records.status();
      expect_small(**records);
    }
  }
}

TEST_F(IdxTest, GzipMembersOneAfterAnotherAreOneFile) {
  const std::string whole = images();
  auto records = read(gzip(whole.substr(0, 5)) + gzip(whole.substr(5)), labels());
  ASSERT_TRUE(records.ok()) << records.status();
  expect_small(**records);
}

TEST_F(IdxTest, RemembersWhereItReadFrom) {
  auto records = read(images(), labels());
  ASSERT_TRUE(records.ok());
  EXPECT_EQ((*records)->info().source.kind, "idx");
  const auto& files = (*records)->info().source.files;
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].path, images_path_);
  EXPECT_EQ(files[1].path, labels_path_);
  EXPECT_EQ((*records)->info().origin, images_path_);
}

TEST_F(IdxTest, AMissingFileIsNamed) {
  auto records = read_idx(folder_.path("none"), folder_.path("none2"), {.name = "x"});
  EXPECT_EQ(records.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(records.status().message(), HasSubstr(folder_.path("none")));
}

TEST_F(IdxTest, CutShortSaysHowManyBytesWereExpectedAndFound) {
  const std::string cut = images().substr(0, 27);
  EXPECT_THAT(error(cut, labels()),
              AllOf(HasSubstr(images_path_), HasSubstr("expected 28 bytes for 2 images"),
                    HasSubstr("found 27"), HasSubstr("cut short")));
  EXPECT_THAT(error(gzip(cut), labels()), HasSubstr("found 27"));
  EXPECT_THAT(error(images(), labels().substr(0, 9)),
              AllOf(HasSubstr(labels_path_), HasSubstr("expected 10 bytes for 2 labels")));
  EXPECT_THAT(error(images().substr(0, 10), labels()), HasSubstr("10 bytes of its 16-byte header"));
}

TEST_F(IdxTest, BytesLeftOverAreAnError) {
  EXPECT_THAT(error(images() + "x", labels()),
              AllOf(HasSubstr("expected 28"), HasSubstr("found 29")));
  EXPECT_THAT(error(gzip(images() + "x"), labels()), HasSubstr("found more"));
  EXPECT_THAT(error(images(), labels() + "x"), HasSubstr(labels_path_));
}

TEST_F(IdxTest, OtherFilesAreToldByTheirMagicNumber) {
  EXPECT_THAT(error("<html>not found</html>", labels()),
              AllOf(HasSubstr("expected an IDX file of images (magic number 2051)"),
                    HasSubstr("magic number 1013478509")));  // "<htm"
  EXPECT_THAT(error(gzip(std::string(100000, 'a')), labels()), HasSubstr("found magic number"));
  EXPECT_THAT(error(labels(), images()), HasSubstr("exchange the two files"));
}

TEST_F(IdxTest, ValidFilesOfOtherShapesAndElementsAreNamedAsWhatTheyAre) {
  const auto with = [](char type, char dimensions) {
    return std::string{0, 0, type, dimensions} + std::string(64, 1);
  };
  const std::string advice =
      ": only grey pictures of bytes, [records, rows, columns], are read from IDX files; a program "
      "can use Dataset::from_arrays";
  EXPECT_THAT(error(with(8, 4), labels()),
              HasSubstr("/images: has 4 dimensions (colour?)" + advice));
  EXPECT_THAT(error(gzip(with(8, 4)), labels()), HasSubstr("4 dimensions"));
  EXPECT_THAT(error(with(8, 2), labels()), HasSubstr("/images: has 2 dimensions" + advice));
  EXPECT_THAT(error(with(0x0D, 3), labels()),
              HasSubstr("/images: has elements that are 32-bit floats" + advice));
  EXPECT_THAT(error(with(0x09, 3), labels()), HasSubstr("signed bytes"));
  EXPECT_THAT(error(with(0x0B, 3), labels()), HasSubstr("16-bit integers"));
  EXPECT_THAT(error(with(0x0C, 3), labels()), HasSubstr("32-bit integers"));
  EXPECT_THAT(error(with(0x0E, 4), labels()), HasSubstr("64-bit floats"));
  EXPECT_THAT(error(images(), with(0x0C, 1)),
              HasSubstr("/labels: has elements that are 32-bit integers: only class numbers of "
                        "bytes, [records], are read from IDX files"));
  EXPECT_THAT(error(images(), with(8, 2)), HasSubstr("has 2 dimensions: only class numbers"));
  EXPECT_THAT(error(with(0x0A, 3), labels()), HasSubstr("get the file again"));  // no such type
  EXPECT_THAT(error(with(8, 0), labels()), HasSubstr("get the file again"));
}

TEST_F(IdxTest, EmptyFilesAndEmptyDatasetsAreErrors) {
  EXPECT_THAT(error("", labels()), HasSubstr("found an empty file"));
  EXPECT_THAT(error(images(), ""), HasSubstr("found an empty file"));
  EXPECT_THAT(error("\x01", labels()), HasSubstr("found 1 bytes"));
  EXPECT_THAT(error(idx_images(0, 2, 3, ""), idx_labels(0, "")), HasSubstr("at least one record"));
  EXPECT_THAT(error(idx_images(2, 0, 3, ""), labels()), HasSubstr("size 0"));
}

TEST_F(IdxTest, DimensionsBeyondAnyFileAreAnErrorAndNeedNoMemory) {
  EXPECT_THAT(error(idx_images(~0u, ~0u, ~0u, "x"), labels()), HasSubstr("larger than any file"));
  EXPECT_THAT(error(idx_images(~0u, 28, 28, "x"), labels()), HasSubstr("cut short"));
  EXPECT_THAT(error(gzip(idx_images(~0u, 28, 28, "x")), labels()), HasSubstr("cut short"));
}

TEST_F(IdxTest, DamagedGzipIsAnErrorEvenWhenAllBytesAreThere) {
  const std::string whole = gzip(images());
  EXPECT_THAT(error(whole.substr(0, whole.size() - 9), labels()), HasSubstr("cut short"));
  std::string crc = whole;
  crc[crc.size() - 6] = static_cast<char>(crc[crc.size() - 6] ^ 1);
  EXPECT_THAT(error(crc, labels()), AllOf(HasSubstr(images_path_), HasSubstr("damage")));
  EXPECT_THAT(error(whole + "rest", labels()), HasSubstr("damage"));
}

TEST_F(IdxTest, ALabelThatIsNoClassIsNamedByRecord) {
  EXPECT_THAT(error(images(), idx_labels(2, "\x03\x0A")),
              AllOf(HasSubstr(labels_path_), HasSubstr("record 1 has label 10, expected 0 to 9")));
}

TEST_F(IdxTest, DifferentCountsNameBothFiles) {
  EXPECT_THAT(
      error(images(), idx_labels(3, "\x01\x02\x03")),
      AllOf(HasSubstr(images_path_ + " has 2 images"), HasSubstr(labels_path_ + " has 3 labels")));
}

// Whatever the bytes, reading ends with records that fit together or with one line.
TEST_F(IdxTest, NoDamageCrashesTheReader) {
  std::mt19937 random(1);
  const std::string plain = images(), packed = gzip(plain);
  const auto check = [&](const std::string& image_bytes, const std::string& label_bytes) {
    auto records = read(image_bytes, label_bytes);
    if (!records.ok()) {
      EXPECT_FALSE(records.status().message().empty());
      EXPECT_EQ(records.status().message().find('\n'), std::string::npos);
    }
    return records.ok();
  };
  for (const std::string& whole : {plain, packed}) {
    for (size_t n = 0; n < whole.size(); ++n)
      EXPECT_FALSE(check(whole.substr(0, n), labels())) << n;
  }
  for (size_t n = 0; n < labels().size(); ++n) EXPECT_FALSE(check(images(), labels().substr(0, n)));
  for (size_t bit = 0; bit < 16 * 8; ++bit) {  // any flip in the header contradicts the size
    std::string flipped = plain;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(check(flipped, labels())) << bit;
    EXPECT_FALSE(check(gzip(flipped), labels())) << bit;
  }
  for (size_t bit = 0; bit < packed.size() * 8; ++bit) {  // some gzip header bits mean nothing
    std::string flipped = packed;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    check(flipped, labels());
  }
  for (int i = 0; i < 300; ++i) {
    std::string noise(random() % 64, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    EXPECT_FALSE(check(noise, labels()));
    EXPECT_FALSE(check(images(), noise));
    EXPECT_FALSE(check("\x1F\x8B" + noise, labels()));
    EXPECT_FALSE(check(big_endian_word(2051) + noise, labels()));
  }
}

}  // namespace
}  // namespace sluice::data
