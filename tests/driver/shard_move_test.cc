// Shards of real servers go to others, and nobody can tell by what comes of it.
#include "driver/shard_move.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "algorithm/algorithm.h"
#include "client/parameter_client.h"
#include "server/parameter_server.h"
#include "sluice/optimizers.h"
#include "tests/support/manual_world.h"
#include "transport/inproc/inproc_transport.h"

namespace sluice::driver {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using wire::ShardMap;

constexpr uint64_t kJob = 42;
constexpr size_t kParameters = 1000;
constexpr int64_t kPartitions = 3, kPushes = 40;

class ShardMoveTest : public ::testing::Test {
 protected:
  static constexpr int kMostServers = 4;

  ShardMoveTest() {
    for (int i = 0; i < kMostServers; ++i) {
      servers_[i].emplace(world_, 1, wire::BufferSource(),
                          [this](uint64_t job, const wire::Placement& placement) {
                            return connect(job, placement, {});
                          });
      servers_[i]->serve_job(kJob);
      listeners_.push_back(*transport_.listen(address(i), &*servers_[i], {}));
    }
  }
  ~ShardMoveTest() override { client_.reset(); }

  static std::string address(int server) { return "server " + std::to_string(server); }
  static std::vector<std::string> addresses(int servers) {
    std::vector<std::string> all;
    for (int i = 0; i < servers; ++i) all.push_back(address(i));
    return all;
  }
  std::unique_ptr<client::ParameterClient> connect(uint64_t job, const wire::Placement& placement,
                                                   const client::ExchangeOptions& options) {
    return std::make_unique<client::ParameterClient>(
        world_, transport_, strand_, job, placement, options,
        [this](const std::string& whom) { waits_.push_back(whom); });
  }
  wire::CreateRequest create_request(int server) const {
    return {kJob, map_, server, rule_, std::vector<int64_t>(kPartitions, kPushes), revision_};
  }
  // A job on so many servers, and a worker's client.
  void start(const std::string& rule, int servers, int shards = 0) {
    rule_ = rule;
    shards_ = shards;
    map_ = ShardMap::even(kParameters, shards, servers);
    for (int i = 0; i < servers; ++i) {
      std::optional<Status> made;
      servers_[i]->create(create_request(i), [&](Status status) { made = std::move(status); });
      world_.run();
      ASSERT_TRUE(made && made->ok()) << made->message();
    }
    client::ExchangeOptions options;
    options.follows = true;
    client_ = connect(kJob, {0, map_, addresses(servers)}, options);
    const auto initial = std::make_shared<core::AlignedBuffer>(kParameters);
    for (size_t i = 0; i < kParameters; ++i) (*initial)[i] = static_cast<float>(i) * 0.01f;
    EXPECT_TRUE(wait([&](auto done) { client_->assign(initial, std::move(done)); }).ok());
  }

  template <typename Call>
  Status wait(Call call) {
    std::optional<Status> ended;
    call([&ended](Status status) { ended = std::move(status); });
    const bool there = world_.run_until([&] { return ended.has_value(); }, std::chrono::hours(1));
    return there ? *ended : deadline_exceeded("the test waits for ever");
  }
  wire::PushHeader header(int64_t n) const {
    wire::PushHeader push;
    push.id = {n % kPartitions, 1, n / kPartitions + 1};
    push.worker = static_cast<int>(n % kPartitions);
    push.member = push.worker + 1;
    push.clock = n / kPartitions + 1;
    push.steps = 1 + static_cast<int32_t>(n % 3);
    push.metrics = {{0, 10, 1.5, {}}};
    return push;
  }
  std::shared_ptr<core::AlignedBuffer> update(int64_t n) const {
    std::mt19937 chance(static_cast<uint32_t>(n));
    std::normal_distribution<float> normal;
    auto buffer = std::make_shared<core::AlignedBuffer>(kParameters);
    for (float& value : buffer->span()) value = normal(chance);
    return buffer;
  }
  void start_push(int64_t n, core::Reply<Status> done) {
    client_->exchange(header(n), client_->shard_map().whole(), update(n), values_, {},
                      std::move(done));
  }
  Status push(int64_t n) {
    return wait([&](auto done) { start_push(n, std::move(done)); });
  }
  std::vector<float> pull() {
    EXPECT_TRUE(wait([&](auto done) { client_->pull(values_, std::move(done)); }).ok());
    return values_;
  }
  std::vector<float> pull_averages() {
    EXPECT_TRUE(wait([&](auto done) { client_->pull_averages(values_, std::move(done)); }).ok());
    return values_;
  }

