#include "core/byte_order.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstdint>

namespace sluice::core {
namespace {

// What the assertions in the header stand for, byte by byte.
TEST(ByteOrderTest, FloatsAndIntegersLieWithTheirLowestByteFirst) {
  using Bytes = std::array<uint8_t, 4>;
  EXPECT_EQ(std::bit_cast<Bytes>(1.0f), (Bytes{0, 0, 0x80, 0x3f}));
  EXPECT_EQ(std::bit_cast<Bytes>(int32_t{0x01020304}), (Bytes{4, 3, 2, 1}));
}

}  // namespace
}  // namespace sluice::core
