#include "server/turns.h"

#include <gtest/gtest.h>

#include <memory>

namespace sluice::server {
namespace {

using Call = std::unique_ptr<int>;

Call call(int number) { return std::make_unique<int>(number); }

TEST(TurnsTest, TheFirstCallHasItsTurnAtOnceAndIsLeftAlone) {
  Turns<Call> turns;
  Call first = call(1);
  EXPECT_TRUE(turns.arrive(first));
  EXPECT_EQ(*first, 1);
  EXPECT_FALSE(turns.finish());
  EXPECT_TRUE(turns.arrive(first)) << "nobody's turn again";
}

TEST(TurnsTest, OthersAreHeldAndFollowInOrderOfArrival) {
  Turns<Call> turns;
  Call first = call(1);
  ASSERT_TRUE(turns.arrive(first));
  for (int i = 2; i <= 4; ++i) {
    Call other = call(i);
    EXPECT_FALSE(turns.arrive(other));
    EXPECT_FALSE(other) << "kept";
  }
  EXPECT_EQ(turns.held(), 3u);
  for (int i = 2; i <= 4; ++i) EXPECT_EQ(**turns.finish(), i);
  EXPECT_FALSE(turns.finish());
}

TEST(TurnsTest, NobodyGetsInBetweenTwoTurns) {
  Turns<Call> turns;
  Call first = call(1);
  Call second = call(2);
  Call third = call(3);
  ASSERT_TRUE(turns.arrive(first));
  ASSERT_FALSE(turns.arrive(second));
  EXPECT_EQ(**turns.finish(), 2);
  EXPECT_TRUE(turns.taken());
  EXPECT_FALSE(turns.arrive(third)) << "the second has its turn";
  EXPECT_EQ(**turns.finish(), 3);
  EXPECT_FALSE(turns.finish());
  EXPECT_FALSE(turns.taken());
}

}  // namespace
}  // namespace sluice::server