  ShardMove::Plan plan(int servers) {
    ShardMove::Plan plan;
    plan.job = kJob;
    plan.revision = revision_;
    plan.next_revision = ++last_revision_;
    plan.from = map_;
    plan.to = ShardMap::even(kParameters, shards_, servers);
    for (int i = 0; i < std::max(servers, map_.servers()); ++i) {
      plan.servers.push_back(transport_.connect_parameters(address(i)));
    }
    plan.update_rule = rule_;
    plan.pushes = std::vector<int64_t>(kPartitions, kPushes);
    plan.addresses_for = [before = map_.servers()](int) { return addresses(before); };
    plan.give_up_after = std::chrono::seconds(30);
    plan.decided = [] {};
    plan.waiting_for = [this](const std::string& whom) { said_.push_back(whom); };
    return plan;
  }
  Status move_to(int servers) {
    ShardMove move(world_, strand_, plan(servers));
    const Status moved = wait([&](auto done) { move.start(std::move(done)); });
    if (moved.ok()) switched(move);
    return moved;
  }
  void switched(const ShardMove& move) {
    map_ = move.plan().to;
    revision_ = move.plan().next_revision;
    client_->follow({revision_, map_, addresses(map_.servers())});
    world_.run();
  }
  wire::LedgerReply ledger(int server) {
    std::optional<Result<wire::LedgerReply>> reply;
    servers_[server]->ledger({kJob, true},
                             [&](Result<wire::LedgerReply> l) { reply = std::move(l); });
    EXPECT_TRUE(reply->ok()) << reply->status().message();
    return **reply;
  }

  ManualWorld world_;
  transport::InprocTransport transport_{{}, world_};
  std::shared_ptr<core::Strand> strand_ = world_.make_strand("test");
  std::optional<server::ParameterServer> servers_[kMostServers];
  std::vector<std::unique_ptr<wire::Listener>> listeners_;
  std::string rule_;
  int shards_ = 0;
  ShardMap map_;
  int64_t revision_ = 0, last_revision_ = 0;
  std::unique_ptr<client::ParameterClient> client_;
  std::vector<float> values_ = std::vector<float>(kParameters);
  std::vector<std::string> waits_, said_;  // of clients, of the move
};

std::string rule_of(const std::string& algorithm, const OptimizerSpec& optimizer) {
  return algorithm::Choice(algorithm).to_update_rule(optimizer, {{300, 50}, {700, 1}});
}

class AnyRuleTest : public ShardMoveTest,
                    public ::testing::WithParamInterface<std::pair<std::string, bool>> {};

// Bit for bit what one server makes of the same pushes, however often shards move between them.
TEST_P(AnyRuleTest, ComesToTheSame) {
  const auto& [name, averages] = GetParam();
  const OptimizerSpec optimizer =
      Adam({.learning_rate = 0.01f, .use_ema = averages, .ema_momentum = averages ? 0.75f : 0.99f});
  const int moves[] = {3, 4, 2, 1, 2};
  std::vector<float> right, right_averages, answered;
  for (const bool moving : {false, true}) {
    if (moving) {
      client_.reset();
      for (auto& one : servers_) {
        one->serve_job(kJob + 1);
        one->serve_job(kJob);
      }
    }
    ASSERT_NO_FATAL_FAILURE(start(rule_of(name, optimizer), moving ? 2 : 1));
    for (int64_t n = 0; n < 40; ++n) {
      ASSERT_TRUE(push(n).ok());
      if (n == 20 && !moving) answered = values_;
      if (n == 20 && moving) {
        EXPECT_EQ(values_, answered) << "in answer to a push";
      }
      if (!moving || n % 7 != 3) continue;
      ASSERT_TRUE(move_to(moves[n / 7 % 5]).ok());
    }
    const std::vector<float> values = pull();
    if (!moving) right = values;
    EXPECT_EQ(values, right);
    if (!averages) continue;
    const std::vector<float> kept = pull_averages();
    if (!moving) right_averages = kept;
    EXPECT_EQ(kept, right_averages);
  }
  EXPECT_EQ(ledger(0).version, 40);
  EXPECT_EQ(ledger(0).epochs.front().samples, 400) << "what was trained is counted where it was";
  for (int i = 0; i < map_.servers(); ++i) {
    EXPECT_EQ(ledger(i).version, 40);
    EXPECT_THAT(ledger(i).partitions, ElementsAre(wire::LedgerReply::PartitionCount{0, 14},
                                                  wire::LedgerReply::PartitionCount{1, 13},
                                                  wire::LedgerReply::PartitionCount{2, 13}));
  }
}

std::vector<std::pair<std::string, bool>> rules() {
  std::vector<std::pair<std::string, bool>> all;
  for (const char* name : {"downpour", "async_sgd", "dc_asgd", "experimental", "aeasgd", "hogwild",
                           "fedbuff", "async_diloco"}) {
    all.emplace_back(name, false);
  }
  all.emplace_back("async_sgd", true);
  all.emplace_back("fedbuff", true);
  return all;
}
INSTANTIATE_TEST_SUITE_P(Rules, AnyRuleTest, ::testing::ValuesIn(rules()), [](const auto& one) {
  return one.param.first + (one.param.second ? "_with_averages" : "");
});

TEST_F(ShardMoveTest, ARepeatedPushIsADuplicateAtServersThatHaveNeverSeenIt) {
  start(rule_of("downpour", SGD()), 1);
  ASSERT_TRUE(push(0).ok());
  const std::vector<float> before = pull();
  ASSERT_TRUE(move_to(3).ok());
  ASSERT_TRUE(push(0).ok());
  EXPECT_EQ(pull(), before);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ledger(i).version, 1);
}

