#include "data/sha256.h"

#include <gtest/gtest.h>

namespace sluice::data {
namespace {

std::span<const std::byte> as_bytes(const std::string& s) { return std::as_bytes(std::span(s)); }

// FIPS 180-2, appendix B.
TEST(Sha256Test, GivesThePublishedDigests) {
  Sha256 abc;
  abc.update(as_bytes("abc"));
  EXPECT_EQ(abc.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256().hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256Test, PiecesMakeNoDifference) {
  Sha256 million;
  for (int i = 0; i < 1000; ++i) million.update(as_bytes(std::string(1000, 'a')));
  EXPECT_EQ(million.hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

}  // namespace
}  // namespace sluice::data
