#include "data/npy.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "tests/data/test_files.h"

namespace sluice::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// As numpy.save() writes it.
template <typename Number>
std::string npy(const std::string& type, const std::string& shape,
                const std::vector<Number>& numbers, const char* order = "False") {
  std::string header =
      "{'descr': '" + type + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
  header.resize((10 + header.size()) / 64 * 64 + 64 - 11, ' ');
  header += '\n';
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size());
  bytes += '\0';
  bytes += header;
  return bytes.append(reinterpret_cast<const char*>(numbers.data()),
                      numbers.size() * sizeof(Number));
}

TEST(NpyTest, NumbersOfAnyTypeBecomeFloats) {
  const auto values = [](const std::string& file) {
    const auto npy = parse_npy("x", file);
    return npy.ok() ? npy->values : std::vector<float>();
  };
  EXPECT_THAT(values(npy<float>("<f4", "(2,)", {1.5f, -2})), ElementsAre(1.5f, -2));
  EXPECT_THAT(values(npy<double>("<f8", "(2,)", {0.1, 1e300})), ElementsAre(0.1f, HUGE_VALF));
  EXPECT_THAT(values(npy<uint8_t>("|u1", "(2, 1)", {255, 0})), ElementsAre(255, 0));
  EXPECT_THAT(values(npy<int8_t>("|i1", "(2,)", {-1, 3})), ElementsAre(-1, 3));
  EXPECT_THAT(values(npy<uint16_t>("<u2", "(1,)", {65535})), ElementsAre(65535));
  EXPECT_THAT(values(npy<int64_t>("<i8", "(1,)", {-7})), ElementsAre(-7));
  // 1, -2, the smallest subnormal, the largest number, infinity.
  EXPECT_THAT(values(npy<uint16_t>("<f2", "(5,)", {0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00})),
              ElementsAre(1, -2, 0x1p-24f, 65504, HUGE_VALF));
}

TEST(NpyTest, ShapesAreRead) {
  EXPECT_EQ(parse_npy("x", npy<float>("<f4", "(2, 1, 3)", std::vector<float>(6)))->shape,
            (Shape{2, 1, 3}));
  EXPECT_EQ(parse_npy("x", npy<float>("<f4", "()", {1}))->shape, Shape{});
  EXPECT_EQ(parse_npy("x", npy<float>("<f4", "(0, 3)", {}))->values.size(), 0u);
}

TEST(NpyTest, OthersAreRefused) {
  const auto error = [](const std::string& file) {
    return parse_npy("x.npy", file).status().message();
  };
  // To the telling word.
  EXPECT_THAT(error(npy<float>("<c8", "(1,)", {1, 2})),
              testing::EndsWith("expected an array of numbers (numpy: np.asarray(x, \"float32\")), "
                                "found the type \"<c8\", complex numbers"));
  EXPECT_THAT(error(npy<float>("|O", "(1,)", {1})), testing::EndsWith("\"|O\", Python objects"));
  EXPECT_THAT(error(npy<float>("<f16", "(1,)", {1})), testing::EndsWith("long double"));
  EXPECT_THAT(error(npy<float>("<f4", "(1, 1)", {1}, "Maybe")),
              testing::EndsWith("expected fortran_order True or False, found \"Maybe\""));
  EXPECT_THAT(error(npy<float>("<f4", "(2,)", {1})),
              testing::EndsWith("its header says [2] numbers of 4 bytes, but 4 bytes follow; it is "
                                "cut short or damaged"));
  EXPECT_THAT(error(npy<float>("<f4", "(-1,)", {1})), HasSubstr("expected a shape"));
  EXPECT_THAT(error(npy<float>("<f4", "(4294967296, 4294967296, 4294967296)", {1})),
              HasSubstr("larger than any file"));
  EXPECT_THAT(error(npy<float>("<f4", "(2,)", {1, 2}).substr(0, 40)),
              HasSubstr("ends within its header"));
  EXPECT_THAT(error(std::string("\x93NUMPY\2\0\xff\xff\xff\xff", 12)),
              HasSubstr("a .npy file's header of 4294967295 bytes"));
  EXPECT_THAT(error("nothing"), HasSubstr("x.npy: expected a .npy file"));
}

// tests/keras/make_arrays.py has had numpy save one array in several ways.
TEST(NpyTest, ByteAndIndexOrdersAreNumpys) {
  const auto golden = [](const std::string& name) {
    const std::string path = std::string(SLUICE_SOURCE_DIR) + "/tests/data/golden/" + name;
    const auto read = parse_npy(name, read_whole(path));
    EXPECT_TRUE(read.ok()) << read.status();
    return read.ok() ? *read : Npy();
  };
  const Npy expected = golden("array.npy");
  EXPECT_EQ(expected.shape, (Shape{2, 3, 4}));
  EXPECT_EQ(expected.values[1], -55);
  for (const char* name : {"array_fortran.npy", "array_turned.npy", "array_big_f8.npy",
                           "array_big_f2.npy", "array_big_i8.npy", "array_little_i4.npy"}) {
    SCOPED_TRACE(name);
    const Npy read = golden(name);
    EXPECT_EQ(read.shape, expected.shape);
    EXPECT_EQ(read.values, expected.values);
  }
}

TEST(NpyTest, WhatIsWrittenIsRead) {
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{1, 1}, Shape{1, 1, 1}}) {
    std::string file = npy_header(shape);
    EXPECT_EQ(file.size() % 64, 0u);
    const float number = 2.5f;
    file.append(reinterpret_cast<const char*>(&number), sizeof number);
    const auto read = parse_npy("x", file);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->shape, shape);
    EXPECT_THAT(read->values, ElementsAre(2.5f));
  }
}

}  // namespace
}  // namespace sluice::data