TEST_F(ShardMoveTest, WhoIsFencedOffStaysFencedOff) {
  start(rule_of("downpour", SGD()), 1);
  ASSERT_TRUE(push(0).ok());
  std::optional<Result<wire::FenceReply>> fenced;
  servers_[0]->fence({kJob, 0, 5, 1, kPushes}, [&](auto reply) { fenced = std::move(reply); });
  ASSERT_TRUE(fenced->ok());
  ASSERT_TRUE(move_to(2).ok());
  EXPECT_EQ(push(3).code(), StatusCode::kAborted);
}

TEST_F(ShardMoveTest, APushThatComesMeanwhileIsHeldAndThenGoesWhereTheShardsAre) {
  start(rule_of("downpour", SGD()), 2);
  ASSERT_TRUE(push(0).ok());
  ShardMove move(world_, strand_, plan(3));
  std::optional<Status> moved, pushed;
  move.start([&](Status status) { moved = std::move(status); });
  start_push(1, [&](Status status) { pushed = std::move(status); });
  ASSERT_TRUE(world_.run_until([&] { return moved.has_value(); }, std::chrono::minutes(1)));
  ASSERT_TRUE(moved->ok()) << moved->message();
  world_.advance(std::chrono::seconds(10));
  EXPECT_FALSE(pushed) << "nobody has said where the shards are";
  EXPECT_THAT(waits_, ElementsAre(HasSubstr("to say where the parameters have moved")));
  switched(move);
  ASSERT_TRUE(world_.run_until([&] { return pushed.has_value(); }, std::chrono::minutes(1)));
  EXPECT_TRUE(pushed->ok()) << pushed->message();
  EXPECT_EQ(waits_.back(), "");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ledger(i).version, 2);
  EXPECT_GT(move.floats_moved(), 0u);
}

