#include "client/member.h"

#include <gmock/gmock.h>

#include "tests/support/manual_world.h"
#include "tests/support/scripted_driver.h"

namespace sluice::client {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using wire::HeartbeatReply;
using wire::HeartbeatRequest;

class MemberTest : public testing::Test {
 protected:
  MemberTest() {
    wire::TrainingSpec spec;
    spec.model = "{}";
    spec.heartbeat_interval = 1s;
    spec.driver_timeout = 30s;
    spec_ = to_json(spec);
    driver_->joins.answer = [this](const wire::JoinRequest&) {
      return wire::JoinReply{42, ++last_member_, 0, spec_, 0};
    };
    driver_->leaves.answer = [](const wire::LeaveRequest&) { return ok_status(); };
  }

  static wire::JoinRequest a_request() {
    wire::JoinRequest request;
    request.preferred_index = 3;
    return request;
  }
  void join() {
    member_->start();
    world_.run();
  }
  const HeartbeatRequest& last_heartbeat() { return driver_->heartbeats.requests.back(); }
  // Answers the heartbeat that is under way, and lets time pass until there is another.
  void beat(Result<HeartbeatReply> reply = HeartbeatReply{}) {
    driver_->heartbeats.answer_held(std::move(reply));
    world_.advance(1s);
  }

  ManualWorld world_;
  std::shared_ptr<ScriptedDriver> driver_ = std::make_shared<ScriptedDriver>("fake:1");
  std::string spec_;
  int64_t last_member_ = 4;
  std::vector<std::string> events_;
  size_t joins_before_ = 0;
  std::optional<Status> end_;
  std::optional<Member> member_{
      std::in_place,
      world_,
      world_.make_strand("network"),
      driver_,
      a_request(),
      60s,
      MemberEvents{
          .on_joined =
              [this](const wire::JoinReply& reply, const wire::TrainingSpec&) {
                events_.push_back("joined as " + std::to_string(reply.member));
              },
          .on_lost = [this] { events_.emplace_back("lost"); },
          .before_rejoin = [this] { joins_before_ = driver_->joins.requests.size(); },
          .on_lease_lost = [this] { events_.emplace_back("lease lost"); },
          .on_lease_cut =
              [this](int64_t last) { events_.push_back("cut at " + std::to_string(last)); },
          .on_moved =
              [this](const wire::Placement& placement) {
                events_.push_back("moved " + std::to_string(placement.revision));
              },
          .on_end = [this](Status why) { end_ = std::move(why); }}};
};

TEST_F(MemberTest, SaysWhichProcessJoinsAndTheSameWhenItIsAskedAgain) {
  driver_->joins.answer = nullptr;
  join();
  driver_->joins.answer_held(unavailable("refused"));
  world_.advance(1s);
  const auto& asked = driver_->joins.requests;
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[0].process, world_.process());
  EXPECT_EQ(asked[0].preferred_index, 3);
  EXPECT_NE(asked[0].attempt, 0u);
  EXPECT_EQ(asked[1].attempt, asked[0].attempt);
}

TEST_F(MemberTest, HeartbeatsCarryTheLeaseAndTheStepAndTheWait) {
  join();
  member_->hold({2, 3, 1, 100}, 0);
  member_->set_step(17);
  member_->set_waiting_for("server 0");
  beat();
  EXPECT_EQ(last_heartbeat().job, 42u);
  EXPECT_EQ(last_heartbeat().member, 5);
  EXPECT_EQ(last_heartbeat().partition, 2);
  EXPECT_EQ(last_heartbeat().incarnation, 3);
  EXPECT_EQ(last_heartbeat().step, 17);
  EXPECT_EQ(last_heartbeat().waiting_for, "server 0");
  EXPECT_GT(last_heartbeat().peak_memory_bytes, 0);
  EXPECT_EQ(last_heartbeat().hold, 1s);
  member_->release();
  beat();
  EXPECT_EQ(last_heartbeat().partition, -1);
}

