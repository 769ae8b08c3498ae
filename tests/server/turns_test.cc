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
  EXPECT_EQ(turns.taken(), 1u);
  EXPECT_FALSE(turns.arrive(third)) << "the second has its turn";
  EXPECT_EQ(**turns.finish(), 3);
  EXPECT_FALSE(turns.finish());
  EXPECT_EQ(turns.taken(), 0u);
}

TEST(TurnsTest, CallsOfDifferentNumbersHaveTheirTurnsBesideOneAnother) {
  Turns<Call> turns;
  Call first = call(1), second = call(2), again = call(3);
  EXPECT_TRUE(turns.arrive(first, 7));
  EXPECT_TRUE(turns.arrive(second, 8));
  EXPECT_FALSE(turns.arrive(again, 7)) << "one of 7 has its turn";
  EXPECT_FALSE(turns.finish(8));
  EXPECT_EQ(**turns.finish(7), 3);
  EXPECT_FALSE(turns.finish(7));
  EXPECT_EQ(turns.taken(), 0u);
}

TEST(TurnsTest, OneThatWantsToBeAloneWaitsForAllBeforeItAndHoldsAllBehindIt) {
  Turns<Call> turns;
  Call first = call(1), second = call(2), alone = call(3), late = call(4), later = call(5);
  ASSERT_TRUE(turns.arrive(first, 7));
  ASSERT_TRUE(turns.arrive(second, 8));
  EXPECT_FALSE(turns.arrive(alone));
  EXPECT_FALSE(turns.arrive(late, 9));
  EXPECT_FALSE(turns.arrive(later, 10));
  EXPECT_FALSE(turns.finish(7)) << "8 has its turn still";
  EXPECT_EQ(**turns.finish(8), 3);
  EXPECT_EQ(**turns.finish(), 4);
  EXPECT_EQ(**turns.finish(9), 5);
  EXPECT_FALSE(turns.finish(10));
}

}  // namespace
}  // namespace sluice::server