// Of a worker that has died in the middle of its commits.
TEST_F(ShardMoveTest, WhatOneServerHasAppliedTheOthersApply) {
  start(rule_of("downpour", SGD()), 2);
  ASSERT_TRUE(push(0).ok());
  for (int server = 0; server < 2; ++server) {
    for (const auto step : {wire::PushStep::kStage, wire::PushStep::kCommit}) {
      if (server == 1 && step == wire::PushStep::kCommit) continue;
      wire::PushHeader its = header(1);
      its.job = kJob;
      its.step = step;
      its.shards = {map_.owned_by(server).front(), static_cast<int>(map_.owned_by(server).size())};
      const auto all = update(1);
      const wire::Shard& first = map_[its.shards.first];
      const auto part = all->span().subspan(first.offset, map_.floats_of(its.shards));
      std::optional<Status> status;
      const wire::ReceivedPayload payload{{std::as_bytes(part)}, all};
      servers_[server]->exchange(its,
                                 step == wire::PushStep::kStage ? payload : wire::ReceivedPayload(),
                                 [&](const auto& reply) { status = reply.status(); });
      ASSERT_TRUE(status && status->ok()) << status->message();
    }
  }
  EXPECT_EQ(ledger(0).version, 2);
  EXPECT_EQ(ledger(1).version, 1);
  ASSERT_TRUE(move_to(3).ok());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ledger(i).version, 2);
  const std::vector<float> values = pull();
  const auto first = update(0), second = update(1);
  for (size_t i = 0; i < kParameters; ++i) {
    const float initial = static_cast<float>(i) * 0.01f;
    const bool trained = (i < 300 || i >= 350) && i != 700;
    if (trained) {
      EXPECT_EQ(values[i], (initial + (*first)[i]) + (*second)[i]) << i;
    }
  }
}

// As where memory is shared: all shards of a server in one message.
TEST_F(ShardMoveTest, SeveralShardsAreGivenInOneMessage) {
  start(rule_of("async_sgd", Adam()), 1, 4);
  ASSERT_TRUE(push(0).ok());
  std::optional<Result<wire::MoveReply>> frozen;
  servers_[0]->move({.job = kJob, .revision = 1, .step = wire::MoveStep::kFreeze},
                    [&](auto reply) { frozen = std::move(reply); });
  ASSERT_TRUE(frozen && frozen->ok());
  wire::PullRequest request{.job = kJob, .shards = {1, 3}};
  request.kept = {wire::PullRequest::Kept::What::kRule, 0};
  std::optional<Result<wire::PullReply>> pulled;
  servers_[0]->pull(request, [&](auto reply) { pulled = std::move(reply); });
  ASSERT_TRUE(pulled->ok()) << pulled->status().message();
  EXPECT_EQ((*pulled)->bytes(), map_.floats_of({1, 3}) * sizeof(float));
  std::optional<Result<wire::PingReply>> pong;
  servers_[0]->ping(kJob, [&](auto reply) { pong = std::move(reply); });
  EXPECT_EQ((*pong)->waiting_for, "shards to go to other servers");
}

TEST_F(ShardMoveTest, ItIsCalledOffWhenANewServerIsNotThere) {
  start(rule_of("async_sgd", Adam()), 2);
  ASSERT_TRUE(push(0).ok());
  listeners_[2].reset();
  ShardMove move(world_, strand_, plan(3));
  std::optional<Status> moved, pushed;
  move.start([&](Status status) { moved = std::move(status); });
  start_push(1, [&](Status status) { pushed = std::move(status); });
  world_.advance(std::chrono::seconds(2));
  EXPECT_FALSE(moved);
  EXPECT_FALSE(pushed) << "everything stands still";
  EXPECT_THAT(said_, ElementsAre("the parameter server at server 2"));
  move.call_off(cancelled("server 2 was killed"));
  ASSERT_TRUE(world_.run_until([&] { return moved && pushed; }, std::chrono::minutes(1)));
  EXPECT_EQ(moved->message(), "server 2 was killed");
  EXPECT_EQ(said_.back(), "");
  EXPECT_FALSE(move.is_decided());
  EXPECT_TRUE(pushed->ok()) << pushed->message();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(ledger(i).version, 2);
  // And then it goes on with another.
  listeners_[2] = *transport_.listen(address(2), &*servers_[2], {});
  ASSERT_TRUE(move_to(3).ok());
  ASSERT_TRUE(push(2).ok());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ledger(i).version, 3);
}