TEST_F(MemberTest, ActivityGrowsWithWhateverIsDone) {
  join();
  const int64_t before = last_heartbeat().activity;
  member_->got_on();
  member_->set_step(1);
  beat();
  EXPECT_EQ(last_heartbeat().activity, before + 2);
  beat();
  EXPECT_EQ(last_heartbeat().activity, before + 2);
}

// A lease may be as short as five intervals.
TEST_F(MemberTest, ACallThatHangsLeavesTimeForAnotherWithinTheLease) {
  join();
  EXPECT_GT(driver_->heartbeats.timeout, 0ms);
  EXPECT_LE(2 * driver_->heartbeats.timeout, 5s);
}

TEST_F(MemberTest, AHeartbeatIsAlwaysWaitingAtTheDriver) {
  join();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(driver_->heartbeats.held.size(), 1u);
    world_.advance(1s);  // the driver keeps it for as long as it may
    driver_->heartbeats.answer_held(HeartbeatReply{});
    world_.run();
  }
  EXPECT_EQ(driver_->heartbeats.held.size(), 1u);
}

TEST_F(MemberTest, ALostLeaseIsNotRenewedAndToldOnce) {
  join();
  member_->hold({2, 3, 1, 100}, 0);
  beat();
  beat(HeartbeatReply{HeartbeatReply::Kind::kLeaseLost, "given away"});
  EXPECT_THAT(events_, ElementsAre("joined as 5", "lease lost"));
  EXPECT_EQ(last_heartbeat().partition, -1);
  member_->hold({4, 1, 1, 100}, 0);
  beat(HeartbeatReply{HeartbeatReply::Kind::kLeaseLost, "old news"});
  EXPECT_THAT(events_, ElementsAre("joined as 5", "lease lost"));
  EXPECT_EQ(last_heartbeat().partition, 4);
}

TEST_F(MemberTest, ALeaseIsCutOnceAndTheDriverHearsThatItIsKnown) {
  join();
  member_->hold({2, 3, 1, 100, 50}, 0);
  beat();
  EXPECT_EQ(last_heartbeat().last, 50);
  beat(HeartbeatReply{HeartbeatReply::Kind::kContinue, "", 30});
  EXPECT_EQ(last_heartbeat().last, 30);
  beat(HeartbeatReply{HeartbeatReply::Kind::kContinue, "", 30});
  beat(HeartbeatReply{HeartbeatReply::Kind::kContinue, "", 40});
  EXPECT_THAT(events_, ElementsAre("joined as 5", "cut at 30"));
}

TEST_F(MemberTest, TellsWhereItTakesTheParametersToBeAndHearsWhenTheyMove) {
  join();
  beat();
  EXPECT_EQ(last_heartbeat().parameters, -1);
  member_->hold({2, 3, 1, 100, 50}, 4);
  beat();
  EXPECT_EQ(last_heartbeat().parameters, 4);
  HeartbeatReply news;
  news.parameters = wire::Placement{6, wire::ShardMap::even(64, 2, 1), {"a:1"}};
  beat(news);
  EXPECT_EQ(last_heartbeat().parameters, 6);
  EXPECT_THAT(events_, ElementsAre("joined as 5", "moved 6"));
  member_->hold({3, 1, 1, 100, 50}, 4);  // granted before that
  beat();
  EXPECT_EQ(last_heartbeat().parameters, 6);
  beat(not_found("who are you"));
  beat();
  EXPECT_EQ(last_heartbeat().parameters, -1) << "another driver counts anew";
}

TEST_F(MemberTest, WhoeverMakesRoomSaysSo) {
  join();
  member_->leave_drained(cancelled("stopped by SIGTERM"));
  world_.run();
  ASSERT_EQ(driver_->leaves.requests.size(), 1u);
  EXPECT_TRUE(driver_->leaves.requests[0].drained);
  EXPECT_EQ(member_->ending(), Ending::kDrained);
}

TEST_F(MemberTest, AbortEndsWithTheDriversReason) {
  join();
  beat(HeartbeatReply{HeartbeatReply::Kind::kAbort, "server 0 died"});
  EXPECT_EQ(end_, cancelled("server 0 died"));
  ASSERT_EQ(driver_->leaves.requests.size(), 1u);
  EXPECT_EQ(driver_->leaves.requests[0].member, 5);
}

