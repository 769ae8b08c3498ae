#include "formats/hdf5_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "formats/hdf5_writer.h"
#include "sluice/errors.h"
#include "tests/errors.h"

namespace sluice::formats {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Of tests/keras/make_files.py.
std::string h5py_file(const std::string& name) {
  std::ifstream in(SLUICE_SOURCE_DIR "/tests/fuzz/corpus/hdf5/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<float> floats_at(Hdf5Reader& file, const std::string& path) {
  const Hdf5Object* object = file.find(file.root(), path);
  if (object == nullptr || !object->array) throw RuntimeError("there is no " + path);
  std::vector<float> values(object->array->space.count());
  file.read(*object->array, values);
  return values;
}

TEST(Hdf5ReaderTest, ReadsGroupsNumbersAndTextsOfH5py) {
  const std::string bytes = h5py_file("plain.h5");
  Hdf5Reader file(bytes);
  EXPECT_THAT(floats_at(file, "a"), ElementsAre(0, 1, 2));
  EXPECT_THAT(floats_at(file, "h"), ElementsAre(0, 1));  // float16
  EXPECT_EQ(file.read_integer(*file.find(file.root(), "b/c")->array), 5);
  EXPECT_EQ(file.find(file.root(), "b/d"), nullptr);
  const auto texts = [&](const char* name) { return file.texts(file.root().attributes.at(name)); };
  EXPECT_THAT(texts("s"), ElementsAre("text"));
  EXPECT_THAT(texts("l"), ElementsAre("x", "yy"));
  EXPECT_THAT(texts("f"), ElementsAre("abc", "de"));
  EXPECT_THAT(texts("e"), IsEmpty());
}

TEST(Hdf5ReaderTest, ReadsTheNewerFormOfGroupsAndBigEndianDoubles) {
  const std::string bytes = h5py_file("latest.h5");
  Hdf5Reader file(bytes);
  EXPECT_THAT(floats_at(file, "a"), ElementsAre(0, 1, 2));
  EXPECT_THAT(floats_at(file, "g/x"), ElementsAre(1));
  EXPECT_EQ(file.text(file.root(), "s"), "text");
}

TEST(Hdf5ReaderTest, ReadsChunksThatWereShuffledAndPacked) {
  const std::string bytes = h5py_file("chunks.h5");
  Hdf5Reader file(bytes);
  std::vector<float> expected(60);
  for (size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<float>(i);
  EXPECT_EQ(floats_at(file, "z"), expected);
}

TEST(Hdf5ReaderTest, RefusesLinksThatLeadElsewhere) {
  const std::string bytes = h5py_file("links.h5");
  Hdf5Reader file(bytes);
  EXPECT_THAT(message_of<RuntimeError>([&] { (void)file.root(); }),
              HasSubstr("a soft link at \"s\""));
}

TEST(Hdf5ReaderTest, RefusesATreeThatPointsToItself) {
  std::string bytes = h5py_file("plain.h5");
  const size_t tree = bytes.find("TREE");
  ASSERT_NE(tree, std::string::npos);
  bytes[tree + 5] = 1;  // no leaf: its entries are trees
  for (int b = 0; b < 8; ++b) {
    bytes[tree + 32 + static_cast<size_t>(b)] = static_cast<char>(tree >> 8 * b);
  }
  Hdf5Reader file(bytes);
  EXPECT_THAT(message_of<RuntimeError>([&] { (void)file.root(); }), HasSubstr("damaged"));
}

TEST(Hdf5ReaderTest, RefusesWhatIsCutShortWhereverThatIs) {
  const std::string bytes = h5py_file("plain.h5");
  size_t refused = 0;
  for (size_t size = 0; size < bytes.size(); size += 7) {
    const std::string cut = bytes.substr(0, size);
    try {
      Hdf5Reader file(cut);
      (void)floats_at(file, "h");
      (void)file.texts(file.root().attributes.at("l"));
    } catch (const RuntimeError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, bytes.size() / 7 / 2);
}

TEST(Hdf5ReaderTest, ReadsWhatIsWrittenHere) {
  Hdf5Writer writer(0);
  writer.add_group("vars");
  writer.add_array("layers/dense/vars/0", {2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  writer.add_array("scalar", {}, std::vector<float>{7});
  writer.add_integer("many", int64_t{1} << 40);
  writer.add_text("", "long", std::string(100000, 'x'));
  writer.add_texts("layers", "names", {"a", "b\xc3\xa9"});
  writer.add_texts("layers", "none", {});
  const std::string bytes = std::move(writer).finish();

  Hdf5Reader file(bytes);
  EXPECT_THAT(floats_at(file, "layers/dense/vars/0"), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(file.find(file.root(), "layers/dense/vars/0")->array->space.sizes, ElementsAre(2, 3));
  EXPECT_THAT(floats_at(file, "scalar"), ElementsAre(7));
  EXPECT_EQ(file.read_integer(*file.find(file.root(), "many")->array), int64_t{1} << 40);
  EXPECT_EQ(file.text(file.root(), "long"), std::string(100000, 'x'));
  const auto& attributes = file.find(file.root(), "layers")->attributes;
  EXPECT_THAT(file.texts(attributes.at("names")), ElementsAre("a", "b\xc3\xa9"));
  EXPECT_THAT(file.texts(attributes.at("none")), IsEmpty());
  EXPECT_TRUE(file.root().members.contains("vars"));
}

TEST(Hdf5ReaderTest, ReadsAGroupOfManyMembers) {
  Hdf5Writer writer(0);
  for (int i = 0; i < 1000; ++i) {
    writer.add_array("g/" + std::to_string(i), {1}, std::vector<float>{static_cast<float>(i)});
  }
  const std::string bytes = std::move(writer).finish();
  Hdf5Reader file(bytes);
  EXPECT_EQ(file.find(file.root(), "g")->members.size(), 1000u);
  EXPECT_THAT(floats_at(file, "g/777"), ElementsAre(777));
}

TEST(Hdf5ReaderTest, SaysWhatIsNoHdf5) {
  EXPECT_THAT(message_of<RuntimeError>([] { Hdf5Reader(std::string_view("no")); }),
              HasSubstr("is not an HDF5 file"));
}

}  // namespace
}  // namespace sluice::formats
