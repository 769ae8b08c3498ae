#include "driver/held_calls.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "wire/control.h"

namespace sluice::driver {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

class HeldCallsTest : public testing::Test {
 protected:
  using Calls = HeldCalls<wire::AcquireRequest, wire::AcquireReply>;

  ~HeldCallsTest() override {
    while (auto call = calls.take_first()) call->reply(cancelled("the test has ended"));
  }

  Calls::Call call_of(int64_t member) {
    return {{42, member}, [this, member](const Result<wire::AcquireReply>& reply) {
              answers.push_back(std::to_string(member) + ": " + reply.status().message());
            }};
  }
  // Members in the order in which their calls are due until `t`.
  std::vector<int64_t> due(core::TimePoint t) {
    std::vector<int64_t> members;
    while (auto call = calls.take_due(t)) {
      members.push_back(call->request.member);
      call->reply(cancelled("due"));
    }
    return members;
  }

  std::vector<std::string> answers;
  Calls calls;
  const core::TimePoint start{1h};
};

TEST_F(HeldCallsTest, EachIsHeldUntilItsTime) {
  EXPECT_EQ(calls.next_due(), core::TimePoint::max());
  EXPECT_FALSE(calls.hold(call_of(1), start + 3s));
  EXPECT_FALSE(calls.hold(call_of(2), start + 1s));
  EXPECT_FALSE(calls.hold(call_of(3), start + 2s));
  EXPECT_EQ(calls.next_due(), start + 1s);
  EXPECT_THAT(due(start), ElementsAre());
  EXPECT_THAT(due(start + 2s), ElementsAre(2, 3));
  EXPECT_EQ(calls.next_due(), start + 3s);
  EXPECT_THAT(due(start + 3s), ElementsAre(1));
  EXPECT_TRUE(calls.empty());
}

TEST_F(HeldCallsTest, AMembersCallCanBeTakenBefore) {
  (void)calls.hold(call_of(1), start + 1s);
  (void)calls.hold(call_of(2), start + 2s);
  EXPECT_FALSE(calls.take(3));
  auto taken = calls.take(1);
  ASSERT_TRUE(taken);
  taken->reply(cancelled("taken"));
  EXPECT_THAT(answers, ElementsAre("1: taken"));
  EXPECT_FALSE(calls.take(1));
  EXPECT_EQ(calls.next_due(), start + 2s);
}

TEST_F(HeldCallsTest, ANewerCallOfTheSameMemberGivesTheOlderBack) {
  (void)calls.hold(call_of(1), start + 1s);
  auto before = calls.hold(call_of(1), start + 5s);
  ASSERT_TRUE(before);
  before->reply(cancelled("older"));
  EXPECT_EQ(calls.next_due(), start + 5s);
  EXPECT_THAT(due(start + 4s), ElementsAre());
  EXPECT_THAT(due(start + 5s), ElementsAre(1));
}

}  // namespace
}  // namespace sluice::driver
