#include "data/weights_file.h"

#include <gmock/gmock.h>

#include <cstring>

#include "tests/data/test_files.h"

namespace sluice::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// As numpy.save() writes it.
template <typename Number>
std::string npy(const std::string& type, const std::string& shape,
                const std::vector<Number>& numbers) {
  std::string header =
      "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }";
  header.resize((10 + header.size()) / 64 * 64 + 64 - 11, ' ');
  header += '\n';
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size());
  bytes += '\0';
  bytes += header;
  return bytes.append(reinterpret_cast<const char*>(numbers.data()),
                      numbers.size() * sizeof(Number));
}

class WeightsFileTest : public testing::Test {
 protected:
  Result<std::vector<float>> read(const std::string& name, const std::string& bytes,
                                  int64_t records) {
    return read_weights(folder_.write(name, bytes), records);
  }
  // One line that begins with the file's path, which is left out.
  std::string error(const std::string& name, const std::string& bytes, int64_t records) {
    const auto weights = read(name, bytes, records);
    EXPECT_THAT(weights.status().code(),
                testing::AnyOf(StatusCode::kInvalidArgument, StatusCode::kDataLoss));
    const std::string message = weights.status().message();
    EXPECT_THAT(message, StartsWith(folder_.path(name) + ": "));
    EXPECT_EQ(message.find('\n'), std::string::npos);
    return message.substr(std::min(folder_.path(name).size() + 2, message.size()));
  }

  TestFolder folder_;
};

TEST_F(WeightsFileTest, IsANumberALineWithOrWithoutAName) {
  for (const char* text : {"1\n0.5\n2e1\n", "weight\n1\r\n0.5\r\n20", "\n\"w\"\n1\n\n.5\n20\n"}) {
    const auto weights = read("w.csv", text, 3);
    ASSERT_TRUE(weights.ok()) << weights.status();
    EXPECT_THAT(*weights, ElementsAre(1, 0.5f, 20)) << text;
  }
  const auto packed = read("w.csv.gz", gzip("1\n2\n"), 2);
  ASSERT_TRUE(packed.ok()) << packed.status();
  EXPECT_THAT(*packed, ElementsAre(1, 2));
}

TEST_F(WeightsFileTest, IsAVectorOfNumpys) {
  const auto floats = read("w.npy", npy<float>("<f4", "(3,)", {1, 0.25f, 0}), 3);
  ASSERT_TRUE(floats.ok()) << floats.status();
  EXPECT_THAT(*floats, ElementsAre(1, 0.25f, 0));
  const auto column = read("w.npy", npy<double>("<f8", "(2, 1)", {0.1, 7}), 2);
  ASSERT_TRUE(column.ok()) << column.status();
  EXPECT_THAT(*column, ElementsAre(0.1f, 7));
}

TEST_F(WeightsFileTest, OfAnotherLengthIsRefused) {
  EXPECT_EQ(error("w.txt", "1\n2\n", 3),
            "expected a weight for each of 3 records to train, found 2");
  EXPECT_EQ(error("w.txt", "", 1), "expected a weight for each of 1 record to train, found 0");
  EXPECT_EQ(error("w.npy", npy<float>("<f4", "(2,)", {1, 2}), 3),
            "expected a weight for each of 3 records to train, found 2");
  EXPECT_EQ(error("w.npy", npy<float>("<f4", "(3,)", {1, 2}), 3),
            "its header says [3] numbers of 4 bytes, but 8 bytes follow; it is cut short or "
            "damaged");
}

TEST_F(WeightsFileTest, NumbersThatAreNoWeightsAreRefused) {
  for (const char* bad : {"-1", "nan", "inf", "1e39", "1;2", "heavy"}) {
    EXPECT_EQ(error("w.txt", std::string("1\n") + bad + "\n3\n", 3),
              std::string("line 2: expected a weight, a finite number of at least 0, found \"") +
                  bad + "\"");
  }
  EXPECT_THAT(error("w.txt", "nan\n1\n2\n", 3), StartsWith("line 1: expected a weight"));
  EXPECT_THAT(error("w.txt", "nan\n1\n2\n3\n", 3), StartsWith("line 1: expected a weight"));
  EXPECT_THAT(error("w.txt", "-1\n1\n2\n", 3), StartsWith("line 1: expected a weight"));
  EXPECT_EQ(error("w.txt", "1\n1,2\n", 3), "line 2: expected one number, found 2 cells");
  EXPECT_EQ(error("w.npy", npy<float>("<f4", "(2,)", {1, -2}), 2),
            "the weight of record 1 is -2; it must be finite and at least 0");
  EXPECT_THAT(error("w.npy", npy<double>("<f8", "(2,)", {1, 1e300}), 2), HasSubstr("record 1"));
}

TEST_F(WeightsFileTest, OtherArraysAreRefused) {
  EXPECT_EQ(error("w.npy", npy<float>("<f4", "(1, 2)", {1, 2}), 2),
            "expected a vector, found an array [1, 2]");
  EXPECT_THAT(error("w.npy", npy<float>("<c8", "(1,)", {1, 2}), 1),
              StartsWith("expected an array of numbers"));
  const std::string whole = npy<float>("<f4", "(2,)", {1, 2});
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_NE(error("w.npy", whole.substr(0, length), 2), "") << length;
  }
  EXPECT_EQ(error("w.npy", "1\n2\n", 2), "expected a .npy file of numpy's, found none");
  EXPECT_EQ(read_weights(folder_.path("gone"), 1).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace sluice::data
