// What a driver does while it waits for servers that say nothing.
#include <gmock/gmock.h>

#include "tests/driver/driver_fixture.h"

namespace sluice::driver {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using Says = wire::HeartbeatReply::Kind;

class DriverSilenceTest : public DriverFixture {};

// Where a server falls silent.
enum class At { kCreate, kAssign, kFence, kLedger, kPull, kFinalLedger };

class SilentServerTest : public DriverFixture, public testing::WithParamInterface<At> {
 protected:
  // Brings the job to where server 1 owes an answer, and a worker lives.
  void fall_silent() {
    const At at = GetParam();
    FakeServer& server = servers[1];
    if (at == At::kCreate) server.keep_silent(ServerCall::kCreate);
    if (at == At::kAssign) server.keep_silent(ServerCall::kAssign);
    make_driver();
    join_servers();
    worker = join_worker(10);
    run();
    if (at == At::kFence) {
      server.keep_silent(ServerCall::kFence);
      acquired = ask_for_lease(worker);
    }
    if (at == At::kLedger) {
      server.keep_silent(ServerCall::kLedger);
      world.advance(200ms);
    }
    if (at == At::kPull || at == At::kFinalLedger) {
      server.keep_silent(at == At::kPull ? ServerCall::kPull : ServerCall::kLedger);
      train_everything(worker);
    }
    ASSERT_GT(server.kept(), 0u);
    ASSERT_EQ(ends, 0);
  }
  bool trains() const { return GetParam() == At::kFence || GetParam() == At::kLedger; }

  int64_t worker = -1;
  std::optional<Acquired> acquired;
};

TEST_P(SilentServerTest, TheDeathOfAWorkerIsNoticedAtOnce) {
  fall_silent();
  const core::TimePoint before = world.now();
  process_ended(10, "was killed by signal 9 (Killed)");
  EXPECT_EQ(world.now(), before);
  const auto ended = observer.last<MemberEnded>();
  EXPECT_EQ(ended.who.process.pid, 10);
  EXPECT_EQ(ended.fate, "was killed by signal 9 (Killed)");
  EXPECT_EQ(ends, 0) << "that alone ends no job";
}

// M1: it was "does not answer", 40 s later.
TEST_P(SilentServerTest, ItsOwnDeathEndsTheJobAtOnceWithItsFate) {
  fall_silent();
  const core::TimePoint before = world.now();
  const auto heard = send_heartbeat(worker);
  process_ended(101, "was killed by signal 9 (Killed)");
  ASSERT_TRUE(heard.is_there());
  EXPECT_EQ(heard.get()->kind, Says::kAbort);
  if (acquired) {
    ASSERT_TRUE(acquired->is_there());
    EXPECT_EQ(acquired->get()->kind, wire::AcquireReply::Kind::kAbort);
  }
  leave(server_members[0]);
  leave(worker);
  EXPECT_EQ(world.now(), before);
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(result.status(), Status(StatusCode::kAborted,
                                    "server 1 (pid 101 on manual-host) was killed by signal 9 "
                                    "(Killed); its parameters are gone"));
}

TEST_P(SilentServerTest, StoppingEndsTheJobOnceAndAnswersEverybody) {
  fall_silent();
  const core::TimePoint before = world.now();
  const auto heard = send_heartbeat(worker);
  const auto waiting = ask_for_lease(worker);
  driver->stop("stopped by SIGTERM");
  driver->stop("again");
  world.run();
  ASSERT_TRUE(heard.is_there() && waiting.is_there());
  EXPECT_EQ(heard.get()->kind, Says::kAbort);
  EXPECT_EQ(heard.get()->reason, "stopped by SIGTERM");
  if (acquired) {
    EXPECT_TRUE(acquired->is_there());
  }
  leave(worker, cancelled("stopped"));
  servers_leave();
  EXPECT_EQ(world.now(), before);
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(result.status(), cancelled("stopped by SIGTERM"));
  servers[1].speak();  // too late
  world.advance(100s);
  EXPECT_EQ(ends, 1);
}

TEST_P(SilentServerTest, TheJobGoesOnWhenItSpeaksAgain) {
  fall_silent();
  live_for(4s, with_servers(worker));
  EXPECT_EQ(ends, 0);
  servers[1].speak();
  live_for(12s, with_servers(worker));
  if (trains() || GetParam() == At::kCreate || GetParam() == At::kAssign) train_everything(worker);
  leave(worker);
  servers_leave();
  EXPECT_EQ(ends, 1);
  EXPECT_TRUE(result.ok()) << result.status();
}

// Its heartbeats come, its data plane is dead.
TEST_P(SilentServerTest, TheJobEndsWithItsNameWhenItStaysSilent) {
  fall_silent();
  servers[1].keep_silent();
  for (int i = 0; i < 60 && ends == 0; ++i) {
    const auto waiting = ask_for_lease(worker);
    live_for(1s, with_servers(worker));
    if (observer.all<JobEnding>().size() > 0 && !observer.last<JobEnding>().why.ok()) break;
  }
  world.advance(2s);
  ASSERT_EQ(ends, 1);
  EXPECT_THAT(result.status().message(), HasSubstr("server 1"));
}

TEST_P(SilentServerTest, WhateverIsHeldIsAnsweredWhenTheDriverGoes) {
  fall_silent();
  const auto heard = send_heartbeat(worker);
  const auto waiting = ask_for_lease(worker);
  std::vector<float> into(64);
  Pending<Status> pulled;
  driver->pull(into, pulled.reply());
  world.run();
  driver.reset();
  EXPECT_TRUE(heard.is_there());
  EXPECT_TRUE(waiting.is_there());
  EXPECT_TRUE(pulled.is_there());
  if (acquired) {
    EXPECT_TRUE(acquired->is_there());
  }
  servers[1].speak();
  world.advance(100s);
  EXPECT_EQ(ends, 0);
}

INSTANTIATE_TEST_SUITE_P(Stages, SilentServerTest,
                         testing::Values(At::kCreate, At::kAssign, At::kFence, At::kLedger,
                                         At::kPull, At::kFinalLedger));

TEST_F(DriverSilenceTest, WhateverIsHeldWhileServersAreWaitedForIsAnsweredWhenTheDriverGoes) {
  make_driver();
  run();
  const int64_t worker = join_worker();
  const auto heard = send_heartbeat(worker);
  const auto waiting = ask_for_lease(worker);
  driver.reset();
  ASSERT_TRUE(heard.is_there() && waiting.is_there());
  EXPECT_EQ(heard.get().status().code(), StatusCode::kCancelled);
  EXPECT_EQ(waiting.get().status().code(), StatusCode::kCancelled);
}

TEST_F(DriverSilenceTest, StopIsSeenWhileServersAreWaitedFor) {
  make_driver();
  const int64_t server = join(wire::Role::kServer, 100, "server 0");
  run();
  driver->stop("stopped by SIGTERM");
  world.run();
  leave(server);
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(result.status().code(), StatusCode::kCancelled);
}

}  // namespace
}  // namespace sluice::driver