TEST_F(MemberTest, TheEndOfTheJobEndsWell) {
  join();
  beat(HeartbeatReply{HeartbeatReply::Kind::kDone, ""});
  EXPECT_EQ(end_, ok_status());
}

TEST_F(MemberTest, ASilentDriverIsGivenUpByName) {
  driver_->heartbeats.answer = [](const HeartbeatRequest&) {
    return unavailable("connection refused");
  };
  join();
  world_.advance(1min);
  ASSERT_TRUE(end_.has_value());
  EXPECT_EQ(end_->code(), StatusCode::kUnavailable);
  EXPECT_THAT(end_->message(), HasSubstr("the driver at fake:1 has not answered"));
}

TEST_F(MemberTest, AnUnknownMemberJoinsAgainAsANewOne) {
  join();
  member_->hold({2, 3, 1, 100}, 0);
  beat(not_found("member 5"));
  EXPECT_THAT(events_, ElementsAre("joined as 5", "lost", "joined as 6"));
  EXPECT_EQ(joins_before_, 1u) << "told before the driver could hear of it again";
  EXPECT_EQ(last_heartbeat().member, 6);
  EXPECT_EQ(last_heartbeat().partition, -1) << "what it held is another's";
  const auto& joins = driver_->joins.requests;
  EXPECT_NE(joins[0].attempt, joins[1].attempt);
}

TEST_F(MemberTest, SoItDoesWhenAnotherCallSaysSoAndTheOldHeartbeatIsNoNews) {
  join();
  member_->rejoin(not_found("member 5"));
  world_.run();
  EXPECT_THAT(events_, ElementsAre("joined as 5", "lost", "joined as 6"));
  ASSERT_EQ(driver_->heartbeats.held.size(), 2u);
  driver_->heartbeats.answer_held(not_found("member 5"));
  world_.run();
  EXPECT_THAT(events_, testing::SizeIs(3));
  beat();
  EXPECT_EQ(last_heartbeat().member, 6);
}

TEST_F(MemberTest, LeavingTellsTheDriverWhy) {
  join();
  member_->leave(internal_error("broken"));
  EXPECT_EQ(end_, std::nullopt);
  world_.run();
  EXPECT_EQ(driver_->leaves.requests.at(0).status, internal_error("broken"));
  EXPECT_LE(driver_->leaves.timeout, 1s);
  EXPECT_EQ(end_, internal_error("broken"));
}

TEST_F(MemberTest, LeavingInTheAnswerToALossEndsIt) {
  join();
  bool left = false;
  member_.emplace(world_, world_.make_strand("network"), driver_, wire::JoinRequest{}, 60s,
                  MemberEvents{.on_joined = [](const auto&, const auto&) {},
                               .on_lost = [this] { member_->leave(cancelled("stopped")); },
                               .on_lease_lost = [] {},
                               .on_end =
                                   [&](const Status&) {
                                     left = true;
                                     member_.reset();
                                   }});
  driver_->heartbeats.answer_held(HeartbeatReply{});  // of the first, which is gone
  join();
  driver_->heartbeats.answer_held(not_found("member 6"));
  world_.advance(1s);
  EXPECT_TRUE(left);
}

TEST_F(MemberTest, AJobThatMakesNoSenseIsLeftWithTheReason) {
  spec_ = "no JSON";
  join();
  world_.run();
  ASSERT_TRUE(end_.has_value());
  EXPECT_EQ(end_->code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(driver_->leaves.requests.at(0).status, *end_);
}

TEST_F(MemberTest, DestroyedItIsSilent) {
  join();
  member_.reset();
  driver_->heartbeats.answer_held(HeartbeatReply{HeartbeatReply::Kind::kAbort, "too late"});
  world_.advance(1h);
  EXPECT_EQ(end_, std::nullopt);
}

}  // namespace
}  // namespace sluice::client
