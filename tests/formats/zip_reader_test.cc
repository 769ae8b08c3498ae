#include "formats/zip_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "formats/zip_writer.h"
#include "sluice/errors.h"
#include "tests/errors.h"

namespace sluice::formats {
namespace {

using testing::HasSubstr;

// Of Python's zipfile: tests/keras/make_files.py.
std::string python_file(const std::string& name) {
  std::ifstream in(SLUICE_SOURCE_DIR "/tests/fuzz/corpus/zip/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string read(const std::string& archive, const std::string& member) {
  std::string storage;
  const auto content = ZipReader(archive).read(member, storage);
  return {content.begin(), content.end()};
}

std::string refusal(const std::string& archive, const std::string& member = "a") {
  return message_of<RuntimeError>([&] { (void)read(archive, member); });
}

std::string archive_of(const std::string& content) {
  ZipWriter writer;
  writer.add("a", content);
  return std::move(writer).finish();
}

TEST(ZipReaderTest, ReadsWhatPythonWrites) {
  std::string nine;
  for (int i = 0; i < 9; ++i) nine += "{\"a\": 1}";
  for (const char* name : {"stored.zip", "deflated.zip"}) {
    EXPECT_EQ(read(python_file(name), "config.json"), nine) << name;
    EXPECT_EQ(read(python_file(name), "a"), "b") << name;
  }
  EXPECT_EQ(read(python_file("zip64.zip"), "a"), "hello");
}

TEST(ZipReaderTest, ReadsWhatIsWrittenHere) {
  ZipWriter writer;
  writer.add("one", "first");
  writer.add("two", "");
  const std::string archive = std::move(writer).finish();
  EXPECT_TRUE(is_zip(archive));
  EXPECT_EQ(read(archive, "one"), "first");
  EXPECT_EQ(read(archive, "two"), "");
  EXPECT_THAT(refusal(archive, "three"), HasSubstr("has no \"three\" in it"));
}

TEST(ZipReaderTest, ReadsBehindWhichThereIsAComment) {
  std::string archive = archive_of("text");
  archive[archive.size() - 2] = 3;
  EXPECT_EQ(read(archive + "abc", "a"), "text");
}

TEST(ZipReaderTest, ComparesTheChecksum) {
  std::string archive = archive_of("text");
  archive[archive.find("text")] = 'T';
  EXPECT_THAT(refusal(archive), HasSubstr("the checksum of \"a\" does not hold"));
}

TEST(ZipReaderTest, RefusesTwoMembersOfOneName) {
  ZipWriter writer;
  writer.add("a", "1");
  writer.add("a", "2");
  EXPECT_THAT(refusal(std::move(writer).finish()), HasSubstr("two members are named \"a\""));
}

TEST(ZipReaderTest, RefusesMembersThatShareBytes) {
  ZipWriter writer;
  writer.add("a", "12345");
  writer.add("a", "67890");
  std::string archive = std::move(writer).finish();
  // The directory's second entry: another name, and the first one's place.
  const size_t second = archive.rfind("PK\x01\x02");
  archive[second + 46] = 'b';
  std::fill_n(archive.begin() + static_cast<std::ptrdiff_t>(second) + 42, 4, '\0');
  EXPECT_THAT(refusal(archive), HasSubstr("damaged"));
}

TEST(ZipReaderTest, RefusesBombsBeforeTheyGrow) {
  std::string archive = python_file("deflated.zip");
  // The directory says that "config.json" becomes two gigabytes.
  const size_t entry = archive.find("PK\x01\x02");
  archive[entry + 27] = 0x7f;
  EXPECT_THAT(refusal(archive, "config.json"), HasSubstr("a zip bomb"));
}

TEST(ZipReaderTest, RefusesWhatIsCutShortWhereverThatIs) {
  const std::string archive = python_file("deflated.zip");
  for (size_t size = 0; size < archive.size(); ++size) {
    EXPECT_NE(refusal(archive.substr(0, size)), "") << size;
  }
}

}  // namespace
}  // namespace sluice::formats
