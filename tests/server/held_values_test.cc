#include "server/held_values.h"

#include <gtest/gtest.h>

namespace sluice::server {
namespace {

class HeldValuesTest : public testing::Test {
 protected:
  static wire::Payload payload(float value) {
    auto owner = std::make_shared<const std::vector<float>>(1, value);
    const std::span<const float> span(*owner);
    return {std::move(owner), span};
  }
  float taken(uint64_t name, int64_t member = 1) {
    const wire::Payload held = held_.taken(member, name);
    return held.owner ? held.values[0] : -1;
  }

  HeldValues held_;
};

TEST_F(HeldValuesTest, KnowsOnlyWhatItGave) {
  EXPECT_EQ(taken(0), -1);
  EXPECT_EQ(taken(5), -1);
  held_.given(1, 5, payload(0.5f));
  EXPECT_EQ(taken(0), -1);
  EXPECT_EQ(taken(4), -1);
  EXPECT_EQ(taken(5, /*member=*/2), -1);
  EXPECT_EQ(taken(5), 0.5f);
}

// The answer to a message may be lost, and that to its repetition, too.
TEST_F(HeldValuesTest, KeepsWhatWasTakenUntilAnotherIs) {
  held_.given(1, 5, payload(0.5f));
  EXPECT_EQ(taken(5), 0.5f);
  held_.given(1, 6, payload(0.6f));
  EXPECT_EQ(taken(5), 0.5f);
  held_.given(1, 7, payload(0.7f));
  EXPECT_EQ(taken(6), -1) << "another answer has been given instead";
  EXPECT_EQ(taken(5), 0.5f);
  EXPECT_EQ(taken(7), 0.7f);
  EXPECT_EQ(taken(5), -1) << "it has something newer";
}

TEST_F(HeldValuesTest, KeepsNothingOfWhoTrainsNoMore) {
  held_.given(1, 5, payload(0.5f));
  held_.given(2, 6, payload(0.6f));
  held_.keep([](int64_t member) { return member == 2; });
  EXPECT_EQ(held_.members(), 1u);
  EXPECT_EQ(taken(5), -1);
  EXPECT_EQ(taken(6, 2), 0.6f);
}

}  // namespace
}  // namespace sluice::server