TEST_F(ShardMoveTest, AStepThatComesLateOrFromElsewhereChangesNothing) {
  start(rule_of("downpour", SGD()), 2);
  ASSERT_TRUE(push(0).ok());
  const auto send = [&](int server, wire::MoveRequest request) {
    std::optional<Status> status;
    servers_[server]->move(request, [&](const auto& reply) { status = reply.status(); });
    world_.run();
    EXPECT_TRUE(status);
    return status.value_or(Status());
  };
  using wire::MoveStep;
  EXPECT_EQ(send(0, {.job = 1, .revision = 1, .step = MoveStep::kFreeze}).code(),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(send(0, {.job = kJob, .revision = 1, .step = MoveStep::kCommit}).code(),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(send(0, {.job = kJob, .revision = 1, .step = MoveStep::kTake}).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(send(0, {.job = kJob, .revision = 0, .step = MoveStep::kSwitch}).code(),
            StatusCode::kInvalidArgument);
  // What a server has is not what it is told that it has.
  wire::MoveRequest forged{.job = kJob, .revision = 9, .step = MoveStep::kTake};
  forged.from = forged.next.shard_map = ShardMap::even(16, 1, 1);
  forged.next = {kJob, forged.from, 0, rule_, create_request(0).pushes, 9};
  forged.servers = {"nobody"};
  forged.server = 0;
  forged.shards.resize(1);
  EXPECT_EQ(send(0, forged).code(), StatusCode::kInvalidArgument);
  // Nobody has taken anything.
  EXPECT_EQ(send(0, {.job = kJob, .revision = 9, .step = MoveStep::kSwitch}).code(),
            StatusCode::kFailedPrecondition);
  // The thaw overtakes the freeze.
  EXPECT_TRUE(send(0, {.job = kJob, .revision = 1, .step = MoveStep::kThaw}).ok());
  EXPECT_EQ(send(0, {.job = kJob, .revision = 1, .step = MoveStep::kFreeze}).code(),
            StatusCode::kCancelled);
  last_revision_ = 1;
  ASSERT_TRUE(push(1).ok());
  ASSERT_TRUE(move_to(1).ok());
  EXPECT_EQ(send(0, {.job = kJob, .revision = 1, .step = MoveStep::kThaw}).code(),
            StatusCode::kFailedPrecondition);
  EXPECT_TRUE(send(0, {.job = kJob, .revision = 2, .step = MoveStep::kSwitch}).ok());
  ASSERT_TRUE(push(2).ok());
  // Whoever still asks the server that has given its shards away is told so.
  wire::PushHeader late = header(3);
  late.job = kJob;
  late.shards = {1, 1};
  std::optional<Status> status;
  servers_[1]->exchange(late, {}, [&](const auto& reply) { status = reply.status(); });
  EXPECT_EQ(status->code(), wire::kMoved);
  servers_[0]->exchange(late, {}, [&](const auto& reply) { status = reply.status(); });
  EXPECT_EQ(status->code(), wire::kMoved) << "of the map before";
}

// --- What the driver makes of what servers say ---

wire::MoveReply says(std::vector<wire::LedgerState::Segment> segments,
                     std::vector<wire::LedgerState::Name> staged,
                     std::vector<wire::LedgerState::Name> superseded = {}) {
  wire::MoveReply reply;
  reply.ledger.segments = std::move(segments);
  reply.ledger.superseded = std::move(superseded);
  reply.staged = std::move(staged);
  return reply;
}

TEST(HalfAppliedTest, IsWhatAnotherServerHas) {
  // Partition 0 is cut in two; push 3 is applied by the second server, and so is 12.
  const auto commits = half_applied({says({{0, 1, 9, 1, 2}, {0, 10, 20, 2, 11}}, {{0, 3}, {0, 12}}),
                                     says({{0, 1, 9, 1, 3}, {0, 10, 20, 2, 12}}, {}, {{0, 12}}),
                                     says({{0, 1, 9, 1, 2}, {0, 10, 20, 2, 12}}, {{0, 3}})});
  EXPECT_THAT(commits[0], ElementsAre(wire::Settled{0, 3, false}, wire::Settled{0, 12, true}));
  EXPECT_THAT(commits[1], IsEmpty());
  EXPECT_THAT(commits[2], ElementsAre(wire::Settled{0, 3, false}));
}

TEST(HalfAppliedTest, IsNothingThatNobodyHasApplied) {
  const auto commits =
      half_applied({says({{0, 1, 9, 1, 2}}, {{0, 3}, {1, 1}}), says({{0, 1, 9, 1, 2}}, {{0, 3}})});
  EXPECT_THAT(commits, ElementsAre(IsEmpty(), IsEmpty()));
}

}  // namespace
}  // namespace sluice::driver
